//go:build unix

package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awseks "github.com/aws/aws-sdk-go-v2/service/eks"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/holdfast/holdfast/internal/journal"
	"github.com/holdfast/holdfast/internal/lab"
	labeks "github.com/holdfast/holdfast/internal/lab/eks"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/report"
)

// What a test wants of the process that it starts of itself, as JSON, and the
// point at which that process is to be killed.
const (
	childRequest = "HOLDFAST_TEST_REPAIR"
	childKill    = "HOLDFAST_TEST_KILL"
)

// work is what the process is to do.
type work struct {
	Entries         []string
	Resume, Undo    bool
	Backup, Restore string // a file, instead of a repair
	After           bool   // a run that has ended, with afterFile
}

func (w work) request() RepairRequest {
	req := RepairRequest{AccessRequest: accessRequest(NoLedger), Yes: !w.Resume && !w.Undo, Resume: w.Resume, Undo: w.Undo, Entries: w.Entries, Tell: func(string) {}}
	req.Role = "arn:aws:iam::" + accessAccount + ":role/ops"
	return req
}

// do does it, and says what went wrong.
func (w work) do(t *testing.T, hook journal.Hook, p Process) (said string, err error) {
	req := w.request()
	switch {
	case w.Backup != "":
		req.Clusters = []string{"prod-0"}
		backup, err := AccessBackup(t.Context(), req.AccessRequest, false, p)
		if err != nil {
			return "", err
		}
		b, err := json.Marshal(backup)
		return "", errors.Join(err, os.WriteFile(w.Backup, b, 0o600))
	case w.Restore != "":
		out, err := AccessRestore(t.Context(), RestoreRequest{AccessRequest: req.AccessRequest, File: w.Restore, Yes: true, Tell: req.Tell, Hook: hook}, p)
		if out.Failed != "" || out.Lacks() {
			said = fmt.Sprintf("%+v", out)
		}
		return said, err
	}
	if w.After {
		for _, e := range afterRun(t, hook, p) {
			if e.Outcome != report.Repaired && e.Type != "STANDARD" {
				said += fmt.Sprintf("%+v", e)
			}
		}
		return said, nil
	}
	req.Hook = hook
	out, err := AccessRepair(t.Context(), req, p)
	for _, e := range out.Entries {
		if e.Outcome != report.Repaired && (e.Outcome != report.Undone || !w.Undo) {
			said += fmt.Sprintf("%+v", e)
		}
	}
	return said, err
}

