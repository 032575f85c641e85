// Command bench measures what the README says about speed and size: how long
// holdfast takes to start, what a run costs, how the endpoint answers under
// load, and how much memory and disk it takes.
//
// It builds the program as `make install` does, runs it against a lab in this
// process, and prints one table. A goal that is missed is printed as missed; the
// exit code is 1 only if something couldn't be measured. Figures of another
// program were measured elsewhere and are a hint, no more.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == childArgument {
		if err := child(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "bench child:", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	only := ""
	if len(os.Args) > 1 {
		only = os.Args[1]
	}
	complete, err := measure(ctx, only)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	if err != nil || !complete {
		os.Exit(1)
	}
}

// part is one thing that is measured.
type part struct {
	what string
	run  func(context.Context) []row
}

// measure prints the table of the parts whose names hold a word, all without
// one, and reports whether every row has a figure.
func measure(ctx context.Context, only string) (bool, error) {
	dir, err := os.MkdirTemp("", "holdfast-bench-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	fmt.Printf("%d cores, %s, %s/%s%s\n", runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH, otherLoad())
	fmt.Println("building holdfast, and an empty program beside it ...")
	b, err := build(ctx, dir)
	if err != nil {
		return false, err
	}
	var rows []row
	parts := []part{
		{"starting, again and again", b.starts},
		{"running a command, again and again", b.runs},
		{"asking a keeper, again and again", b.clients},
		{"judging a plan of 100 MB", b.gate},
		{"looking at 10,000 files of code", b.lint},
		{"serving 64 connections while STS is healthy", func(ctx context.Context) []row { return b.serving(ctx, false) }},
		{"serving 64 connections while STS hangs", func(ctx context.Context) []row { return b.serving(ctx, true) }},
		{"sitting idle", b.idle},
		{"looking at the binary", func(context.Context) []row { return b.binary() }},
		{"rescuing a hundred units", b.rescue},
		{"scanning a fleet of clusters, twice (two minutes)", b.fleet},
	}
	if only != "" {
		parts = slices.DeleteFunc(parts, func(p part) bool { return !strings.Contains(p.what, only) })
	}
	for _, part := range parts {
		fmt.Println(part.what, "...")
		rows = append(rows, part.run(ctx)...)
	}
	return table(os.Stdout, rows), nil
}

// programs are what is measured.
type programs struct {
	dir      string
	holdfast string
	empty    string
	self     string
	nothing  string // true(1)
}

func build(ctx context.Context, dir string) (*programs, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	nothing, err := exec.LookPath("true")
	if err != nil {
		return nil, err
	}
	p := &programs{dir: dir, self: self, nothing: nothing, holdfast: filepath.Join(dir, "holdfast"), empty: filepath.Join(dir, "empty")}
	source := filepath.Join(dir, "empty.go")
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o600); err != nil {
		return nil, err
	}
	for to, what := range map[string]string{p.holdfast: "./cmd/holdfast", p.empty: source} {
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", to, what)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("go build %s: %w\n%s", what, err, out)
		}
	}
	return p, nil
}

// otherLoad says what else the machine is doing, where it tells.
func otherLoad() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	return ", load average before: " + strings.Fields(string(b))[0]
}
