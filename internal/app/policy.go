package app

import (
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/source"
)

// PolicyVersion is the version of Policy's JSON.
const PolicyVersion = 1

// Policy is the least privilege that a command needs.
type Policy struct {
	SchemaVersion int           `json:"schema_version"`
	Identity      string        `json:"identity"`
	From          string        `json:"from"`
	Needs         []source.Need `json:"needs"`
}

// RunPolicy settles the identity as run would, and asks nobody.
func RunPolicy(req Request, p Process) (Policy, error) {
	one, err := who(req, p)
	if err != nil {
		return Policy{}, err
	}
	env := precedence.NewEnv(p.Environ)
	known := one.plan.Known(func(name string) string { return env[name] })
	return Policy{PolicyVersion, one.name, one.plan.Found, append([]source.Need{}, source.Needs(one.plan, known)...)}, nil
}
