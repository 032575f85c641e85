package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/holdfast/holdfast/internal/config"
	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/durable"
	"github.com/holdfast/holdfast/internal/finding"
	"github.com/holdfast/holdfast/internal/journal"
	"github.com/holdfast/holdfast/internal/lint"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/tf/code"
)

// LintRequest is what somebody asked of `holdfast lint`.
type LintRequest struct {
	Dir      string
	Baseline string // a file of findings that don't count
	Accept   bool   // write what is found into Baseline

	// Agree is shown what a fix would change and says whether to do it; nil: fix
	// nothing.
	Agree func([]Change) bool

	hook journal.Hook
}

// Change is a file before and after its fixes.
type Change = lint.Change

// Linted is what lint found and did.
type Linted struct {
	finding.Report
	Fixed []Change
}

// Lint looks at code, and fixes what it is sure of if it is asked to.
func Lint(req LintRequest, p Process) (Linted, error) {
	env := precedence.NewEnv(p.Environ)
	file, err := configuration(p, env)
	if err != nil {
		return Linted{}, err
	}
	report, tree, found, err := lintOnce(req, p, file)
	if err != nil || req.Agree == nil {
		return Linted{Report: report}, err
	}
	changes, err := lint.Fix(tree, found)
	if err != nil || len(changes) == 0 || !req.Agree(changes) {
		return Linted{Report: report}, err
	}
	fix := fixer{dir: p.Dir, home: filepath.Join(stateHome(env, p.Home), "lint"), hook: req.hook}
	if err := fix.write(changes); err != nil {
		return Linted{}, err
	}
	report, _, _, err = lintOnce(req, p, file)
	return Linted{report, changes}, err
}

func lintOnce(req LintRequest, p Process, file config.File) (finding.Report, *code.Tree, []lint.Found, error) {
	dir := req.Dir
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(p.Dir, dir)
	}
	tree, err := code.ReadTree(dir, code.OpenTofu, lint.Words())
	if err != nil {
		return finding.Report{}, nil, nil, &cure.Error{What: "can't read " + req.Dir, Why: []string{err.Error()}, Cure: "name a directory of Terraform code", Class: cure.Usage, Err: err}
	}
	found, unknown := lint.Check(tree, conventions(file, p.Dir))
	inCode, bad := lint.Waivers(tree)
	plain := make([]finding.Finding, len(found))
	for i, f := range found {
		plain[i] = f.Finding
	}
	plain, _ = finding.Waive(plain, slices.Concat(located(file, p.Dir), inCode), time.Now())
	for i := range found {
		found[i].Finding = plain[i]
		plain[i] = relative(plain[i], p.Dir)
	}
	for i := range unknown {
		unknown[i].Subject = near(unknown[i].Subject, p.Dir)
	}
	for _, u := range bad {
		unknown = append(unknown, finding.Unknown{Subject: near(u.Subject, p.Dir), Why: u.Why})
	}
	report := finding.New("lint", req.Dir, lint.Rules(), plain, unknown)
	report, err = baseline(req, p, report)
	return report, tree, found, err
}

// located are the waivers of holdfast.hcl, whose paths are seen from that file.
func located(file config.File, here string) []finding.Waiver {
	dir := filepath.Dir(file.Path)
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(here, dir)
	}
	out := slices.Clone(file.Waivers)
	for i := range out {
		if out[i].File != "" {
			out[i].File = filepath.Join(dir, out[i].File)
		}
	}
	return out
}

func conventions(file config.File, here string) []lint.Convention {
	var out []lint.Convention
	for _, e := range file.Naming {
		out = append(out, lint.Convention{Name: e.Name, Permanent: e.Permanent, Matches: func(dir string) bool { return file.Holds(e, here, dir) }})
	}
	return out
}

// relative shows paths as somebody in dir would write them.
func relative(f finding.Finding, dir string) finding.Finding {
	f.Range.File = near(f.Range.File, dir)
	if filepath.IsAbs(f.Subject) {
		f.Subject = near(f.Subject, dir)
	}
	if f.Waiver != nil {
		f.Waiver.Where = near(f.Waiver.Where, dir)
	}
	evidence := make([]string, len(f.Evidence))
	for i, e := range f.Evidence {
		evidence[i] = strings.ReplaceAll(e, dir+string(filepath.Separator), "")
	}
	f.Evidence = evidence
	return f
}

// accepted is a baseline file.
type accepted struct {
	SchemaVersion int             `json:"schema_version"`
	Findings      []acceptedEntry `json:"findings"`
}

type acceptedEntry struct {
	Fingerprint string `json:"fingerprint"`
	Rule        string `json:"rule"`
	Subject     string `json:"subject"`
	File        string `json:"file"`
}

// baseline takes out what was there already, or writes it down.
func baseline(req LintRequest, p Process, r finding.Report) (finding.Report, error) {
	if req.Baseline == "" {
		return r, nil
	}
	path := req.Baseline
	if !filepath.IsAbs(path) {
		path = filepath.Join(p.Dir, path)
	}
	if req.Accept {
		file := accepted{SchemaVersion: finding.SchemaVersion, Findings: []acceptedEntry{}}
		for _, f := range r.Findings {
			file.Findings = append(file.Findings, acceptedEntry{f.Fingerprint, f.Rule, f.Subject, filepath.ToSlash(f.Range.File)})
		}
		b, err := json.MarshalIndent(file, "", "  ")
		if err != nil {
			return r, err
		}
		if err := durable.Write(path, append(b, '\n'), 0o644); err != nil {
			return r, fmt.Errorf("the baseline: %w", err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return r, &cure.Error{What: "can't read the baseline", Why: []string{err.Error()}, Cure: "make one:  holdfast lint --baseline " + req.Baseline + " --accept", Class: cure.Usage, Err: err}
	}
	var file accepted
	if err := json.Unmarshal(b, &file); err != nil || file.SchemaVersion != finding.SchemaVersion {
		return r, &cure.Error{What: req.Baseline + " isn't a baseline of this version", Why: []string{fmt.Sprint(errors.Join(err))}, Cure: "make it anew:  holdfast lint --baseline " + req.Baseline + " --accept", Class: cure.Usage, Err: err}
	}
	known := map[string]bool{}
	for _, f := range file.Findings {
		known[f.Fingerprint] = true
	}
	return r.Except(known, req.Baseline), nil
}

// Asks reports whether somebody can be asked: he sees what we say, and we see
// what he types.
func (p Process) Asks() bool {
	return term.IsTerminal(int(p.Stdin.Fd())) && term.IsTerminal(int(p.Stderr.Fd()))
}

// configuration is holdfast.hcl, or an empty one.
func configuration(p Process, env precedence.Env) (config.File, error) {
	path, err := config.Find(p.Dir, xdg(env, p.Home))
	if err != nil || path == "" {
		return config.File{}, err
	}
	return config.Read(near(path, p.Dir))
}
