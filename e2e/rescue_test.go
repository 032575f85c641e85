package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/holdfast/holdfast/internal/alert"
	"github.com/holdfast/holdfast/internal/lab"
	"github.com/holdfast/holdfast/internal/report"
)

// trust sets who may assume the role deploy: the role ci, or nobody.
func (w *world) trust(anybody bool) {
	w.t.Helper()
	effect := "Deny"
	if anybody {
		effect = "Allow"
		w.must(w.lab.SetSession(time.Hour)) // what comes after the loss has time
	}
	_, err := iam.NewFromConfig(w.admin()).UpdateAssumeRolePolicy(context.Background(), &iam.UpdateAssumeRolePolicyInput{
		RoleName: aws.String("deploy"),
		PolicyDocument: aws.String(fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":%q,
			"Principal":{"AWS":"arn:aws:iam::111111111111:role/ci"},"Action":"sts:AssumeRole"}]}`, effect)),
	})
	w.must(err)
}

// underWay starts a run and returns when its resources are being made.
func (w *world) underWay(env map[string]string, args ...string) (*exec.Cmd, *strings.Builder, func() int) {
	w.t.Helper()
	cmd := w.command(env, "holdfast", args...)
	r, out, err := os.Pipe()
	w.must(err)
	cmd.Stdout, cmd.Stderr = out, out
	w.must(cmd.Start())
	out.Close()
	var said strings.Builder
	began, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		buffer := make([]byte, 4096)
		begun := false
		for {
			n, err := r.Read(buffer)
			said.Write(buffer[:n])
			if !begun && strings.Contains(said.String(), "Creating...") {
				begun = true
				close(began)
			}
			if err != nil {
				return
			}
		}
	}()
	select {
	case <-began:
	case <-done:
		w.t.Fatalf("it ended before anything was made:\n%s", said.String())
	}
	return cmd, &said, func() int {
		<-done
		_ = cmd.Wait() // the exit code says it
		return cmd.ProcessState.ExitCode()
	}
}

func (w *world) state(key string) (serial uint64, lineage, text string) {
	w.t.Helper()
	b, ok := w.object(key)
	if !ok {
		return 0, "", ""
	}
	var s struct {
		Serial  uint64
		Lineage string
	}
	w.must(json.Unmarshal(b, &s))
	return s.Serial, s.Lineage, string(b)
}

// A role whose trust is withdrawn while an apply runs: the run is stopped
// before its session ends, OpenTofu writes its own state and releases its lock,
// and what was left half made is told.
func TestWithdrawnTrustDrains(t *testing.T) {
	for name, backend := range backends() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, drained)
			w.write("main.tf", code(backend, 90*time.Second))
			env := w.pod(w.env["HOLDFAST_LAB_ROLE_DEPLOY"])
			w.succeed(env, "holdfast", "run", "--", "tofu", "init", "-no-color")
			_, said, wait := w.underWay(env, "run", "--report", "report.json", "--", "tofu", "apply", "-auto-approve", "-no-color")
			w.trust(false)
			if exit := wait(); exit != 1 {
				t.Errorf("exit %d", exit)
			}
			_, _, text := w.state(stateKey)
			if strings.Count(text, `"tainted"`) != 3 || w.locked(stateKey) {
				t.Errorf("locked %v, the state:\n%s", w.locked(stateKey), text)
			}
			if refused := w.refusedForExpiry(); len(refused) > 0 {
				t.Errorf("refused for expiry: %+v", refused)
			}
			r := w.report()
			if len(r.Drained) != 1 || len(r.Drained[0].Tainted) != 3 || r.Drained[0].Tainted[0].ID == "" || len(r.Drained[0].Next) != 3 {
				t.Errorf("the report: %+v", r.Drained)
			}
			if !strings.Contains(said.String(), "untaint 'terraform_data.slow[0]'") || !strings.Contains(said.String(), "AccessDenied") {
				t.Errorf("said:\n%s", said)
			}
		})
	}
}

// Keys that were handed over can't be renewed, so that a Terraform which works
// with them is stopped before they end, though all is well.
func TestDrainOfKeysThatWereHandedOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, drained)
	w.write("main.tf", code("use_lockfile = true", 90*time.Second))
	env := w.pod(w.env["HOLDFAST_LAB_ROLE_DEPLOY"])
	w.succeed(env, "holdfast", "run", "--", "tofu", "init", "-no-color")
	out, exit := w.output(env, "holdfast", "run", "--deliver", "env", "--report", "report.json", "--", "tofu", "apply", "-auto-approve", "-no-color")
	_, _, text := w.state(stateKey)
	if exit != 1 || strings.Count(text, `"tainted"`) != 3 || w.locked(stateKey) {
		t.Errorf("exit %d, locked %v, the state:\n%s\n%s", exit, w.locked(stateKey), text, out)
	}
	w.says(out, "handed over as keys (--deliver env)", "untaint 'terraform_data.slow[0]'")
	if refused := w.refusedForExpiry(); len(refused) > 0 {
		t.Errorf("refused for expiry: %+v", refused)
	}
}

// lose makes an apply lose its credentials for good while it works, without a
// drain: errored.tfstate and the lock stay.
func (w *world) lose(env map[string]string) report.Run {
	w.t.Helper()
	w.write("holdfast.hcl", "run {\n  on_expiry = \"warn\"\n"+w.inRun+"}\n"+w.config)
	w.succeed(env, "holdfast", "run", "--", "tofu", "init", "-no-color")
	_, said, wait := w.underWay(env, "run", "--report", "report.json", "--", "tofu", "apply", "-auto-approve", "-no-color")
	w.trust(false)
	if exit := wait(); exit != 1 {
		w.t.Errorf("exit %d\n%s", exit, said)
	}
	if _, err := os.Stat(filepath.Join(w.dir, "errored.tfstate")); err != nil {
		w.t.Fatalf("no errored.tfstate: %v\n%s", err, said)
	}
	if !w.locked(stateKey) {
		w.t.Fatal("the lock was released")
	}
	return w.report()
}

func TestRescueAfterTheRoleIsBack(t *testing.T) {
	rows := backends()
	rows["both"] = "use_lockfile = true\n dynamodb_table = \"holdfast-locks\""
	rows["encrypt"] = "use_lockfile = true\n encrypt = true"
	rows["kms"] = "use_lockfile = true\n encrypt = true\n kms_key_id = \"arn:aws:kms:us-east-1:111111111111:key/57ff7a43-341d-46b6-aee3-a450c9de6dc8\""
	rows["customer key"] = "use_lockfile = true\n encrypt = true\n sse_customer_key = \"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\""
	for name, backend := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, session)
			w.write("main.tf", code(backend+"\n max_retries = 1", 8*time.Second)) // few, for the sake of time
			env := w.pod(w.env["HOLDFAST_LAB_ROLE_DEPLOY"])
			r := w.lose(env)
			if len(r.Rescues) != 1 || !r.Rescues[0].Blind || r.Rescues[0].Kept == "" {
				t.Errorf("the report: %+v", r.Rescues)
			}
			kept, err := os.ReadFile(filepath.Join(r.Rescues[0].Kept, "errored.tfstate"))
			w.must(err)
			errored, err := os.ReadFile(filepath.Join(w.dir, "errored.tfstate"))
			w.must(err)
			if string(kept) != string(errored) {
				t.Error("the copy isn't what was found")
			}
			w.checkKept(r.Rescues[0].Kept)

			w.trust(true)
			out := w.succeed(env, "holdfast", "state", "rescue")
			for _, want := range []string{"rescued: serial ", "read back, equal", "was this run's; released"} {
				if !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
					t.Errorf("no %q in:\n%s", want, out)
				}
			}
			if name == "customer key" {
				if strings.Contains(out, "MDEyMzQ1") {
					t.Error("the key is told")
				}
				w.succeed(env, "holdfast", "run", "--", "tofu", "plan", "-detailed-exitcode", "-no-color") // reads it with the key
				return
			}
			w.checkState(3)
			w.sameResources(errored)
			if out := w.succeed(env, "holdfast", "state", "rescue"); !strings.Contains(out, "nothing to rescue") {
				t.Errorf("a second time:\n%s", out)
			}
			w.succeed(env, "holdfast", "run", "--", "tofu", "plan", "-detailed-exitcode", "-no-color") // nothing to do: digest and state fit
		})
	}
}

// checkKept says what is wrong with the modes of what a rescue kept.
func (w *world) checkKept(dir string) {
	w.t.Helper()
	w.must(filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			w.t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	}))
}

// sameResources compares the resources of a state with those in the bucket, byte
// for byte.
func (w *world) sameResources(local []byte) {
	w.t.Helper()
	resources := func(state string) string {
		var s struct{ Resources json.RawMessage }
		w.must(json.Unmarshal([]byte(state), &s))
		var b bytes.Buffer
		w.must(json.Compact(&b, s.Resources))
		return b.String()
	}
	_, _, text := w.state(stateKey)
	if want, got := resources(string(local)), resources(text); want != got {
		w.t.Errorf("found:\n%s\nin the bucket:\n%s", want, got)
	}
}

// put replaces an object of the bucket.
func (w *world) put(key, content string) {
	w.t.Helper()
	client := s3.NewFromConfig(w.admin(), func(o *s3.Options) { o.UsePathStyle = true })
	_, err := client.PutObject(context.Background(), &s3.PutObjectInput{
		Bucket: aws.String(w.env["HOLDFAST_LAB_BUCKET"]), Key: &key, Body: strings.NewReader(content),
	})
	w.must(err)
}

// left is a world in which an apply lost its credentials over a state that was
// written before: serial and lineage are those of the bucket.
func left(t *testing.T, backend string, prepare func(*world)) (w *world, env map[string]string, r report.Run) {
	t.Helper()
	w = newWorld(t, session)
	env = w.pod(w.env["HOLDFAST_LAB_ROLE_DEPLOY"])
	w.write("main.tf", code("max_retries = 1\n"+backend, 0))
	if prepare != nil {
		prepare(w)
	}
	w.succeed(env, "holdfast", "run", "--", "tofu", "init", "-no-color")
	w.succeed(env, "holdfast", "run", "--", "tofu", "apply", "-auto-approve", "-no-color", "-target=terraform_data.slow[0]")
	w.write("main.tf", code("max_retries = 1\n"+backend, 8*time.Second))
	return w, env, w.lose(env)
}

// refused runs a rescue that a safety rule stops, and checks that nothing was
// changed by it.
func (w *world) refused(env map[string]string, args ...string) string {
	w.t.Helper()
	_, _, before := w.state(stateKey)
	locked := w.locked(stateKey)
	out, exit := w.output(env, "holdfast", append([]string{"state", "rescue"}, args...)...)
	if exit != 5 {
		w.t.Errorf("exit %d\n%s", exit, out)
	}
	if _, _, after := w.state(stateKey); after != before {
		w.t.Errorf("the state was changed:\n%s", after)
	}
	if w.locked(stateKey) != locked {
		w.t.Error("the lock was changed")
	}
	if _, err := os.Stat(filepath.Join(w.dir, "errored.tfstate")); err != nil {
		w.t.Error(err)
	}
	return strings.Join(strings.Fields(out), " ")
}

func (w *world) says(out string, wants ...string) {
	w.t.Helper()
	for _, want := range wants {
		if !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
			w.t.Errorf("no %q in:\n%s", want, out)
		}
	}
}

func TestNewerSerialIsRefused(t *testing.T) {
	t.Parallel()
	w, env, _ := left(t, "use_lockfile = true", nil)
	w.trust(true)
	serial, lineage, text := w.state(stateKey)
	w.put(stateKey, strings.Replace(text, fmt.Sprintf(`"serial":%d`, serial), `"serial":99`, 1))
	out := w.refused(env)
	w.says(out, "serial 99 is in s3://holdfast-state/live/app.tfstate: somebody wrote after it", "holdfast state inspect "+w.dir, "stays, so that nobody applies over what isn't settled", ".rescue/")
	if lineage == "" {
		t.Error("the story has no lineage")
	}
	w.says(w.refused(env), "stays, so that nobody applies over what isn't settled") // it knows its own lock again
	w.must(os.Remove(filepath.Join(w.dir, "errored.tfstate")))                      // the workspace is cleaned
	out, exit := w.output(env, "holdfast", "state", "rescue")
	if exit != 5 || !w.locked(stateKey) || !strings.Contains(out, "NOT RESCUED") || !strings.Contains(out, "serial 99") {
		t.Errorf("without the file: exit %d, locked %v\n%s", exit, w.locked(stateKey), out)
	}
}

func TestSomebodyElsesLockIsLeft(t *testing.T) {
	t.Parallel()
	w, env, _ := left(t, "use_lockfile = true", nil)
	w.trust(true)
	w.put(stateKey+".tflock", `{"ID":"1111","Operation":"OperationTypeApply","Who":"bob@elsewhere","Created":"2026-11-22T10:00:00Z"}`)
	out := w.refused(env)
	w.says(out, "it is bob@elsewhere's", "holdfast state rescue --lock-id 1111", "serial 3 could be pushed over serial", "the lock isn't provably this run's")
	out, exit := w.output(env, "holdfast", "state", "unlock")
	if exit != 5 || !w.locked(stateKey) {
		t.Errorf("unlock: exit %d\n%s", exit, out)
	}
	// On a person's word it goes on.
	w.says(w.succeed(env, "holdfast", "state", "rescue", "--lock-id", "1111"), "rescued: serial")
	w.checkState(3)
}

// A lock of which holdfast saw nothing: what speaks for it is told, and a
// person's word settles it.
func TestUnsupervisedAsks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, session)
	w.write("main.tf", code("use_lockfile = true\n max_retries = 1", 8*time.Second))
	w.succeed(w.env, "tofu", "init", "-no-color")
	w.output(w.assumed(), "tofu", "apply", "-auto-approve", "-no-color")
	env := w.pod(w.env["HOLDFAST_LAB_ROLE_DEPLOY"])
	out := w.refused(env)
	w.says(out, "holdfast didn't see the process that made it", "for it: same user and host", "for it: no Terraform of yours runs in", "before "+w.dir+"/errored.tfstate")
	_, id, _ := strings.Cut(out, "--lock-id ")
	id, _, _ = strings.Cut(id, " ")
	w.says(w.succeed(env, "holdfast", "state", "rescue", "--lock-id", id), "rescued: serial 1")
	w.checkState(3)
}

func TestDigestThatWasSwallowed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Hour)
	w.write("main.tf", code(`dynamodb_table = "holdfast-locks"`, 4*time.Second))
	env := w.pod(w.env["HOLDFAST_LAB_ROLE_DEPLOY"])
	w.succeed(env, "holdfast", "run", "--", "tofu", "init", "-no-color")
	w.succeed(env, "holdfast", "run", "--", "tofu", "apply", "-auto-approve", "-no-color")
	_, said, wait := w.underWay(env, "run", "--report", "report.json", "--", "tofu", "apply", "-auto-approve", "-no-color", "-replace=terraform_data.slow[1]")
	w.lab.Fault(lab.Fault{Service: "dynamodb", Operation: "PutItem", Kind: lab.FaultError, Status: 400, Code: "AccessDeniedException", Message: "no", Count: 1})
	if exit := wait(); exit != 0 {
		t.Errorf("exit %d\n%s", exit, said)
	}
	r := w.report()
	if len(r.Rescues) != 1 || !r.Rescues[0].Repaired {
		t.Errorf("%+v\n%s", r.Rescues, said)
	}
	w.checkState(3)
	w.succeed(env, "holdfast", "run", "--", "tofu", "plan", "-detailed-exitcode", "-no-color")
}

func TestRescueOfAWorkspace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, session)
	env := w.pod(w.env["HOLDFAST_LAB_ROLE_DEPLOY"])
	w.write("main.tf", code("use_lockfile = true\n max_retries = 1\n workspace_key_prefix = \"teams\"", 8*time.Second))
	w.succeed(env, "holdfast", "run", "--", "tofu", "init", "-no-color")
	w.succeed(env, "holdfast", "run", "--", "tofu", "workspace", "new", "-no-color", "blue")
	w.write("holdfast.hcl", "run {\n  on_expiry = \"warn\"\n}\n")
	_, said, wait := w.underWay(env, "run", "--", "tofu", "apply", "-auto-approve", "-no-color")
	w.trust(false)
	if exit := wait(); exit != 1 {
		t.Errorf("exit %d\n%s", exit, said)
	}
	w.trust(true)
	w.says(w.succeed(env, "holdfast", "state", "rescue"), "pushed to s3://holdfast-state/teams/blue/"+stateKey)
	if _, _, text := w.state("teams/blue/" + stateKey); strings.Count(text, `"index_key"`) != 3 || w.locked("teams/blue/"+stateKey) {
		t.Errorf("the workspace's state:\n%s", text)
	}
}

func TestTwoUnitsAreRescuedAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, session)
	env := w.pod(w.env["HOLDFAST_LAB_ROLE_DEPLOY"])
	w.write("holdfast.hcl", "run {\n  on_expiry = \"warn\"\n}\n")
	for _, unit := range []string{"a", "b"} {
		w.must(os.Mkdir(filepath.Join(w.dir, unit), 0o700))
		w.write(unit+"/main.tf", strings.Replace(code("use_lockfile = true\n max_retries = 1", 8*time.Second), stateKey, unit+".tfstate", 1))
		w.succeed(env, "holdfast", "run", "--", "tofu", "-chdir="+unit, "init", "-no-color")
	}
	_, said, wait := w.underWay(env, "run", "--role-arn", w.env["HOLDFAST_LAB_ROLE_DEPLOY"], "--report", "report.json", "--", "sh", "-c",
		"tofu -chdir=a apply -auto-approve -no-color & tofu -chdir=b apply -auto-approve -no-color & wait")
	w.trust(false)
	wait()
	if r := w.report(); len(r.Rescues) != 2 {
		t.Fatalf("%+v\n%s", r.Rescues, said)
	}
	w.trust(true)
	out := w.succeed(env, "holdfast", "state", "rescue", ".")
	if strings.Count(out, "rescued: serial 1 pushed") != 2 || w.locked("a.tfstate") || w.locked("b.tfstate") {
		t.Errorf("%s", out)
	}
}

func TestOldFileIsNotOfThisRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Hour)
	w.write("main.tf", strings.Replace(code("use_lockfile = true", 0), "sleep 0", "false", 1))
	w.write("errored.tfstate", `{"version":4,"serial":7,"lineage":"old","resources":[]}`)
	week := time.Now().Add(-7 * 24 * time.Hour)
	w.must(os.Chtimes(filepath.Join(w.dir, "errored.tfstate"), week, week))
	env := w.pod(w.env["HOLDFAST_LAB_ROLE_DEPLOY"])
	w.succeed(env, "holdfast", "run", "--", "tofu", "init", "-no-color")
	out, exit := w.output(env, "holdfast", "run", "--report", "report.json", "--", "tofu", "apply", "-auto-approve", "-no-color")
	if exit != 1 {
		t.Errorf("exit %d", exit)
	}
	w.says(out, "it belongs to an earlier run")
	if r := w.report(); len(r.Rescues) != 1 || r.Rescues[0].State != "not of this run" {
		t.Errorf("%+v", r.Rescues)
	}
	if b, err := os.ReadFile(filepath.Join(w.dir, "errored.tfstate")); err != nil || !strings.Contains(string(b), `"old"`) {
		t.Errorf("%s, %v", b, err)
	}
}

// errored.tfstate can't be written either, as on a full disk: the state that
// OpenTofu prints then is what is rescued.
func TestPrintedState(t *testing.T) {
	t.Parallel()
	w, env, r := func() (*world, map[string]string, report.Run) {
		w := newWorld(t, session)
		env := w.pod(w.env["HOLDFAST_LAB_ROLE_DEPLOY"])
		w.write("main.tf", code("use_lockfile = true\n max_retries = 1", 8*time.Second))
		w.write("holdfast.hcl", "run {\n  on_expiry = \"warn\"\n}\n")
		w.succeed(env, "holdfast", "run", "--", "tofu", "init", "-no-color")
		w.must(os.Mkdir(filepath.Join(w.dir, "errored.tfstate"), 0o700)) // no file can be made there
		_, said, wait := w.underWay(env, "run", "--report", "report.json", "--", "tofu", "apply", "-auto-approve", "-no-color")
		w.trust(false)
		wait()
		w.says(said.String(), "Failed to create local state file", "NOT RESCUED: what tofu printed")
		return w, env, w.report()
	}()
	if len(r.Rescues) != 1 || r.Rescues[0].Kept == "" {
		t.Fatalf("%+v", r.Rescues)
	}
	w.must(os.Remove(filepath.Join(w.dir, "errored.tfstate")))
	w.trust(true)
	w.says(w.succeed(env, "holdfast", "state", "rescue"), "rescued: serial 0")
	w.checkState(3)
}

// The user's directory for state can't be written: another place is found, and
// if there is none, nothing is touched.
func TestDirectoryThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, session)
	env := w.pod(w.env["HOLDFAST_LAB_ROLE_DEPLOY"])
	w.write("a-file", "")
	w.must(os.Mkdir(filepath.Join(w.dir, "tmp"), 0o700))
	env["XDG_STATE_HOME"], env["TMPDIR"] = filepath.Join(w.dir, "a-file"), filepath.Join(w.dir, "tmp")
	w.write("main.tf", code("use_lockfile = true\n max_retries = 1", 8*time.Second))
	r := w.lose(env)
	if len(r.Rescues) != 1 || !strings.HasPrefix(r.Rescues[0].Kept, filepath.Join(w.dir, "tmp")) {
		t.Fatalf("%+v", r.Rescues)
	}
	w.trust(true)
	env["TMPDIR"] = filepath.Join(w.dir, "nowhere")
	out, exit := w.output(env, "holdfast", "state", "rescue", "--engine", "tofu")
	if exit == 0 || !w.locked(stateKey) {
		t.Errorf("exit %d\n%s", exit, out)
	}
	env["TMPDIR"] = filepath.Join(w.dir, "tmp")
	w.says(w.succeed(env, "holdfast", "state", "rescue"), "rescued: serial 1")
	w.checkState(3)
}

// Two runs of one user on one host want one state: the second never had the
// lock, and leaves the first one's alone.
func TestTwoRunsReleaseTheirOwnOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, session)
	env := w.pod(w.env["HOLDFAST_LAB_ROLE_DEPLOY"])
	w.write("main.tf", code("use_lockfile = true\n max_retries = 1", 14*time.Second))
	w.write("holdfast.hcl", "run {\n  on_expiry = \"warn\"\n}\n")
	w.succeed(env, "holdfast", "run", "--", "tofu", "init", "-no-color")
	_, said, wait := w.underWay(env, "run", "--report", "report.json", "--", "tofu", "apply", "-auto-approve", "-no-color")
	out, exit := w.output(env, "holdfast", "run", "--report", "second.json", "--", "tofu", "apply", "-auto-approve", "-no-color")
	if exit != 1 || !strings.Contains(out, "Error acquiring the state lock") {
		t.Errorf("the second: exit %d\n%s", exit, out)
	}
	if r := w.reportIn("second.json"); len(r.Rescues) > 0 {
		t.Errorf("the second has something to say: %+v", r.Rescues)
	}
	if !w.locked(stateKey) {
		t.Error("the second released the first one's lock")
	}
	w.trust(false)
	wait()
	w.trust(true)
	w.says(w.succeed(env, "holdfast", "state", "rescue"), "rescued: serial 1", "was this run's; released")
	w.checkState(3)
	_ = said
}

// An encrypted state can't be pushed; the commands that are printed instead do
// it.
func TestEncryptedStateIsKept(t *testing.T) {
	t.Parallel()
	// The encryption stands beside the backend, which decrypting mustn't use.
	w, env, _ := left(t, `use_lockfile = true
  }
  encryption {
    key_provider "pbkdf2" "k" {
      passphrase = var.passphrase
    }
    method "aes_gcm" "m" {
      keys = key_provider.pbkdf2.k
    }
    state {
      method = method.aes_gcm.m
    }`, func(w *world) {
		w.write("variables.tf", "variable \"passphrase\" {}\n")
		w.write("terraform.tfvars", "passphrase = \"correct horse battery staple\"\n")
	})
	w.trust(true)
	out, exit := w.output(env, "holdfast", "state", "rescue")
	if exit != 5 {
		t.Errorf("exit %d\n%s", exit, out)
	}
	w.says(out, "is encrypted, which `tofu state push` doesn't read", "stays, so that nobody applies over")
	if strings.Contains(out, "correct horse") {
		t.Error("a secret is told")
	}
	// Whoever tries again doesn't get past the lock that guards it.
	again, exit := w.output(env, "holdfast", "run", "--", "tofu", "apply", "-auto-approve", "-no-color")
	if exit != 1 || !w.locked(stateKey) {
		t.Errorf("the next run: exit %d, locked %v\n%s", exit, w.locked(stateKey), again)
	}
	// Nor does it go when the workspace is cleaned.
	hidden := filepath.Join(w.dir, "hidden")
	w.must(os.Rename(filepath.Join(w.dir, "errored.tfstate"), hidden))
	for _, command := range []string{"state rescue", "run -- tofu apply -auto-approve -no-color"} {
		if again, exit := w.output(env, "sh", "-c", "holdfast "+command); exit == 0 || !w.locked(stateKey) || !strings.Contains(again, "NOT RESCUED") {
			t.Errorf("%s in a cleaned workspace: exit %d, locked %v\n%s", command, exit, w.locked(stateKey), again)
		}
	}
	w.must(os.Rename(hidden, filepath.Join(w.dir, "errored.tfstate")))
	before, _, _ := w.state(stateKey)
	for line := range strings.SplitSeq(out, "\n") {
		command := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(command, "mkdir "), strings.HasPrefix(command, "cp "), strings.HasPrefix(command, "echo "), strings.HasPrefix(command, "tofu "):
			w.succeed(env, "holdfast", "run", "--", "sh", "-c", command)
		case strings.HasPrefix(command, "holdfast state unlock"):
			w.succeed(env, "sh", "-c", command)
		}
	}
	if after, _, text := w.state(stateKey); after <= before || !strings.Contains(text, "encrypted_data") || w.locked(stateKey) {
		t.Errorf("serial %d, then %d; locked %v\n%s", before, after, w.locked(stateKey), text)
	}
}

// Whoever just tries again has the state rescued, and the third run works.
func TestRetryRescues(t *testing.T) {
	t.Parallel()
	w, env, _ := left(t, "use_lockfile = true", nil)
	w.trust(true)
	out, exit := w.output(env, "holdfast", "run", "--", "tofu", "apply", "-auto-approve", "-no-color")
	w.says(out, "Error acquiring the state lock", "rescued: serial ", "was this run's; released")
	if exit != 1 || w.locked(stateKey) {
		t.Errorf("exit %d, locked %v\n%s", exit, w.locked(stateKey), out)
	}
	w.succeed(env, "holdfast", "run", "--", "tofu", "apply", "-auto-approve", "-no-color")
	w.checkState(3)
}

// Whoever isn't looking is told: of the renewal that fails, of the end of the
// session, of the state that is kept; and a place that hangs delays nothing.
func TestAlerts(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	kinds, bodies := map[string]int{}, ""
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body) // only then the server sees that a client leaves
		if r.URL.Path == "/hang" {
			<-r.Context().Done()
			return
		}
		if err != nil || r.Header.Get("X-Holdfast-Signature") != alert.Sign("shared", r.Header.Get("X-Holdfast-Timestamp"), body) {
			t.Errorf("%v, %v", err, r.Header)
		}
		var e struct{ Kind string }
		if err := json.Unmarshal(body, &e); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		kinds[e.Kind]++
		bodies += string(body)
	}))
	t.Cleanup(server.Close)
	w := newWorld(t, session)
	w.config = `
alert "audit" {
  to              = "webhook"
  url_variable    = "HOOK"
  secret_variable = "HOOK_SECRET"
}
alert "slow" {
  to  = "webhook"
  url = "` + server.URL + `/hang"
}
`
	env := w.pod(w.env["HOLDFAST_LAB_ROLE_DEPLOY"])
	env["HOOK"], env["HOOK_SECRET"] = server.URL+"/T000/hunter2", "shared"
	w.write("main.tf", code("use_lockfile = true\n max_retries = 1", 8*time.Second))
	r := w.lose(env)
	mu.Lock()
	defer mu.Unlock()
	noted := map[string]int{} // a renewal that a busy machine delays may fail, succeed, and fail again
	for _, n := range r.Notices {
		noted[n.Kind]++
	}
	for _, kind := range []string{"credential.renew_failed", "credential.expired", "state.left"} {
		if kinds[kind] != noted[kind] || kinds[kind] == 0 {
			t.Errorf("%s happened %d times and was told %d times:\n%s", kind, noted[kind], kinds[kind], bodies)
		}
	}
	for _, secret := range []string{"hunter2", "shared", "SecretAccessKey", "ASIA"} {
		if strings.Contains(bodies, secret) {
			t.Errorf("%s in:\n%s", secret, bodies)
		}
	}
	if last := r.Notices[len(r.Notices)-1].Message; !strings.Contains(last, `alert "slow"`) {
		t.Errorf("the last notice: %s", last)
	}
}

// What iam-policy rescue prints is enough, and without its parts it isn't.
func TestLeastPrivilegeOfARescue(t *testing.T) {
	t.Parallel()
	w := newWorld(t, session)
	env := w.pod(w.env["HOLDFAST_LAB_ROLE_DEPLOY"])
	w.write("main.tf", code("use_lockfile = true\n dynamodb_table = \"holdfast-locks\"\n max_retries = 1", 8*time.Second))
	w.lose(env)
	w.trust(true)
	var printed struct {
		Needs []struct {
			Policy struct {
				Version   string
				Statement []map[string]any
			} `json:"identity_policy"`
		}
	}
	w.must(json.Unmarshal([]byte(w.printed(env, "holdfast", "iam-policy", "rescue")), &printed))
	policy := printed.Needs[0].Policy
	whole := policy.Statement
	try := func() (string, int) {
		b, err := json.Marshal(policy)
		w.must(err)
		w.write("holdfast.hcl", fmt.Sprintf("identity \"least\" {\n  from = \"irsa\"\n  role %q {\n    policy = %q\n  }\n}\n", w.env["HOLDFAST_LAB_ROLE_DEPLOY"], b))
		return w.output(w.pod(""), "holdfast", "state", "rescue", "--identity", "least")
	}
	for i := range whole {
		if resource := fmt.Sprint(whole[i]["Resource"]); strings.HasSuffix(resource, ".rescue/*") || !strings.Contains(resource, "/") {
			continue // for copies, and for what isn't there
		}
		policy.Statement = append(append([]map[string]any{}, whole[:i]...), whole[i+1:]...)
		if out, exit := try(); exit == 0 {
			t.Errorf("without %v it works:\n%s", whole[i], out)
		}
	}
	policy.Statement = whole
	if out, exit := try(); exit != 0 {
		t.Errorf("exit %d\n%s", exit, out)
	}
	w.checkState(3)
}

// The same with a real provider, which honours its context: what it was making
// is in no state, and is named.
func TestWithdrawnTrustDrainsAProvider(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("sh", "../tools/provider-time").Output()
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, drained)
	w.write("mirror.tfrc", fmt.Sprintf("provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", strings.TrimSpace(string(out))))
	w.env["TF_CLI_CONFIG_FILE"] = filepath.Join(w.dir, "mirror.tfrc")
	w.write("main.tf", strings.Split(code("use_lockfile = true", 0), "resource ")[0]+`
terraform {
  required_providers {
    time = { source = "hashicorp/time" }
  }
}
resource "time_sleep" "slow" {
  count           = 3
  create_duration = "90s"
}
`)
	env := w.pod(w.env["HOLDFAST_LAB_ROLE_DEPLOY"])
	w.succeed(env, "holdfast", "run", "--", "tofu", "init", "-no-color")
	_, said, wait := w.underWay(env, "run", "--report", "report.json", "--", "tofu", "apply", "-auto-approve", "-no-color")
	w.trust(false)
	if exit := wait(); exit != 1 {
		t.Errorf("exit %d", exit)
	}
	if !strings.Contains(said.String(), "context canceled") || w.locked(stateKey) || len(w.refusedForExpiry()) > 0 {
		t.Errorf("locked %v, refused %v, said:\n%s", w.locked(stateKey), w.refusedForExpiry(), said)
	}
	r := w.report()
	if len(r.Drained) != 1 || len(r.Drained[0].Missing) != 3 || len(r.Drained[0].Tainted) != 0 || r.ExitCode != 1 {
		t.Errorf("%+v", r.Drained)
	}
	if !strings.Contains(said.String(), "import 'time_sleep.slow[1]' ID") {
		t.Errorf("said:\n%s", said)
	}
}

// Under an agent a later step's Terraform is looked after as under a run: it is
// stopped in time, and what it left half made is on the agent's record.
func TestAgentStopsInTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, drained)
	w.write("github-env", "")
	w.write("main.tf", code("use_lockfile = true", 90*time.Second))
	env := w.without("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
	env["GITHUB_ACTIONS"], env["GITHUB_ENV"] = "true", filepath.Join(w.dir, "github-env")
	env["ACTIONS_ID_TOKEN_REQUEST_URL"], env["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = w.githubTokens(), "request-token"
	w.succeed(env, "sh", "-c", "holdfast agent start --role-arn $HOLDFAST_LAB_ROLE_CI --role-arn $HOLDFAST_LAB_ROLE_DEPLOY --github-env")
	b, err := os.ReadFile(filepath.Join(w.dir, "github-env"))
	w.must(err)
	for line := range strings.SplitSeq(strings.TrimSpace(string(b)), "\n") {
		name, value, _ := strings.Cut(line, "=")
		env[name] = value
	}
	defer func() { // the test's own context has ended by then
		_ = w.afterwards(env, "holdfast", "agent", "stop").Run()
	}()
	w.succeed(env, "tofu", "init", "-no-color")
	_, said, wait := w.underWay(env, "run", "--", "tofu", "apply", "-auto-approve", "-no-color")
	w.trust(false)
	if exit := wait(); exit != 1 {
		t.Errorf("exit %d", exit)
	}
	_, _, text := w.state(stateKey)
	if strings.Count(text, `"tainted"`) != 3 || w.locked(stateKey) {
		t.Errorf("locked %v, the state:\n%s\nsaid:\n%s", w.locked(stateKey), text, said)
	}
	lists, err := filepath.Glob(filepath.Join(w.dir, ".local", "state", "holdfast", "drained", "*.json"))
	if err != nil || len(lists) != 1 {
		t.Fatalf("%v, %v", lists, err)
	}
	list, err := os.ReadFile(lists[0])
	w.must(err)
	if strings.Count(string(list), `"terraform_data.slow[`) != 3 {
		t.Errorf("the list:\n%s", list)
	}
}

