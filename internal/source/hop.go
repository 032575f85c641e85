package source

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/event"
)

// Capped is the kind of the event that a hop was cut to the hour of role
// chaining.
const Capped = "session.capped"

// WebIdentity is a first hop: a token against a role.
type WebIdentity struct {
	STS   STS
	Token Tokens
	Role  Role
}

// Fetch exchanges the token that can be had now.
func (w *WebIdentity) Fetch(ctx context.Context) (cred.Set, error) {
	token, err := w.Token.WebIdentityToken(ctx)
	if err != nil {
		return cred.Set{}, err
	}
	return exchange(ctx, w.STS, token, w.Role)
}

// Version changes when what is read was replaced, where that can be seen.
func (w *WebIdentity) Version() string {
	if v, ok := w.Token.(interface{ Version() string }); ok {
		return v.Version()
	}
	return ""
}

// exchange gives a token for a role. A refusal gets to know what the token
// says of itself.
func exchange(ctx context.Context, aws STS, token string, role Role) (cred.Set, error) {
	set, err := aws.AssumeRoleWithWebIdentity(ctx, token, role)
	var refusal *Refusal
	if errors.As(err, &refusal) {
		if claims, unreadable := ParseClaims(token); unreadable == nil {
			refusal.Token = &claims
		}
	}
	return named(set, role), err
}

// Assume is a further hop: a role assumed from the one before.
type Assume struct {
	STS  STS
	From Getter
	Role Role
	Emit event.Sink

	capped atomic.Bool
}

// Fetch assumes the role with what the hop before holds. If AWS refuses the
// duration because of role chaining, it asks for the hour that is allowed, now
// and on every later renewal, and says so once.
func (a *Assume) Fetch(ctx context.Context) (cred.Set, error) {
	from, err := a.From.Get(ctx)
	if err != nil {
		return cred.Set{}, &Upstream{Err: err}
	}
	role := a.Role
	if a.capped.Load() {
		role.Duration = min(role.Duration, chained)
	}
	set, err := a.STS.AssumeRole(ctx, from, role)
	var refusal *Refusal
	if errors.As(err, &refusal) && refusal.chaining() && role.Duration > chained {
		a.capped.Store(true)
		a.Emit(event.Event{
			Time: time.Now().Round(0), Kind: Capped, Severity: event.Notice, Subject: a.Role.ARN,
			Message: fmt.Sprintf("AWS caps a chained role at 1h (asked for %v); it is renewed, so nothing is lost", role.Duration),
		})
		role.Duration = chained
		set, err = a.STS.AssumeRole(ctx, from, role)
	}
	return named(set, role), err
}

// Upstream says that a hop couldn't even be tried, because the one before it
// has no credential.
type Upstream struct{ Err error }

func (u *Upstream) Error() string { return "the hop before has no credential: " + u.Err.Error() }

// Unwrap returns the cause.
func (u *Upstream) Unwrap() error { return u.Err }

// Permanent is false whatever the cause says: the hop before watches its own
// source and may recover at any time. (The chain's owner asks that hop for the
// reason.)
func (u *Upstream) Permanent() bool { return false }

func named(set cred.Set, role Role) cred.Set {
	if p, err := cred.ParseRole(role.ARN); err == nil {
		set.Origin = "role" + p.Path + p.Name
	}
	return set
}