// TestChild is the process that a test starts and kills: a repair, or the
// restore of a file.
func TestChild(t *testing.T) {
	text := os.Getenv(childRequest)
	if text == "" {
		return // this is for the processes that other tests start
	}
	var w work
	if err := json.Unmarshal([]byte(text), &w); err != nil {
		t.Fatal(err)
	}
	at, _ := strconv.Atoi(os.Getenv(childKill)) // 0: never
	var passed atomic.Int32
	hook := func(journal.Point) {
		if int(passed.Add(1)) == at {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	said, err := w.do(t, hook, Process{Environ: os.Environ(), Dir: os.Getenv("HOME"), Home: os.Getenv("HOME"), User: "me", Host: "here"})
	code := 0
	if err != nil || said != "" {
		fmt.Println(err, said)
		code = 1
	}
	os.Exit(code) // past goleak: idle connections to another process's lab end with us
}

// childEnv points a process at a lab, and at nothing else.
func childEnv(l *lab.Server, home string) []string {
	return append(l.Env(), "AWS_ENDPOINT_URL_STS="+l.URL(), "AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull,
		"HOME="+home, "PATH="+os.Getenv("PATH"), "TMPDIR="+os.TempDir(), "GORACE=atexit_sleep_ms=0")
}

// child starts a repair as a process of its own; killed says that it died of it.
func child(t *testing.T, l *lab.Server, home string, w work, kill int) (killed bool) {
	t.Helper()
	text, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestChild$")
	cmd.Dir = home
	cmd.Env = append(childEnv(l, home), childRequest+"="+string(text), childKill+"="+strconv.Itoa(kill))
	out, err := cmd.CombinedOutput()
	if err == nil {
		return false
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() && status.Signal() == syscall.SIGKILL {
		return true
	}
	t.Fatalf("%v\n%s", err, out)
	return false
}

// fleetLab is a lab of stale entries, with the SDK as its judge.
type fleetLab struct {
	*lab.Server
	t   *testing.T
	eks *awseks.Client
	iam *awsiam.Client
}

func startFleet(t *testing.T, w *lab.World, also ...func(*lab.Options)) fleetLab {
	t.Helper()
	o := lab.Options{World: w}
	for _, change := range also {
		change(&o)
	}
	l, err := lab.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	env := precedence.NewEnv(l.Env())
	keys := credentials.NewStaticCredentialsProvider(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], "")
	return fleetLab{l, t,
		awseks.New(awseks.Options{Region: "eu-west-1", BaseEndpoint: aws.String(l.URL()), Credentials: keys}),
		awsiam.New(awsiam.Options{Region: "eu-west-1", BaseEndpoint: aws.String(l.URL()), Credentials: keys})}
}

// entries is everything that a cluster's entries have, but what must be new.
func (f fleetLab) entries(cluster string) map[string]string {
	f.t.Helper()
	out := map[string]string{}
	ref, _ := f.Cluster(accessAccount, "eu-west-1", cluster)
	for _, b := range f.Bindings(ref) {
		got, err := f.eks.DescribeAccessEntry(f.t.Context(), &awseks.DescribeAccessEntryInput{ClusterName: &cluster, PrincipalArn: aws.String(b.PrincipalARN)})
		if err != nil {
			f.t.Fatal(err)
		}
		tags, _ := json.Marshal(got.AccessEntry.Tags)
		out[b.PrincipalARN] = strings.Join([]string{b.Type, b.Username, strings.Join(b.Groups, ","), string(tags), policiesOf(b)}, " | ")
	}
	return out
}

// check compares what is there with what was, and says whether each entry is
// bound to its role of today.
func (f fleetLab) check(cluster string, before map[string]string, where string) {
	f.t.Helper()
	if after := f.entries(cluster); !maps.Equal(before, after) {
		f.t.Errorf("%s: %s isn't what it was:\n%v\n%v", where, cluster, before, after)
	}
	ref, _ := f.Cluster(accessAccount, "eu-west-1", cluster)
	for _, b := range f.Bindings(ref) {
		name := b.PrincipalARN[strings.LastIndexByte(b.PrincipalARN, '/')+1:]
		got, err := f.iam.GetRole(f.t.Context(), &awsiam.GetRoleInput{RoleName: &name})
		if err != nil || *got.Role.RoleId != b.BoundID {
			f.t.Errorf("%s: %s in %s is still bound to %s, %v", where, name, cluster, b.BoundID, err)
		}
	}
}

// atMostOneMissing goes through what the lab was asked, in order of its answers.
func (f fleetLab) atMostOneMissing(where string) {
	f.t.Helper()
	calls := f.Calls()
	slices.SortFunc(calls, func(a, b lab.Call) int { return a.Time.Add(a.Duration).Compare(b.Time.Add(b.Duration)) })
	missing := map[string]int{} // creates don't name their principal in a path, so they are counted
	for _, c := range calls {
		switch {
		case c.Status != 200 || c.Service != "eks":
		case c.Operation == "DeleteAccessEntry":
			missing[c.Cluster]++
		case c.Operation == "CreateAccessEntry" && missing[c.Cluster] > 0: // else a repeated one
			missing[c.Cluster]--
		}
		if missing[c.Cluster] > 1 {
			f.t.Errorf("%s: %d entries are missing in %s at once", where, missing[c.Cluster], c.Cluster)
		}
	}
}

// TestKilledAfterEveryStep kills a real process at every point of a repair of
// one entry, and of four in two clusters, and has another one finish it.
func TestKilledAfterEveryStep(t *testing.T) {
	for name, row := range map[string]struct {
		clusters int
		first    work
	}{"one entry": {1, work{Entries: []string{"role/people"}}}, "bulk": {2, work{}}, "after a run": {2, work{After: true}}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n := 1; ; n++ {
				where := fmt.Sprintf("%s, killed at point %d", name, n)
				f, home := startFleet(t, staleWorld(row.clusters)), t.TempDir()
				before := f.entries("prod-0")
				writeAfterFile(t, home)
				killed := child(t, f.Server, home, row.first, n)
				if killed || row.first.After {
					child(t, f.Server, home, work{Resume: true}, 0)
					// What the kill kept from being begun is still stale.
					child(t, f.Server, home, work{}, 0)
				}
				f.atMostOneMissing(where)
				for i := range row.clusters {
					if killed || len(row.first.Entries) == 0 {
						f.check(fmt.Sprint("prod-", i), before, where)
					}
				}
				f.Close()
				if !killed {
					t.Logf("%d points", n-1)
					break
				}
			}
		})
	}
}

