// Package journal (logic) records what is about to be changed before it is
// changed, so that a sequence of steps that was killed anywhere can be finished
// or undone by a later process.
//
// It promises that a record is on the disk, in a file of mode 0600, when the
// call that makes it returns: the intent before a step, its result after it.
// A line that was cut off by a kill counts as never written. One process at a
// time has a journal open.
//
// It doesn't know what the steps mean, undoes nothing by itself, and doesn't
// promise that a step ran once: one whose result is missing may have happened,
// and whoever resumes looks at the world before doing it again. Every step is
// written so that doing it twice is as good as once.
package journal

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/durable"
)

const (
	fileName = "journal.jsonl"
	lockName = "lock"
	version  = 1
)

// ErrBusy is a journal that another process has open.
var ErrBusy = errors.New("another holdfast works on this journal")

// Point is a place in a sequence where a kill finds it.
type Point struct {
	Step  string
	Phase Phase
}

// String is "begun push".
func (p Point) String() string { return string(p.Phase) + " " + p.Step }

// Phase is how far a step has come.
type Phase string

// The phases of a step, in order. Acted isn't recorded: it is the moment after
// the act and before its record, which only the hook sees.
const (
	Begun Phase = "begun"
	Acted Phase = "acted"
	Done  Phase = "done"
	// Noted is a fact that was recorded outside a step.
	Noted Phase = "noted"
	// Ended is the last record of a journal; its step is the outcome.
	Ended Phase = "ended"
)

// Hook is told of every point that a sequence passes. Tests end the process, or
// panic, in it; in the program it is nil.
type Hook func(Point)

// Record is one line.
type Record struct {
	Time  time.Time       `json:"time"`
	Phase Phase           `json:"phase"`
	Step  string          `json:"step"`
	Data  json.RawMessage `json:"data,omitempty"`
}

// head is the first line.
type head struct {
	Version int       `json:"journal"`
	Kind    string    `json:"kind"`
	Began   time.Time `json:"began"`
}

// Journal is one sequence's record, in a directory of its own.
type Journal struct {
	ID   string
	Kind string

	dir     string
	began   time.Time
	file    *os.File
	records []Record
	hook    Hook
	unlock  func()
}

// Create begins a journal of a kind in a new directory under parent, which is
// named after the time and made with its parents.
func Create(parent, kind string, now time.Time, hook Hook) (*Journal, error) {
	suffix := make([]byte, 3)
	_, _ = rand.Read(suffix) // never fails, by its own contract
	id := now.UTC().Format("2006-01-02T15-04-05Z") + "-" + hex.EncodeToString(suffix)
	j := &Journal{ID: id, Kind: kind, dir: filepath.Join(parent, id), began: now.UTC().Round(0), hook: hook}
	if err := durable.Mkdir(j.dir); err != nil {
		return nil, fmt.Errorf("a directory for the journal: %w", err)
	}
	if err := j.lock(); err != nil {
		return nil, err
	}
	line, err := json.Marshal(head{version, kind, j.began})
	if err == nil {
		err = durable.Write(j.Path(fileName), append(line, '\n'), 0o600)
	}
	if err == nil {
		err = j.append()
	}
	if err != nil {
		j.Close()
		return nil, fmt.Errorf("the journal %s: %w", j.dir, err)
	}
	return j, nil
}

// Open takes up the journal in a directory, to finish or undo it. The error is
// ErrBusy if another process has it open.
func Open(dir string, hook Hook) (*Journal, error) {
	j := &Journal{dir: dir, ID: filepath.Base(dir), hook: hook}
	if _, err := os.Stat(j.Path(fileName)); err != nil {
		return nil, err
	}
	if err := j.lock(); err != nil {
		return nil, err
	}
	size, err := j.read()
	if err == nil {
		err = j.append()
	}
	if err == nil {
		err = j.file.Truncate(size) // a line that a kill cut off
	}
	if err != nil {
		j.Close()
		return nil, fmt.Errorf("the journal %s: %w", dir, err)
	}
	return j, nil
}

// View reads a journal without taking it: another process may be at work on it.
func View(dir string) (*Journal, error) {
	j := &Journal{dir: dir, ID: filepath.Base(dir)}
	_, err := j.read()
	return j, err
}

// List views every journal of a kind under parent, oldest first. What can't be
// read is in problems; a parent that isn't there holds none.
func List(parent, kind string) (all []*Journal, problems []error) {
	entries, err := os.ReadDir(parent)
	if err != nil && !durable.Missing(err) {
		return nil, []error{err}
	}
	for _, e := range entries {
		dir := filepath.Join(parent, e.Name())
		if _, err := os.Stat(filepath.Join(dir, fileName)); err != nil {
			continue // a directory of somebody else's
		}
		j, err := View(dir)
		if err != nil {
			problems = append(problems, err)
		} else if j.Kind == kind {
			all = append(all, j)
		}
	}
	slices.SortFunc(all, func(a, b *Journal) int { return strings.Compare(a.ID, b.ID) })
	return all, problems
}

