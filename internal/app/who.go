package app

import (
	"context"

	"github.com/holdfast/holdfast/internal/awsapi/identity"
	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/link"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/source"
)

// who settles the identity of a command that isn't `run`, as run would. Inside
// of a run, unless flags ask for another, that is what the keeper above serves.
func who(r Request, p Process) (resolved, error) {
	env := precedence.NewEnv(p.Environ)
	if env[link.Env] != "" && env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] != "" && !r.asked() {
		return resolved{name: "base", plan: source.Plan{First: source.First{From: source.Default}, Found: "the keeper above"}, region: r.Region}, nil
	}
	all, err := declaredBy(r, p, env)
	if err != nil {
		return resolved{}, err
	}
	found, _, err := all.ofRun(true)
	return found, err
}

// regionOf is the region that an identity's commands are for: the one that was
// asked for, or what its configuration says.
func regionOf(ctx context.Context, one resolved) (string, error) {
	if one.region != "" {
		return one.region, nil
	}
	aws, err := identity.Load(ctx, identity.Options{Profile: one.plan.First.Profile})
	if err != nil {
		return "", &cure.Error{What: "can't load the AWS configuration", Why: []string{err.Error()}, Err: err}
	}
	return aws.Region(), nil
}
