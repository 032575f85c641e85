package profile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Edit changes a file as a whole or not at all. The new content is on the disk
// before it takes the old one's place; mode and symlinks stay. A file that isn't
// there is made for its owner alone; remove takes it away.
func Edit(path string, change func(src []byte, existed bool) (out []byte, remove bool, err error)) error {
	path, err := target(path)
	if err != nil {
		return err
	}
	mode := fs.FileMode(0o600)
	src, err := os.ReadFile(path)
	existed := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if existed {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		mode = info.Mode().Perm()
	}
	out, remove, err := change(src, existed)
	switch {
	case err != nil:
		return err
	case remove:
		return os.Remove(path)
	case existed && bytes.Equal(src, out):
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return swap(path, src, existed, out, mode)
}

// target follows symlinks: it is the file at their end that changes.
func target(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if err == nil {
		return real, nil
	}
	if _, linked := os.Lstat(path); linked == nil {
		return "", fmt.Errorf("%s is a symlink that leads nowhere", path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return path, nil
	}
	return "", err
}

func swap(path string, src []byte, existed bool, out []byte, mode fs.FileMode) (err error) {
	next, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(next.Name()))
		}
	}()
	_, err = next.Write(out)
	if err = errors.Join(err, next.Chmod(mode), next.Sync(), next.Close()); err != nil {
		return err
	}
	now, err := os.ReadFile(path)
	if existed != (err == nil) || existed && !bytes.Equal(now, src) {
		return fmt.Errorf("%s was changed by somebody else meanwhile; nothing was written", path)
	}
	if err = os.Rename(next.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil // it is written; only whether it outlives a power cut isn't known
	}
	_ = dir.Sync() // some file systems can't
	return dir.Close()
}
