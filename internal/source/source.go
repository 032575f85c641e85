// Package source (logic) knows where a credential comes from: a first hop (a
// web identity token from a file, a variable, a CI system or a command; a
// credential from a command; or what the SDK would find) and the roles that are
// assumed one from another.
//
// It promises that what names a session stays the same on every renewal
// (session name, source identity, tags, external ID), that a token is read anew
// for every exchange, that a chained role falls back to the one hour that AWS
// allows and says so, that a refusal keeps AWS's own code and words, and that no
// error holds a token.
//
// It doesn't speak to AWS, to a CI system or to a command itself (adapters do),
// keeps no time and no cache: that is the keeper's.
package source

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/cred"
)

// STS is what a hop needs of AWS. Errors of the server are *Refusal.
type STS interface {
	AssumeRole(ctx context.Context, from cred.Set, role Role) (cred.Set, error)
	AssumeRoleWithWebIdentity(ctx context.Context, token string, role Role) (cred.Set, error)
}

// Getter gives a credential that is valid now: the hop before this one.
type Getter interface {
	Get(context.Context) (cred.Set, error)
}

// Role is a role to become, and how. Only ARN and SessionName are required.
type Role struct {
	ARN            string
	SessionName    string            // 2 to 64 of [\w+=,.@-]
	ExternalID     string            // as the trust policy asks for it
	Duration       time.Duration     // 0: what AWS gives unasked, an hour
	Tags           map[string]string // session tags
	TransitiveTags []string          // names in Tags that later hops inherit
	SourceIdentity string            // sticky for the rest of the chain
	Policy         string            // a session policy in JSON
}

// What AWS accepts as a session name and as a duration (STS API reference,
// AssumeRole: RoleSessionName, DurationSeconds).
const (
	shortest = 15 * time.Minute
	longest  = 12 * time.Hour
	chained  = time.Hour
)

// refused reports whether AWS doesn't take r in a session name. (A regular
// expression of this, compiled at every start, takes longer than all that a
// run asks of it.)
func refused(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("_+=,.@-", r)
}

// Check says what is wrong with a role before AWS is asked.
func (r Role) Check() error {
	if _, err := cred.ParseRole(r.ARN); err != nil {
		return err
	}
	if n := len(r.SessionName); n < 2 || n > 64 || strings.ContainsFunc(r.SessionName, refused) {
		return fmt.Errorf("session name %q: AWS takes 2 to 64 letters, digits and _+=,.@-", r.SessionName)
	}
	if r.Duration != 0 && (r.Duration < shortest || r.Duration > longest) {
		return fmt.Errorf("duration %v of %s: AWS takes 15m to 12h", r.Duration, r.ARN)
	}
	for _, name := range r.TransitiveTags {
		if _, ok := r.Tags[name]; !ok {
			return fmt.Errorf("transitive tag %q of %s isn't among its tags", name, r.ARN)
		}
	}
	return nil
}

// SessionName makes a session name of what a person would look for in
// CloudTrail (user, host), with what AWS doesn't accept replaced.
func SessionName(words ...string) string {
	name := strings.Join(strings.FieldsFunc(strings.Join(words, "-"), refused), "-")
	name = strings.Trim(name, "-")
	if len(name) > 64 {
		name = strings.TrimRight(name[:64], "-")
	}
	if len(name) < 2 {
		return "holdfast"
	}
	return name
}
