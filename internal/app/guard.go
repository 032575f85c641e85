package app

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/drain"
	"github.com/holdfast/holdfast/internal/event"
	"github.com/holdfast/holdfast/internal/link"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/report"
	"github.com/holdfast/holdfast/internal/rescue"
	"github.com/holdfast/holdfast/internal/supervise"
	"github.com/holdfast/holdfast/internal/tf/state"
)

// guard watches the Terraform processes of a keeper: what stood in their
// backends before they started, which lock they took, when they have to stop,
// and what they leave behind.
type guard struct {
	k       *keeping
	rescuer *rescuer
	policy  drain.Policy

	mu      sync.Mutex
	watched []*guarded
	results []report.Rescue
	drained []report.Drained
	wake    chan struct{}

	overdue bool // a person was told that the run takes long; run alone touches it
}

func newGuard(k *keeping) *guard {
	policy := drain.Policy(first(string(k.all.file.Run.OnExpiry), string(drain.Interrupt)))
	return &guard{k: k, rescuer: newRescuer(k.all), policy: policy, wake: make(chan struct{}, 1)}
}

// guarded is one process. It implements link.Watch.
type guarded struct {
	g          *guard
	supervisor link.Process
	process    link.Process
	place      workplace
	writes     bool // it may change the state; else it only takes the lock
	digests    bool // a digest is kept beside its state
	run        rescue.Run
	slowest    time.Duration // the transfer of its state
	store      rescue.Store
	stop       context.CancelFunc // of the look-out for its lock
	work       sync.WaitGroup

	mu          sync.Mutex
	interrupted bool
	why         string // it was stopped; empty if it wasn't
}

// Subcommands that take the lock, and whether they write
// (https://opentofu.org/docs/cli/commands/).
func locks(subcommand string) (writes, locks bool) {
	switch subcommand {
	case "apply", "destroy", "import", "refresh", "state", "taint", "untaint":
		return true, true
	case "plan", "console", "workspace", "test":
		return false, true
	}
	return false, false
}

// lookBefore bounds the look at the backend that every start waits for.
const lookBefore = 5 * time.Second

// begin is the keeper's link.Watcher.
func (g *guard) begin(ctx context.Context, p link.Process) (link.Watch, error) {
	writes, takes := locks(p.Subcommand)
	if !takes {
		return nil, nil
	}
	w := &guarded{g: g, supervisor: p, process: p, writes: writes, place: g.place(p)}
	if writes {
		if err := g.mayStart(w); err != nil {
			return nil, err
		}
	}
	w.run = rescue.Run{Began: time.Now().UTC().Round(0), Who: g.rescuer.who}
	w.lookBefore(ctx)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.watched = append(g.watched, w)
	return w, nil
}

// place is where a process works, and as whom.
func (g *guard) place(p link.Process) workplace {
	env := precedence.NewEnv(p.Environ)
	w := workplace{dir: p.Dir, engine: p.Engine, path: p.Path, env: env, credentials: keysOf(env)}
	if p.Identity != "" {
		w.credentials = func(ctx context.Context) (cred.Set, error) {
			who, ok := g.k.service.lookup(p.Identity)
			if !ok {
				return cred.Set{}, fmt.Errorf("no identity %s is kept", p.Identity)
			}
			return who.Get(ctx)
		}
	}
	return w
}

func (g *guard) mayStart(w *guarded) error {
	why := g.closed()
	if why == "" {
		why, _ = drain.MayStart(time.Now(), g.credential(w.process.Identity))
	}
	if why == "" {
		return nil
	}
	return &cure.Error{What: fmt.Sprintf("%s %s isn't started in %s: %s", w.process.Engine, w.process.Subcommand, w.process.Dir, why)}
}

