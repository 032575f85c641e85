package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/holdfast/holdfast/internal/report"
)

const (
	stateKey = "live/app.tfstate"
	session  = 6 * time.Second

	// drained is for runs that are stopped a sixth of it before its end, which has
	// to do for stopping even where everybody else is busy too.
	drained = 45 * time.Second
)

// code is a configuration with an S3 backend whose three resources take their
// time, side by side.
func code(backend string, takes time.Duration) string {
	return fmt.Sprintf(`
terraform {
  backend "s3" {
    bucket         = "holdfast-state"
    key            = %q
    use_path_style = true
    %s
  }
}
resource "terraform_data" "slow" {
  count = 3
  provisioner "local-exec" {
    command = "sleep %d"
  }
}
`, stateKey, backend, int(takes.Seconds()))
}

// backends are the ways to lock a state.
func backends() map[string]string {
	return map[string]string{"lockfile": "use_lockfile = true", "dynamodb": `dynamodb_table = "holdfast-locks"`}
}

// assumed makes static keys by the same chain: what Terragrunt exports today.
func (w *world) assumed() map[string]string {
	w.t.Helper()
	ctx := context.Background()
	token, err := os.ReadFile(filepath.Join(w.dir, "token"))
	w.must(err)
	cfg := w.admin()
	first, err := sts.NewFromConfig(cfg).AssumeRoleWithWebIdentity(ctx, &sts.AssumeRoleWithWebIdentityInput{
		RoleArn: aws.String(w.env["HOLDFAST_LAB_ROLE_CI"]), RoleSessionName: aws.String("terragrunt"), WebIdentityToken: aws.String(string(token)),
	})
	w.must(err)
	cfg.Credentials = credentials.NewStaticCredentialsProvider(*first.Credentials.AccessKeyId, *first.Credentials.SecretAccessKey, *first.Credentials.SessionToken)
	second, err := sts.NewFromConfig(cfg).AssumeRole(ctx, &sts.AssumeRoleInput{
		RoleArn: aws.String(w.env["HOLDFAST_LAB_ROLE_DEPLOY"]), RoleSessionName: aws.String("terragrunt"),
	})
	w.must(err)
	env := w.without()
	env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], env["AWS_SESSION_TOKEN"] = *second.Credentials.AccessKeyId, *second.Credentials.SecretAccessKey, *second.Credentials.SessionToken
	return env
}

// TestStaticKeysDie is the failure that holdfast exists for. It is asserted so
// that the lab can't go soft.
func TestStaticKeysDie(t *testing.T) {
	for name, backend := range backends() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, session)
			w.write("main.tf", code(backend, 10*time.Second))
			w.succeed(w.env, "tofu", "init", "-no-color")
			out, exit := w.output(w.assumed(), "tofu", "apply", "-auto-approve", "-no-color")
			if exit != 1 || !strings.Contains(out, "ExpiredToken") {
				t.Errorf("exit %d; no ExpiredToken in:\n%s", exit, out)
			}
			if _, err := os.Stat(filepath.Join(w.dir, "errored.tfstate")); err != nil {
				t.Errorf("no errored.tfstate: %v", err)
			}
			if !w.locked(stateKey) {
				t.Error("the lock was released")
			}
			if state, ok := w.object(stateKey); ok && strings.Contains(string(state), "terraform_data") {
				t.Errorf("the state knows the resources:\n%s", state)
			}
			if len(w.refusedForExpiry()) == 0 {
				t.Error("the lab refused nothing for expiry")
			}
		})
	}
}

func TestApplyOutlivesItsCredentials(t *testing.T) {
	type row struct {
		backend string
		role    string // Terragrunt's; "" for the pod's role alone
		hop     string // whose renewals count
	}
	rows := map[string]row{}
	for name, backend := range backends() {
		rows[name] = row{backend, "deploy", "deploy"}
	}
	// The SDK's own hop asks for the 900 s that AWS gives at least, so what
	// counts is the hop that holdfast makes.
	rows["assume_role in the backend"] = row{`use_lockfile = true
    assume_role = { role_arn = "arn:aws:iam::111111111111:role/deploy" }`, "", "ci"}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, session)
			w.write("main.tf", code(row.backend, 26*time.Second))
			env := w.pod("")
			if row.role != "" {
				env = w.pod(w.env["HOLDFAST_LAB_ROLE_DEPLOY"])
			}
			w.succeed(env, "holdfast", "run", "--", "tofu", "init", "-no-color")
			out := w.succeed(env, "holdfast", "run", "--report", "report.json", "--", "tofu", "apply", "-auto-approve", "-no-color")
			if !strings.Contains(out, "Apply complete! Resources: 3 added") {
				t.Errorf("no end of an apply in:\n%s", out)
			}
			w.checkState(3)
			r := w.report()
			if n := renewals(r.Identity.Hops, row.hop); n < 4 {
				t.Errorf("%d renewals of %s", n, row.hop)
			}
			if r.ExitCode != 0 || r.Resources() != 3 || r.Endpoint.Requests == 0 || r.Endpoint.WithoutCredential != 0 {
				t.Errorf("the report: %+v", r)
			}
			if refused := w.refusedForExpiry(); len(refused) > 0 {
				t.Errorf("refused for expiry: %+v", refused)
			}
		})
	}
}

// checkState says what is wrong with the state in the bucket after an apply
// that went well.
func (w *world) checkState(resources int) {
	w.t.Helper()
	b, ok := w.object(stateKey)
	if !ok {
		w.t.Fatal("no state in the bucket")
	}
	var state struct {
		Resources []struct {
			Instances []struct {
				Status string `json:"status"`
			} `json:"instances"`
		} `json:"resources"`
	}
	w.must(json.Unmarshal(b, &state))
	n := 0
	for _, r := range state.Resources {
		for _, i := range r.Instances {
			if i.Status != "" {
				w.t.Errorf("an instance is %s", i.Status)
			}
			n++
		}
	}
	if n != resources {
		w.t.Errorf("%d instances in the state, want %d", n, resources)
	}
	if w.locked(stateKey) {
		w.t.Error("the lock stays")
	}
	if _, err := os.Stat(filepath.Join(w.dir, "errored.tfstate")); err == nil {
		w.t.Error("there is an errored.tfstate")
	}
}

func renewals(hops []report.Hop, name string) int {
	for _, h := range hops {
		if h.Name == name {
			return h.Renewals
		}
	}
	return 0
}
