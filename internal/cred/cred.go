// Package cred (words) holds the two nouns that every other package shares: a
// set of AWS credentials with its end, and the principal that an ARN names.
//
// It promises that a Set never shows its secret or its session token, in any
// format: fmt's verbs, JSON, slog and text encoders all print the redacted
// form. Whoever really needs the secret asks for it by name (Secret, Token).
//
// It doesn't fetch, renew or judge anything.
package cred

import (
	"fmt"
	"log/slog"
	"time"
)

// Set is one set of temporary credentials. The zero value is no credential.
type Set struct {
	accessKeyID string
	secret      string
	token       string

	// Expires is the end of the session by this machine's clock: the adapter
	// that fetched the set has already corrected it for the difference between
	// the server's clock and ours (see Skew). Zero means that the set has no
	// known end.
	Expires time.Time

	// Issued is when the set was received. It keeps Go's monotonic reading, so
	// that its age is right even when the wall clock was set meanwhile.
	Issued time.Time

	// Skew is the server's clock minus ours at the time of issue.
	Skew time.Duration

	// Origin says which hop gave the set, in words for a person
	// ("role/deploy").
	Origin string
}

// New makes a Set of the three values that AWS returns. Values are kept as
// they are.
func New(accessKeyID, secret, token string) Set {
	return Set{accessKeyID: accessKeyID, secret: secret, token: token}
}

// AccessKeyID returns the public half of the set.
func (s Set) AccessKeyID() string { return s.accessKeyID }

// Secret returns the secret access key in clear.
func (s Set) Secret() string { return s.secret }

// Token returns the session token in clear; it is empty for long-lived keys.
func (s Set) Token() string { return s.token }

// IsZero reports whether s holds no credential.
func (s Set) IsZero() bool { return s.accessKeyID == "" }

// Lifetime is how long the set lasts from its issue; 0 if it has no known end.
func (s Set) Lifetime() time.Duration {
	if s.Expires.IsZero() {
		return 0
	}
	return wall(s.Expires).Sub(wall(s.Issued))
}

// Left is how long the set is still valid at now, never more than either
// clock allows: the wall clock against Expires, and the monotonic clock
// against the lifetime, because a wall clock may be set backwards and a
// monotonic one stands still while a laptop sleeps.
func (s Set) Left(now time.Time) time.Duration {
	if s.Expires.IsZero() {
		return 1<<63 - 1
	}
	left := wall(s.Expires).Sub(wall(now))
	if mono := s.Lifetime() - now.Sub(s.Issued); mono < left {
		left = mono
	}
	return left
}

// Valid reports whether the set may still be used at now.
func (s Set) Valid(now time.Time) bool { return !s.IsZero() && s.Left(now) > 0 }

func wall(t time.Time) time.Time { return t.Round(0) }

// String is the redacted form: the end of the access key's ID and the expiry.
func (s Set) String() string {
	if s.IsZero() {
		return "no credentials"
	}
	id := s.accessKeyID
	if len(id) > 4 {
		id = "…" + id[len(id)-4:]
	}
	if s.Expires.IsZero() {
		return fmt.Sprintf("credentials %s (no known end)", id)
	}
	return fmt.Sprintf("credentials %s (until %s)", id, s.Expires.UTC().Format(time.RFC3339))
}

// Format prints the redacted form for every verb, %#v included.
func (s Set) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// LogValue makes slog print the redacted form.
func (s Set) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText makes encoding/json and every text encoder print the redacted
// form; the endpoint writes its answer field by field.
func (s Set) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