// TestRestoreKilledAfterEveryStep: a disaster takes entries, a policy, groups
// and a tag; a restore that was killed anywhere is finished by the next one.
func TestRestoreKilledAfterEveryStep(t *testing.T) {
	t.Parallel()
	for n := 1; ; n++ {
		f, home := startFleet(t, staleWorld(1)), t.TempDir()
		before, file := f.entries("prod-0"), filepath.Join(home, "backup.json")
		child(t, f.Server, home, work{Backup: file}, 0)
		f.disaster()
		if maps.Equal(before, f.entries("prod-0")) {
			t.Fatal("that was no disaster")
		}
		killed := child(t, f.Server, home, work{Restore: file}, n)
		if killed {
			child(t, f.Server, home, work{Restore: file}, 0)
		}
		if after := f.entries("prod-0"); !maps.Equal(before, after) {
			t.Errorf("killed at point %d:\n%v\n%v", n, before, after)
		}
		calls := len(f.changes())
		child(t, f.Server, home, work{Restore: file}, 0)
		if again := len(f.changes()); again != calls {
			t.Errorf("killed at point %d: a restore that has nothing to do made %d changes", n, again-calls)
		}
		f.Close()
		if !killed {
			t.Logf("%d points", n-1)
			return
		}
	}
}

// disaster takes one entry away and spoils another.
func (f fleetLab) disaster() {
	f.t.Helper()
	cluster, people, node := aws.String("prod-0"), aws.String("arn:aws:iam::"+accessAccount+":role/people"), aws.String("arn:aws:iam::"+accessAccount+":role/node")
	got, err := f.eks.DescribeAccessEntry(f.t.Context(), &awseks.DescribeAccessEntryInput{ClusterName: cluster, PrincipalArn: people})
	if err != nil {
		f.t.Fatal(err)
	}
	_, err = f.eks.DeleteAccessEntry(f.t.Context(), &awseks.DeleteAccessEntryInput{ClusterName: cluster, PrincipalArn: node})
	_, err1 := f.eks.DisassociateAccessPolicy(f.t.Context(), &awseks.DisassociateAccessPolicyInput{ClusterName: cluster, PrincipalArn: people, PolicyArn: aws.String(labeks.PolicyEdit)})
	_, err2 := f.eks.UpdateAccessEntry(f.t.Context(), &awseks.UpdateAccessEntryInput{ClusterName: cluster, PrincipalArn: people, KubernetesGroups: []string{"nobody"}})
	_, err3 := f.eks.UntagResource(f.t.Context(), &awseks.UntagResourceInput{ResourceArn: got.AccessEntry.AccessEntryArn, TagKeys: []string{"team"}})
	if err := errors.Join(err, err1, err2, err3); err != nil {
		f.t.Fatal(err)
	}
}

// changes are the calls that changed something.
func (f fleetLab) changes() []lab.Call {
	return slices.DeleteFunc(f.Calls(), func(c lab.Call) bool {
		return c.Service != "eks" || strings.HasPrefix(c.Operation, "List") || strings.HasPrefix(c.Operation, "Describe")
	})
}

// TestUndo: a repair that was killed before it changed anything is ended, and
// its entry is the old one; one that has deleted is finished.
func TestUndo(t *testing.T) {
	t.Parallel()
	people := "arn:aws:iam::" + accessAccount + ":role/people"
	arn := func(f fleetLab) string {
		got, err := f.eks.DescribeAccessEntry(t.Context(), &awseks.DescribeAccessEntryInput{ClusterName: aws.String("prod-0"), PrincipalArn: &people})
		if err != nil {
			t.Fatal(err)
		}
		return *got.AccessEntry.AccessEntryArn
	}
	for kill, stays := range map[int]bool{2: true, 3: true, 5: false} { // after it asked, before the delete, after it
		f, home := startFleet(t, staleWorld(1)), t.TempDir()
		before, old := f.entries("prod-0"), arn(f)
		if !child(t, f.Server, home, work{Entries: []string{"role/people"}}, kill) {
			t.Fatal("it wasn't killed")
		}
		child(t, f.Server, home, work{Undo: true}, 0)
		if now := arn(f); (now == old) != stays || !maps.Equal(before, f.entries("prod-0")) {
			t.Errorf("killed at point %d: %s, and was %s", kill, now, old)
		}
		child(t, f.Server, home, work{Entries: []string{"role/node"}}, 0) // nothing is left that would refuse it
	}
}
