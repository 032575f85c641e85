package app

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/doctor"
	"github.com/holdfast/holdfast/internal/event"
	"github.com/holdfast/holdfast/internal/link"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/report"
	"github.com/holdfast/holdfast/internal/supervise"
	"github.com/holdfast/holdfast/internal/tfexec"
)

// Doctor says how long the request's command could last, and what would end
// it. It exchanges each hop once, as a run would, and starts nothing.
func Doctor(ctx context.Context, req Request, p Process) (report.Doctor, error) {
	env := precedence.NewEnv(p.Environ)
	j := &job{req: req, proc: p, env: env}
	f := doctor.Facts{Command: req.Command, Kept: env[link.Env] != "" && !req.asked()}
	command, engine := req.Command, ""
	if len(command) > 0 {
		path, err := find(command[0], env)
		if err != nil {
			return report.Doctor{}, &cure.Error{What: err.Error(), Class: cure.Usage, Err: err}
		}
		if f.Engine = supervise.Engine(path); f.Engine == "terraform" {
			if v, err := tfexec.AskVersion(ctx, path, p.Environ); err == nil {
				f.Version = v.String()
			}
		}
		engine = f.Engine
	} else {
		command = []string{""}
	}
	if engine == "" {
		engine = "terraform" // whatever will read the code that lies here
	}
	j.around = look(command, engine, p, env)
	place, unseen := surroundingPlace(req.Command, p, env)
	f.Place, f.Unseen = place, append(j.around.unseen, unseen...)
	f.Place.EKSAuth = j.around.auth
	for _, sdk := range precedence.SDKs() {
		f.Winners = append(f.Winners, doctor.Winner{SDK: sdk, Winner: precedence.Decide(sdk, j.around.facts)})
	}
	plan := j.child(precedence.Delivery{FullURI: "http://127.0.0.1:1/v1/x", Token: "x", TokenFile: "x", CopyDir: "x"})
	f.Shadows = precedence.Shadowed(plan.After, j.around.clients)
	return examine(ctx, req, p, f)
}

// examine gets the credentials and asks the decider.
func examine(ctx context.Context, req Request, p Process, f doctor.Facts) (report.Doctor, error) {
	one, err := who(req, p)
	if cure.ClassOf(err) == cure.Usage {
		return report.Doctor{}, err
	}
	if err != nil {
		f.Refused, f.Now = lines(err), time.Now()
		return doctor.Decide(f), nil
	}
	s := newService(ctx, p, event.Discard)
	defer s.close()
	c, err := s.chain(ctx, one)
	if err == nil {
		f.Place.Region = c.region
		err = c.ready(ctx)
	}
	if err != nil {
		f.Refused = lines(err)
	}
	f.Mortal, f.Ends = one.plan.Mortal, one.plan.Ends
	if c != nil {
		for i, h := range c.hops {
			set, _ := h.keeper.Current()
			if set.IsZero() {
				break
			}
			hop := doctor.Hop{Name: h.name, ARN: h.arn, Web: i == 0 && one.plan.First.Web(), Life: granted(set.Lifetime()), Chained: h.chained, Skew: set.Skew}
			if n := i + c.taken - 1; n >= 0 && n < len(one.plan.Roles) {
				hop.Asked = one.plan.Roles[n].Duration
			}
			f.Hops = append(f.Hops, hop)
		}
	}
	f.Now = time.Now()
	return doctor.Decide(f), nil
}

// lines are an error's for a person, the cure last.
func lines(err error) []string {
	var e *cure.Error
	if !errors.As(err, &e) {
		return []string{err.Error(), "see the message"}
	}
	all := []string{e.What}
	for _, why := range e.Why {
		all = append(all, strings.TrimSpace(why))
	}
	return append(all, e.Cure)
}
