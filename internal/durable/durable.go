// Package durable (words) writes files that survive: whole or not at all, on
// the disk when the call returns, and one writer at a time where a lock is
// taken.
//
// It promises no more than the file system does; on one that lies about fsync
// nothing helps.
package durable

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Write makes path hold content with the given mode. A reader sees the old
// content or the new, never half of it, and when Write returns nil the new one
// is on the disk, its name included.
func Write(path string, content []byte, mode fs.FileMode) error {
	return write(path, content, mode, true)
}

// Swap is Write without the wait for the disk, for what only running programs
// read.
func Swap(path string, content []byte, mode fs.FileMode) error {
	return write(path, content, mode, false)
}

func write(path string, content []byte, mode fs.FileMode, toDisk bool) (err error) {
	next, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-") // 0600 by its own contract
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, ignoreMissing(os.Remove(next.Name())))
		}
	}()
	_, err = next.Write(content)
	if err == nil && toDisk {
		err = next.Sync()
	}
	if err = errors.Join(err, next.Chmod(mode), next.Close()); err != nil {
		return err
	}
	if err = os.Rename(next.Name(), path); err != nil || !toDisk {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// SyncDir puts the names in a directory on the disk: a file that was made there
// is found again only then.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	// Some systems can't sync a directory, and keep names without it.
	return errors.Join(unlessUnsupported(d.Sync()), d.Close())
}

// Mkdir makes a directory with its parents, all of mode 0700 where they are
// new, and puts its name on the disk.
func Mkdir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(dir))
}

// Missing reports whether an error says that there is no such file: it isn't
// there, or what should be a directory above it is none.
func Missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

func ignoreMissing(err error) error {
	if Missing(err) {
		return nil
	}
	return err
}

// Lock is TryLock that waits for another holder until ctx ends.
func Lock(ctx context.Context, path string) (unlock func(), err error) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		unlock, ok, err := TryLock(path)
		if ok || err != nil {
			return unlock, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
	}
}
