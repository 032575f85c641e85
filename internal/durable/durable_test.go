package durable_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/holdfast/holdfast/internal/durable"
)

func TestWriteReplacesTheWholeFile(t *testing.T) {
	for name, write := range map[string]func(string, []byte, fs.FileMode) error{"write": durable.Write, "swap": durable.Swap} {
		path := filepath.Join(t.TempDir(), name)
		for _, content := range []string{"a longer first content", "short", ""} {
			if err := write(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(path)
			if err != nil || string(got) != content {
				t.Errorf("%s: %q, %v", name, got, err)
			}
			if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
				t.Errorf("%s: %v, %v", name, info.Mode(), err)
			}
		}
		all, err := os.ReadDir(filepath.Dir(path))
		if err != nil || len(all) != 1 {
			t.Errorf("left behind: %v, %v", all, err)
		}
	}
}

// A directory stands where the file should go: nothing is replaced, and
// nothing is left lying about.
func TestWriteThatFailsLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "taken")
	if err := os.MkdirAll(filepath.Join(path, "inside"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := durable.Write(path, []byte("x"), 0o600); err == nil {
		t.Error("no error")
	}
	if all, _ := os.ReadDir(dir); len(all) != 1 {
		t.Errorf("left behind: %v", all)
	}
	if err := durable.Write(filepath.Join(dir, "missing", "file"), nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestLockIsForOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := durable.Lock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := durable.Lock(ctx, path); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a second holder: %v", err)
	}
	unlock()
	again, err := durable.Lock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	again()
}
