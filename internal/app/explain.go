package app

import (
	"fmt"
	"strings"

	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/shim"
	"github.com/holdfast/holdfast/internal/supervise"
)

// Explanation is what a run would change around its command.
type Explanation struct {
	Command string
	From    string // the chain, in words
	Changes []precedence.Change
	Copies  []precedence.Copy
	Shadows []precedence.Shadow
	Links   []string // names that lead to holdfast first
	Notes   []string
}

// Explain settles all that Run would, and starts and asks nothing.
func Explain(req Request, proc Process) (Explanation, error) {
	j := &job{req: req, proc: proc, env: precedence.NewEnv(proc.Environ)}
	var err error
	if j.path, err = find(req.Command[0], j.env); err != nil {
		return Explanation{}, err
	}
	j.engine = supervise.Engine(j.path)
	j.around = look(req.Command, j.engine, proc, j.env)
	all, err := declaredBy(req, proc, j.env)
	if err != nil {
		return Explanation{}, err
	}
	who, explicit, err := all.ofRun(j.engine != "")
	if err != nil {
		return Explanation{}, err
	}
	x := Explanation{Command: j.path, From: chainInWords(who), Notes: who.plan.PassedOver}
	if j.engine != "" || explicit {
		plan := j.child(precedence.Delivery{
			FullURI: "http://127.0.0.1:PORT/v1/" + who.name, Token: "TOKEN", TokenFile: "DIR/token", CopyDir: "DIR", Region: who.region,
		})
		x.Changes, x.Copies, x.Shadows = plan.Changes, plan.Copies, precedence.Shadowed(plan.After, j.around.clients)
	}
	for _, what := range j.around.unseen {
		x.Notes = append(x.Notes, "couldn't be looked at: "+what)
	}
	switch {
	case j.engine == "":
		x.Links = shim.Names(j.env["PATH"], supervise.Engine)
		x.Notes = append(x.Notes, fmt.Sprintf("%s isn't a terraform or tofu by its name: it keeps the terminal's process group, and each of the links' names that it starts gets credentials of its own", req.Command[0]))
	case req.Foreground:
		x.Notes = append(x.Notes, "--foreground: every Ctrl-C reaches it, a second one too")
	}
	return x, nil
}

func chainInWords(who resolved) string {
	words := []string{who.plan.Found}
	for _, r := range who.plan.Roles {
		words = append(words, r.ARN)
	}
	return strings.Join(words, " > ")
}
