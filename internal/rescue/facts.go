package rescue

import (
	"slices"
	"time"

	"github.com/holdfast/holdfast/internal/tf/state"
)

// Facts are everything that the decision takes into account.
type Facts struct {
	Dir      string // the working directory, as a person would name it
	Engine   string // tofu or terraform, for commands that are printed
	Program  string // its path
	Copy     string // where the copy of what was found lies, for commands that are printed
	Found    *Found // nil: no state was left behind
	Remote   Remote
	Run      *Run // nil: holdfast didn't supervise the process
	Word     Word
	Recorded Recorded
	Who      string // user@host of this process, as a lock has it
	OnlyLock bool   // the state and its digest aren't the question
	Alive    Alive

	Encryption Encryption
}

// Encryption is where the code says how states of this directory are encrypted.
type Encryption struct {
	Files   []string // paths; none if the environment says it (TF_ENCRYPTION)
	Problem string   // why nobody knows; empty if somebody does
}

// Alive is whether a Terraform works in the directory now.
type Alive struct {
	Problem   string // why nobody looked; empty if somebody did
	Processes string // in words; empty if there is none
}

// Found is a state that didn't reach its backend.
type Found struct {
	Path     string // empty: it was printed, or comes from a journal
	From     string // where it comes from, in words
	Modified time.Time
	State    state.State
	Problem  string // why it can't be read; empty if it can
	Partial  bool   // written during a panic, so that a part may be missing
}

// Remote is what the backend holds.
type Remote struct {
	Where   string // s3://bucket/key
	Problem string // why it couldn't be looked at; empty if it could
	Exists  bool
	State   state.State
	MD5     string    // of the object
	Changed time.Time // when it was written; zero if the backend doesn't tell

	Digests bool   // a digest is kept beside the object
	Digest  string // what it says; empty if there is none yet

	Locks bool // locks can be seen
	File  *state.Lock
	Item  *state.Lock
}

// Run is what a keeper saw of the process that should have written the state.
type Run struct {
	Began  time.Time `json:"began"`
	Ended  time.Time `json:"ended"`
	Who    string    `json:"who"` // user@host
	Before Before    `json:"before"`
	Seen   string    `json:"seen,omitempty"`  // the ID of the lock that was read while the process ran
	Worked time.Time `json:"worked,omitzero"` // the last time that its output told of an operation
	Made   []string  `json:"made,omitempty"`  // addresses that it made, or was making when it was killed
}

// Before is what the backend held when the process was about to start.
type Before struct {
	Problem string `json:"problem,omitempty"` // why nobody looked; empty if somebody did
	LockID  string `json:"lock_id,omitempty"`
	MD5     string `json:"md5,omitempty"`
}

// Word is what a person vouches for.
type Word struct {
	LockID string // this lock may be released
	Digest string // the object with this MD5 is the right state
}

// Recorded is what earlier rescues of the same directory, which didn't come to
// an end with everything settled, knew, proved or took.
type Recorded struct {
	Run    *Run
	Locks  []string // of rescues that this one takes up
	Left   []string // guard what was left to a person
	Digest string
	Told   bool // a person was told what Run made
}

// Knows adds what the keeper of a process recorded that didn't live to settle
// what the process left.
func (f *Facts) Knows(run Run) {
	switch {
	case f.Run == nil:
		f.Run = &run
	case !f.Run.Began.Equal(run.Began): // else it is the same
		f.Recorded.Run, f.Recorded.Told = &run, false
	}
}

// Guarded reports whether the lock that stands guards what was left to a person.
func (f Facts) Guarded() bool {
	lock, _ := theLock(f.Remote)
	return lock != nil && slices.Contains(f.Recorded.Left, lock.ID)
}

// run is the one that left what is in question: the process that has just ended,
// or the one that earlier rescues were about, where somebody tries again after
// it. What either made counts. Nil if holdfast didn't see it.
func (f Facts) run() *Run {
	before := f.recordedRun()
	switch {
	case f.Run == nil || before == nil && f.earlier():
		return before
	case before == nil:
		return f.Run
	}
	run, other := *f.Run, before.Made
	if f.earlier() {
		run, other = *before, f.Run.Made
	}
	run.Made = slices.Concat(run.Made, other)
	return &run
}

// recordedRun is the one that earlier rescues were about. What a person was told
// to look for isn't held against them again once they took the lock away that
// guards it.
func (f Facts) recordedRun() *Run {
	if f.Recorded.Run == nil || !f.Recorded.Told || f.Guarded() {
		return f.Recorded.Run
	}
	run := *f.Recorded.Run
	run.Made = nil
	return &run
}

// earlier reports whether what a process met is what an earlier run left: the lock
// of that run or of a rescue that wasn't finished, or a state that is older than
// the process.
func (f Facts) earlier() bool {
	if f.Run == nil {
		return false
	}
	before, id := f.Recorded.Run, ""
	if lock, _ := theLock(f.Remote); lock != nil {
		id = lock.ID
	}
	switch {
	case id != "" && slices.Contains(f.Recorded.Locks, id):
		return true
	case before == nil:
		return false
	case id != "" && before.Seen == id && f.Run.Seen != id && !slices.Contains(f.Recorded.Left, id):
		return true
	}
	return f.Found != nil && f.Found.Path != "" && f.Found.Modified.Before(f.Run.Began) && !f.Found.Modified.Before(before.Began)
}
