// Package e2e runs the real programs: holdfast as it is built, OpenTofu, pseudo-
// terminals and signals, against the lab. What a table or a fake can show is
// shown next to the code; here stands only what needs the whole.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/holdfast/holdfast/internal/lab"
	"github.com/holdfast/holdfast/internal/report"
)

// programs are what TestMain made ready.
type programs struct {
	holdfast string
	tofu     string
}

var built programs

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "terragrunt" {
		os.Exit(playTerragrunt(os.Args[1:]))
	}
	if len(os.Args) == 4 && os.Args[1] == "ask" {
		os.Exit(ask(os.Args[2], os.Args[3]))
	}
	if len(os.Args) == 3 && os.Args[1] == "go-sdk" {
		os.Exit(goSDK(os.Args[2]))
	}
	if play := os.Getenv("E2E_CHILD"); play != "" {
		os.Exit(child(play))
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "holdfast-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	built.holdfast = filepath.Join(dir, "holdfast")
	if out, err := exec.Command("go", "build", "-race", "-o", built.holdfast, "../cmd/holdfast").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building holdfast: %v\n%s", err, out)
		return 1
	}
	tofu := exec.Command("sh", "../tools/tofu")
	tofu.Stderr = os.Stderr
	path, err := tofu.Output()
	if err != nil {
		fmt.Fprintf(os.Stderr, "building OpenTofu: %v\n", err)
		return 1
	}
	built.tofu = strings.TrimSpace(string(path))
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGINT} {
		if signal.Ignored(s) { // whoever runs the tests is in the background, and what they start would inherit that
			signal.Notify(make(chan os.Signal, 1), s)
		}
	}
	return m.Run()
}

// world is a lab, a directory to work in, and an environment that knows both.
type world struct {
	t   *testing.T
	lab *lab.Server
	dir string
	env map[string]string

	config string // what holdfast.hcl has beside what a test needs
	inRun  string // what its run block has
}

func newWorld(t *testing.T, session time.Duration) *world {
	t.Helper()
	return worldOf(t, lab.Options{Session: session})
}

func worldOf(t *testing.T, o lab.Options) *world {
	t.Helper()
	l, err := lab.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	dir := t.TempDir()
	w := &world{t: t, lab: l, dir: dir, env: map[string]string{
		"HOME": dir, "USER": "alice", "TMPDIR": os.TempDir(), "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1",
		"TF_CLI_CONFIG_FILE": filepath.Join(dir, "empty.tfrc"), "AWS_EC2_METADATA_DISABLED": "true", "GORACE": "atexit_sleep_ms=0",
	}}
	bin := filepath.Join(dir, "bin")
	w.env["PATH"] = bin + string(os.PathListSeparator) + os.Getenv("PATH")
	for _, e := range l.Env() {
		name, value, _ := strings.Cut(e, "=")
		w.env[name] = value
	}
	w.env["AWS_ENDPOINT_URL_STS"] = l.URL() // the Go SDK's own web identity doesn't look at AWS_ENDPOINT_URL
	w.must(os.Mkdir(bin, 0o700))
	w.must(os.Symlink(built.holdfast, filepath.Join(bin, "holdfast")))
	w.must(os.Symlink(built.tofu, filepath.Join(bin, "tofu")))
	w.write("empty.tfrc", "")
	w.write("token", l.WebIdentityToken("system:serviceaccount:ci:runner", "sts.amazonaws.com", time.Hour))
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) write(name, content string) {
	w.t.Helper()
	w.must(os.WriteFile(filepath.Join(w.dir, name), []byte(content), 0o600))
}

// pod is the environment of a pod with IRSA: no keys, a token, and the role to
// become, with Terragrunt's role behind it if there is one.
func (w *world) pod(role string) map[string]string {
	env := w.without("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
	env["AWS_WEB_IDENTITY_TOKEN_FILE"] = filepath.Join(w.dir, "token")
	env["AWS_ROLE_ARN"] = w.env["HOLDFAST_LAB_ROLE_CI"]
	if role != "" {
		env["TG_IAM_ASSUME_ROLE"] = role
	}
	return env
}

func (w *world) without(names ...string) map[string]string {
	env := map[string]string{}
	for name, value := range w.env {
		env[name] = value
	}
	for _, name := range names {
		delete(env, name)
	}
	return env
}

// command makes a command of the world; it is killed if the test takes too
// long, and then the test has failed.
func (w *world) command(env map[string]string, name string, args ...string) *exec.Cmd {
	path := filepath.Join(w.dir, "bin", name)
	if _, err := os.Lstat(path); err != nil {
		path = name // a program of the machine
	}
	cmd := exec.CommandContext(w.t.Context(), path, args...)
	cmd.Dir = w.dir
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	return cmd
}

// afterwards is command for what cleans up: the test's own context has ended by
// then.
func (w *world) afterwards(env map[string]string, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(w.dir, "bin", name), args...)
	cmd.Dir = w.dir
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	return cmd
}

