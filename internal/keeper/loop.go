package keeper

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/event"
)

// loop is the part of a keeper that only Run's goroutine touches.
type loop struct {
	k        *Keeper
	due      time.Time // when the next attempt may start
	never    bool      // what is held has no end
	seen     time.Time // the monotonic clock at the last look
	wall     time.Time // the wall clock at the last look
	version  string    // of the source at the last look
	failures int       // in a row
	expired  bool      // the end of what is held has been told
	flying   bool
	landed   chan landing
}

type landing struct {
	set cred.Set
	err error
}

// depart starts an attempt.
func (l *loop) depart(ctx context.Context) {
	l.flying = true
	limit := patience(l.life())
	go func() {
		flight, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		set, err := l.k.source.Fetch(flight)
		if err != nil && ctx.Err() == nil && flight.Err() != nil {
			err = fmt.Errorf("no answer within %v: %w", limit, err)
		}
		l.landed <- landing{set, err}
	}()
}

func (l *loop) life() time.Duration {
	if set := l.k.current.Load(); set != nil {
		return set.Lifetime()
	}
	return 0
}

// land takes the outcome of an attempt.
func (l *loop) land(result landing) {
	l.flying = false
	now := time.Now()
	old := l.k.current.Load()
	switch {
	case result.err == nil && (result.set.IsZero() || l.k.left(result.set) <= 0):
		result.err = fmt.Errorf("the source gave %v, which has already expired", result.set)
	case result.err == nil && old != nil && result.set.AccessKeyID() == old.AccessKeyID():
		// The source keeps a cache of its own (instance metadata, say) and has
		// nothing newer yet: ask again when half of what is left is over.
		l.due = now.Add(max(l.k.left(*old)/2, tick/5))
		l.publish(old, nil)
		return
	}
	if result.err != nil {
		l.failed(now, result.err)
		return
	}
	l.succeeded(now, old, result.set)
}

func (l *loop) failed(now time.Time, err error) {
	l.failures++
	l.due = now.Add(retryAfter(l.failures, l.life(), permanent(err), l.k.opt.Jitter()))
	l.k.mu.Lock()
	l.k.stats.Failures++
	l.k.mu.Unlock()
	old := l.k.current.Load()
	l.publish(old, err)
	held := map[string]string{"error": err.Error()}
	message := "no credential yet: " + err.Error()
	severity := event.Info
	switch {
	case l.failures > 1 || old == nil && permanent(err):
		// Told once, and not at all to whoever waits for the first one and gets
		// the error itself.
	case old == nil:
		severity = event.Notice
	default:
		severity = event.Warning
	}
	if old != nil && l.k.left(*old) > 0 {
		held["until"] = old.Expires.UTC().Format(time.RFC3339)
		message = fmt.Sprintf("renewing failed: %v; the session lasts until %s, retrying", err, old.Expires.Local().Format("15:04:05"))
	}
	l.k.emit(RenewFailed, severity, message, held)
}

func (l *loop) succeeded(now time.Time, old *cred.Set, set cred.Set) {
	at, ends := renewAt(set, l.k.opt.Jitter())
	l.due, l.never = at, !ends
	attributes := map[string]string{"lifetime": set.Lifetime().Round(time.Second).String()}
	if old != nil {
		attributes["left"] = max(l.k.left(*old), 0).Round(time.Millisecond).String()
	}
	l.k.mu.Lock()
	l.k.stats.Fetches++
	l.k.mu.Unlock()
	l.publish(&set, nil)
	if l.failures > 0 && old != nil {
		l.k.emit(Recovered, event.Notice, fmt.Sprintf("renewed after %d failed attempts", l.failures), attributes)
	}
	l.failures, l.expired = 0, false
	l.k.emit(Renewed, event.Info, "fetched "+set.String(), attributes)
}

// publish makes the outcome of an attempt visible and wakes whoever waits.
func (l *loop) publish(set *cred.Set, err error) {
	if set != nil {
		l.k.current.Store(set)
	}
	l.k.mu.Lock()
	defer l.k.mu.Unlock()
	l.k.lastErr = err
	close(l.k.news)
	l.k.news = make(chan struct{})
}

// look compares the clocks and the source with what they were at the last
// look, and tells the end of what is held.
func (l *loop) look() {
	now := time.Now()
	wall := l.k.opt.Wall()
	if by := drift(l.wall, wall, now.Sub(l.seen)); by > tick || by < -tick {
		l.due = now
		l.k.emit(ClockJumped, event.Warning, fmt.Sprintf("the clock moved by %v at once (set, or the machine slept); renewing now", by.Round(time.Second)), nil)
	}
	l.seen, l.wall = now, wall
	if v := l.k.version(); v != l.version {
		l.version = v
		l.k.emit(Replaced, event.Info, "what it reads was replaced", nil)
		if l.failures > 0 {
			l.due = now
		}
	}
	if set := l.k.current.Load(); set != nil && l.k.left(*set) <= 0 && !l.expired {
		l.expired = true
		if !l.flying {
			l.due = earlier(l.due, now.Add(retryAfter(1, set.Lifetime(), false, l.k.opt.Jitter())))
		}
		l.k.emit(Expired, event.Loss, "the session has ended and no new one could be had", nil)
	}
}

// pause is how long the loop may sleep.
func (l *loop) pause() time.Duration {
	if l.flying || l.never {
		return tick
	}
	return min(max(time.Until(l.due), 0), tick)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
