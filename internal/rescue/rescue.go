// Package rescue (logic) decides what becomes of a state that Terraform
// couldn't upload, of the digest that wasn't written with it, and of the lock
// that stayed; and carries the decision out, step by step, through ports that
// its caller fills.
//
// It promises: nothing is pushed over a newer serial or another lineage, and
// never with -force; a lock is released only if it is provably the one of the
// run in question, or a person names it; a copy of the state is on the disk
// before anything is touched, and nothing is removed before what replaces it was
// read back and found equal; a rescue that was killed at any point can be run
// again. Whatever doesn't fit is left alone, with the two things that disagree
// and the command that a person would run next.
//
// It doesn't know how a store is reached, and decrypts nothing.
package rescue

import (
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/holdfast/holdfast/internal/cure"
)

// StateAction is what happens to the state that was found.
type StateAction string

// The actions. Keep means that the copy is all that is made of it.
const (
	NoState StateAction = "none"
	Push    StateAction = "push"
	Already StateAction = "already there"
	Foreign StateAction = "not of this run"
	Keep    StateAction = "keep"
	Refuse  StateAction = "refuse"
)

// LockAction is what happens to the lock.
type LockAction string

// The actions. Leave is for a lock that isn't provably ours, Theirs for one that
// provably isn't, Guard for one of ours that protects what a person has to look
// at first.
const (
	NoLock  LockAction = "none"
	Release LockAction = "release"
	Leave   LockAction = "leave"
	Theirs  LockAction = "theirs"
	Guard   LockAction = "guard"
)

// DigestAction is what happens to the digest.
type DigestAction string

// The actions.
const (
	NoDigest  DigestAction = "none"
	Repair    DigestAction = "repair"
	AskDigest DigestAction = "ask"
)

// Decision is what to do, and why.
type Decision struct {
	State  StateAction
	Digest DigestAction
	Lock   LockAction
	LockID string // of the lock in question
	Blind  bool   // something couldn't be looked at

	// Orphans are addresses of what was made, or being made, and what no state
	// knows.
	Orphans []string

	Why  []string // the things that were compared, in words
	Next []string // commands that a person would run
}

// Clear reports whether nothing is left for a person to decide.
func (d Decision) Clear() bool {
	return !d.Blind && !slices.Contains([]StateAction{Keep, Refuse}, d.State) && d.Digest != AskDigest &&
		!slices.Contains([]LockAction{Leave, Theirs, Guard}, d.Lock) && len(d.Orphans) == 0
}

// Acts reports whether a rescue would change or keep something.
func (d Decision) Acts() bool {
	return d.State != NoState && d.State != Foreign || d.Digest == Repair || d.Lock == Release || len(d.Orphans) > 0
}

// Quiet reports whether there is nothing to do and nothing to say.
func (d Decision) Quiet() bool {
	return d.Clear() && d.State == NoState && d.Digest == NoDigest && d.Lock == NoLock
}

// Decide compares the facts.
func Decide(f Facts) Decision {
	another := f.Run != nil && !f.earlier()
	f.Run = f.run()
	d := Decision{State: NoState, Digest: NoDigest, Lock: NoLock}
	if f.Remote.Problem != "" {
		return f.blind(d)
	}
	lock := owner(f, another)
	d.LockID = lock.id
	if !f.OnlyLock {
		d.Orphans = f.orphans()
	}
	switch {
	case len(d.Orphans) > 0 && f.Found == nil:
		d.why("the process ended without a state, and what it made isn't in %s", f.Remote.Where)
	case len(d.Orphans) > 0:
		d.why("what it made is neither in %s nor in %s", f.Found.From, f.Remote.Where)
	}
	if !f.OnlyLock {
		f.judgeDigest(&d, lock)
		f.judgeState(&d, lock)
	}
	f.judgeLock(&d, lock)
	return d
}

// blind is the decision when the backend doesn't answer: what was found is
// kept, and everything else waits.
func (f Facts) blind(d Decision) Decision {
	d.Blind = true
	d.Why = append(d.Why, "the backend couldn't be looked at: "+f.Remote.Problem)
	if f.Found != nil {
		d.State = Keep
	}
	d.next(cure.Command("holdfast", "state", "rescue", f.Dir))
	return d
}

func (d *Decision) why(format string, args ...any) {
	d.Why = append(d.Why, fmt.Sprintf(format, args...))
}

func (d *Decision) next(command string) {
	if !slices.Contains(d.Next, command) {
		d.Next = append(d.Next, command)
	}
}

