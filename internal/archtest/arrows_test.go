package archtest

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// arrows judges the imports of a file by the picture. Tests may import what
// they need, except the lab's: its judges are the SDKs.
func arrows(s source) []complaint {
	here, ok := packages()[s.dir()]
	if !ok {
		return nil // TestPictureIsWhole complains
	}
	l := layers()[here.layer]
	var all []complaint
	for _, spec := range s.file.Imports {
		to, _ := strconv.Unquote(spec.Path.Value)
		ours := strings.HasPrefix(to, module)
		to = strings.TrimPrefix(to, module)
		var wrong bool
		switch {
		case s.test():
			wrong = ours && strings.HasPrefix(s.dir(), "internal/lab") && !strings.HasPrefix(to, "internal/lab")
		case here.also[to] != "":
		case ours:
			wrong = !slices.Contains(l.below, packages()[to].layer)
		case strings.Contains(strings.SplitN(to, "/", 2)[0], "."):
			wrong = !slices.ContainsFunc(l.links, func(p string) bool { return strings.HasPrefix(to+"/", p) || to == p })
		case l.pure:
			wrong = to == "os" || to == "os/exec" || to == "os/signal" || to == "net" || strings.HasPrefix(to, "net/")
		}
		if wrong {
			all = append(all, s.complain(spec, s.dir()+" ("+here.layer+") imports "+to, l.why))
		}
	}
	return all
}

func TestArrows(t *testing.T) { keep(t, arrows) }

func TestArrowsCanFail(t *testing.T) {
	file := func(pkg, path string) string { return "package " + pkg + "\n\nimport _ \"" + path + "\"\n" }
	ours := func(pkg, path string) string { return file(pkg, module+"internal/"+path) }
	prove(t, arrows, []snippet{
		{"internal/cred/a.go", ours("cred", "event"), "imports internal/event"},
		{"internal/cred/a.go", file("cred", "golang.org/x/sys/unix"), "standard library"},
		{"internal/cred/a.go", file("cred", "log/slog"), ""},
		{"internal/tf/log/a.go", ours("log", "tf/code"), "don't know each other"},
		{"internal/tf/code/a.go", file("code", "github.com/hashicorp/hcl/v2/hclsyntax"), ""},
		{"internal/keeper/a.go", ours("keeper", "source"), "logic"},
		{"internal/keeper/a.go", ours("keeper", "awsapi/identity"), "declare an interface"},
		{"internal/keeper/a.go", file("keeper", "net/http"), "no network"},
		{"internal/keeper/a.go", file("keeper", "os/exec"), "no process"},
		{"internal/keeper/a.go", file("keeper", "os"), "imports os"},
		{"internal/keeper/a.go", file("keeper", "github.com/aws/smithy-go"), "imports github.com/aws"},
		{"internal/keeper/a_test.go", file("keeper", "net/http"), ""},
		{"internal/source/a.go", file("source", "os"), ""},
		{"internal/endpoint/a.go", ours("endpoint", "link"), "siblings"},
		{"internal/endpoint/a.go", ours("endpoint", "keeper"), ""},
		{"internal/endpoint/a.go", file("endpoint", "github.com/aws/aws-sdk-go-v2/aws"), "the AWS SDK"},
		{"internal/awsapi/identity/a.go", file("identity", "github.com/aws/aws-sdk-go-v2/aws"), ""},
		{"internal/config/a.go", ours("config", "source"), "plain structs"},
		{"internal/endpoint/a.go", ours("endpoint", "config"), "imports internal/config"},
		{"internal/app/a.go", ours("app", "view"), "view and cli"},
		{"internal/app/a.go", ours("app", "lab"), "imports internal/lab"},
		{"internal/view/a.go", ours("view", "keeper"), "belongs below"},
		{"internal/cli/a.go", ours("cli", "endpoint"), "wrong place"},
		{"internal/cli/a.go", ours("cli", "private"), ""},
		{"internal/cli/a.go", file("cli", "github.com/aws/aws-sdk-go-v2/aws"), "imports github.com/aws"},
		{"internal/lab/a.go", ours("lab", "cred"), "shares its mistakes"},
		{"internal/lab/a.go", file("lab", "github.com/aws/aws-sdk-go-v2/aws"), "judge"},
		{"internal/lab/a_test.go", ours("lab", "cred"), "shares its mistakes"},
		{"internal/lab/a_test.go", file("lab", "github.com/aws/aws-sdk-go-v2/aws"), ""},
		{"internal/lab/s3/a.go", ours("s3", "lab"), "imports internal/lab"},
		{"cmd/holdfast/a.go", ours("main", "lab"), "never ship"},
		{"cmd/holdfast-lab/a.go", ours("main", "cli"), "nobody but cmd/holdfast"},
	})
}

