package app

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/holdfast/holdfast/internal/access"
	"github.com/holdfast/holdfast/internal/finding"
	"github.com/holdfast/holdfast/internal/journal"
	"github.com/holdfast/holdfast/internal/lab"
	"github.com/holdfast/holdfast/internal/report"
)

const nodeRole = "arn:aws:iam::" + accessAccount + ":role/node"

// writeAfterFile names the clusters of staleWorld for repairs after a run.
func writeAfterFile(t *testing.T, dir string) {
	t.Helper()
	text := "cluster \"prod-*\" {\n  role               = \"" + opsRole + "\"\n  repair_after_apply = true\n}\n"
	if err := os.WriteFile(filepath.Join(dir, "holdfast.hcl"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// afterRun is the end of a run over the clusters of staleWorld.
func afterRun(t *testing.T, hook journal.Hook, p Process) []report.RepairedEntry {
	t.Helper()
	var rep report.Run
	return ended{t: t, p: p, hook: hook, rep: &rep}.verify(t.Context(), "")
}

// ended is a run that has ended.
type ended struct {
	t    *testing.T
	p    Process
	hook journal.Hook
	rep  *report.Run
	tell func(string)
}

func (e ended) verify(ctx context.Context, stopped string) []report.RepairedEntry {
	e.t.Helper()
	writeAfterFile(e.t, e.p.Dir)
	a := NewAfterRun(Request{}, []string{"prod-*"})
	a.Stopped, a.hook, a.Tell = stopped, e.hook, func(string) {}
	if e.tell != nil {
		a.Tell = e.tell
	}
	a.Found = func(finding.Report) {}
	return VerifyAccess(ctx, a, e.p, e.rep)
}

// notice is the message of the one notice of a kind about the entry of nodes.
func (e ended) notice(kind string) string {
	e.t.Helper()
	var all []string
	for _, n := range e.rep.Notices {
		if n.Kind == kind && n.Subject == "prod-0 role/node" {
			all = append(all, n.Severity+": "+n.Message)
		}
	}
	if len(all) != 1 {
		e.t.Errorf("%d notices %s of the entry of nodes in %+v", len(all), kind, e.rep.Notices)
		return ""
	}
	return all[0]
}

func runEnded(t *testing.T, f refusedLab) ended {
	p := labProcess(t, f.lab)
	t.Chdir(p.Dir)
	return ended{t: t, p: p, rep: &report.Run{}}
}

// TestARunThatWasStoppedRepairsNothing, whatever holdfast.hcl says.
func TestARunThatWasStoppedRepairsNothing(t *testing.T) {
	f := startRefused(t, staleWorld(1))
	before := f.arns()
	e := runEnded(t, f)
	e.verify(t.Context(), "it was interrupted")
	if said := e.notice(AccessLeft); said != "warning: not repaired: it was interrupted" {
		t.Error(said)
	}
	if after := f.arns(); after[nodeRole] != before[nodeRole] {
		t.Errorf("changed: %v", after)
	}
	e.notice(AccessDead)
}

func TestWhichRunsEndedEarly(t *testing.T) {
	well := report.Process{Engine: "tofu", Subcommand: "apply", Dir: "/d", Told: true}
	with := func(change func(*report.Process)) []report.Process {
		p := well
		change(&p)
		return []report.Process{well, p}
	}
	for name, row := range map[string]struct {
		rep       report.Run
		signalled bool
		says      string
	}{
		"ran well":                 {rep: report.Run{Processes: []report.Process{well}}},
		"failed by itself":         {rep: report.Run{ExitCode: 1, Processes: with(func(p *report.Process) { p.ExitCode = 1 })}},
		"an exit code of its own":  {rep: report.Run{ExitCode: 255}},
		"an exit code of a shell":  {rep: report.Run{ExitCode: 127}},
		"drained":                  {rep: report.Run{Drained: []report.Drained{{Dir: "/d", Why: "its credentials end"}}}, says: "its credentials end"},
		"timed out between two":    {rep: report.Run{Stopped: "the run has taken 3h"}, says: "3h"},
		"a Terraform interrupted":  {rep: report.Run{Processes: with(func(p *report.Process) { p.Interrupts = 1 })}, says: "was interrupted"},
		"a Terraform killed":       {rep: report.Run{Processes: with(func(p *report.Process) { p.Signal = "killed" })}, says: "(killed)"},
		"a Terraform out of sight": {rep: report.Run{Processes: with(func(p *report.Process) { p.Told = false })}, says: "isn't known"},
		"ended by a signal":        {rep: report.Run{ExitCode: 130}, says: "exit 130"},
		"a signal came":            {signalled: true, says: "asked to end"},
	} {
		if got := EndedEarly(row.rep, row.signalled); (got == "") != (row.says == "") || !strings.Contains(got, row.says) {
			t.Errorf("%s: %q, want %q", name, got, row.says)
		}
	}
}

// TestARepairAfterARunThatStopsHalfWay says how it is finished, and is finished
// so; the next run begins none before.
func TestARepairAfterARunThatStopsHalfWay(t *testing.T) {
	for name, stop := range map[string]func(*ended, refusedLab) context.Context{
		"the create fails for good": func(e *ended, f refusedLab) context.Context {
			e.hook = brokenCreate(f)
			return t.Context()
		},
		"interrupted while IAM lags": func(e *ended, f refusedLab) context.Context {
			ctx, cancel := context.WithCancel(t.Context())
			e.hook = func(p journal.Point) {
				if p == (journal.Point{Step: "delete", Phase: journal.Done}) {
					f.lab.Fault(lab.Fault{Service: "eks", Operation: "CreateAccessEntry", Kind: lab.FaultError, Status: 400, Code: "InvalidParameterException", Message: "The specified principalArn is invalid: invalid principal"})
				}
			}
			e.tell = func(text string) {
				if strings.HasPrefix(text, "not yet: ") {
					cancel()
				}
			}
			return ctx
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := startRefused(t, staleWorld(1))
			before := f.contents(nodeRole)
			e := runEnded(t, f)
			ctx := stop(&e, f)
			began := time.Now()
			e.verify(ctx, "")
			if took := time.Since(began); took > time.Minute {
				t.Errorf("it took %s", took)
			}
			said := e.notice(AccessRepairFailed)
			for _, want := range []string{"warning: failed: ", "holdfast access repair --resume", "aws eks create-access-entry --region eu-west-1 --cluster-name prod-0 --principal-arn " + nodeRole + " --type EC2_LINUX"} {
				if !strings.Contains(said, want) {
					t.Errorf("%s isn't in\n%s", want, said)
				}
			}
			f.lab.ClearFaults()

			again := ended{t: t, p: e.p, rep: &report.Run{}}
			again.verify(t.Context(), "") // the entry isn't there, so there is nothing to repair
			req := RepairRequest{AccessRequest: accessRequest(NoLedger), Resume: true, Tell: func(string) {}}
			req.Role = opsRole
			out, err := AccessRepair(t.Context(), req, e.p)
			if err != nil || len(out.Entries) != 1 || out.Entries[0].Outcome != report.Repaired {
				t.Fatalf("%v %+v", err, out)
			}
			if after := f.contents(nodeRole); after != before {
				t.Errorf("%s, and was %s", after, before)
			}
		})
	}
}

// youngNodes makes the role of nodes anew, now.
func (f refusedLab) youngNodes() {
	f.t.Helper()
	if _, err := f.iam.DeleteRole(f.t.Context(), &awsiam.DeleteRoleInput{RoleName: aws.String("node")}); err != nil {
		f.t.Fatal(err)
	}
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	if _, err := f.iam.CreateRole(f.t.Context(), &awsiam.CreateRoleInput{RoleName: aws.String("node"), AssumeRolePolicyDocument: &trust}); err != nil {
		f.t.Fatal(err)
	}
}

// TestAnInterruptEndsTheWaitForAYoungRole: at once, with nothing changed and
// nothing to resume, after a run as in a repair by a person.
func TestAnInterruptEndsTheWaitForAYoungRole(t *testing.T) {
	for name, repair := range map[string]func(context.Context, ended) string{
		"after a run": func(ctx context.Context, e ended) string {
			e.verify(ctx, "")
			return e.notice(AccessLeft)
		},
		"by a person": func(ctx context.Context, e ended) string {
			req := RepairRequest{AccessRequest: accessRequest(NoLedger), Yes: true, Entries: []string{"role/node"}, Tell: e.tell}
			req.Role = opsRole
			out, err := AccessRepair(ctx, req, e.p)
			if err != nil || len(out.Entries) != 1 || out.Entries[0].Outcome != report.Refused {
				t.Errorf("%v %+v", err, out)
				return ""
			}
			return out.Entries[0].Why
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := startRefused(t, staleWorld(1))
			f.youngNodes()
			before := f.arns()
			e := runEnded(t, f)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			waits := false
			e.tell = func(text string) {
				if strings.Contains(text, "the role is young; waiting") {
					waits = true
					cancel()
				}
			}
			began := time.Now()
			if said := repair(ctx, e); !waits || !strings.Contains(said, "interrupted before anything was changed") {
				t.Errorf("waited: %v; %s", waits, said)
			}
			if took := time.Since(began); took > access.Propagation/2 {
				t.Errorf("it took %s", took)
			}
			if after := f.arns(); after[nodeRole] != before[nodeRole] {
				t.Errorf("changed: %v", after)
			}
			req := RepairRequest{AccessRequest: accessRequest(NoLedger), Resume: true, Tell: func(string) {}}
			req.Role = opsRole
			if out, err := AccessRepair(t.Context(), req, e.p); err != nil || len(out.Entries) != 0 {
				t.Errorf("something is left to resume: %v %+v", err, out)
			}
		})
	}
}

// TestUnfinishedRepairsComeFirst: a run begins none beside them.
func TestUnfinishedRepairsComeFirst(t *testing.T) {
	f := startRefused(t, staleWorld(1))
	e := runEnded(t, f)
	req := RepairRequest{AccessRequest: accessRequest(NoLedger), Yes: true, Entries: []string{"role/people"}, Tell: func(string) {}, Hook: brokenCreate(f)}
	req.Role = opsRole
	if out, err := AccessRepair(t.Context(), req, e.p); err != nil || len(out.Entries) != 1 || out.Entries[0].Outcome != report.Failed {
		t.Fatalf("%v %+v", err, out)
	}
	f.lab.ClearFaults()
	e.verify(t.Context(), "")
	if said := e.notice(AccessLeft); !strings.Contains(said, "1 repairs were interrupted") || !strings.Contains(said, "holdfast access repair --resume") {
		t.Error(said)
	}
}

// TestALostJournalIsTold: in a pod the journal goes with it, so the commands that
// it would be finished with are in the log before anything is deleted.
func TestALostJournalIsTold(t *testing.T) {
	f := startRefused(t, staleWorld(1))
	e := runEnded(t, f)
	e.p.Environ = append(slices.DeleteFunc(slices.Clone(e.p.Environ), func(v string) bool { return strings.HasPrefix(v, "XDG_STATE_HOME=") }), "KUBERNETES_SERVICE_HOST=10.0.0.1")
	var told []string
	e.tell = func(text string) { told = append(told, text) }
	deleted := false
	e.hook = func(p journal.Point) {
		if p == (journal.Point{Step: "delete", Phase: journal.Begun}) {
			deleted = true
			if !strings.Contains(strings.Join(told, "\n"), "aws eks create-access-entry") {
				t.Errorf("before the delete there was only %q", told)
			}
		}
	}
	e.verify(t.Context(), "")
	if !deleted {
		t.Errorf("nothing was repaired: %+v", e.rep.Notices)
	}
}
