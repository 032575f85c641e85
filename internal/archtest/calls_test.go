package archtest

import (
	"go/ast"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// ban is a function or a variable of another package that may be used in few
// places only.
type ban struct {
	names []string          // import path and name; a * at the end stands for any rest
	but   []string          // names that it doesn't mean
	only  []string          // files and folders that it is for; everywhere if empty
	not   map[string]string // files and folders that it isn't for, with the reason
	tests bool              // it is for tests too
	cure  string
}

func bans() []ban {
	const (
		main    = "a command is where a process begins and ends"
		process = "cli is the only package that reads the process"
	)
	return []ban{
		{names: []string{"os.Exit", "log.Fatal*", "log.Panic*"}, not: map[string]string{"cmd": main, "bench": main},
			cure: "return an error: whoever ends the process skips every deferred cleanup above him"},
		{names: []string{"context.TODO"}, tests: true,
			cure: "take ctx as the first parameter, or say context.Background with its reason"},
		{names: []string{"context.Background"}, not: map[string]string{
			"cmd":           main,
			"bench":         main,
			"internal/app":  "what must outlive a signal: asking a version, waiting for the last Terraform",
			"internal/link": "the server's life, from Listen to Close",
			"internal/lab":  "the server's life, from Start to Close",
		}, cure: "take ctx as the first parameter: what nobody can cancel hangs"},
		{names: []string{"net/http.DefaultClient", "net/http.DefaultTransport", "net/http.Get", "net/http.Head", "net/http.Post*"},
			cure: "make an http.Client with a Timeout: the default one waits for ever, and everybody shares it"},
		{names: []string{"os/exec.Command*", "os/exec.Cmd"}, not: map[string]string{
			"internal/supervise": "it starts the child",
			"internal/tfexec":    "it runs Terraform's own commands",
			"internal/credcmd":   "it runs a command that prints a token and nothing else, and ends it",
			"bench":              "it measures processes, and is never installed",
		}, cure: "start children in supervise, or Terraform's own commands in tfexec: elsewhere nobody forwards signals to them"},
		{names: []string{"github.com/aws/aws-sdk-go-v2/config.LoadDefaultConfig"}, not: map[string]string{
			"internal/awsapi": "the only place that knows the SDK",
		}, cure: "load it in awsapi: the default chain reads files and variables that package precedence must know of"},
		{names: []string{"os.Getenv", "os.LookupEnv", "os.Environ", "os.ExpandEnv", "os.Args", "os.UserHomeDir", "os.Getwd"}, not: map[string]string{
			"cmd": main, "bench": main, "internal/cli": process,
		}, cure: "take it from app.Process: what reads the environment by itself can't be told another one"},
		{names: []string{"fmt.Print*", "os.Stdin", "os.Stdout", "os.Stderr"}, not: map[string]string{
			"cmd": main, "bench": main, "internal/cli": process,
		}, cure: "take the file or an io.Writer as a parameter: standard output belongs to the child's pipeline"},
		{names: []string{"time.Now", "time.Since", "time.Until"}, only: []string{
			"internal/cred", "internal/keeper/schedule.go", "internal/precedence", "internal/tf",
			"internal/source/explain.go", "internal/source/refusal.go",
		}, cure: "take now as a parameter: a decider that looks at the clock can't be asked about yesterday"},
		{names: []string{"time.Sleep"},
			cure: "wait for the thing itself, or for a timer and ctx in one select: a sleep can't be cancelled"},
		{names: []string{"os.*"}, but: []string{"os.Expand"}, only: []string{"internal/precedence"},
			cure: "precedence decides from Facts; package profile reads the files"},
	}
}

// selector is the import path and name that an expression like exec.Command
// means, or "".
func (s source) selector(e ast.Expr) string {
	sel, ok := e.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	pkg, ok := sel.X.(*ast.Ident)
	if !ok {
		return ""
	}
	for _, spec := range s.file.Imports {
		to, _ := strconv.Unquote(spec.Path.Value)
		name := path.Base(to)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		if name == pkg.Name {
			return to + "." + sel.Sel.Name
		}
	}
	return ""
}

// calm judges what a file uses of other packages.
func calm(s source) []complaint {
	var all []complaint
	ast.Inspect(s.file, func(n ast.Node) bool {
		e, ok := n.(ast.Expr)
		if !ok {
			return true
		}
		name := s.selector(e)
		for _, b := range bans() {
			if name != "" && b.means(name) && b.reaches(s) {
				all = append(all, s.complain(n, name, b.cure))
			}
		}
		return true
	})
	return all
}

func (b ban) means(name string) bool {
	return !slices.Contains(b.but, name) && slices.ContainsFunc(b.names, func(pattern string) bool {
		start, any := strings.CutSuffix(pattern, "*")
		return name == pattern || any && strings.HasPrefix(name, start)
	})
}

func (b ban) reaches(s source) bool {
	if s.test() && !b.tests {
		return false
	}
	for place := range b.not {
		if within(s.path, place) {
			return false
		}
	}
	return len(b.only) == 0 || slices.ContainsFunc(b.only, func(place string) bool { return within(s.path, place) })
}

func within(file, place string) bool {
	return file == place || strings.HasPrefix(file, place+"/")
}

func TestCalls(t *testing.T) { keep(t, calm) }

// TestBansAreCurrent fails for a place that is gone and for an exception that
// nobody needs.
func TestBansAreCurrent(t *testing.T) {
	all := load(t)
	for _, b := range bans() {
		for place := range b.not {
			if !slices.ContainsFunc(all, func(s source) bool { return !s.test() && within(s.path, place) && s.uses(b) }) {
				t.Errorf("nothing in %s uses %s: take the exception out of bans()", place, b.names)
			}
		}
		for _, place := range b.only {
			if !slices.ContainsFunc(all, func(s source) bool { return within(s.path, place) }) {
				t.Errorf("there is no %s: take it out of bans(), or name what it is called now", place)
			}
		}
	}
}

func (s source) uses(b ban) bool {
	found := false
	ast.Inspect(s.file, func(n ast.Node) bool {
		if e, ok := n.(ast.Expr); ok {
			name := s.selector(e)
			found = found || name != "" && b.means(name)
		}
		return !found
	})
	return found
}

func TestCallsCanFail(t *testing.T) {
	use := func(imported, expression string) string {
		return "package a\n\nimport " + imported + "\n\nfunc f() { g(" + expression + ") }\n"
	}
	prove(t, calm, []snippet{
		{"internal/app/a.go", use(`"os"`, "os.Exit"), "deferred cleanup"},
		{"cmd/holdfast/a.go", use(`"os"`, "os.Exit"), ""},
		{"internal/app/a.go", use(`"log"`, "log.Fatalf"), "return an error"},
		{"internal/tf/log/a.go", use(`"github.com/holdfast/holdfast/internal/tf/log"`, "log.Fatal"), ""},
		{"internal/app/a_test.go", use(`"context"`, "context.TODO()"), "context.TODO"},
		{"internal/endpoint/a.go", use(`"context"`, "context.Background()"), "hangs"},
		{"internal/link/a.go", use(`"context"`, "context.Background()"), ""},
		{"internal/app/a.go", use(`"net/http"`, "http.DefaultClient"), "Timeout"},
		{"internal/app/a.go", use(`web "net/http"`, `web.Get("x")`), "net/http.Get"},
		{"internal/app/a.go", use(`"os/exec"`, `exec.Command("x")`), "forwards signals"},
		{"internal/app/a.go", use(`"os/exec"`, `exec.CommandContext(nil, "x")`), "forwards signals"},
		{"internal/app/a.go", use(`"os/exec"`, `&exec.Cmd{}`), "forwards signals"},
		{"internal/tfexec/a.go", use(`"os/exec"`, `exec.Command("x")`), ""},
		{"internal/app/a.go", use(`"github.com/aws/aws-sdk-go-v2/config"`, "config.LoadDefaultConfig"), "awsapi"},
		{"internal/source/a.go", use(`"os"`, `os.Getenv("x")`), "app.Process"},
		{"internal/app/a.go", use(`"os"`, `os.Args[1:]`), "os.Args"},
		{"internal/supervise/a.go", use(`"os"`, `os.Stdout`), "child's pipeline"},
		{"internal/view/a.go", use(`"fmt"`, `fmt.Println()`), "io.Writer"},
		{"internal/view/a.go", use(`"fmt"`, `fmt.Fprintln()`), ""},
		{"internal/keeper/schedule.go", use(`"time"`, `time.Now()`), "take now"},
		{"internal/keeper/loop.go", use(`"time"`, `time.Now()`), ""},
		{"internal/precedence/a.go", use(`"time"`, `time.Since(t)`), "take now"},
		{"internal/precedence/a.go", use(`"os"`, `os.ReadFile("x")`), "profile reads"},
		{"internal/precedence/a.go", use(`"os"`, `os.Expand("x", g)`), ""},
		{"internal/keeper/loop.go", use(`"time"`, `time.Sleep(1)`), "cancelled"},
		{"internal/keeper/loop_test.go", use(`"time"`, `time.Sleep(1)`), ""},
	})
}