// TestPictureIsWhole fails for a package without a row, a row without a package
// and an exception that nobody uses.
func TestPictureIsWhole(t *testing.T) {
	all := load(t)
	for _, c := range unplaced(all, packages()) {
		t.Error(c)
	}
}

func unplaced(all []source, table map[string]place) []complaint {
	seen, used := map[string]bool{}, map[string]bool{}
	var out []complaint
	for _, s := range all {
		if _, ok := table[s.dir()]; !ok && !seen[s.dir()] {
			out = append(out, complaint{s.dir(), "it has no row in packages()",
				"say in which layer it stands, there and in docs/ARCHITECTURE.md, so that a reader finds it in the picture"})
		}
		seen[s.dir()] = true
		for _, spec := range s.file.Imports {
			to, _ := strconv.Unquote(spec.Path.Value)
			if !s.test() {
				used[s.dir()+" "+strings.TrimPrefix(to, module)] = true
			}
		}
	}
	for dir, p := range table {
		if !seen[dir] {
			out = append(out, complaint{dir, "there is no such package", "take its row out of packages(); a picture with ghosts misleads"})
			continue
		}
		for to := range p.also {
			if !used[dir+" "+to] {
				out = append(out, complaint{dir, "it doesn't import " + to + " any more", "take the exception out of packages(), before somebody else leans on it"})
			}
		}
	}
	return out
}

// undrawn are the packages that the document doesn't name. Services of the lab
// are one thing there.
func undrawn(document string, table map[string]place) []complaint {
	var out []complaint
	for dir, p := range table {
		name := strings.TrimPrefix(dir, "internal/")
		if p.layer == lab {
			name = "lab/*"
		}
		if !regexp.MustCompile(`(^|[^\w/])` + regexp.QuoteMeta(name) + `($|[^\w/])`).MatchString(document) {
			out = append(out, complaint{"docs/ARCHITECTURE.md", "it doesn't name " + name,
				"whoever looks for a package looks there first: give it a row and a place in the picture"})
		}
	}
	return out
}

func TestPictureIsDrawn(t *testing.T) {
	document, err := os.ReadFile(root + "/docs/ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range undrawn(string(document), packages()) {
		t.Error(c)
	}
	if got := undrawn("| app, lab/* | joins |", map[string]place{"internal/app": {}, "internal/lab/s3": {layer: lab}, "internal/ap": {}}); len(got) != 1 || !strings.HasSuffix(got[0].what, " ap") {
		t.Errorf("a document without ap: %v", got)
	}
}

func TestPictureCanFail(t *testing.T) {
	s, err := parse("internal/new/a.go", "package new\n\nimport _ \"fmt\"\n")
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, c := range unplaced([]source{s}, map[string]place{"internal/old": {layer: words}}) {
		got += c.String()
	}
	for _, c := range unplaced([]source{s}, map[string]place{"internal/new": {layer: logic, also: map[string]string{"os": "x"}}}) {
		got += c.String()
	}
	for _, want := range []string{"internal/new: it has no row", "internal/old: there is no such package", "internal/new: it doesn't import os any more"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}
