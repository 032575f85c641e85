package profile

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast/holdfast/internal/precedence"
)

const command = "holdfast credentials --identity deploy"

// undone checks that Add changes nothing but adds, and that Remove takes
// exactly that away.
func undone(t failer, src []byte, existed bool, name string) {
	t.Helper()
	out, err := Add(src, existed, name, command)
	if err != nil {
		if errors.Is(err, ErrForeign) == has(src, name) || errors.Is(err, ErrChanged) {
			return
		}
		t.Fatalf("%q: %v", src, err)
	}
	if _, found, _ := find(src, name); found {
		return // Add has changed what was ours
	}
	if !bytes.HasPrefix(out, src) {
		t.Fatalf("%q: bytes before ours changed: %q", src, out)
	}
	f := Parse("f", precedence.Config, out)
	last := f.Sections[len(f.Sections)-1]
	if len(last.Keys) != 1 || last.Keys[0].Name != "credential_process" || last.Name != strings.Trim(section(name), "[]") {
		t.Fatalf("%q: the SDK reads %+v", out, last)
	}
	again, err := Add(out, true, name, command)
	if err != nil || !bytes.Equal(again, out) {
		t.Fatalf("%q: a second time: %q, %v", src, again, err)
	}
	back, gone, err := Remove(out, name)
	if err != nil || !bytes.Equal(back, src) || gone != !existed {
		t.Fatalf("%q: removed to %q, gone %v, %v", src, back, gone, err)
	}
}

func FuzzAddRemove(f *testing.F) {
	f.Add([]byte(""), "a")
	f.Add([]byte("[default]\r\nregion = x"), "default")
	f.Add([]byte("[profile b]\nregion = x\n"), "b")
	f.Add([]byte("# holdfast setup profile a: begin\n[profile a]\n"), "a")
	f.Add([]byte("x =\n  y\n\n\r"), "a.b")
	f.Fuzz(func(t *testing.T, src []byte, name string) {
		if CheckName(name) == nil {
			undone(t, src, true, name)
		}
	})
}

func TestAddRemoveHolds(t *testing.T) {
	undone(t, nil, false, "new")
	rapid.Check(t, func(rt *rapid.T) {
		src := text(rt)
		if rapid.Bool().Draw(rt, "crlf") {
			src = strings.ReplaceAll(src, "\n", "\r\n")
		}
		src = src[:rapid.IntRange(0, len(src)).Draw(rt, "length")]
		undone(rt, []byte(src), true, rapid.SampledFrom([]string{"x", "y", "default", "new"}).Draw(rt, "name"))
	})
}

func TestTextWrittenBehindOursStays(t *testing.T) {
	for src, want := range map[string]string{
		"[default]\nregion = a\n": "[default]\nregion = a\n[profile z]\nregion = b\n",
		"[default]\nregion = a":   "[default]\nregion = a\n[profile z]\nregion = b\n",
		"":                        "[profile z]\nregion = b\n",
	} {
		out, err := Add([]byte(src), src != "", "ours", command)
		if err != nil {
			t.Fatal(err)
		}
		back, gone, err := Remove(append(out, "[profile z]\nregion = b\n"...), "ours")
		if err != nil || string(back) != want || gone {
			t.Errorf("%q: %q, gone %v, %v", src, back, gone, err)
		}
	}
}

func TestWhatIsNotOursIsRefused(t *testing.T) {
	mine, err := Add(nil, true, "p", command)
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		src  string
		want error
	}{
		"somebody's profile": {"[profile p]\nregion = x\n", ErrForeign},
		"a line added":       {strings.Replace(string(mine), "]\n", "]\nregion = x\n", 1), ErrChanged},
		"another process":    {strings.Replace(string(mine), "credential_process", "region", 1), ErrChanged},
		"no end":             {strings.Split(string(mine), "# holdfast setup profile p: end")[0], ErrChanged},
		"twice":              {string(mine) + string(mine), ErrChanged},
	} {
		if _, err := Add([]byte(row.src), true, "p", "other"); !errors.Is(err, row.want) {
			t.Errorf("%s: add: %v", name, err)
		}
		if _, _, err := Remove([]byte(row.src), "p"); !errors.Is(err, row.want) {
			t.Errorf("%s: remove: %v", name, err)
		}
	}
	if _, _, err := Remove([]byte("[profile q]\n"), "p"); !errors.Is(err, ErrNone) {
		t.Errorf("none: %v", err)
	}
	other, err := Add(mine, true, "p", "holdfast credentials")
	if err != nil || !strings.Contains(string(other), "= holdfast credentials\n") {
		t.Errorf("another command: %q, %v", other, err)
	}
}

func TestEdit(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "real"), filepath.Join(dir, "link")
	if err := os.WriteFile(real, []byte("[default]"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real", link); err != nil {
		t.Fatal(err)
	}
	add := func(src []byte, existed bool) ([]byte, bool, error) {
		out, err := Add(src, existed, "p", command)
		return out, false, err
	}
	remove := func(src []byte, _ bool) ([]byte, bool, error) { return Remove(src, "p") }
	if err := Edit(link, add); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the symlink is gone: %v, %v", info, err)
	}
	if info, err := os.Stat(real); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v, %v", info, err)
	}
	if err := Edit(link, remove); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(real); err != nil || string(b) != "[default]" {
		t.Errorf("%q, %v", b, err)
	}
	missing := filepath.Join(dir, ".aws", "config")
	if err := Edit(missing, add); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(missing); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if err := Edit(missing, remove); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(missing); !os.IsNotExist(err) {
		t.Errorf("a file that was made for the profile stays: %v", err)
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "broken")); err != nil {
		t.Fatal(err)
	}
	if err := Edit(filepath.Join(dir, "broken"), add); err == nil {
		t.Error("a symlink that leads nowhere was written through")
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".real-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

func TestEditThatSomebodyElseOvertakes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(path, []byte("a"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := Edit(path, func([]byte, bool) ([]byte, bool, error) {
		return []byte("ours"), false, os.WriteFile(path, []byte("theirs"), 0o600)
	})
	if b, _ := os.ReadFile(path); err == nil || string(b) != "theirs" {
		t.Errorf("%q, %v", b, err)
	}
}