// closed is why nothing that writes may start in this run: it has timed out, or
// a process of it is being stopped. Empty if neither.
func (g *guard) closed() string {
	if limit := g.k.all.file.Run.Timeout; limit > 0 && time.Since(g.k.began) >= limit {
		return fmt.Sprintf("the run has taken %s, which is run.timeout", limit)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, w := range g.watched {
		if why := w.stopped(); why != "" {
			return "the run is being stopped, because of " + w.place.dir + ": " + why
		}
	}
	return ""
}

// credential is what an identity is served now.
func (g *guard) credential(name string) drain.Credential {
	g.k.service.mu.Lock()
	c, ok := g.k.service.chains[name]
	g.k.service.mu.Unlock()
	if !ok || c.last() == nil {
		return drain.Credential{}
	}
	set, err := c.last().Current()
	out := drain.Credential{Expires: set.Expires, Lifetime: set.Lifetime()}
	if err != nil {
		out.Problem = strings.SplitN(err.Error(), "\n", 2)[0]
	}
	return out
}

// lookBefore records what the backend holds before the process starts. What
// can't be seen is recorded as such: then nothing is proved by it later.
func (w *guarded) lookBefore(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lookBefore)
	defer cancel()
	began := time.Now()
	var err error
	if w.store, err = w.place.store(ctx); err == nil {
		if _, only := w.store.(pulled); only {
			w.run.Before.Problem = "locks of this backend can't be seen"
			return
		}
		var r rescue.Remote
		if r, err = w.store.Look(ctx); err == nil {
			w.slowest = time.Since(began)
			w.run.Before.MD5, w.digests = r.MD5, r.Digests
			for _, l := range []*state.Lock{r.File, r.Item} {
				if l != nil {
					w.run.Before.LockID = l.ID
				}
			}
		}
	}
	if err != nil {
		w.run.Before.Problem = err.Error()
	}
}

// Started implements link.Watch: the look-out for the process's lock begins.
func (w *guarded) Started(p link.Process) {
	w.mu.Lock()
	w.process = p
	w.mu.Unlock()
	w.g.again()
	store, ok := w.store.(interface {
		Lock(context.Context) (*state.Lock, error)
	})
	if !ok || w.run.Before.Problem != "" {
		return
	}
	ctx, cancel := context.WithCancel(w.g.k.service.life)
	w.stop = cancel
	w.work.Go(func() { w.lookOut(ctx, store.Lock) })
}

// lookOut reads the lock until it is the process's, at first every tenth of a
// second and in the end once a minute.
func (w *guarded) lookOut(ctx context.Context, read func(context.Context) (*state.Lock, error)) {
	for pause := 100 * time.Millisecond; ; pause = min(pause*2, time.Minute) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		lock, err := read(ctx)
		if err != nil || lock == nil || lock.ID == w.run.Before.LockID {
			continue
		}
		w.mu.Lock()
		w.run.Seen = lock.ID
		w.mu.Unlock()
		if lock.Who == w.run.Who && !lock.Created.Before(w.run.Began) {
			return
		}
	}
}

// Interrupted implements link.Watch.
func (w *guarded) Interrupted() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.interrupted = true
}

// settleWithin bounds what is done after a process before whoever started it
// goes on.
const settleWithin = 15 * time.Minute

// Ended implements link.Watch: what the process left behind is settled.
func (w *guarded) Ended(ctx context.Context, e *link.End) {
	if w.stop != nil {
		w.stop()
		w.work.Wait()
	}
	w.g.forget(w)
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	if !w.concerns(e) {
		return
	}
	w.run.Ended = time.Now().UTC().Round(0)
	t := trace{run: &w.run}
	if e != nil {
		w.run.Worked, t.printed, t.partial = e.Worked, e.Printed, e.ExitCode == panicked
		if e.Signal != "" {
			w.run.InFlight = e.InFlight
		}
	}
	out, err := w.g.rescuer.settle(ctx, w.place, t)
	w.g.tell(w, out, err)
	if w.stopped() != "" {
		w.g.tellDrained(ctx, w, e)
	}
}

// panicked is the exit code of a Terraform that ended in a panic
// (internal/logging/panic.go in both projects).
const panicked = 11

