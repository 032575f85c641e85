// Package private (adapter) keeps what nobody else may read: a directory of
// this run's own with mode 0700, files in it with mode 0600, and the memory of
// this process.
//
// It doesn't protect against other programs of the same user, who may read
// everything that the user may; see SECURITY.md.
package private

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/holdfast/holdfast/internal/durable"
)

// socketPath is the room that a unix socket's name has, in bytes, its final
// zero included: 104 on macOS, 108 on Linux.
const socketPath = 104

// Dir is a directory that only we may enter. It is removed with all that is in
// it by Close.
type Dir struct{ path string }

// NewDir makes a new directory under $XDG_RUNTIME_DIR (memory, gone at logout)
// or else under the system's directory for temporary files.
func NewDir(runtimeDir string) (*Dir, error) {
	parent := os.TempDir()
	if info, err := os.Stat(runtimeDir); runtimeDir != "" && err == nil && info.IsDir() {
		parent = runtimeDir
	}
	if len(parent) > socketPath-len("/holdfast-0123456789/control.sock") {
		parent = "/tmp"
	}
	path, err := os.MkdirTemp(parent, "holdfast-")
	if err != nil {
		return nil, fmt.Errorf("a private directory: %w", err)
	}
	return &Dir{path}, nil
}

// UseDir is a directory that NewDir made, in another process.
func UseDir(path string) *Dir { return &Dir{path} }

// Path is the directory, or the file name in it.
func (d *Dir) Path(name ...string) string {
	return filepath.Join(append([]string{d.path}, name...)...)
}

// Write makes the file name with mode 0600 and the given content, and returns
// its path. A reader sees the old content or the new, never half of it.
func (d *Dir) Write(name string, content []byte) (string, error) {
	path := d.Path(name)
	if err := durable.Swap(path, content, 0o600); err != nil {
		return "", err
	}
	return path, nil
}

// Create opens the file name for appending with mode 0600. It must not exist.
func (d *Dir) Create(name string) (*os.File, error) {
	return os.OpenFile(d.Path(name), os.O_CREATE|os.O_EXCL|os.O_APPEND|os.O_WRONLY, 0o600)
}

// Close removes the directory and everything in it.
func (d *Dir) Close() error {
	if err := os.RemoveAll(d.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
