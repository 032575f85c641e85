package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast/holdfast/internal/lab"
	labeks "github.com/holdfast/holdfast/internal/lab/eks"
	"github.com/holdfast/holdfast/internal/report"
)

// deadNodes is a cluster whose role for nodes was made anew a while ago, and its
// entry wasn't; holdfast.hcl names the cluster for repairs.
func deadNodes(t *testing.T, age time.Duration) *stage {
	t.Helper()
	const account = "111111111111"
	s := cast(worldOf(t, lab.Options{World: &lab.World{Accounts: []lab.Account{{
		ID:    account,
		Roles: []lab.Role{{Name: "node", Age: age, Trust: []lab.Trust{{Services: []string{"ec2.amazonaws.com"}}}}},
		Clusters: []labeks.Spec{{Name: "prod", Mode: labeks.ModeAPI, Entries: []labeks.EntrySpec{
			{PrincipalARN: "arn:aws:iam::" + account + ":role/node", Type: "EC2_LINUX", Age: 48 * time.Hour, Stale: true},
		}}},
	}}}}))
	s.write("holdfast.hcl", "cluster \"prod\" {\n  repair_after_apply = true\n}\n")
	return s
}

// after runs a command with the cluster looked at afterwards.
func (s *stage) after(play string, command ...string) {
	s.t.Helper()
	env := s.without()
	env["E2E_CHILD"], env["E2E_LOG"] = play, s.log
	s.run(false, env, append([]string{"run", "--verify-access", "prod", "--report", "report.json", "--"}, command...)...)
}

func (s *stage) deletes() (n int) {
	for _, c := range s.lab.Calls() {
		if c.Operation == "DeleteAccessEntry" {
			n++
		}
	}
	return n
}

// noticed is the message of the first notice of a kind in a report.
func noticed(r report.Run, kind string) string {
	for _, n := range r.Notices {
		if n.Kind == kind {
			return n.Severity + ": " + n.Message
		}
	}
	return ""
}

// TestARepairAfterARunIsInterrupted: the report of the run is there while the
// repair waits for the role's first minute to pass; each signal that a runner
// sends ends the wait, and none takes the command's exit code away.
func TestARepairAfterARunIsInterrupted(t *testing.T) {
	t.Parallel()
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		s := deadNodes(t, 0)
		s.after("", "sh", "-c", "exit 3")
		s.until("it waits", func() bool { return strings.Contains(s.seen(), "the role is young; waiting") })
		if r := s.report(); r.ExitCode != 3 || noticed(r, "access.dead") != "" {
			t.Errorf("%s: the report before the repair: %+v", sig, r)
		}
		s.signal(sig, sig)
		if exit := s.exit(); exit != 3 {
			t.Errorf("%s: exit %d\n%s", sig, exit, s.seen())
		}
		if said := noticed(s.report(), "access.left"); said != "warning: not repaired: interrupted before anything was changed" || s.deletes() != 0 {
			t.Errorf("%s: %d deletes, %q\n%s", sig, s.deletes(), said, s.seen())
		}
	}
}

// TestNoRepairAfterAnInterruptedApply: what the apply was about may be half done.
func TestNoRepairAfterAnInterruptedApply(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		command []string
		exit    int
	}{"tofu itself": {[]string{"tofu", "apply"}, 0}, "tofu in a shell": {[]string{"sh", "-c", "tofu apply; true"}, 130}} {
		s := deadNodes(t, time.Hour)
		s.after("count", row.command...)
		s.ready()
		s.signal(syscall.SIGINT)
		if exit := s.exit(); exit != row.exit {
			t.Errorf("%s: exit %d\n%s", name, exit, s.seen())
		}
		r := s.report()
		if said := noticed(r, "access.left"); !strings.HasPrefix(said, "warning: not repaired: ") || noticed(r, "access.dead") == "" || s.deletes() != 0 {
			t.Errorf("%s: %d deletes, %q\n%s", name, s.deletes(), said, s.seen())
		}
	}
}

// TestARepairAfterARunIsKilled: the entry is gone, and what the journal keeps
// brings it back.
func TestARepairAfterARunIsKilled(t *testing.T) {
	t.Parallel()
	s := deadNodes(t, time.Hour)
	s.lab.Fault(lab.Fault{Service: "eks", Operation: "DeleteAccessEntry", Kind: lab.FaultSlow, Delay: 5 * time.Second, Count: 1})
	s.after("", "sh", "-c", "exit 0")
	s.until("the delete is on its way", func() bool { return len(s.lab.Faults()) == 0 })
	s.lab.Fault(lab.Fault{Service: "eks", Operation: "CreateAccessEntry", Kind: lab.FaultHang}) // the one before only asked
	s.until("the entry is gone", func() bool { return s.deletes() == 1 })
	s.signal(syscall.SIGKILL)
	s.exit()
	s.lab.ClearFaults()
	if journals, err := filepath.Glob(filepath.Join(s.dir, ".local", "state", "holdfast", "repair", "*", "journal.jsonl")); err != nil || len(journals) != 1 {
		t.Errorf("journals %v, %v", journals, err)
	}
	env := s.without()
	if out, code := s.output(env, "holdfast", "access", "scan", "--region", "eu-west-1", "prod"); code != 0 || !strings.Contains(out, "0 entries") {
		t.Errorf("after the kill: exit %d\n%s", code, out)
	}
	s.succeed(env, "holdfast", "access", "repair", "--resume", "--region", "eu-west-1")
	s.succeed(env, "holdfast", "access", "verify", "--region", "eu-west-1", "prod")
}