func (j *Journal) lock() error {
	unlock, ok, err := durable.TryLock(j.Path(lockName))
	if err != nil {
		return fmt.Errorf("the journal %s: %w", j.dir, err)
	}
	if !ok {
		return fmt.Errorf("%s: %w", j.dir, ErrBusy)
	}
	j.unlock = unlock
	return nil
}

func (j *Journal) append() (err error) {
	j.file, err = os.OpenFile(j.Path(fileName), os.O_APPEND|os.O_WRONLY, 0o600)
	return err
}

// read takes in the file and returns how many of its bytes are whole lines.
func (j *Journal) read() (size int64, err error) {
	b, err := os.ReadFile(j.Path(fileName))
	if err != nil {
		return 0, err
	}
	h, records, size, err := parse(b)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", j.Path(fileName), err)
	}
	j.Kind, j.began, j.records = h.Kind, h.Began, records
	return size, nil
}

// parse reads a journal's text. A last line without its newline is left out: a
// kill cut it off, so that nobody acted on it.
func parse(b []byte) (h head, records []Record, size int64, err error) {
	for number := 1; ; number++ {
		line, rest, whole := bytes.Cut(b, []byte("\n"))
		if !whole {
			break
		}
		if number == 1 {
			if err := json.Unmarshal(line, &h); err != nil || h.Version != version {
				return h, nil, 0, fmt.Errorf("line 1: not a journal of version %d", version)
			}
		} else {
			var r Record
			if err := json.Unmarshal(line, &r); err != nil {
				return h, nil, 0, fmt.Errorf("line %d: %w", number, err)
			}
			records = append(records, r)
		}
		size += int64(len(line)) + 1
		b = rest
	}
	if size == 0 {
		return h, nil, 0, errors.New("line 1: not a whole line")
	}
	return h, records, size, nil
}

// Close lets the journal go, finished or not.
func (j *Journal) Close() {
	if j.file != nil {
		j.file.Close()
	}
	if j.unlock != nil {
		j.unlock()
	}
}

// Dir is the directory of the journal, Path a file in it.
func (j *Journal) Dir() string { return j.dir }

// Path is the file of that name in the journal's directory.
func (j *Journal) Path(name string) string { return filepath.Join(j.dir, name) }

// Began is when the journal was created.
func (j *Journal) Began() time.Time { return j.began }

// Records is everything that was recorded, in order.
func (j *Journal) Records() []Record { return slices.Clone(j.records) }

// Keep puts a file of mode 0600 beside the journal. It is on the disk when Keep
// returns; done a second time, it replaces the first.
func (j *Journal) Keep(name string, content []byte) error {
	if err := durable.Write(j.Path(name), content, 0o600); err != nil {
		return fmt.Errorf("keeping %s: %w", name, err)
	}
	j.pass(Point{"keep " + name, Acted})
	return nil
}

// Note records a fact that later steps, or a later process, need.
func (j *Journal) Note(name string, data any) error { return j.write(Noted, name, data) }

// Do records the intent, acts, and records the result that act returned. A step
// whose result is recorded already isn't done again. After an error nothing is
// recorded: whether the act happened isn't known.
func (j *Journal) Do(step string, intent any, act func() (result any, err error)) error {
	if j.Find(Done, step, nil) {
		return nil
	}
	if err := j.write(Begun, step, intent); err != nil {
		return err
	}
	result, err := act()
	if err != nil {
		return err
	}
	j.pass(Point{step, Acted})
	return j.write(Done, step, result)
}

// Find reads the newest record of a step in a phase into data, which may be
// nil, and reports whether there is one that fits it.
func (j *Journal) Find(phase Phase, step string, data any) bool {
	for _, r := range slices.Backward(j.records) {
		if r.Phase == phase && r.Step == step {
			return data == nil || json.Unmarshal(r.Data, data) == nil
		}
	}
	return false
}

// End records the outcome; nothing is left to do.
func (j *Journal) End(outcome string, data any) error { return j.write(Ended, outcome, data) }

// Outcome is what End recorded; false while the journal is unfinished.
func (j *Journal) Outcome() (outcome string, at time.Time, ended bool) {
	if n := len(j.records); n > 0 && j.records[n-1].Phase == Ended {
		return j.records[n-1].Step, j.records[n-1].Time, true
	}
	return "", time.Time{}, false
}

func (j *Journal) write(phase Phase, step string, data any) error {
	r := Record{Time: time.Now().UTC().Round(0), Phase: phase, Step: step}
	if data != nil {
		var err error
		if r.Data, err = json.Marshal(data); err != nil {
			return fmt.Errorf("the journal's record of %s: %w", step, err)
		}
	}
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("the journal's record of %s: %w", step, err)
	}
	if _, err = j.file.Write(append(line, '\n')); err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		return fmt.Errorf("the journal can't be written, so nothing is changed: %w", err)
	}
	j.records = append(j.records, r)
	j.pass(Point{step, phase})
	return nil
}

func (j *Journal) pass(p Point) {
	if j.hook != nil {
		j.hook(p)
	}
}
