package rescue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/journal"
	"github.com/holdfast/holdfast/internal/tf/state"
)

// Kind is that of the journals which rescues write.
const Kind = "rescue"

// CopyName is the file beside a journal that holds the state which was found.
const CopyName = state.FileName

// ImportsName is the file beside a journal with import blocks for what no state
// knows.
const ImportsName = "imports.tf"

// Names of a rescue's steps and notes in its journal.
const (
	noteCase    = "case"
	noteTaken   = "lock of our own"
	stepArchive = "copy it to where it is safe"
	stepLock    = "take the lock"
	stepDigest  = "repair the digest"
	stepPush    = "push"
	stepUnlock  = "release the lock"
	stepRemove  = "remove what was found"
)

// Store is the backend, as far as a rescue touches it. Each method but Look is
// conditional on what it names: it fails if the store holds something else.
type Store interface {
	Look(context.Context) (Remote, error)
	SetDigest(ctx context.Context, from, to string) error
	Take(context.Context, state.Lock) error
	Release(ctx context.Context, id string) error
	// Copy puts a state that couldn't be pushed beside the one of the backend,
	// protected as that one is, and never over another copy.
	Copy(ctx context.Context, name string, content []byte) (where string, err error)
}

// Engine pushes a state through the Terraform of the directory.
type Engine interface {
	// Push runs `state push`. Held says that we hold the lock, so that
	// Terraform must not wait for it.
	Push(ctx context.Context, file string, held bool) error
}

// Files is the working directory.
type Files interface {
	// Remove removes the file if its content is still the given one.
	Remove(path string, content []byte) error
}

// Case is a state directory with its facts and with what is needed to settle it.
type Case struct {
	Facts   Facts
	Content []byte // of what was found
	NewLock func() state.Lock
	Store   Store
	Engine  Engine
	Files   Files
	Journal *journal.Journal

	// Archive puts a copy where the user wants one, before anything is touched;
	// nil if nowhere.
	Archive func(ctx context.Context, name string, content []byte) (where string, err error)

	// Before are the journals of rescues that were killed, which this one takes
	// up: what they proved is in the facts.
	Before []*journal.Journal
}

// manifest is the first note of a journal, for whoever finds it later.
type manifest struct {
	Dir     string    `json:"dir"`
	Engine  string    `json:"engine"`
	Program string    `json:"program"` // its path
	Where   string    `json:"where"`
	From    string    `json:"from,omitempty"`
	Path    string    `json:"path,omitempty"`
	Written time.Time `json:"written,omitzero"`
	Serial  uint64    `json:"serial"`
	Lineage string    `json:"lineage,omitempty"`

	// What a rescue that takes this one up can't see again.
	Run    *Run     `json:"run,omitempty"`
	Locks  []string `json:"locks,omitempty"`  // IDs that are provably the run's
	Left   []string `json:"left,omitempty"`   // IDs that guard what an earlier run left to a person
	Digest string   `json:"digest,omitempty"` // MD5 of the object that is provably right
}

// taken is a lock of our own, recorded before it exists.
type taken struct {
	LockID string `json:"lock_id"`
}

// Result is what was done.
type Result struct {
	Decision Decision
	Pushed   bool
	Serial   uint64 // in the backend, after a push
	Repaired bool   // the digest
	Released string // the ID of the lock
	Copied   string // where a copy was put beside the state
	Failed   string // why a step failed; what was found is kept
	Warned   string // what failed and wasn't needed
}

// Settled reports whether nothing is left for a person to decide or for
// another rescue to do.
func (r Result) Settled() bool { return r.Failed == "" && r.Decision.Clear() }

// Outcomes of a journal.
const (
	outcomeSettled = "settled"
	outcomeLeft    = "left to a person"
	outcomeTaken   = "taken up by another"
)

// Carry keeps what was found and does what the facts allow. The error is one of
// the journal's: then nothing was changed after it. A step of the store that
// fails is in the result.
func Carry(ctx context.Context, c Case) (Result, error) {
	c.Facts.Copy = c.Journal.Path(CopyName)
	d := Decide(c.Facts)
	r := Result{Decision: d}
	if err := c.record(d); err != nil {
		return r, err
	}
	if err := c.archive(ctx, &r); err != nil {
		return r, err
	}
	err := c.settle(ctx, &r)
	var broken stepError
	if errors.As(err, &broken) {
		r.Failed = broken.Error()
		err = nil
	}
	if err != nil {
		return r, err
	}
	if c.Archive == nil && !d.Blind && (r.Failed != "" || d.State == Keep || d.State == Refuse) && c.kept() {
		// Whoever loses this machine's disk finds it beside the state.
		where, failed := c.Store.Copy(ctx, c.Journal.ID, c.Content)
		if failed != nil {
			r.Warned = fmt.Sprintf("a copy beside the state failed: %v", failed)
		} else {
			r.Copied = where
		}
	}
	if r.Settled() {
		return r, c.Journal.End(outcomeSettled, nil)
	}
	if r.Failed == "" && !d.Blind {
		return r, c.Journal.End(outcomeLeft, d.Why)
	}
	return r, nil // unfinished: the next rescue takes it up
}

func (c Case) kept() bool { return c.Facts.Found != nil && len(c.Content) > 0 }

// archive puts the copy where the user wants one. If that fails, the one on the
// disk has to do.
func (c Case) archive(ctx context.Context, r *Result) error {
	if c.Archive == nil || !c.kept() {
		return nil
	}
	err := c.step(stepArchive, nil, func() error {
		where, err := c.Archive(ctx, c.Journal.ID, c.Content)
		if err == nil {
			r.Copied = where
		}
		return err
	})
	var broken stepError
	if errors.As(err, &broken) {
		r.Warned = broken.Error()
		return nil
	}
	return err
}