// output runs a command and returns all it printed and its exit code.
func (w *world) output(env map[string]string, name string, args ...string) (string, int) {
	w.t.Helper()
	cmd := w.command(env, name, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if cmd.ProcessState == nil {
		w.t.Fatalf("%s: %v", name, err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

func (w *world) succeed(env map[string]string, name string, args ...string) string {
	w.t.Helper()
	out, code := w.output(env, name, args...)
	if code != 0 {
		w.t.Fatalf("%s %s: exit %d\n%s", name, strings.Join(args, " "), code, out)
	}
	return out
}

// printed runs a command that must go well and returns its standard output.
func (w *world) printed(env map[string]string, name string, args ...string) string {
	w.t.Helper()
	cmd := w.command(env, name, args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, errs.String())
	}
	return string(out)
}

func (w *world) report() report.Run { return w.reportIn("report.json") }

func (w *world) reportIn(name string) report.Run {
	w.t.Helper()
	b, err := os.ReadFile(filepath.Join(w.dir, name))
	w.must(err)
	var r report.Run
	w.must(json.Unmarshal(b, &r))
	return r
}

// admin is the lab's administrator as the SDK sees one.
func (w *world) admin() aws.Config {
	return aws.Config{
		Region: w.env["AWS_REGION"], BaseEndpoint: aws.String(w.env["AWS_ENDPOINT_URL"]),
		Credentials: credentials.NewStaticCredentialsProvider(w.env["AWS_ACCESS_KEY_ID"], w.env["AWS_SECRET_ACCESS_KEY"], ""),
	}
}

// object is what the bucket holds under a key; ok is false if nothing.
func (w *world) object(key string) (content []byte, ok bool) {
	w.t.Helper()
	client := s3.NewFromConfig(w.admin(), func(o *s3.Options) { o.UsePathStyle = true })
	list, err := client.ListObjectsV2(context.Background(), &s3.ListObjectsV2Input{Bucket: aws.String(w.env["HOLDFAST_LAB_BUCKET"])})
	w.must(err)
	for _, o := range list.Contents {
		if *o.Key != key {
			continue
		}
		got, err := client.GetObject(context.Background(), &s3.GetObjectInput{Bucket: aws.String(w.env["HOLDFAST_LAB_BUCKET"]), Key: &key})
		w.must(err)
		defer got.Body.Close()
		var b bytes.Buffer
		_, err = b.ReadFrom(got.Body)
		w.must(err)
		return b.Bytes(), true
	}
	return nil, false
}

// locked reports whether a lock on the state stays, in the bucket or in the
// table.
func (w *world) locked(key string) bool {
	w.t.Helper()
	if strings.Contains("\n"+w.listing(), "\n"+key+".tflock\n") {
		return true
	}
	out, err := dynamodb.NewFromConfig(w.admin()).Scan(context.Background(), &dynamodb.ScanInput{TableName: aws.String(w.env["HOLDFAST_LAB_TABLE"])})
	w.must(err)
	for _, item := range out.Items {
		if _, ok := item["Info"]; ok {
			return true
		}
	}
	return false
}

// refusedForExpiry are the calls that the lab refused because a session had
// ended.
func (w *world) refusedForExpiry() (calls []lab.Call) {
	for _, c := range w.lab.Calls() {
		if strings.Contains(c.Error, "Expired") {
			calls = append(calls, c)
		}
	}
	return calls
}

// listing are the keys in the bucket, a line each.
func (w *world) listing() string {
	w.t.Helper()
	client := s3.NewFromConfig(w.admin(), func(o *s3.Options) { o.UsePathStyle = true })
	list, err := client.ListObjectsV2(context.Background(), &s3.ListObjectsV2Input{Bucket: aws.String(w.env["HOLDFAST_LAB_BUCKET"])})
	w.must(err)
	var keys strings.Builder
	for _, o := range list.Contents {
		fmt.Fprintln(&keys, *o.Key)
	}
	return keys.String()
}
