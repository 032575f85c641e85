package keeper

import (
	"time"

	"github.com/holdfast/holdfast/internal/cred"
)

const (
	// tick bounds how long the loop sleeps, so that a clock that jumped, a
	// machine that slept and a token file that was replaced are noticed within
	// five seconds: timers follow the monotonic clock, which stands still while
	// Linux sleeps.
	tick = 5 * time.Second

	// reserve is what the strictest SDKs want to see left: botocore, Java and
	// .NET ask again at every call when a credential has less than 15 minutes.
	reserve = 15 * time.Minute

	// usual is the lifetime that retries are scaled by while none is known.
	usual = time.Hour
)

// renewAt is when set should be renewed: at about half of its lifetime, give or
// take a twentieth (jitter in [0,1)), and for sessions of more than 30 minutes
// no later than 15 minutes before the end. A set without an end is never
// renewed: ok is false.
func renewAt(set cred.Set, jitter float64) (at time.Time, ok bool) {
	life := set.Lifetime()
	if set.Expires.IsZero() {
		return time.Time{}, false
	}
	after := time.Duration(float64(life) * (0.45 + 0.1*jitter))
	if life > 2*reserve {
		after = min(after, life-reserve)
	}
	return set.Issued.Add(after), true
}

// retryAfter is the pause before the next attempt after the given number of
// failures in a row (1 for the first): full jitter under a ceiling that doubles
// from 1 s to 30 s for a lifetime of an hour, and in proportion for others. A
// refusal that won't change by asking again (AccessDenied, a validation error)
// waits 30 s to 5 min by the same rule.
func retryAfter(failures int, life time.Duration, permanent bool, jitter float64) time.Duration {
	if life <= 0 {
		life = usual
	}
	first, last := life/3600, life/120
	if permanent {
		first, last = life/120, life/12
	}
	ceiling := last
	if shift := failures - 1; shift < 10 {
		ceiling = min(last, first<<shift)
	}
	// Never no pause at all: a full jitter of nearly zero would be a busy loop
	// against a server that refuses at once.
	least := max(ceiling/10, 5*time.Millisecond)
	return max(least, time.Duration(jitter*float64(ceiling)))
}

// patience is how long one attempt may take before it counts as failed, so
// that a server that never answers can't eat the time that is left.
func patience(life time.Duration) time.Duration {
	if life <= 0 {
		life = usual
	}
	return min(max(life/240, 400*time.Millisecond), 10*time.Second)
}

// drift is how far the wall clock moved against the monotonic one between two
// readings: more than a little means that somebody set it or the machine slept.
func drift(before, now time.Time, monotonic time.Duration) time.Duration {
	return now.Round(0).Sub(before.Round(0)) - monotonic
}
