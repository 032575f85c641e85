package archtest

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strings"
	"testing"
)

// named judges what a package is called.
func named(s source) []complaint {
	banned := []string{"util", "utils", "helper", "helpers", "common", "shared", "misc", "types", "models", "base"}
	for _, name := range []string{s.file.Name.Name, path.Base(s.dir())} {
		if slices.Contains(banned, strings.TrimSuffix(name, "_test")) {
			return []complaint{s.complain(s.file.Name, "a package called "+name,
				"the folder list is the glossary: name it after the thing or the doer in it, or put the function beside its only caller")}
		}
	}
	return nil
}

func TestNames(t *testing.T) { keep(t, named) }

func TestNamesCanFail(t *testing.T) {
	prove(t, named, []snippet{
		{"internal/utils/a.go", "package utils\n", "a package called utils"},
		{"internal/tf/base/a.go", "package tfbase\n", "glossary"},
		{"internal/shared/a_test.go", "package shared_test\n", "a package called shared"},
		{"internal/keeper/a.go", "package keeper\n", ""},
	})
}

// The budgets in lines: above the first somebody should look again, above the
// second they have.
const (
	fileWant, fileMust         = 400, 450
	functionWant, functionMust = 60, 70
)

// sized judges the length of a file and of its functions.
func sized(s source) []complaint { return long(s, fileMust, functionMust) }

func long(s source, file, function int) []complaint {
	if s.test() {
		return nil
	}
	const why = "what is longer does more than one thing: find the second one, give it a name and a place of its own"
	var all []complaint
	if s.lines > file {
		all = append(all, s.complain(s.file, fmt.Sprintf("a file of %d lines, more than %d", s.lines, file), why))
	}
	for _, d := range s.file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		if n := s.fset.Position(f.End()).Line - s.fset.Position(f.Pos()).Line + 1; n > function {
			all = append(all, s.complain(f, fmt.Sprintf("%s has %d lines, more than %d", f.Name.Name, n, function), why))
		}
	}
	return all
}

func TestSizes(t *testing.T) {
	keep(t, sized)
	for _, s := range load(t) {
		for _, c := range long(s, fileWant, functionWant) {
			t.Log("a second look: ", c)
		}
	}
}

func TestSizesCanFail(t *testing.T) {
	body := func(n int) string { return "package a\n\nfunc f() {\n" + strings.Repeat("\tf()\n", n-2) + "}\n" }
	prove(t, sized, []snippet{
		{"internal/a/a.go", body(functionMust), ""},
		{"internal/a/a.go", body(functionMust + 1), "f has 71 lines"},
		{"internal/a/a.go", "package a\n" + strings.Repeat("\n", fileMust), "a file of 451 lines"},
		{"internal/a/a_test.go", body(1000), ""},
	})
}

// described judges a package's comment: that it is there, says what the package
// is, and which layer it stands in.
func described(dir, comment string) []complaint {
	here, ok := packages()[dir]
	if !ok {
		return nil // TestPictureIsWhole complains
	}
	start := "Package " + path.Base(dir) + " "
	if word := layers()[here.layer].word; word != "" {
		start += "(" + word + ")"
	}
	if here.layer == command {
		start = "Command " + path.Base(dir) + " "
	}
	why := "what it is, what it promises, what it doesn't: three lines at least that begin with \"" + start + "\", so that a reader knows where he is before he reads code"
	switch {
	case comment == "":
		return []complaint{{dir, "no package comment", why}}
	case !strings.HasPrefix(comment, start):
		return []complaint{{dir, fmt.Sprintf("the package comment begins %.40q", comment), why}}
	case strings.Count(strings.TrimSpace(comment), "\n") < 2:
		return []complaint{{dir, "a package comment of less than three lines", why}}
	}
	return nil
}

func TestPackageComments(t *testing.T) {
	comments := map[string]string{}
	for _, s := range load(t) {
		if !s.test() {
			comments[s.dir()] += s.file.Doc.Text()
		}
	}
	for dir, comment := range comments {
		for _, c := range described(dir, comment) {
			t.Error(c)
		}
	}
}

func TestPackageCommentsCanFail(t *testing.T) {
	for _, bad := range []struct{ dir, comment, want string }{
		{"internal/cred", "", "no package comment"},
		{"internal/cred", "Package cred holds credentials.\nIt\ndoes.\n", "begins"},
		{"internal/cred", "Package cred (logic) holds credentials.\nIt\ndoes.\n", "begins"},
		{"internal/cred", "Package cred (words) holds\ncredentials.\n", "less than three"},
		{"cmd/holdfast", "Package main is\na\nb\n", "Command holdfast"},
	} {
		got := ""
		for _, c := range described(bad.dir, bad.comment) {
			got += c.String()
		}
		if !strings.Contains(got, bad.want) {
			t.Errorf("%s %q: said %q", bad.dir, bad.comment, got)
		}
	}
}