func (f Facts) judgeState(d *Decision, lock ownership) {
	switch found := f.Found; {
	case found == nil:
		return
	case found.Problem != "":
		d.State = Keep
		d.why("%s can't be read: %s", found.From, found.Problem)
		return
	case f.Run != nil && found.Path != "" && found.Modified.Before(f.Run.Began):
		d.State = Foreign
		d.why("%s was written %s, before this process began (%s): it belongs to an earlier run", found.From, at(found.Modified), at(f.Run.Began))
		d.next(cure.Command("holdfast", "state", "inspect", f.Dir))
		return
	}
	found, remote := f.Found.State, f.Remote
	switch {
	case f.arrived():
		d.State = Already
		d.why("%s holds it already, as serial %d", remote.Where, remote.State.Serial)
	case remote.Exists && found.Lineage == "":
		d.refuse(f, "what was found is the first of its history and has no lineage, and %s holds serial %d of lineage %s: somebody else began there",
			remote.Where, remote.State.Serial, remote.State.Lineage)
	case remote.Exists && remote.State.Lineage != found.Lineage:
		d.refuse(f, "lineage %s was found, %s is in %s: they are different states, of different histories",
			found.Lineage, remote.State.Lineage, remote.Where)
	default:
		f.judgePush(d, lock)
	}
}

// arrived reports whether the backend holds what was found. The first state of a
// history gets its lineage when it is uploaded: what is found before has none.
func (f Facts) arrived() bool {
	found, remote := f.Found.State, f.Remote.State
	return f.Remote.Exists && (remote.Lineage == found.Lineage || found.Lineage == "") &&
		remote.Serial >= found.Serial && remote.SameContent(found)
}

func (f Facts) judgePush(d *Decision, lock ownership) {
	found, remote := f.Found.State, f.Remote.State
	switch {
	case f.Remote.Exists && remote.Serial > found.Serial:
		d.refuse(f, "serial %d was found, serial %d is in %s: somebody wrote after it", found.Serial, remote.Serial, f.Remote.Where)
	case f.Remote.Exists && remote.Serial == found.Serial:
		d.refuse(f, "serial %d was found, and %s holds another content under the same serial", found.Serial, f.Remote.Where)
	case !f.Remote.Exists && f.Remote.Digest != "":
		d.refuse(f, "%s is gone, but its digest %s is still there: somebody deleted the state", f.Remote.Where, f.Remote.Digest)
	case f.Found.Partial:
		d.State = Keep
		d.why("%s ended in a panic, so that %s may lack a part: look at it before it is pushed", f.Engine, f.Found.From)
		d.next(f.push())
	case found.Encrypted:
		d.State = Keep
		d.why("%s is encrypted, which `%s state push` doesn't read", f.Found.From, f.Engine)
		f.decrypt(d, lock)
	case !lock.ours && lock.id != "":
		d.State = Refuse
		d.why("serial %d could be pushed over serial %d, but the lock isn't provably this run's", found.Serial, remote.Serial)
	case d.Digest == AskDigest:
		d.State = Refuse
		d.why("serial %d could be pushed over serial %d, but not before the digest is right", found.Serial, remote.Serial)
	default:
		d.State = Push
		if f.Remote.Exists {
			d.why("serial %d was found, %s has serial %d of the same lineage", found.Serial, f.Remote.Where, remote.Serial)
		} else {
			d.why("serial %d was found, and %s holds no state", found.Serial, f.Remote.Where)
		}
	}
}

// decrypt tells how a person decrypts what was found and pushes it: in a
// directory beside this one, so that relative paths hold, with the code that says
// how, and with a backend that is certainly not the one of this directory.
func (f Facts) decrypt(d *Decision, lock ownership) {
	dir := f.Dir + ".decrypt"
	plain := filepath.Join(dir, "plain.tfstate")
	d.why("decrypt it in a directory with the same encryption and a local backend, then push the plain state from %s", f.Dir)
	d.next(cure.Command("mkdir", "-m", "700", dir))
	switch {
	case len(f.Encryption.Files) > 0:
		d.next(cure.Command(append(append([]string{"cp"}, f.Encryption.Files...), dir)...))
	case f.Encryption.Problem != "":
		d.why("which files say how it is encrypted isn't known (%s): copy them into %s first", f.Encryption.Problem, dir)
	}
	d.next(cure.Command("cp", f.Copy, filepath.Join(dir, "terraform.tfstate")))
	d.next("echo '{\"terraform\": {\"backend\": {\"local\": {}}}}' > " + cure.Command(filepath.Join(dir, "local_override.tf.json")))
	d.next(cure.Command(f.Engine, "-chdir="+dir, "init") + " && " + cure.Command(f.Engine, "-chdir="+dir, "state", "pull") + " > " + cure.Command(plain))
	push := []string{f.Engine, "-chdir=" + f.Dir, "state", "push"}
	if lock.ours {
		push = append(push, "-lock=false") // it is this run's, and keeps everybody else out
	}
	d.next(cure.Command(append(push, plain)...) + " && " + cure.Command("rm", "-r", dir))
}

