package app

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/holdfast/holdfast/internal/journal"
	"github.com/holdfast/holdfast/internal/lint"
)

// killed is what a kill at a point of a fix looks like from outside.
type killed struct{ at journal.Point }

// fixUntil writes changes and is killed at the n-th point; false if there is
// none.
func fixUntil(t *testing.T, f fixer, changes []lint.Change, n int) (was bool) {
	t.Helper()
	seen := 0
	f.hook = func(p journal.Point) {
		if seen++; seen == n {
			panic(killed{p})
		}
	}
	defer func() {
		if k := recover(); k != nil {
			if _, ok := k.(killed); !ok {
				panic(k)
			}
			was = true
		}
	}()
	if err := f.write(changes); err != nil {
		t.Fatal(err)
	}
	return false
}

func written(t *testing.T, changes []lint.Change) string {
	t.Helper()
	text := ""
	for _, c := range changes {
		b, err := os.ReadFile(c.Path)
		if err != nil {
			t.Fatal(err)
		}
		switch string(b) {
		case string(c.Before):
			text += "b"
		case string(c.After):
			text += "a"
		default:
			t.Fatalf("%s is neither the one nor the other: %q", c.Path, b)
		}
	}
	return text
}

// A kill after every step leaves whole files; a second fix finishes, and an undo
// puts everything back.
func TestFixKilledAnywhere(t *testing.T) {
	finished := false
	for n := 1; !finished; n++ {
		for _, then := range []string{"undo", "again"} {
			dir := t.TempDir()
			var changes []lint.Change
			for i := range 3 {
				c := lint.Change{Path: filepath.Join(dir, fmt.Sprintf("%d.tf", i)), Before: fmt.Appendf(nil, "before %d\n", i), After: fmt.Appendf(nil, "after %d\n", i)}
				if err := os.WriteFile(c.Path, c.Before, 0o640); err != nil {
					t.Fatal(err)
				}
				changes = append(changes, c)
			}
			f := fixer{dir: dir, home: filepath.Join(dir, "state")}
			finished = !fixUntil(t, f, changes, n)
			now := written(t, changes)
			if then == "again" {
				if err := f.write(changes); err != nil || written(t, changes) != "aaa" {
					t.Errorf("killed at %d (%s), then again: %s, %v", n, now, written(t, changes), err)
				}
				continue
			}
			if _, err := f.undo(); err != nil || written(t, changes) != "bbb" {
				t.Errorf("killed at %d (%s), then undone: %s, %v", n, now, written(t, changes), err)
			}
			if info, err := os.Stat(changes[0].Path); err != nil || info.Mode().Perm() != 0o640 {
				t.Errorf("the mode is %v, %v", info.Mode(), err)
			}
			if _, err := f.undo(); err == nil {
				t.Error("undone twice")
			}
		}
		if n > 50 {
			t.Fatal("it never ends")
		}
	}
}

// What somebody changed after the fix stays.
func TestUndoLeavesWhatChangedSince(t *testing.T) {
	dir := t.TempDir()
	c := lint.Change{Path: filepath.Join(dir, "a.tf"), Before: []byte("before\n"), After: []byte("after\n")}
	if err := os.WriteFile(c.Path, c.Before, 0o600); err != nil {
		t.Fatal(err)
	}
	f := fixer{dir: dir, home: filepath.Join(dir, "state")}
	if err := f.write([]lint.Change{c}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(c.Path, []byte("mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.undo(); err == nil {
		t.Error("a file that changed since was overwritten without a word")
	}
	if b, _ := os.ReadFile(c.Path); string(b) != "mine\n" {
		t.Errorf("%q", b)
	}
	if err := f.write([]lint.Change{c}); err == nil {
		t.Error("a file that isn't what was looked at was written")
	}
}
