package app

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/holdfast/holdfast/internal/awsapi/identity"
	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/endpoint"
	"github.com/holdfast/holdfast/internal/event"
	"github.com/holdfast/holdfast/internal/keeper"
	"github.com/holdfast/holdfast/internal/report"
	"github.com/holdfast/holdfast/internal/source"
)

// service keeps identities: each hop once, whoever needs it, from its first use
// until close. It is safe for use by several goroutines.
type service struct {
	proc Process
	emit event.Sink
	life context.Context
	end  context.CancelFunc
	work sync.WaitGroup

	mu     sync.Mutex
	aws    map[identity.Options]*identity.AWS
	hops   map[string]hop
	chains map[string]*chain
	order  []string // of the chains, as they were asked for
}

func newService(ctx context.Context, proc Process, emit event.Sink) *service {
	s := &service{proc: proc, emit: emit, aws: map[identity.Options]*identity.AWS{}, hops: map[string]hop{}, chains: map[string]*chain{}}
	s.life, s.end = context.WithCancel(context.WithoutCancel(ctx))
	return s
}

// close ends every keeper and waits for them.
func (s *service) close() {
	s.end()
	s.work.Wait()
}

// chain returns the chain of an identity, which begins to be kept when it is
// asked for first.
func (s *service) chain(ctx context.Context, who resolved) (*chain, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.chains[who.name]; ok {
		return c, nil
	}
	options := identity.Options{Profile: who.plan.First.Profile, Region: who.region}
	aws, ok := s.aws[options]
	if !ok {
		var err error
		if aws, err = identity.Load(ctx, options); err != nil {
			return nil, &cure.Error{What: "can't load the AWS configuration", Why: []string{err.Error()}, Err: err}
		}
		s.aws[options] = aws
	}
	if aws.Region() == "" && len(who.plan.Roles) > 0 {
		return nil, &cure.Error{What: "no region says whose STS to ask", Cure: "name it:  --region eu-west-1, or AWS_REGION"}
	}
	c := &chain{name: who.name, plan: who.plan, region: aws.Region()}
	all, taken := links(who.plan, aws, s.proc, s.emit)
	c.taken = taken
	for _, link := range all {
		key := fmt.Sprint(options.Region, " ", link.key)
		kept, ok := s.hops[key]
		if !ok {
			kept = link.hop
			src := link.make(c.last())
			kept.keeper = keeper.New(src, keeper.Options{Name: kept.name, Emit: s.emit})
			s.hops[key] = kept
			s.work.Go(func() { _ = kept.keeper.Run(s.life) }) // ends with life, and says nothing else
		}
		c.hops = append(c.hops, kept)
	}
	s.chains[who.name] = c
	s.order = append(s.order, who.name)
	return c, nil
}

// lookup finds what is kept under a name, for the endpoint.
func (s *service) lookup(name string) (endpoint.Getter, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.chains[name]
	if !ok {
		return nil, false
	}
	return c.last(), true
}

// report tells of every identity that was kept, in order of their first use.
func (s *service) report() []report.Identity {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []report.Identity
	for _, name := range s.order {
		all = append(all, s.chains[name].report())
	}
	return all
}

// linkOf is a hop that is about to be kept: how it is told from others, and how
// its source is made from the hop before.
type linkOf struct {
	hop
	key  string
	make func(before source.Getter) keeper.Source
}

// links are the hops of a plan, and how many of its roles the first one is
// already. Two plans that begin alike share what they begin with.
func links(plan source.Plan, aws *identity.AWS, p Process, emit event.Sink) ([]linkOf, int) {
	first, src, taken := begin(plan, aws, p, emit)
	key := keyOf(plan.First, plan.Roles[:taken])
	all := []linkOf{{first, key, func(source.Getter) keeper.Source { return src }}}
	for _, role := range plan.Roles[taken:] {
		// What the SDK finds may be a user's keys; from a session it is
		// chaining, and AWS caps it at an hour.
		chained := len(all) > 1 || taken > 0 || plan.First.From == source.PodIdentity || plan.Mortal
		key += " > " + keyOf(role)
		all = append(all, linkOf{hop{name: roleName(role.ARN), arn: role.ARN, chained: chained}, key, func(before source.Getter) keeper.Source {
			return &source.Assume{STS: aws, From: before, Role: role, Emit: emit}
		}})
	}
	return all, taken
}

// keyOf tells hops apart by all that makes them.
func keyOf(parts ...any) string {
	b, err := json.Marshal(parts)
	if err != nil {
		return fmt.Sprint(parts...) // never: they are made of strings and numbers
	}
	return string(b)
}