func (f Facts) push() string {
	return cure.Command(f.Engine, "-chdir="+f.Dir, "state", "push", f.Copy)
}

func (d *Decision) refuse(f Facts, format string, args ...any) {
	d.State = Refuse
	d.why(format, args...)
	d.next(cure.Command("holdfast", "state", "inspect", f.Dir))
}

func (f Facts) judgeDigest(d *Decision, lock ownership) {
	r := f.Remote
	if !r.Digests || !r.Exists || r.Digest == "" || r.Digest == r.MD5 {
		return
	}
	proof := f.wroteObject()
	switch {
	case !lock.ours && lock.id != "":
		d.Digest = AskDigest
		d.why("the digest says %s and the object is %s: whoever holds the lock may be writing", r.Digest, r.MD5)
	case proof == "":
		d.Digest = AskDigest
		d.why("the digest says %s and the object is %s, and nothing proves that the object is the right one", r.Digest, r.MD5)
		d.next(cure.Command("holdfast", "state", "rescue", "--digest", r.MD5, f.Dir))
	default:
		d.Digest = Repair
		d.why("the digest says %s and the object is %s: %s", r.Digest, r.MD5, proof)
	}
}

// wroteObject says how it is known that the object which the digest doesn't fit
// is the right one; empty if it isn't.
func (f Facts) wroteObject() string {
	r := f.Remote
	switch {
	case f.Word.Digest == r.MD5:
		return "your word for the object"
	case f.Recorded.Digest == r.MD5:
		return "proved by an earlier rescue"
	case f.Found != nil && f.Found.Problem == "" && f.arrived():
		return "the object is what was found"
	case f.Run != nil && f.Run.Before.Problem == "" && f.Run.Before.MD5 != r.MD5 && !r.Changed.IsZero() &&
		!f.Run.Ended.IsZero() && !r.Changed.Before(f.Run.Began.Truncate(time.Second)) && !r.Changed.After(f.Run.Ended.Add(slack)):
		return "the object was written while this process ran"
	}
	return ""
}

// orphans are what was made and is in neither state.
func (f Facts) orphans() []string {
	if f.Run == nil || f.Found != nil && (f.Found.State.Encrypted || f.Found.Problem != "") {
		return nil // what was found may have them, and can't be read
	}
	known := map[string]bool{}
	for _, i := range f.Remote.State.Instances {
		known[i.Address] = true
	}
	if f.Found != nil {
		for _, i := range f.Found.State.Instances {
			known[i.Address] = true
		}
	}
	var all []string
	for _, address := range f.Run.Made {
		if !known[address] {
			known[address] = true
			all = append(all, address)
		}
	}
	return all
}

// slack is how far the clock of the store may be from ours.
const slack = 5 * time.Second

func (f Facts) judgeLock(d *Decision, lock ownership) {
	switch {
	case lock.id == "":
		return
	case lock.guards:
		d.Lock = Guard
		d.why("the lock %s: %s", lock.held, lock.why)
		d.next(cure.Command("holdfast", "state", "inspect", f.Dir))
	case !lock.ours:
		d.Lock = Theirs
		if lock.unproven {
			d.Lock = Leave
		}
		d.why("the lock %s: %s", lock.held, lock.why)
		for _, said := range lock.speaks {
			d.why("%s", said)
		}
		d.next(cure.Command("holdfast", "state", "rescue", "--lock-id", lock.id, f.Dir))
	case d.State == Refuse || d.State == Keep || d.Digest == AskDigest:
		d.Lock = Guard
		d.why("the lock %s is this run's and stays, so that nobody applies over what isn't settled", lock.id)
		d.next(cure.Command("holdfast", "state", "unlock", "--lock-id", lock.id, f.Dir))
	case len(d.Orphans) > 0:
		d.Lock = Guard
		d.why("the lock %s is this run's and stays until somebody looked for what was in flight", lock.id)
		d.next(cure.Command("holdfast", "state", "unlock", "--lock-id", lock.id, f.Dir))
	default:
		d.Lock = Release
		d.why("the lock %s: %s", lock.id, lock.why)
	}
}

func at(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }
