package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/drain"
	"github.com/holdfast/holdfast/internal/event"
	"github.com/holdfast/holdfast/internal/link"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/report"
	"github.com/holdfast/holdfast/internal/rescue"
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
	asked   string // why nothing that writes may start: a signal came
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
		w.digests = true // for all that is known
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
		p, run := w.process, w.run
		w.mu.Unlock()
		if lock.Who == run.Who && !lock.Created.Before(run.Began) {
			w.remember(p, run)
			return
		}
	}
}

// remember keeps what was seen, for the case that this keeper is killed.
func (w *guarded) remember(p link.Process, run rescue.Run) {
	if err := w.g.rescuer.remember(p, run); err != nil {
		w.g.k.note(event.Warning, Noted, "what is known of the lock in "+p.Dir+" isn't kept, so a rescue would have to ask for it if this process were killed: "+err.Error())
	}
}

// Interrupted implements link.Watch.
func (w *guarded) Interrupted() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.interrupted = true
}

// Progressed implements link.Watch. Whatever is known of a process is on the
// disk, in case that nobody lives to hear of its end.
func (w *guarded) Progressed(p link.Progress) {
	w.mu.Lock()
	w.run.Worked, w.run.Made = p.Worked, append(p.Made, p.InFlight...)
	process, run := w.process, w.run
	w.mu.Unlock()
	if run.Seen != "" {
		w.remember(process, run)
	}
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
		w.g.rescuer.forget(w.place.dir, w.run.Began)
		return
	}
	w.run.Ended = time.Now().UTC().Round(0)
	t := trace{run: &w.run}
	if e != nil { // else the last that was heard of it has to do
		w.run.Worked, t.printed, t.partial = e.Worked, e.Printed, e.ExitCode == panicked
		w.run.Made = made(*e)
	}
	if w.run.Seen != "" {
		w.remember(w.process, w.run)
	}
	out, err := w.g.rescuer.settle(ctx, w.place, t)
	if err == nil {
		w.g.rescuer.forget(w.place.dir, w.run.Began)
	}
	w.g.tell(w, out, err)
	if w.stopped() != "" {
		w.g.tellDrained(ctx, w, e)
	}
}

// made are the addresses that a process made, and, if it was killed, those that
// it was making.
func made(e link.End) []string {
	var all []string
	for _, r := range e.Resources {
		if r.Action == "create" && !r.Failed {
			all = append(all, r.Address)
		}
	}
	if e.Signal != "" {
		all = append(all, e.InFlight...)
	}
	return all
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

// tell says what became of a process's state.
func (g *guard) tell(w *guarded, out *report.Rescue, err error) {
	if err != nil {
		g.k.note(event.Loss, RescueFailed, fmt.Sprintf("%s %s in %s: %v", w.process.Engine, w.process.Subcommand, w.process.Dir, err))
		return
	}
	if out == nil || out.OfOthers() {
		return // Terraform said itself that it didn't get the lock
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
