package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// client is a program that asks AWS who it is, again and again with one client
// of an SDK, for as many seconds as its last argument says, and prints the
// access key of each call.
type client struct {
	name    string
	command []string
}

// TestEveryDeliveryRenews gives the environments that the deliveries really
// produce to clients of the AWS SDKs: each lives through three renewals. The Go
// SDK is asked always, the others in `make test-clients`.
func TestEveryDeliveryRenews(t *testing.T) {
	for _, c := range clients(t) {
		for name, deliver := range deliveries() {
			t.Run(c.name+", "+name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, session)
				w.play("tofu") // a name that holdfast takes for a Terraform: this test binary, which starts the client
				deliver(w, c)
			})
		}
	}
}

const asks = "16" // seconds, five times half of a session's life

// deliveries are the ways to hand credentials to a program.
func deliveries() map[string]func(*world, client) {
	role := func(w *world) string { return w.env["HOLDFAST_LAB_ROLE_DEPLOY"] }
	return map[string]func(*world, client){
		"run": func(w *world, c client) {
			env := w.pod(role(w))
			env["E2E_CHILD"] = "exec " + strings.Join(c.command, "\t")
			w.renewed(w.printed(env, "holdfast", "run", "-q", "--", "tofu", "apply"), "deploy")
		},
		"run of another command, by flag": func(w *world, c client) {
			w.renewed(w.printed(w.pod(""), "holdfast", append([]string{"run", "-q", "--role-arn", role(w), "--"}, c.command...)...), "deploy")
		},
		"terragrunt-auth over ambient keys": func(w *world, c client) {
			w.write("holdfast.hcl", fmt.Sprintf("identity \"unit\" {\n  from = \"irsa\"\n  role %q {}\n}\n", role(w)))
			env := w.pod("")
			env = w.agent(env, "--identity", "unit")
			env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], env["AWS_SESSION_TOKEN"] = "ASIAAMBIENT", "ambient", "ambient"
			var answer struct{ Envs map[string]string }
			w.must(json.Unmarshal([]byte(w.printed(env, "holdfast", "terragrunt-auth")), &answer))
			for name, value := range answer.Envs {
				env[name] = value
			}
			w.renewed(w.printed(env, c.command[0], c.command[1:]...), "deploy")
		},
		"agent --github-env": func(w *world, c client) {
			env := w.agent(w.pod(""), "--role-arn", role(w))
			w.renewed(w.printed(env, c.command[0], c.command[1:]...), "deploy")
		},
		"credential_process": func(w *world, c client) {
			env := w.agent(w.pod(""), "--role-arn", role(w))
			for _, name := range []string{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"} {
				delete(env, name)
			}
			w.write("config", "[profile deploy]\ncredential_process = holdfast credentials\n")
			env["AWS_CONFIG_FILE"], env["AWS_PROFILE"] = filepath.Join(w.dir, "config"), "deploy"
			w.renewed(w.printed(env, c.command[0], c.command[1:]...), "deploy")
		},
	}
}

// agent starts one and returns the environment of a later step.
func (w *world) agent(env map[string]string, flags ...string) map[string]string {
	w.t.Helper()
	w.write("github-env", "")
	env["GITHUB_ENV"] = filepath.Join(w.dir, "github-env")
	w.succeed(env, "holdfast", append([]string{"agent", "start", "--github-env"}, flags...)...)
	b, err := os.ReadFile(env["GITHUB_ENV"])
	w.must(err)
	later := map[string]string{}
	for name, value := range env {
		later[name] = value
	}
	for _, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		name, value, _ := strings.Cut(line, "=")
		later[name] = value
	}
	stop := map[string]string{}
	for name, value := range later {
		stop[name] = value
	}
	w.t.Cleanup(func() {
		if out, err := w.afterwards(stop, "holdfast", "agent", "stop").CombinedOutput(); err != nil {
			w.t.Errorf("agent stop: %v\n%s", err, out)
		}
	})
	return later
}

// renewed checks what a client printed: a call at a time, each by the role, with
// the keys of four sessions at least, and none refused.
func (w *world) renewed(out, role string) {
	w.t.Helper()
	keys := map[string]bool{}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	for _, line := range lines {
		key, arn, _ := strings.Cut(line, " ")
		if !strings.Contains(arn, ":assumed-role/"+role+"/") {
			w.t.Fatalf("a call by %s:\n%s", arn, out)
		}
		keys[key] = true
	}
	if len(keys) < 4 || len(lines) < 20 {
		w.t.Errorf("%d calls with %d keys, want those of four sessions", len(lines), len(keys))
	}
	if refused := w.refusedForExpiry(); len(refused) > 0 {
		w.t.Errorf("refused for expiry: %+v", refused)
	}
}
