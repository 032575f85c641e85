package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/holdfast/holdfast/internal/report"
)

// trust sets who may assume the role deploy: the role ci, or nobody.
func (w *world) trust(anybody bool) {
	w.t.Helper()
	effect := "Deny"
	if anybody {
		effect = "Allow"
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
			w := newWorld(t, 8*time.Second)
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

// lose makes an apply lose its credentials for good while it works, without a
// drain: errored.tfstate and the lock stay.
func (w *world) lose(env map[string]string) report.Run {
	w.t.Helper()
	w.write("holdfast.hcl", "run {\n  on_expiry = \"warn\"\n}\n")
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
