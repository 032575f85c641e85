// Package keeper (logic) keeps one identity fresh: it fetches a credential from
// a Source, renews it at about half of its life, and answers from memory.
//
// It promises: one flight at a time, whoever asks; while a credential that is
// still valid is held, an answer is that credential, at once and never an
// error; what has expired is never served; a later answer is never older than
// an earlier one; a refusal that asking won't change isn't hammered; a clock
// that jumps, a machine that slept and a source that changed under us are
// noticed within five seconds.
//
// It doesn't know where credentials come from or who takes them, and keeps
// nothing on disk.
package keeper

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/event"
)

// Source gives a credential, new if it can. Errors that asking again won't
// change have a method Permanent() bool that returns true.
type Source interface {
	Fetch(context.Context) (cred.Set, error)
}

// Watched is a Source that can tell, cheaply and without a network, whether
// what it reads has changed (a token file that was replaced). The keeper calls
// Version at every tick; a new answer makes it try again at once if the last
// attempt failed.
type Watched interface {
	Version() string
}

// Kinds of events that a keeper emits.
const (
	Renewed     = "credential.renewed"
	RenewFailed = "credential.renew_failed"
	Recovered   = "credential.recovered"
	Expired     = "credential.expired"
	ClockJumped = "clock.jumped"
	Replaced    = "source.replaced"
)

// Options are what a keeper needs beside its source; all may be left zero.
type Options struct {
	Name   string           // the subject of events, as a person calls the identity
	Emit   event.Sink       // where events go
	Wall   func() time.Time // the wall clock, apart from the monotonic one; time.Now if nil
	Jitter func() float64   // in [0,1); random if nil
}

// Keeper keeps one identity. Make one with New, and give it a life with Run.
type Keeper struct {
	source Source
	opt    Options

	current atomic.Pointer[cred.Set]
	wanted  chan struct{} // somebody waits and nothing valid is held

	mu      sync.Mutex
	news    chan struct{} // closed and replaced after every attempt
	lastErr error         // of the last attempt; nil after a success
	stats   Stats
}

// Stats counts what a keeper did since it was made.
type Stats struct {
	Fetches  int // attempts that gave a credential, the first included
	Failures int // attempts that didn't
}

// New makes a keeper that has fetched nothing yet.
func New(source Source, opt Options) *Keeper {
	if opt.Emit == nil {
		opt.Emit = event.Discard
	}
	if opt.Wall == nil {
		opt.Wall = time.Now
	}
	if opt.Jitter == nil {
		opt.Jitter = rand.Float64
	}
	return &Keeper{source: source, opt: opt, wanted: make(chan struct{}, 1), news: make(chan struct{})}
}

// Name is the subject under which the keeper emits its events.
func (k *Keeper) Name() string { return k.opt.Name }

// Stats returns the counts so far.
func (k *Keeper) Stats() Stats {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.stats
}

// Current is what is held now, valid or not, and the error of the last attempt
// if it failed.
func (k *Keeper) Current() (cred.Set, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if set := k.current.Load(); set != nil {
		return *set, k.lastErr
	}
	return cred.Set{}, k.lastErr
}

// left is how long set may still be used, by the stricter of the clocks.
func (k *Keeper) left(set cred.Set) time.Duration {
	left := set.Left(time.Now())
	if !set.Expires.IsZero() {
		left = min(left, set.Expires.Round(0).Sub(k.opt.Wall().Round(0)))
	}
	return left
}

// Get returns a valid credential: from memory if one is held, else the outcome
// of the flight that is under way or due. It waits through errors that may pass
// until ctx ends and returns at once with one that won't.
func (k *Keeper) Get(ctx context.Context) (cred.Set, error) {
	for {
		if set := k.current.Load(); set != nil && k.left(*set) > 0 {
			return *set, nil
		}
		k.mu.Lock()
		news, lastErr := k.news, k.lastErr
		k.mu.Unlock()
		// What landed between the two looks has closed the news of before, and
		// these are those of after it: nobody may wait for them.
		if set := k.current.Load(); set != nil && k.left(*set) > 0 {
			return *set, nil
		}
		if permanent(lastErr) {
			return cred.Set{}, lastErr
		}
		select {
		case k.wanted <- struct{}{}:
		default:
		}
		select {
		case <-news:
		case <-ctx.Done():
			return cred.Set{}, waited(ctx.Err(), lastErr)
		}
	}
}

func waited(end, last error) error {
	if last == nil {
		return end
	}
	return fmt.Errorf("%w (%w)", last, end)
}

// Run fetches and renews until ctx ends, and returns ctx's error. It is called
// once.
func (k *Keeper) Run(ctx context.Context) error {
	now := time.Now()
	l := loop{k: k, landed: make(chan landing), due: now, seen: now, wall: k.opt.Wall(), version: k.version()}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			if l.flying {
				<-l.landed // its context has ended too; nobody is left behind
			}
			return ctx.Err()
		case <-timer.C:
		case <-k.wanted:
		case result := <-l.landed:
			l.land(result)
		}
		l.look()
		if !l.flying && !l.never && !time.Now().Before(l.due) {
			l.depart(ctx)
		}
		timer.Reset(l.pause())
	}
}

func (k *Keeper) version() string {
	if w, ok := k.source.(Watched); ok {
		return w.Version()
	}
	return ""
}

func (k *Keeper) emit(kind string, severity event.Severity, message string, attributes map[string]string) {
	k.opt.Emit(event.Event{
		Time: k.opt.Wall().Round(0), Kind: kind, Severity: severity,
		Subject: k.opt.Name, Message: message, Attributes: attributes,
	})
}

// permanent reports whether err says of itself that asking again won't help.
func permanent(err error) bool {
	var p interface{ Permanent() bool }
	return errors.As(err, &p) && p.Permanent()
}
