package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast/holdfast/internal/lab"
)

// served starts the command and returns the variables of its env file.
func served(t *testing.T, args ...string) (vars map[string]string, stop func() error, stderr *bytes.Buffer) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "lab.env")
	ctx, cancel := context.WithCancel(t.Context())
	stderr = &bytes.Buffer{}
	ended := make(chan error, 1)
	go func() {
		ended <- command(ctx, nil, &bytes.Buffer{}, stderr, append([]string{"serve", "--env-file", file}, args...)...)
	}()
	deadline := time.Now().Add(10 * time.Second)
	var text []byte
	for len(text) == 0 {
		if time.Now().After(deadline) {
			t.Fatal("no env file in 10 s")
		}
		time.Sleep(time.Millisecond)
		text, _ = os.ReadFile(file)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("env file: %v, %v", info.Mode(), err)
	}
	vars = map[string]string{}
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		name, value, _ := strings.Cut(line, "=")
		vars[name] = value
	}
	return vars, func() error { cancel(); return <-ended }, stderr
}

func command(ctx context.Context, vars map[string]string, stdout, stderr *bytes.Buffer, args ...string) error {
	e := env{getenv: func(name string) string { return vars[name] }, stdout: stdout, stderr: stderr, client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	cmd := e.root()
	cmd.SetArgs(args)
	return cmd.ExecuteContext(ctx)
}

func TestCommands(t *testing.T) {
	vars, stop, stderr := served(t, "--session", "6s")
	run := func(args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		if err := command(t.Context(), vars, &out, &errs, args...); err != nil {
			t.Fatalf("%q: %v", args, err)
		}
		return out.String()
	}
	if token := run("token", "--sub", "s", "--aud", "a", "--ttl", "1m"); strings.Count(token, ".") != 2 {
		t.Error(token)
	}
	file := filepath.Join(t.TempDir(), "token")
	if out := run("token", "--out", file); out != "" {
		t.Error(out)
	}
	if token, err := os.ReadFile(file); err != nil || strings.Count(string(token), ".") != 2 {
		t.Error(string(token), err)
	}
	if n := run("calls", "--count"); n != "0\n" {
		t.Error(n)
	}
	run("fault", "--service", "sts", "--kind", "error", "--status", "400", "--code", "IDPCommunicationError", "--count", "1")
	resp, err := http.Post(vars["AWS_ENDPOINT_URL"], "application/x-www-form-urlencoded", strings.NewReader("Action=GetCallerIdentity&Version=2011-06-15"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if out := run("calls", "--service", "sts"); !strings.Contains(out, "sts:GetCallerIdentity") || !strings.Contains(out, "IDPCommunicationError (fault: error)") {
		t.Error(out)
	}
	var calls []lab.Call
	if err := json.Unmarshal([]byte(run("calls", "--json", "--error", "IDPCommunicationError")), &calls); err != nil || len(calls) != 1 || calls[0].Status != 400 {
		t.Error(calls, err)
	}
	run("fault", "--clear")
	if err := stop(); err != nil {
		t.Error("serve:", err)
	}
	if out := stderr.String(); out != "holdfast-lab: listening at "+vars["AWS_ENDPOINT_URL"]+"\n" {
		t.Errorf("%q", out)
	}
}

func TestCommandErrors(t *testing.T) {
	for name, test := range map[string]struct {
		vars map[string]string
		args []string
		want string
	}{
		"no endpoint": {nil, []string{"calls"}, "AWS_ENDPOINT_URL isn't set; start holdfast-lab serve"},
		"no lab":      {map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, []string{"calls"}, "no lab answers at http://127.0.0.1:1"},
		"fault":       {nil, []string{"fault", "--kind", "none"}, `fault kind "none": use one of`},
		"listen":      {nil, []string{"serve", "--listen", "0.0.0.0:0"}, "isn't a loopback IP"},
		"world":       {nil, []string{"serve", "--world", "none.hcl"}, "none.hcl"},
		"session":     {nil, []string{"serve", "--session", "1s"}, "session 1s must be between"},
		"argument":    {nil, []string{"serve", "x"}, "unknown command"},
	} {
		var out, errs bytes.Buffer
		if err := command(t.Context(), test.vars, &out, &errs, test.args...); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
	}
}

const nodeWorld = `
account "111111111111" {
  role "node" {
    trust {
      services = ["ec2.amazonaws.com"]
    }
  }
  cluster "prod" {
    node_group "workers" {
      role = "role/node"
    }
  }
  cluster "stale" {
    entry "role/node" {
      type  = "EC2_LINUX"
      stale = true
    }
  }
}
`

func TestJoin(t *testing.T) {
	file := filepath.Join(t.TempDir(), "w.hcl")
	if err := os.WriteFile(file, []byte(nodeWorld), 0o600); err != nil {
		t.Fatal(err)
	}
	vars, stop, _ := served(t, "--world", file, "--limit", "eks=100")
	for _, test := range []struct {
		args []string
		want string
		err  string
	}{
		{[]string{"prod", "--role", "node"}, " Ready\n", ""},
		{[]string{"stale", "--role", "node", "--retry", "1ms"}, `"Unable to register node with API server" err="Unauthorized" node="ip-10-`, "the node didn't join"},
		{[]string{"none", "--role", "node"}, "", "no cluster none in account 111111111111 and region eu-west-1"},
		{[]string{"prod", "--role", "none"}, "", "has no role none"},
		{[]string{"prod"}, "", "role or profile"},
	} {
		var out, errs bytes.Buffer
		err := command(t.Context(), vars, &out, &errs, append([]string{"join"}, test.args...)...)
		if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) || !strings.Contains(out.String(), test.want) {
			t.Errorf("%q: %v\n%s", test.args, err, out.String())
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	var out, errs bytes.Buffer
	if err := command(t.Context(), nil, &out, &errs, "serve", "--limit", "eks=many"); err == nil || !strings.Contains(err.Error(), "calls per second") {
		t.Error(err)
	}
}
