// Package alert (adapter) tells people who aren't looking: it sends events to a
// webhook, to Slack, and to the annotations and the summary of a GitHub job, by
// rules of kind and severity.
//
// It promises never to delay or fail what it reports on: an event that can't be
// queued is counted and dropped, a sink that fails is tried again a few times
// and then left, and the end waits for a bounded time. What is told twice within
// a while is told once. A sink's address is a secret: no error and no message
// names it.
//
// It doesn't know what events mean, and sends only what they carry, which by
// their own contract is no secret.
package alert

import (
	"context"
	"errors"
	"fmt"
	"path"
	"sync"
	"time"

	"github.com/holdfast/holdfast/internal/event"
)

// Sink is a place where people look. Send is given some seconds.
type Sink interface {
	Send(context.Context, event.Event) error
}

// Rule sends some events to a sink.
type Rule struct {
	Name  string
	Sink  Sink
	Kinds []string // patterns: state.*; empty: all
	Least event.Severity
}

func (r Rule) wants(e event.Event) bool {
	if e.Severity < r.Least {
		return false
	}
	for _, pattern := range r.Kinds {
		if ok, err := path.Match(pattern, e.Kind); ok && err == nil {
			return true
		}
	}
	return len(r.Kinds) == 0
}

const (
	// queued is how many events wait for a sink; a run has a handful.
	queued = 64
	// once is how long the same event isn't told again.
	once = 10 * time.Minute
	// sendWithin bounds one attempt.
	sendWithin = 5 * time.Second
	attempts   = 3
)

// Router sends events to the sinks of its rules, each from a goroutine of its
// own. It is safe for use by several goroutines.
type Router struct {
	rules  []Rule
	queues []chan event.Event
	work   sync.WaitGroup
	stop   context.CancelFunc

	mu     sync.Mutex
	closed bool
	told   map[string]time.Time
	failed map[string]error // by the names of rules
	lost   int
}

// New starts a router. Close ends it, and so does the end of ctx.
func New(ctx context.Context, rules []Rule) *Router {
	ctx, cancel := context.WithCancel(ctx)
	r := &Router{rules: rules, stop: cancel, told: map[string]time.Time{}, failed: map[string]error{}}
	for _, rule := range rules {
		queue := make(chan event.Event, queued)
		r.queues = append(r.queues, queue)
		r.work.Go(func() { r.serve(ctx, rule, queue) })
	}
	return r
}

// Take implements event.Sink: it never waits.
func (r *Router) Take(e event.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.repeated(e) {
		return
	}
	for i, rule := range r.rules {
		if !rule.wants(e) {
			continue
		}
		select {
		case r.queues[i] <- e:
		default:
			r.lost++
		}
	}
}

// repeated reports whether the same was told a while ago, and remembers it.
func (r *Router) repeated(e event.Event) bool {
	key := e.Kind + "\x00" + e.Subject + "\x00" + e.Message
	last, before := r.told[key]
	if before && e.Time.Sub(last) < once {
		return true
	}
	r.told[key] = e.Time
	return false
}

func (r *Router) serve(ctx context.Context, rule Rule, queue <-chan event.Event) {
	for e := range queue {
		err := Send(ctx, rule.Sink, e)
		r.mu.Lock()
		if err != nil {
			r.failed[rule.Name] = err
		}
		r.mu.Unlock()
	}
}

// Close sends what is queued, for that long at most, and returns what wasn't
// sent.
func (r *Router) Close(within time.Duration) error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	for _, queue := range r.queues {
		close(queue)
	}
	timer := time.AfterFunc(within, r.stop)
	r.work.Wait()
	timer.Stop()
	r.stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	var problems []error
	for name, err := range r.failed {
		problems = append(problems, fmt.Errorf("alert %q: %w", name, err))
	}
	if r.lost > 0 {
		problems = append(problems, fmt.Errorf("%d alerts were dropped: their sink was too slow", r.lost))
	}
	return errors.Join(problems...)
}

// Send sends one event, and tries again after a second and after four, unless
// the sink says that it never will take it.
func Send(ctx context.Context, sink Sink, e event.Event) error {
	for attempt, pause := 1, time.Second; ; attempt, pause = attempt+1, pause*4 {
		one, cancel := context.WithTimeout(ctx, sendWithin)
		err := sink.Send(one, e)
		cancel()
		var final permanent
		if err == nil || attempt == attempts || errors.As(err, &final) || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// permanent is an answer that asking again won't change.
type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }
