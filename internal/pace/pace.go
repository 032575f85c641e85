// Package pace (logic) says how fast somebody may be asked: evenly, up to a
// rate, and slower for a while whenever the other side says that it was too fast.
//
// It promises never to let more through than a second's worth beyond the rate,
// none of it after a refusal, and to halve the rate at most once a second,
// however many refusals come in.
// AWS publishes no rates for EKS, so that the ceiling is a guess and the answers
// decide.
package pace

import (
	"context"
	"sync"
	"time"
)

// Pace is the pace of one account, region and service. It is safe for use by
// several goroutines.
type Pace struct {
	ceiling float64 // requests a second

	mu     sync.Mutex
	rate   float64
	next   time.Time // when the next request may go
	slowed time.Time
}

// New returns a pace of at most so many requests a second.
func New(perSecond float64) *Pace { return &Pace{ceiling: perSecond, rate: perSecond} }

// Wait returns when the next request may go, or with ctx's error.
func (p *Pace) Wait(ctx context.Context) error {
	p.mu.Lock()
	now := time.Now()
	if rested := now.Add(-time.Second); p.next.Before(rested) {
		p.next = rested
	}
	at := p.next
	p.next = at.Add(time.Duration(float64(time.Second) / p.rate))
	p.mu.Unlock()
	left := at.Sub(now)
	if left <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Slower takes note of a refusal because of too many requests.
func (p *Pace) Slower() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if now.Sub(p.slowed) < time.Second {
		return // the same burst
	}
	p.slowed = now
	if p.next.Before(now) {
		p.next = now
	}
	p.rate = max(p.rate/2, p.ceiling/8)
}

// Well takes note of an answer: the rate creeps back to the ceiling.
func (p *Pace) Well() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rate = min(p.rate*1.05, p.ceiling)
}
