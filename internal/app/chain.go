package app

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/keeper"
	"github.com/holdfast/holdfast/internal/report"
	"github.com/holdfast/holdfast/internal/source"
)

// startWithin bounds how long the first exchange of a whole chain may take,
// retries included.
const startWithin = 30 * time.Second

// hop is one link of a chain with its keeper. ARN is empty for a first
// credential that isn't a role.
type hop struct {
	name    string
	arn     string
	chained bool
	keeper  *keeper.Keeper
}

// chain is an identity that is kept: a keeper for each hop, each fed by the one
// before it. Chains share the hops that they have in common.
type chain struct {
	name   string
	plan   source.Plan
	region string
	hops   []hop
	taken  int // roles that the first hop is already
}

func roleName(arn string) string {
	p, err := cred.ParseRole(arn)
	if err != nil {
		return arn
	}
	return p.Name
}

// ready returns when every hop has a credential, or with the reason why the
// first that has none hasn't.
func (c *chain) ready(ctx context.Context) error {
	limited, done := context.WithTimeout(ctx, startWithin)
	defer done()
	for i, h := range c.hops {
		if _, err := h.keeper.Get(limited); err != nil {
			if _, last := h.keeper.Current(); last != nil {
				err = errors.Join(last, context.Cause(ctx))
			}
			return source.Explain(c.plan, i+c.taken, err, time.Now())
		}
	}
	return nil
}

// last is the keeper of what is served; nil while there is no hop.
func (c *chain) last() *keeper.Keeper {
	if len(c.hops) == 0 {
		return nil
	}
	return c.hops[len(c.hops)-1].keeper
}

// report tells what became of the chain so far.
func (c *chain) report() report.Identity {
	out := report.Identity{Name: c.name, From: c.plan.Found, Hops: []report.Hop{}, FirstEnds: c.plan.Mortal}
	if !c.plan.Ends.IsZero() {
		end := c.plan.Ends.UTC()
		out.Ends = &end
	}
	for _, h := range c.hops {
		set, _ := h.keeper.Current()
		stats := h.keeper.Stats()
		out.Hops = append(out.Hops, report.Hop{
			Name: h.name, RoleARN: h.arn, Chained: h.chained,
			LifetimeSeconds: granted(set.Lifetime()).Seconds(),
			Renewals:        max(stats.Fetches-1, 0), Failures: stats.Failures,
		})
	}
	return out
}

// granted is the length that AWS meant: its Expiration has whole seconds and
// the answer took a moment, so that an hour looks like 59m59.2s.
func granted(life time.Duration) time.Duration {
	if life < time.Minute {
		return life.Round(time.Second)
	}
	return life.Round(5 * time.Second)
}
