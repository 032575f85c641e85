package e2e

import (
	"strings"
	"testing"
	"time"
)

const twoThings = `
resource "terraform_data" "a" {
  input = "1"
}
resource "terraform_data" "b" {
  input = terraform_data.a.output
}
`

// Plans that real OpenTofu saved go through it: whole ones are clean, ones that
// show a part are inconclusive.
func TestGateReadsSavedPlans(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Hour)
	w.write("main.tf", twoThings)
	w.succeed(w.env, "tofu", "init", "-no-color")
	judge := func(what string, code int, says string, args ...string) {
		t.Helper()
		w.succeed(w.env, "tofu", append([]string{"plan", "-no-color", "-out", "plan.out"}, args...)...)
		if out, exit := w.output(w.env, "holdfast", "gate", "plan.out"); exit != code || !strings.Contains(out, says) {
			t.Errorf("%s: exit %d, want %d and %q\n%s", what, exit, code, says, out)
		}
	}
	judge("a first plan", 0, "nothing found in plan.out")
	judge("a first plan of a part", 4, "INCONCLUSIVE", "-target", "terraform_data.a")
	w.succeed(w.env, "tofu", "apply", "-auto-approve", "-no-color")
	judge("a plan without changes", 0, "nothing found")
	judge("a part, excluded", 4, "says nothing about 1 resources", "-exclude", "terraform_data.b")
	judge("refresh only", 0, "nothing found", "-refresh-only")
	judge("destroy", 0, "nothing found", "-destroy")
	judge("destroy a part", 4, "INCONCLUSIVE", "-destroy", "-target", "terraform_data.b")

	// Its JSON from standard input, and a plan that nobody can show.
	if out, exit := w.output(w.env, "sh", "-c", "tofu show -json plan.out | holdfast gate -"); exit != 4 || !strings.Contains(out, "INCONCLUSIVE") {
		t.Errorf("exit %d\n%s", exit, out)
	}
	w.write("broken.out", "PK\x03\x04 no plan")
	if out, exit := w.output(w.env, "holdfast", "gate", "--engine", "tofu", "broken.out"); exit != 4 || !strings.Contains(out, "can't be shown") {
		t.Errorf("exit %d\n%s", exit, out)
	}
}

// A plan whose backend was configured with keys carries them.
func TestGateFindsKeysInASavedPlan(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Hour)
	w.write("main.tf", code("use_lockfile = true", 0))
	env := w.without("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
	w.succeed(env, "tofu", "init", "-no-color", "-backend-config=access_key="+w.env["AWS_ACCESS_KEY_ID"], "-backend-config=secret_key="+w.env["AWS_SECRET_ACCESS_KEY"])
	w.succeed(env, "tofu", "plan", "-no-color", "-out", "plan.out")
	out, exit := w.output(env, "holdfast", "gate", "plan.out")
	if exit != 2 || !strings.Contains(out, "HF233") || strings.Contains(out, w.env["AWS_SECRET_ACCESS_KEY"]) {
		t.Errorf("exit %d\n%s", exit, out)
	}
}

// What a drained run left tainted, the next plan would destroy: the gate says so.
func TestGateKnowsWhatADrainLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t, drained)
	w.write("main.tf", code("use_lockfile = true", 90*time.Second))
	env := w.pod(w.env["HOLDFAST_LAB_ROLE_DEPLOY"])
	w.succeed(env, "holdfast", "run", "--", "tofu", "init", "-no-color")
	_, said, wait := w.underWay(env, "run", "--", "tofu", "apply", "-auto-approve", "-no-color")
	w.trust(false)
	if exit := wait(); exit != 1 {
		t.Fatalf("exit %d", exit)
	}
	w.trust(true)
	w.succeed(env, "holdfast", "run", "--", "tofu", "plan", "-no-color", "-out", "plan.out")
	out, exit := w.output(env, "holdfast", "run", "-q", "--", "holdfast", "gate", "plan.out")
	if exit != 2 || strings.Count(out, "HF221") != 3 || !strings.Contains(out, "untaint 'terraform_data.slow[0]'") {
		t.Errorf("exit %d\n%s\nthe run before:\n%s", exit, out, said)
	}
}
