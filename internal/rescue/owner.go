package rescue

import (
	"fmt"
	"slices"

	"github.com/holdfast/holdfast/internal/tf/state"
)

// ownership is whose lock it is that stands there.
type ownership struct {
	id       string // empty: there is none
	held     string // the lock in words
	ours     bool
	unproven bool // it may be ours, and a person may say so
	guards   bool // it is an earlier run's, and a person has to settle what that one left
	why      string
	speaks   []string // what speaks for it, for a person who has to say
}

// owner decides whose lock it is. Ours is one that wasn't there when the
// process started, that was read while it ran, that was made within its time by
// the same user and host, that is still the same, and that the process has
// worked under: a lock excludes, so whoever worked between its making and now
// had this one. Another says that the question is about another run than the one
// that earlier rescues were about.
func owner(f Facts, another bool) ownership {
	lock, both := theLock(f.Remote)
	if lock == nil {
		return ownership{}
	}
	o := ownership{id: lock.ID, held: lock.String()}
	switch {
	case !both:
		o.why = fmt.Sprintf("the lock file says %s and the table %s: two locks that disagree", f.Remote.File.ID, f.Remote.Item.ID)
		return o
	case f.Word.LockID == lock.ID:
		return o.own("released on your word")
	case slices.Contains(f.Recorded.Locks, lock.ID):
		return o.own("proved by an earlier rescue")
	case slices.Contains(f.Recorded.Left, lock.ID) && another:
		o.guards, o.why = true, "an earlier run's; it stays, so that nobody applies over what isn't settled"
		return o
	case slices.Contains(f.Recorded.Left, lock.ID):
		return o.own("proved by an earlier rescue")
	case f.Run == nil:
		return o.unsupervised(f, *lock)
	}
	return o.supervised(*f.Run, *lock, f.Found)
}

// theLock is the lock that is held; both says whether the two places where one
// can lie agree. One of them alone is a lock as well: releasing the other may
// have worked.
func theLock(r Remote) (lock *state.Lock, both bool) {
	switch {
	case r.File == nil:
		return r.Item, true
	case r.Item == nil:
		return r.File, true
	}
	return r.File, r.File.ID == r.Item.ID
}

func (o ownership) own(why string) ownership {
	o.ours, o.why = true, why
	return o
}

func (o ownership) supervised(run Run, lock state.Lock, found *Found) ownership {
	worked := run.Worked
	if found != nil && found.Path != "" && found.Problem == "" && found.Modified.After(worked) && !found.Modified.Before(run.Began) {
		worked = found.Modified
	}
	switch {
	case run.Before.Problem == "" && run.Before.LockID == lock.ID:
		o.why = "it was there before this process began, so it is somebody else's"
	case lock.Who != run.Who:
		o.why = fmt.Sprintf("it is %s's, and this process was %s's", lock.Who, run.Who)
	case lock.Created.Before(run.Began) || !run.Ended.IsZero() && lock.Created.After(run.Ended):
		o.why = fmt.Sprintf("it was made at %s, and this process ran from %s to %s", at(lock.Created), at(run.Began), at(run.Ended))
	case run.Before.Problem != "":
		o.unproven, o.why = true, "what stood there before this process began couldn't be looked at: "+run.Before.Problem
	case run.Seen != lock.ID:
		o.unproven, o.why = true, "it was never read while this process ran, so another one may have made it"
	case worked.Before(lock.Created):
		o.unproven, o.why = true, "nothing shows that this process came past its lock"
	default:
		return o.own("this run's: made and read while its process worked")
	}
	return o
}

// unsupervised gathers what speaks for a lock being the one of the run that
// left the state. It proves nothing.
func (o ownership) unsupervised(f Facts, lock state.Lock) ownership {
	if lock.Who != f.Who {
		o.why = fmt.Sprintf("it is %s's, and you are %s", lock.Who, f.Who)
		return o
	}
	o.unproven, o.why = true, "holdfast didn't see the process that made it, so nothing proves whose it is"
	o.speaks = append(o.speaks, "for it: same user and host ("+lock.Who+")")
	if found := f.Found; found != nil && found.Path != "" {
		if lock.Created.Before(found.Modified) {
			o.speaks = append(o.speaks, fmt.Sprintf("for it: made %s, before %s (%s)", at(lock.Created), found.From, at(found.Modified)))
		} else {
			o.speaks = append(o.speaks, fmt.Sprintf("against it: made %s, after %s (%s)", at(lock.Created), found.From, at(found.Modified)))
		}
	}
	switch {
	case f.Alive.Problem != "":
		o.speaks = append(o.speaks, "not looked at: whether a Terraform runs in "+f.Dir+" ("+f.Alive.Problem+")")
	case f.Alive.Processes != "":
		o.speaks = append(o.speaks, "against it: "+f.Alive.Processes)
	default:
		o.speaks = append(o.speaks, "for it: no Terraform of yours runs in "+f.Dir+" on this host")
	}
	return o
}
