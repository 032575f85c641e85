package app

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/drain"
	"github.com/holdfast/holdfast/internal/event"
	"github.com/holdfast/holdfast/internal/supervise"
)

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
			w.end(d, event.Loss)
		}
	}
	return pause
}

// stopAll interrupts every process at once: somebody asked this program to end,
// and wouldn't wait until each of them is done. A shell in between passes no
// signal on.
func (g *guard) stopAll(s os.Signal) {
	g.mu.Lock()
	g.asked = "holdfast was asked to end (" + s.String() + ")"
	all := slices.Clone(g.watched)
	g.mu.Unlock()
	for _, w := range all {
		w.end(drain.Decision{Action: drain.Stop, Why: g.asked}, event.Notice)
	}
}

// remind tells a person once that the run takes longer than they expected.
func (g *guard) remind(now time.Time) {
	after := g.k.all.file.Run.WarnAfter
	if g.overdue || after == 0 || g.k.began.IsZero() || now.Sub(g.k.began) < after {
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
	began := g.k.began
	if began.IsZero() {
		began = w.run.Began
	}
	return drain.Decide(drain.Facts{
		Now: now, Began: began, Credential: g.credential(w, identity), Slowest: w.slowest,
		Policy: g.policy, Timeout: g.k.all.file.Run.Timeout, Stopped: stopped,
	})
}

// end carries a decision out: through the supervisor, which never passes on a
// second interrupt, and directly only where no supervisor is left.
func (w *guarded) end(d drain.Decision, severity event.Severity) {
	w.mu.Lock()
	if w.why != "" && d.Action == drain.Stop {
		w.mu.Unlock()
		return
	}
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
	text := fmt.Sprintf("%s %s is %s: %s", p.Engine, p.Subcommand, verb, d.Why)
	if err != nil {
		text += "; it couldn't be reached: " + err.Error()
	}
	w.g.k.event(event.Event{Time: time.Now().Round(0), Kind: Draining, Severity: severity, Subject: p.Dir, Message: text})
}

// again has the watch look at its processes at once.
func (g *guard) again() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

func (g *guard) mayStart(w *guarded) error {
	why := g.closed()
	if why == "" {
		why, _ = drain.MayStart(time.Now(), g.credential(w, w.process.Identity))
	}
	if why == "" {
		return nil
	}
	return &cure.Error{What: fmt.Sprintf("%s %s isn't started in %s: %s", w.process.Engine, w.process.Subcommand, w.process.Dir, why)}
}

// closed is why nothing that writes may start in this run: it has timed out, or
// a process of it is being stopped. Empty if neither.
func (g *guard) closed() string {
	if limit := g.k.all.file.Run.Timeout; limit > 0 && !g.k.began.IsZero() && time.Since(g.k.began) >= limit {
		return fmt.Sprintf("the run has taken %s, which is run.timeout", limit)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.asked != "" {
		return g.asked
	}
	for _, w := range g.watched {
		if why := w.stopped(); why != "" {
			return "the run is being stopped, because of " + w.place.dir + ": " + why
		}
	}
	return ""
}

// credential is what a process is served now as an identity, or was handed over
// once and for all.
func (g *guard) credential(w *guarded, name string) drain.Credential {
	if keys := g.k.handed; !keys.IsZero() && w.supervisor.PID == os.Getpid() {
		return drain.Credential{Expires: keys.Expires, Lifetime: keys.Lifetime(), Problem: "they were handed over as keys (--deliver env)"}
	}
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
