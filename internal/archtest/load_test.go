package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

const (
	module = "github.com/holdfast/holdfast/"
	root   = "../.."
)

// source is one Go file, for whatever system and build tags it is meant.
type source struct {
	path  string // from the module's root, with slashes
	lines int
	fset  *token.FileSet
	file  *ast.File
}

func (s source) dir() string { return path.Dir(s.path) }

func (s source) test() bool { return strings.HasSuffix(s.path, "_test.go") }

// complaint is a rule that isn't kept.
type complaint struct {
	where string
	what  string
	why   string
}

func (c complaint) String() string {
	return fmt.Sprintf("%s: %s\n\t%s", c.where, c.what, c.why)
}

func (s source) complain(n ast.Node, what, why string) complaint {
	return complaint{fmt.Sprintf("%s:%d", s.path, s.fset.Position(n.Pos()).Line), what, why}
}

// rule judges one file.
type rule func(source) []complaint

// load parses every Go file of the module. Modules of their own and testdata
// are somebody else's code.
func load(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return skip(p, d.Name())
		}
		if !strings.HasSuffix(p, ".go") {
			return nil
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		s, err := parse(filepath.ToSlash(name), string(text))
		all = append(all, s)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 50 {
		t.Fatalf("found only %d Go files: looking in the wrong place", len(all))
	}
	return all
}

func skip(p, name string) error {
	if p == root {
		return nil
	}
	_, err := os.Stat(filepath.Join(p, "go.mod"))
	if err == nil || name == "testdata" || name == "node_modules" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") {
		return fs.SkipDir
	}
	return nil
}

func parse(name, text string) (source, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	return source{name, strings.Count(text, "\n"), fset, file}, err
}

// keep applies a rule to the whole module.
func keep(t *testing.T, r rule) {
	t.Helper()
	for _, s := range load(t) {
		for _, c := range r(s) {
			t.Error(c)
		}
	}
}

// snippet is a small file and what a rule should say to it; nothing, if want is
// empty.
type snippet struct {
	path, text, want string
}

// prove shows that a rule isn't vacuous, and not too strict either.
func prove(t *testing.T, r rule, snippets []snippet) {
	t.Helper()
	for _, n := range snippets {
		s, err := parse(n.path, n.text)
		if err != nil {
			t.Fatal(err)
		}
		var said []string
		for _, c := range r(s) {
			if c.why == "" {
				t.Errorf("%s: a complaint without a reason: %s", n.path, c.what)
			}
			said = append(said, c.String())
		}
		got := strings.Join(said, "\n")
		if n.want == "" && got != "" || n.want != "" && !strings.Contains(got, n.want) {
			t.Errorf("%s:\n%s\nsaid %q, want %q", n.path, n.text, got, n.want)
		}
	}
}
