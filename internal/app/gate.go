package app

import (
	"bufio"
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/finding"
	"github.com/holdfast/holdfast/internal/gate"
	"github.com/holdfast/holdfast/internal/lint"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/tf/code"
	"github.com/holdfast/holdfast/internal/tf/plan"
	"github.com/holdfast/holdfast/internal/tfexec"
)

// GateRequest is what somebody asked of `holdfast gate`.
type GateRequest struct {
	Plan   string        // a file, or - for standard input
	Engine string        // the program that shows a saved plan; found if empty
	Live   bool          // ask clusters which entries they hold
	Access AccessRequest // who asks, and which clusters
}

// Gate judges a plan.
func Gate(ctx context.Context, req GateRequest, p Process) (finding.Report, error) {
	// A large plan is read next to the apply, in the same small container: a
	// quarter of the garbage costs little time.
	defer debug.SetGCPercent(debug.SetGCPercent(25))
	env := precedence.NewEnv(p.Environ)
	file, err := configuration(p, env)
	if err != nil {
		return finding.Report{}, err
	}
	facts := gate.Facts{}
	facts.Plan, facts.PlanKeys, err = readPlan(ctx, req, p, env)
	if err != nil {
		return finding.Report{}, err
	}
	var unread []string
	facts.Drained, unread = drainedHere(p, env)
	var unseen []finding.Unknown
	if facts.Live, unseen, err = live(ctx, req, p, env, facts); err != nil {
		return finding.Report{}, err
	}
	findings, unknown := gate.Judge(facts)
	unknown = append(unknown, unseen...)
	for _, path := range unread {
		unknown = append(unknown, finding.Unknown{Subject: path, Why: "what a stopped run left tainted can't be read"})
	}
	if len(findings) > 0 {
		findings, _ = finding.Waive(findings, slices.Concat(file.Waivers, beside(p)), time.Now())
	}
	subject := req.Plan
	if subject == "-" {
		subject = "the plan"
	}
	return finding.New("gate", subject, gate.Rules(), findings, unknown), nil
}

// beside are the waivers in the code of the working directory. An address in a
// plan has indexes and modules, which code hasn't.
func beside(p Process) []finding.Waiver {
	tree, err := code.ReadTree(p.Dir, code.OpenTofu, lint.Words())
	if err != nil {
		return nil // without code there are none
	}
	inCode, _ := lint.Waivers(tree)
	var out []finding.Waiver
	for _, w := range inCode {
		subject := w.Subject
		w.File = "" // a plan's findings have none
		for _, pattern := range []string{subject, subject + "[*", "module.*." + subject, "module.*." + subject + "[*"} {
			w.Subject = pattern
			out = append(out, w)
		}
	}
	return out
}

// readPlan reads JSON, or a saved plan by way of the engine that wrote it.
func readPlan(ctx context.Context, req GateRequest, p Process, env precedence.Env) (*plan.Plan, string, error) {
	in := io.Reader(p.Stdin)
	path := req.Plan
	if path != "-" {
		if !filepath.IsAbs(path) {
			path = filepath.Join(p.Dir, path)
		}
		file, err := os.Open(path)
		if err != nil {
			return nil, "", &cure.Error{What: "can't read the plan", Why: []string{err.Error()}, Cure: "make one:  tofu plan -out plan.out", Class: cure.Usage, Err: err}
		}
		defer file.Close()
		in = file
	}
	buffered := bufio.NewReader(in)
	start, _ := buffered.Peek(4) // what is shorter isn't a saved plan
	if string(start) != "PK\x03\x04" {
		got, err := plan.Read(buffered)
		return got, "", unreadable(req.Plan, err)
	}
	if path == "-" {
		return nil, "", &cure.Error{What: "standard input is a saved plan file", Cure: "give its name, or its JSON:  tofu show -json plan.out | holdfast gate -", Class: cure.Usage}
	}
	got, err := showPlan(ctx, path, req, p, env)
	if err != nil {
		return nil, "", err
	}
	keys := ""
	if holdsKey(path) {
		keys = req.Plan
	}
	return got, keys, nil
}

func unreadable(name string, err error) error {
	if err == nil {
		return nil
	}
	return &cure.Error{What: name + " can't be judged: it isn't a plan in JSON", Why: []string{err.Error()},
		Cure: "write it anew:  tofu show -json plan.out > plan.json", Class: cure.Incomplete, Err: err}
}

// showPlan asks the engines one after the other: only the one that saved a plan
// can show it, and only where it was initialised.
func showPlan(ctx context.Context, path string, req GateRequest, p Process, env precedence.Env) (*plan.Plan, error) {
	dir := p.Dir
	if _, err := os.Stat(filepath.Join(dir, ".terraform")); err != nil {
		if _, err := os.Stat(filepath.Join(filepath.Dir(path), ".terraform")); err == nil {
			dir = filepath.Dir(path)
		}
	}
	why := []string{}
	for _, name := range engines(req.Engine, dir) {
		program, err := find(name, env)
		if err != nil {
			why = append(why, err.Error())
			continue
		}
		var got *plan.Plan
		err = tfexec.ShowPlan(ctx, program, dir, path, p.Environ, func(out io.Reader) (err error) {
			got, err = plan.Read(out)
			return err
		})
		if err == nil {
			return got, nil
		}
		why = append(why, err.Error())
	}
	return nil, &cure.Error{What: req.Plan + " can't be shown, so it can't be judged", Why: why,
		Cure: "show it where it was made:  tofu show -json " + req.Plan + " | holdfast gate -", Class: cure.Incomplete}
}

// engines are the programs to try, the one that initialised the directory first.
func engines(asked, dir string) []string {
	if asked != "" {
		return []string{asked}
	}
	both := []string{"tofu", "terraform"}
	if lock, err := os.ReadFile(filepath.Join(dir, ".terraform.lock.hcl")); err == nil && strings.Contains(string(lock), "registry.terraform.io/") {
		slices.Reverse(both)
	}
	return both
}

// Judged says how a report ends a command: findings before what is unknown.
func Judged(r finding.Report) cure.Class {
	switch r.Verdict {
	case finding.Found:
		return cure.Findings
	case finding.Inconclusive:
		return cure.Incomplete
	}
	return 0
}
