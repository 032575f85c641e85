package app

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/durable"
	"github.com/holdfast/holdfast/internal/journal"
	"github.com/holdfast/holdfast/internal/lint"
	"github.com/holdfast/holdfast/internal/precedence"
)

// fixKind is the kind of journals that fixes of code leave.
const fixKind = "lint-fix"

// fixer writes fixed files, so that a kill in between leaves each file whole and
// everything can be undone.
type fixer struct {
	dir  string // for words
	home string // where journals lie
	hook journal.Hook
}

// rewrite is the intent of a step: one file. Its text before is kept beside the
// journal.
type rewrite struct {
	Path   string `json:"path"`
	Kept   string `json:"kept"`
	Before string `json:"before"` // SHA-256
	After  string `json:"after"`
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

func (f fixer) write(changes []lint.Change) error {
	j, err := journal.Create(f.home, fixKind, time.Now(), f.hook)
	if err != nil {
		return fmt.Errorf("nothing is changed: %w", err)
	}
	defer j.Close()
	for i, c := range changes {
		if err := j.Keep(strconv.Itoa(i)+".before", c.Before); err != nil {
			return err
		}
	}
	for i, c := range changes {
		path, err := filepath.Abs(c.Path)
		if err != nil {
			return err
		}
		intent := rewrite{path, strconv.Itoa(i) + ".before", sum(c.Before), sum(c.After)}
		if err := j.Do("write "+strconv.Itoa(i), intent, func() (any, error) { return nil, replace(path, c.Before, c.After) }); err != nil {
			return err
		}
	}
	return j.End("fixed", nil)
}

// replace writes a file that still is what was looked at, in its own mode.
func replace(path string, before, after []byte) error {
	now, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if bytes.Equal(now, after) {
		return nil
	}
	if !bytes.Equal(now, before) {
		return &cure.Error{What: path + " has changed while it was looked at", Cure: "run it again", Class: cure.Refused}
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return durable.Write(path, after, info.Mode().Perm())
}

// UndoLint puts back what the newest fix changed, whether it was finished or
// not, and gives the paths. A file that somebody changed afterwards stays, and
// is an error.
func UndoLint(p Process) ([]string, error) {
	return fixer{dir: p.Dir, home: filepath.Join(stateHome(precedence.NewEnv(p.Environ), p.Home), "lint")}.undo()
}

func (f fixer) undo() ([]string, error) {
	all, problems := journal.List(f.home, fixKind)
	for i := len(all) - 1; i >= 0; i-- {
		if outcome, _, _ := all[i].Outcome(); outcome == "undone" {
			continue
		}
		j, err := journal.Open(all[i].Dir(), f.hook)
		if err != nil {
			return nil, err
		}
		defer j.Close()
		return f.undoOne(j)
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return nil, &cure.Error{What: "there is no fix to undo", Why: []string{"looked in " + f.home}, Class: cure.Failed}
}

func (f fixer) undoOne(j *journal.Journal) ([]string, error) {
	var undone []string
	var refused []string
	for i := 0; ; i++ {
		var r rewrite
		if !j.Find(journal.Begun, "write "+strconv.Itoa(i), &r) {
			break
		}
		before, err := os.ReadFile(j.Path(r.Kept))
		if err != nil {
			return undone, err
		}
		now, err := os.ReadFile(r.Path)
		switch {
		case err != nil || sum(before) != r.Before:
			refused = append(refused, r.Path)
			continue
		case sum(now) == r.Before:
			continue
		case sum(now) != r.After:
			refused = append(refused, near(r.Path, f.dir))
			continue
		}
		if err := replace(r.Path, now, before); err != nil {
			return undone, err
		}
		undone = append(undone, near(r.Path, f.dir))
	}
	if len(refused) > 0 {
		return undone, &cure.Error{What: "not everything was put back", Why: append([]string{"changed since, and left as they are:"}, refused...),
			Cure: "what they were is in " + j.Dir(), Class: cure.Refused}
	}
	return undone, j.End("undone", nil)
}
