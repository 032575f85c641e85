package app

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast/holdfast/internal/journal"
	"github.com/holdfast/holdfast/internal/lab"
	labeks "github.com/holdfast/holdfast/internal/lab/eks"
	"github.com/holdfast/holdfast/internal/report"
)

// brokenCreate makes every create after the delete fail for good.
func brokenCreate(f refusedLab) journal.Hook {
	return func(p journal.Point) {
		if p == (journal.Point{Step: "delete", Phase: journal.Done}) {
			f.lab.Fault(lab.Fault{Service: "eks", Operation: "CreateAccessEntry", Kind: lab.FaultError, Status: 400, Code: "ResourceLimitExceededException", Message: "no"})
		}
	}
}

// contents is what an entry has, apart from what is new in every incarnation.
func (f refusedLab) contents(principal string) string {
	f.t.Helper()
	ref, _ := f.lab.Cluster(accessAccount, "eu-west-1", "prod-0")
	for _, b := range f.lab.Bindings(ref) {
		if b.PrincipalARN == principal {
			return strings.Join([]string{b.Type, b.Username, strings.Join(b.Groups, " "), policiesOf(b)}, "|")
		}
	}
	return ""
}

// TestGivingUpLeavesAWayBack: a repair that fails with the entry gone says so,
// starts no other entry of the cluster, and is finished by --resume.
func TestGivingUpLeavesAWayBack(t *testing.T) {
	f := startRefused(t, staleWorld(1))
	before := f.contents(peopleRole)
	p := labProcess(t, f.lab)
	req := RepairRequest{AccessRequest: accessRequest(NoLedger), Yes: true, Tell: func(string) {}, Hook: brokenCreate(f)}
	req.Role = opsRole
	out, err := AccessRepair(t.Context(), req, p)
	if err != nil || len(out.Entries) != 2 {
		t.Fatalf("%v %+v", err, out)
	}
	failed, refused := out.Entries[0], out.Entries[1]
	if failed.Outcome != report.Failed {
		failed, refused = refused, failed
	}
	if failed.Outcome != report.Failed || !failed.Missing || !strings.Contains(failed.Why, "ResourceLimitExceeded") || len(failed.ByHand) == 0 {
		t.Errorf("%+v", failed)
	}
	if refused.Outcome != report.Refused || !strings.Contains(refused.Why, "not begun") {
		t.Errorf("%+v", refused)
	}
	f.lab.ClearFaults()
	req.Hook = nil
	if _, err := AccessRepair(t.Context(), req, p); err == nil || !strings.Contains(err.Error(), "--resume") {
		t.Errorf("a new repair beside an unfinished one: %v", err)
	}
	req.Yes, req.Resume = false, true
	out, err = AccessRepair(t.Context(), req, p)
	if err != nil || len(out.Entries) != 1 || out.Entries[0].Outcome != report.Repaired {
		t.Fatalf("%v %+v", err, out)
	}
	if after := f.contents(peopleRole); failed.Principal == peopleRole && after != before {
		t.Errorf("%s, and was %s", after, before)
	}
}

// TestCommandsByHandFinish runs what a failed repair prints, in a shell, with a
// stand-in for the AWS CLI that writes down its arguments.
func TestCommandsByHandFinish(t *testing.T) {
	f := startRefused(t, staleWorld(1))
	req := RepairRequest{AccessRequest: accessRequest(NoLedger), Yes: true, Tell: func(string) {}, Entries: []string{"role/people"}, Hook: brokenCreate(f)}
	req.Role = opsRole
	out, err := AccessRepair(t.Context(), req, labProcess(t, f.lab))
	if err != nil || len(out.Entries) != 1 || len(out.Entries[0].ByHand) != 3 {
		t.Fatalf("%v %+v", err, out)
	}
	shell, err := exec.LookPath("sh")
	if err != nil {
		return // Windows: the commands are for a POSIX shell
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "aws"), []byte("#!/bin/sh\nprintf '[%s]' \"$@\"\necho\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), shell, "-c", strings.Join(out.Entries[0].ByHand, "\n"))
	cmd.Env = []string{"PATH=" + dir + string(os.PathListSeparator) + os.Getenv("PATH")}
	said, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatal(err, string(said))
	}
	for _, want := range []string{
		"[eks][create-access-entry][--region][eu-west-1][--cluster-name][prod-0][--principal-arn][" + peopleRole + "][--type][STANDARD][--kubernetes-groups][deployers][viewers][--username][people:{{SessionName}}][--tags][{\"team\":\"a, b=c\"}]",
		"[--access-scope][type=namespace,namespaces=shop,till-*]",
		"[--access-scope][type=cluster]",
	} {
		if !strings.Contains(string(said), want) {
			t.Errorf("%s isn't in\n%s", want, said)
		}
	}
}

func policiesOf(b labeks.Binding) string {
	var all []string
	for arn, scope := range b.Policies {
		all = append(all, fmt.Sprint(arn, scope.Type, scope.Namespaces))
	}
	slices.Sort(all)
	return fmt.Sprint(all)
}
