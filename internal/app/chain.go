package app

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/holdfast/holdfast/internal/awsapi/identity"
	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/event"
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
// before it.
type chain struct {
	name  string
	plan  source.Plan
	hops  []hop
	taken int // roles that the first hop is already

	cancel context.CancelFunc
	work   sync.WaitGroup
}

// newChain makes the keepers of a plan; nothing is asked yet.
func newChain(name string, plan source.Plan, aws *identity.AWS, p Process, emit event.Sink) *chain {
	c := &chain{name: name, plan: plan}
	var from source.Getter
	add := func(h hop, src keeper.Source) {
		h.keeper = keeper.New(src, keeper.Options{Name: h.name, Emit: emit})
		c.hops = append(c.hops, h)
		from = h.keeper
	}
	h, src, taken := begin(plan, aws, p, emit)
	c.taken = taken
	add(h, src)
	for _, role := range plan.Roles[taken:] {
		// What the SDK finds may be a user's keys; from a session it is
		// chaining, and AWS caps it at an hour.
		chained := len(c.hops) > 1 || taken > 0 || plan.First.From == source.PodIdentity || plan.Mortal
		add(hop{name: roleName(role.ARN), arn: role.ARN, chained: chained}, &source.Assume{STS: aws, From: from, Role: role, Emit: emit})
	}
	return c
}

func roleName(arn string) string {
	p, err := cred.ParseRole(arn)
	if err != nil {
		return arn
	}
	return p.Name
}

// start begins to keep every hop and returns when all have a credential, or
// with the reason why the first that has none hasn't.
func (c *chain) start(ctx context.Context) error {
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	c.cancel = cancel
	for _, h := range c.hops {
		c.work.Go(func() { _ = h.keeper.Run(life) }) // ends with life, and says nothing else
	}
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

// stop ends the keepers.
func (c *chain) stop() {
	if c.cancel != nil {
		c.cancel()
	}
	c.work.Wait()
}

// last is the keeper of what is served.
func (c *chain) last() *keeper.Keeper { return c.hops[len(c.hops)-1].keeper }

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