// record puts everything on the disk that would be lost with this process, in
// one record, and only then lets go of what earlier ones recorded.
func (c Case) record(d Decision) error {
	facts := c.Facts
	m := manifest{
		Dir: facts.Dir, Engine: facts.Engine, Program: facts.Program, Where: facts.Remote.Where,
		Run: facts.run(), Locks: facts.Recorded.Locks, Left: facts.Recorded.Left, Digest: facts.Recorded.Digest,
	}
	if f := facts.Found; f != nil {
		m.From, m.Path, m.Written, m.Serial, m.Lineage = f.From, f.Path, f.Modified, f.State.Serial, f.State.Lineage
		if err := c.Journal.Keep(CopyName, c.Content); err != nil {
			return err
		}
	}
	if d.Lock == Release || d.Lock == Guard && !slices.Contains(m.Left, d.LockID) {
		m.Locks = append(slices.Clone(m.Locks), d.LockID)
	}
	if d.Digest == Repair {
		m.Digest = facts.Remote.MD5
	}
	if err := c.Journal.Note(noteCase, m); err != nil {
		return err
	}
	if len(d.Orphans) > 0 {
		if err := c.Journal.Keep(ImportsName, imports(d.Orphans)); err != nil {
			return err
		}
	}
	for _, before := range c.Before {
		if err := before.End(outcomeTaken, c.Journal.ID); err != nil {
			return err
		}
	}
	return nil
}

// imports are blocks to begin with, for what exists and no state knows
// (https://opentofu.org/docs/language/import/).
func imports(addresses []string) []byte {
	var b strings.Builder
	for _, address := range addresses {
		fmt.Fprintf(&b, "import {\n  to = %s\n  id = \"\" # look it up, or take the block out if it wasn't made\n}\n\n", address)
	}
	return []byte(strings.TrimSuffix(b.String(), "\n"))
}

// stepError is a step that the store, the engine or the file system refused.
type stepError struct {
	step string
	err  error
}

func (e stepError) Error() string { return fmt.Sprintf("%s: %v", e.step, e.err) }
func (e stepError) Unwrap() error { return e.err }

// step runs one step; what act itself fails with becomes a stepError.
func (c Case) step(name string, intent any, act func() error) error {
	return c.Journal.Do(name, intent, func() (any, error) {
		if err := act(); err != nil {
			return nil, stepError{name, err}
		}
		return nil, nil
	})
}

// settle does what was decided, in the order in which a kill does no harm: the
// lock is held until what stands under it was read back.
func (c Case) settle(ctx context.Context, r *Result) error {
	d := r.Decision
	held, release := "", d.Lock == Release
	if release || d.Lock == Guard { // nothing is repaired or pushed under one that guards what isn't ours
		held = d.LockID
	}
	if d.Digest == Repair {
		if held == "" {
			taken, err := c.take(ctx)
			if err != nil {
				return err
			}
			held, release = taken, true
		}
		if err := c.repair(ctx); err != nil {
			return err
		}
		r.Repaired = true
	}
	if d.State == Push {
		if err := c.push(ctx, held, r); err != nil {
			return err
		}
	}
	if release {
		if err := c.step(stepUnlock, taken{held}, func() error { return c.Store.Release(ctx, held) }); err != nil {
			return err
		}
		r.Released = held
	}
	if d.State == Already || r.Pushed {
		if path := c.Facts.Found.Path; path != "" {
			return c.step(stepRemove, path, func() error { return c.Files.Remove(path, c.Content) })
		}
	}
	return nil
}

// take takes a lock of our own, whose ID is recorded before it exists.
func (c Case) take(ctx context.Context) (id string, err error) {
	lock := c.NewLock()
	if err := c.Journal.Note(noteTaken, taken{lock.ID}); err != nil {
		return "", err
	}
	return lock.ID, c.step(stepLock, lock, func() error { return c.Store.Take(ctx, lock) })
}

// repair makes the digest fit the object, if both are still what they were.
func (c Case) repair(ctx context.Context) error {
	return c.step(stepDigest, nil, func() error {
		now, err := c.Store.Look(ctx)
		if err != nil {
			return err
		}
		was := c.Facts.Remote
		switch now.Digest {
		case now.MD5:
			return nil // done before a kill
		case was.Digest:
		default:
			return fmt.Errorf("the digest was %s and is %s now: somebody else writes", was.Digest, now.Digest)
		}
		if now.MD5 != was.MD5 {
			return fmt.Errorf("the object was %s and is %s now: somebody else writes", was.MD5, now.MD5)
		}
		return c.Store.SetDigest(ctx, now.Digest, now.MD5)
	})
}

// push pushes, and reads back. An answer that was lost isn't a failure, if the
// state arrived.
func (c Case) push(ctx context.Context, held string, r *Result) error {
	var arrived Remote
	err := c.step(stepPush, taken{held}, func() error {
		pushed := c.Engine.Push(ctx, c.Journal.Path(CopyName), held != "")
		now, err := c.Store.Look(ctx)
		if err != nil {
			return errors.Join(pushed, fmt.Errorf("it couldn't be read back: %w", err))
		}
		after := c.Facts
		after.Remote = now
		if after.arrived() && (!now.Digests || now.Digest == now.MD5) {
			arrived = now
			return nil
		}
		if pushed != nil {
			return pushed
		}
		return fmt.Errorf("read back, it isn't what was pushed: serial %d and lineage %s are in %s", now.State.Serial, now.State.Lineage, now.Where)
	})
	if err == nil {
		r.Pushed, r.Serial = true, arrived.State.Serial
	}
	return err
}
