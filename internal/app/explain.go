package app

import (
	"fmt"
	"strings"

	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/supervise"
)

// Explanation is what a run would change around its command.
type Explanation struct {
	Command string
	From    string // the chain, in words
	Changes []precedence.Change
	Copies  []precedence.Copy
	Shadows []precedence.Shadow
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
	who, err := resolve(req, proc, j.env)
	if err != nil {
		return Explanation{}, err
	}
	plan := j.child(precedence.Delivery{
		FullURI: "http://127.0.0.1:PORT/v1/" + who.name, Token: "TOKEN", TokenFile: "DIR/token", CopyDir: "DIR", Region: who.region,
	})
	x := Explanation{
		Command: j.path, From: chainInWords(who), Changes: plan.Changes, Copies: plan.Copies,
		Shadows: precedence.Shadowed(plan.After, j.around.clients), Notes: who.plan.PassedOver,
	}
	for _, what := range j.around.unseen {
		x.Notes = append(x.Notes, "couldn't be looked at: "+what)
	}
	switch {
	case j.engine == "":
		x.Notes = append(x.Notes, fmt.Sprintf("%s isn't a terraform or tofu by its name: it keeps the terminal's process group, and its code isn't looked at", req.Command[0]))
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
