package private_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/holdfast/holdfast/internal/private"
)

func TestDirAndFilesAreOurs(t *testing.T) {
	d, err := private.NewDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Write("token", []byte("one")); err != nil {
		t.Fatal(err)
	}
	file, err := d.Write("token", []byte("two"))
	if err != nil {
		t.Fatal(err)
	}
	appended, err := d.Create("output")
	if err != nil {
		t.Fatal(err)
	}
	appended.Close()
	if _, err := d.Create("output"); err == nil {
		t.Error("an existing file was opened as new")
	}
	for path, want := range map[string]os.FileMode{d.Path(): 0o700 | os.ModeDir, file: 0o600, d.Path("output"): 0o600} {
		info, err := os.Stat(path)
		if err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v; want %v", filepath.Base(path), info.Mode(), err, want)
		}
	}
	if b, _ := os.ReadFile(file); string(b) != "two" {
		t.Errorf("the file holds %q", b)
	}
	if left, _ := filepath.Glob(d.Path(".token*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(d.Path()); !os.IsNotExist(err) {
		t.Error("the directory is still there")
	}
	if err := d.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
}

func TestDirForASocketIsShortEnough(t *testing.T) {
	long := filepath.Join(t.TempDir(), "a-directory-whose-name-is-much-too-long-for-a-unix-socket-to-be-bound-in-it-at-all")
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}
	d, err := private.NewDir(long)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if n := len(d.Path("control.sock")); n > 103 {
		t.Errorf("%d bytes", n)
	}
}