// rescue_to names where copies go: a directory, or a bucket beside the disk. What
// is settled is pruned, and nothing else.
func TestRescueTo(t *testing.T) {
	for name, to := range map[string]string{"directory": "kept", "bucket": "s3://holdfast-state/rescues"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, session)
			w.inRun = fmt.Sprintf("  rescue_to = %q\n", to)
			env := w.pod(w.env["HOLDFAST_LAB_ROLE_DEPLOY"])
			w.write("main.tf", code("use_lockfile = true\n max_retries = 1", 8*time.Second))
			r := w.lose(env)
			w.says(w.succeed(env, "holdfast", "state", "prune", "--older-than", "0s"), "nothing to remove")
			w.trust(true)
			w.succeed(env, "holdfast", "state", "rescue")
			w.checkState(3)
			inBucket := strings.Contains(w.listing(), "\nrescues/")
			if name == "bucket" != inBucket || strings.Contains(w.listing(), ".rescue/") {
				t.Errorf("in the bucket:\n%s", w.listing())
			}
			if name == "directory" && !strings.HasPrefix(r.Rescues[0].Kept, filepath.Join(w.dir, "kept")) {
				t.Errorf("kept in %s", r.Rescues[0].Kept)
			}
			w.says(w.succeed(env, "holdfast", "state", "prune", "--older-than", "0s", "--dry-run"), "would remove "+r.Rescues[0].Kept)
			w.says(w.succeed(env, "holdfast", "state", "prune", "--older-than", "0s"), "removed "+r.Rescues[0].Kept)
			if _, err := os.Stat(r.Rescues[0].Kept); err == nil {
				t.Error("it is still there")
			}
		})
	}
}
