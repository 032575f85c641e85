package e2e

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast/holdfast/internal/endpoint"
)

// githubTokens plays the address that GitHub Actions gives to a job: a new token
// of five seconds for each question.
func (w *world) githubTokens() (url string) {
	w.t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	w.must(err)
	s := &http.Server{Handler: http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if !strings.EqualFold(r.Header.Get("Authorization"), "bearer request-token") || r.URL.Query().Get("audience") == "" {
			http.Error(out, "no", http.StatusForbidden)
			return
		}
		_ = json.NewEncoder(out).Encode(map[string]string{"value": w.lab.WebIdentityToken("system:serviceaccount:ci:runner", r.URL.Query().Get("audience"), 5*time.Second)})
	})}
	go func() { _ = s.Serve(l) }()
	w.t.Cleanup(func() { s.Close() })
	return "http://" + l.Addr().String() + "/token?api-version=2.0"
}

// TestGitHubJob plays a job of several steps: an agent that is started in the
// first serves the fifth, its worker is killed in between, and nobody notices.
func TestGitHubJob(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 6*time.Second)
	w.write("github-env", "")
	w.write("main.tf", code("use_lockfile = true", 8*time.Second))
	env := w.without("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
	env["GITHUB_ACTIONS"], env["GITHUB_ENV"] = "true", filepath.Join(w.dir, "github-env")
	env["ACTIONS_ID_TOKEN_REQUEST_URL"], env["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = w.githubTokens(), "request-token"

	step := func(script string) string {
		w.write("step.sh", script)
		out, code := w.output(env, "bash", "-e", "step.sh")
		if code != 0 {
			t.Fatalf("step %q: exit %d\n%s", script, code, out)
		}
		return out
	}
	step("holdfast agent start --role-arn $HOLDFAST_LAB_ROLE_CI --role-arn $HOLDFAST_LAB_ROLE_DEPLOY --github-env")
	b, err := os.ReadFile(filepath.Join(w.dir, "github-env"))
	w.must(err)
	for _, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		name, value, _ := strings.Cut(line, "=")
		env[name] = value
	}
	defer w.output(env, "holdfast", "agent", "stop") // whatever comes in between

	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() { // somebody asks all the while, as SDKs with a time limit of a second do
		for n := 0; ; n++ {
			select {
			case <-stop:
				if n < 100 {
					t.Errorf("asked %d times only", n)
				}
				return
			case <-time.After(20 * time.Millisecond):
			}
			began := time.Now()
			set, err := endpoint.Ask(t.Context(), env["AWS_CONTAINER_CREDENTIALS_FULL_URI"], env["AWS_CONTAINER_AUTHORIZATION_TOKEN"])
			if err != nil || !set.Expires.After(time.Now()) || time.Since(began) > time.Second {
				t.Errorf("after %v: %v, %v", time.Since(began), set, err)
			}
		}
	})
	step("tofu init -no-color")
	step("sleep 4")
	killed := w.killWorker(env)
	step("tofu apply -auto-approve -no-color")
	if again := w.worker(env); again == killed || again == 0 {
		t.Errorf("worker %d was killed, and now there is %d", killed, again)
	}
	step("tofu plan -no-color -detailed-exitcode")
	close(stop)
	wg.Wait()
	w.checkState(3)
	step("holdfast agent stop")
	if refused := w.refusedForExpiry(); len(refused) > 0 {
		t.Errorf("refused for expiry: %+v", refused)
	}
}

// worker is the number of the agent's worker process; 0 if there is none.
func (w *world) worker(env map[string]string) int {
	w.t.Helper()
	dir := filepath.Dir(env["HOLDFAST_CONTROL"])
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	w.must(err)
	for _, path := range all {
		b, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(b), "worker\x00--dir\x00"+dir) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			return pid
		}
	}
	return 0
}

func (w *world) killWorker(env map[string]string) int {
	w.t.Helper()
	pid := w.worker(env)
	if pid == 0 {
		w.t.Fatal("there is no worker")
	}
	p, err := os.FindProcess(pid)
	w.must(err)
	w.must(p.Kill())
	return pid
}
