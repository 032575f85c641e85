package app

import (
	"context"

	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/event"
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

// once gets one credential of an identity, and the region that it is for.
func once(ctx context.Context, r Request, p Process) (set cred.Set, region string, err error) {
	one, err := who(r, p)
	if err != nil {
		return cred.Set{}, "", err
	}
	s := newService(ctx, p, event.Discard)
	defer s.close()
	c, err := s.chain(ctx, one)
	if err != nil {
		return cred.Set{}, "", err
	}
	if err := c.ready(ctx); err != nil {
		return cred.Set{}, "", err
	}
	set, err = c.last().Get(ctx)
	return set, c.region, err
}