// concerns reports whether an end can have left anything behind. A digest can be
// wrong after exit 0 as well: OpenTofu says so in its log only.
func (w *guarded) concerns(e *link.End) bool {
	if e == nil || e.Signal != "" || !slices.Contains([]int{0, 2}, e.ExitCode) {
		return true
	}
	return w.writes && w.digests
}

func (w *guarded) stopped() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.why
}

func (g *guard) forget(w *guarded) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.watched = slices.DeleteFunc(g.watched, func(other *guarded) bool { return other == w })
}

// again has the watch look at its processes at once.
func (g *guard) again() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// tell says what became of a process's state.
func (g *guard) tell(w *guarded, out *report.Rescue, err error) {
	if err != nil {
		g.k.note(event.Loss, RescueFailed, fmt.Sprintf("%s %s in %s: %v", w.process.Engine, w.process.Subcommand, w.process.Dir, err))
		return
	}
	if out == nil {
		return
	}
	g.mu.Lock()
	g.results = append(g.results, *out)
	g.mu.Unlock()
	kind, severity := Rescued, event.Notice
	if !out.Settled() {
		kind, severity = RescueLeft, event.Loss
	}
	e := event.Event{Time: time.Now().Round(0), Kind: kind, Severity: severity, Subject: w.process.Dir, Message: strings.Join(out.Sentences(), "\n")}
	g.k.event(e)
}

// run stops processes when their time has come, until ctx ends.
func (g *guard) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-g.wake:
		}
		timer.Reset(g.look(time.Now()))
	}
}

// longestPause is how long a clock that jumped stays unnoticed.
const longestPause = 5 * time.Second

// look stops what has to stop, and returns when to look again.
func (g *guard) look(now time.Time) time.Duration {
	g.mu.Lock()
	all := slices.Clone(g.watched)
	g.mu.Unlock()
	pause := longestPause
	g.remind(now)
	for _, w := range all {
		d := g.decide(w, now)
		if !d.Again.IsZero() {
			pause = min(pause, max(d.Again.Sub(now), time.Millisecond))
		}
		if d.Action != drain.None {
			w.end(d)
		}
	}
	return pause
}

// remind tells a person once that the run takes longer than they expected.
func (g *guard) remind(now time.Time) {
	after := g.k.all.file.Run.WarnAfter
	if g.overdue || after == 0 || now.Sub(g.k.began) < after {
		return
	}
	g.overdue = true
	g.k.note(event.Warning, Overdue, fmt.Sprintf("this run has taken %s, which is run.warn_after; it goes on", after))
}

func (g *guard) decide(w *guarded, now time.Time) drain.Decision {
	w.mu.Lock()
	stopped := w.why != "" || w.interrupted
	identity := w.process.Identity
	w.mu.Unlock()
	return drain.Decide(drain.Facts{
		Now: now, Began: g.k.began, Credential: g.credential(identity), Slowest: w.slowest,
		Policy: g.policy, Timeout: g.k.all.file.Run.Timeout, Stopped: stopped,
	})
}

// end carries a decision out: through the supervisor, which never passes on a
// second interrupt, and directly only where no supervisor is left.
func (w *guarded) end(d drain.Decision) {
	w.mu.Lock()
	w.why = d.Why
	p, s, interrupted := w.process, w.supervisor, w.interrupted
	w.mu.Unlock()
	var err error
	switch {
	case d.Action == drain.End:
		err = supervise.End(p.PID, p.Born)
	case s.PID == os.Getpid():
		w.g.k.interrupt()
	default:
		if err = supervise.Interrupt(s.PID, s.Born); err != nil && !interrupted {
			err = supervise.Interrupt(p.PID, p.Born)
		}
	}
	verb := map[drain.Action]string{drain.Stop: "interrupted, so that its state is still written", drain.End: "killed"}[d.Action]
	text := fmt.Sprintf("%s %s in %s is %s: %s", p.Engine, p.Subcommand, p.Dir, verb, d.Why)
	if err != nil {
		text += "; it couldn't be reached: " + err.Error()
	}
	w.g.k.event(event.Event{Time: time.Now().Round(0), Kind: Draining, Severity: event.Loss, Subject: p.Dir, Message: text})
}
