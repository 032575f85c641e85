//go:build clients

package precedence_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/profile"
)

// These tests ask the real botocore and the real AWS SDK for JavaScript. They
// install what is missing, and fail where that isn't possible: what couldn't
// be looked at is never a pass.

const clients = "../../clients"

type answers struct {
	Version string
	Winners []struct{ Key, Method, Error string }
}

func TestDecideIsWhatBotocoreDoes(t *testing.T) {
	python := installBotocore(t)
	judge(t, precedence.Python, exec.Command(python, filepath.Join(clients, "python", "winners.py")))
}

func TestDecideIsWhatTheJavaScriptSDKDoes(t *testing.T) {
	dir := filepath.Join(clients, "javascript")
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "@aws-sdk", "credential-providers")); err != nil {
		run(t, exec.Command("npm", "ci", "--prefix", dir, "--no-audit", "--no-fund"))
	}
	judge(t, precedence.JavaScript, exec.Command("node", filepath.Join(dir, "winners.mjs")))
}

// installBotocore takes the python that has it already, else Debian's.
func installBotocore(t *testing.T) string {
	t.Helper()
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(python, "-c", "import botocore").Run() == nil {
			return python
		}
	}
	run(t, exec.Command("apt-get", "install", "-y", "python3-botocore"))
	return "/usr/bin/python3"
}

func run(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("NOT LOOKED AT: %v: %v\n%s", cmd.Args, err, out)
	}
}

// judge asks twice for each row: as it is, and after Child.
func judge(t *testing.T, sdk precedence.SDK, cmd *exec.Cmd) {
	s := serve(t)
	var envs []precedence.Env
	var wants []precedence.Winner
	var names []string
	for _, r := range rows() {
		sc := layOut(t, r, s)
		plan := precedence.Child(sc.facts, delivery(t, sc, s))
		if err := profile.Write(plan.Copies); err != nil {
			t.Fatal(err)
		}
		envs = append(envs, sc.env, plan.Env)
		wants = append(wants, precedence.Decide(sdk, sc.facts), precedence.Decide(sdk, plan.After))
		names = append(names, "before: "+r.String(), "after: "+r.String())
	}
	got := ask(t, cmd, s, envs)
	t.Logf("%s %s judged %d environments", sdk, got.Version, len(envs))
	for i, w := range wants {
		g := got.Winners[i]
		if !agrees(sdk, w, g.Key, g.Method, g.Error) {
			t.Errorf("%s\n the SDK: %+v\n Decide:  %s %+v", names[i], g, key(w), w)
		}
		if i%2 == 1 && g.Key != "AKOURS" && w.Source != precedence.Failure {
			t.Errorf("%s\n the endpoint doesn't win: %+v", names[i], g)
		}
	}
}

func ask(t *testing.T, cmd *exec.Cmd, s stubs, envs []precedence.Env) answers {
	t.Helper()
	input, err := json.Marshal(envs)
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(input), &stderr
	cmd.Env = append(os.Environ(), "RELATIVE_TO="+s.url)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("NOT LOOKED AT: %v: %v\n%s", cmd.Args, err, stderr.String())
	}
	var got answers
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if len(got.Winners) != len(envs) {
		t.Fatalf("%d answers to %d environments", len(got.Winners), len(envs))
	}
	return got
}

func agrees(sdk precedence.SDK, w precedence.Winner, key_, method, problem string) bool {
	want := key(w)
	if w.Endpoint() && key_ == "AKOURS" {
		return true
	}
	if sdk == precedence.Python && key_ == "" {
		switch {
		case w.Source == precedence.ProfileLogin && problem == "MissingDependencyException":
			return true // it chose this source, and lacks the C extension for it
		case w.Source == precedence.ProfileRole && problem == "EOFError":
			return true // it asks for an MFA code
		case w.Source == precedence.ProfileKeys && strings.HasSuffix(method, "-file"):
			return true // blank keys are keys
		case w.Source == precedence.EnvWebIdentity && method == "assume-role-with-web-identity" && problem == "InvalidConfigError":
			return true // it chose this source, and its STS client trips over the profile's sso-session
		}
	}
	if want == "none" {
		return key_ == "" && (w.Source != precedence.Failure || problem != "")
	}
	return key_ == want
}
