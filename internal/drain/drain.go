// Package drain (logic) decides when a running Terraform has to be stopped so
// that it can still write its state: when its credentials end and nobody can
// renew them, or when it has run for too long.
//
// An interrupt cancels what is in flight, and the next apply destroys what was
// left half made; so the answer is as late as is safe, and never depends on how
// long resources take.
//
// It asks nobody and stops nothing.
package drain

import (
	"fmt"
	"time"
)

// Policy is what the user wants when credentials end for good.
type Policy string

// The policies.
const (
	Interrupt Policy = "drain"
	Warn      Policy = "warn"
	Kill      Policy = "kill"
)

// longestMargin is the time that an ordinary session leaves for stopping and
// writing the state: providers leave within seconds of an interrupt, and a
// state of tens of megabytes takes less than a minute.
const longestMargin = 3 * time.Minute

// Margin is how long before the end of a credential a Terraform is stopped:
// three minutes at most, at least twice the slowest transfer of its state, and
// for short sessions a sixth of their life.
func Margin(lifetime, slowest time.Duration) time.Duration {
	m := longestMargin
	if lifetime > 0 {
		m = min(m, lifetime/6)
	}
	m = max(m, 2*slowest)
	if lifetime > 0 {
		m = min(m, lifetime/2) // the next renewal stands before it
	}
	return m
}

// Credential is what a process is served now.
type Credential struct {
	Expires  time.Time     // zero if it has no end
	Lifetime time.Duration // 0 if it isn't known
	Problem  string        // why the last renewal failed; empty if it didn't
}

// Facts are those of one process.
type Facts struct {
	Now        time.Time
	Began      time.Time
	Credential Credential
	Slowest    time.Duration // the slowest transfer of its state that was seen
	Policy     Policy
	Timeout    time.Duration // 0 for none
	Stopped    bool          // it got its interrupt
}

// Action is what to do with a process.
type Action string

// The actions.
const (
	None Action = "none"
	Stop Action = "interrupt"
	End  Action = "kill"
)

// Decision is what to do, why, and when to look again if nothing changes.
type Decision struct {
	Action Action
	Why    string
	Again  time.Time // zero: no time is known
}

// Decide says whether a process has to be stopped now.
func Decide(f Facts) Decision {
	if f.Timeout > 0 && !f.Stopped && !f.Now.Before(f.Began.Add(f.Timeout)) {
		return Decision{Action: Stop, Why: fmt.Sprintf("it has run for %s, which is run.timeout", f.Timeout)}
	}
	var again time.Time
	if f.Timeout > 0 && !f.Stopped {
		again = f.Began.Add(f.Timeout)
	}
	c := f.Credential
	if c.Expires.IsZero() || f.Policy == Warn {
		return Decision{Action: None, Again: again}
	}
	at := c.Expires.Add(-Margin(c.Lifetime, f.Slowest))
	if f.Policy == Kill {
		at = c.Expires
	}
	switch {
	case f.Now.Before(at):
		return Decision{Action: None, Again: earlier(again, at)}
	case f.Policy == Kill:
		return Decision{Action: End, Why: "its credentials have ended" + because(c.Problem)}
	case f.Stopped:
		return Decision{Action: None, Again: again}
	}
	return Decision{Action: Stop, Why: fmt.Sprintf("its credentials end at %s and can't be renewed%s", c.Expires.Local().Format("15:04:05"), because(c.Problem))}
}

// MayStart reports whether a process that writes may begin now, and if not, why.
// It may not while its credentials can't be renewed and less than twice the
// margin is left of them.
func MayStart(now time.Time, c Credential) (why string, ok bool) {
	if c.Expires.IsZero() || c.Problem == "" {
		return "", true
	}
	if need := 2 * Margin(c.Lifetime, 0); c.Expires.Sub(now) < need {
		return fmt.Sprintf("its credentials end at %s, and renewing them fails%s", c.Expires.Local().Format("15:04:05"), because(c.Problem)), false
	}
	return "", true
}

func because(problem string) string {
	if problem == "" {
		return ""
	}
	return ": " + problem
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}
