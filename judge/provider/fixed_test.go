package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast/holdfast/internal/finding"
	"github.com/holdfast/holdfast/internal/gate"
	"github.com/holdfast/holdfast/internal/lab"
	labeks "github.com/holdfast/holdfast/internal/lab/eks"
	"github.com/holdfast/holdfast/internal/lint"
	"github.com/holdfast/holdfast/internal/pairwise"
	"github.com/holdfast/holdfast/internal/tf/code"
	"github.com/holdfast/holdfast/internal/tf/plan"
)

// fixDimensions are what code that lint fixes differs in: those of plans,
// without what another state has.
func fixDimensions() []pairwise.Dimension {
	return []pairwise.Dimension{
		{Name: "arn", Values: []string{"reference", "literal", "interpolated", "variable", "data"}},
		{Name: "entry", Values: []string{"beside", "module"}},
		{Name: "nodes", Values: []string{"none", "by text", "by reference", "owned"}},
		{Name: "lifecycle", Values: []string{"none", "trigger", "create before destroy", "prevent_destroy false"}},
		{Name: "association", Values: []string{"none", "by reference", "by text"}},
		{Name: "roles in", Values: []string{"root", "module"}},
	}
}

// TestFixedCodeFollowsItsRoles fixes code, and then makes its roles again: the
// fixed code is valid, lint and gate find nothing any more, and after the apply
// everybody is let in.
func TestFixedCodeFollowsItsRoles(t *testing.T) {
	var fixed atomic.Int32
	t.Cleanup(func() {
		if fixed.Load() == 0 {
			t.Error("no row had anything to fix")
		}
	})
	for i, r := range pairwise.Rows(fixDimensions()) {
		if !*everyPlan && i%7 != 1 {
			continue
		}
		r["role"] = "replaced"
		l := layoutOf(r)
		t.Run(fmt.Sprintf("%02d", i), func(t *testing.T) {
			t.Parallel()
			if fixAndReplace(t, l) {
				fixed.Add(1)
			}
		})
	}
}

func fixAndReplace(t *testing.T, l layout) bool {
	s := begin(t, lab.Options{World: world(), Slowness: lab.Slowness{HealthDelay: 300 * time.Millisecond}}, head)
	ref, err := s.lab.AddCluster(account, labeks.Spec{Name: "prod"})
	if err != nil {
		t.Fatal(err)
	}
	aws := s.sdk()
	s.lay(l.files(true))
	s.mustTofu("apply", "-auto-approve", "-no-color")
	s.lay(l.files(false))
	rules := fix(t, s.dir)
	t.Logf("%sfixed: %s", l, rules)
	if strings.Contains(rules, "HF140") { // as its cure says, where the cluster exists
		s.mustTofu("import", "-no-color", "aws_eks_access_entry.workers", "prod:arn:aws:iam::"+account+":role/node")
	}
	s.mustTofu("validate", "-no-color")
	p, err := plan.Read(bytes.NewReader(s.plan(l.arguments()...)))
	if err != nil {
		t.Fatal(err)
	}
	if said := describe(gate.Judge(gate.Facts{Plan: p, Live: []gate.Cluster{{Name: "prod", Entries: aws.entries(t)}}})); said != "" {
		t.Errorf("the gate finds in the plan of fixed code:\n%s", said)
	}
	s.mustTofu("apply", "-no-color", "p")
	for _, role := range []string{"app", "node"} {
		if !aws.holds(t, "arn:aws:iam::"+account+":role/"+role) {
			continue
		}
		if _, err := s.lab.Decide(ref, aws.token(t, s, role)); err != nil {
			t.Errorf("role %s is refused: %v", role, err)
		}
	}
	return rules != ""
}

// fix does what holdfast lint --fix does, twice, and gives the rules that it
// fixed. What stays are notes.
func fix(t *testing.T, dir string) string {
	t.Helper()
	var rules []string
	for round := range 2 {
		tree, err := code.ReadTree(dir, code.OpenTofu, lint.Words())
		if err != nil {
			t.Fatal(err)
		}
		found, unknown := lint.Check(tree, nil)
		if len(unknown) > 0 {
			t.Errorf("unknown: %v", unknown)
		}
		changes, err := lint.Fix(tree, found)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			if round == 1 && f.Severity != finding.Note {
				t.Errorf("after the fix: %s %s %s", filepath.Base(f.Range.String()), f.Rule, f.Message)
			}
		}
		if round == 1 && len(changes) > 0 {
			t.Errorf("a second fix changes %d files", len(changes))
		}
		for _, c := range changes {
			rules = append(rules, c.Rules...)
			if err := os.WriteFile(c.Path, c.After, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return strings.Join(rules, " ")
}
