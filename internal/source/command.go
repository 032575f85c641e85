package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/event"
)

// Runner runs a command and returns what it printed. Errors are *TokenError.
type Runner interface {
	Run(context.Context) ([]byte, error)
}

// Printed is a first hop from a command that prints either a JWT, which is
// exchanged for the role, or credential_process JSON, from which the role is
// assumed if there is one. Which of the two is known only when it has run.
type Printed struct {
	Command Runner
	Name    string // of the command, for a person
	STS     STS
	Role    *Role // nil: the printed credential itself is what is wanted
	Emit    event.Sink
	Now     func() time.Time

	assume Assume // for the role from printed credentials; one flight at a time uses it
}

// Fetch runs the command anew.
func (p *Printed) Fetch(ctx context.Context) (cred.Set, error) {
	out, err := p.Command.Run(ctx)
	if err != nil {
		return cred.Set{}, err
	}
	text := strings.TrimSpace(string(out))
	if strings.HasPrefix(text, "{") {
		set, err := ParseProcess([]byte(text), p.Now())
		if err != nil {
			return cred.Set{}, p.bad(err)
		}
		set.Origin = p.Name
		if p.Role == nil {
			return set, nil
		}
		p.assume.STS, p.assume.From, p.assume.Role, p.assume.Emit = p.STS, printed(set), *p.Role, p.Emit
		return p.assume.Fetch(ctx)
	}
	if _, err := ParseClaims(text); err != nil {
		return cred.Set{}, p.bad(fmt.Errorf("it printed %d bytes that are neither a JWT nor credential_process JSON", len(out)))
	}
	if p.Role == nil {
		return cred.Set{}, &TokenError{From: p.Name, Err: errors.New("it printed a web identity token, but there is no role to exchange it for"),
			Cure: "name one: --role-arn ARN, a role block in holdfast.hcl, or AWS_ROLE_ARN"}
	}
	return exchange(ctx, p.STS, text, *p.Role)
}

// printed is a credential that was just printed, as the hop before a role.
type printed cred.Set

func (p printed) Get(context.Context) (cred.Set, error) { return cred.Set(p), nil }

func (p *Printed) bad(err error) error {
	return &TokenError{From: p.Name, Err: err, Cure: "it must print a JWT and nothing else, or the JSON of credential_process, to standard output"}
}

// ParseProcess reads what a credential_process prints
// (https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html).
// Errors hold no value of it. Without an Expiration the credential has no end.
func ParseProcess(out []byte, now time.Time) (cred.Set, error) {
	var c struct {
		Version                                   int
		AccessKeyID                               string `json:"AccessKeyId"`
		SecretAccessKey, SessionToken, Expiration string
	}
	switch err := json.Unmarshal(out, &c); {
	case err != nil:
		return cred.Set{}, errors.New("what it printed begins with a brace but isn't JSON")
	case c.Version != 1:
		return cred.Set{}, fmt.Errorf("its JSON has Version %d, not 1", c.Version)
	case c.AccessKeyID == "" || c.SecretAccessKey == "":
		return cred.Set{}, errors.New("its JSON lacks AccessKeyId or SecretAccessKey")
	}
	set := cred.New(c.AccessKeyID, c.SecretAccessKey, c.SessionToken)
	set.Issued = now
	if c.Expiration != "" {
		end, err := time.Parse(time.RFC3339, c.Expiration)
		if err != nil {
			return cred.Set{}, errors.New("its Expiration isn't a time of the form 2026-11-22T10:00:00Z")
		}
		set.Expires = end
	}
	return set, nil
}

// Ending is a source whose credential ends at a time that it doesn't tell by
// itself, as keys in the environment do.
type Ending struct {
	From interface {
		Fetch(context.Context) (cred.Set, error)
	}
	At time.Time
}

// Fetch gives what From gives, with its end.
func (e *Ending) Fetch(ctx context.Context) (cred.Set, error) {
	if !e.At.After(time.Now()) {
		return cred.Set{}, &TokenError{From: "keys in the environment", Err: errors.New("they ended at " + e.At.UTC().Format(time.RFC3339)),
			Cure: "get new ones and start again; if AWS_CREDENTIAL_EXPIRATION belongs to others, unset it"}
	}
	set, err := e.From.Fetch(ctx)
	if err == nil && set.Expires.IsZero() {
		set.Expires = e.At
	}
	return set, err
}
