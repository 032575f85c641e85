package archtest

import (
	"go/ast"
	"go/token"
	"slices"
	"testing"
)

// variable is a package variable that may stay, and why.
type variable struct{ dir, name, why string }

func variables() []variable {
	return []variable{
		{"internal/cli", "version", "the linker writes it (-X), which can only reach a variable"},
		{"e2e", "built", "TestMain builds the programs once, before any test runs"},
	}
}

// stateless judges what a file keeps outside its functions.
func stateless(s source) []complaint {
	var all []complaint
	for _, d := range s.file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.Name == "init" && d.Recv == nil {
				all = append(all, s.complain(d, "an init function",
					"it runs before main whoever needs it, can't return an error and makes every start slower: build the thing in a constructor and hand it in"))
			}
		case *ast.GenDecl:
			if d.Tok == token.VAR {
				all = append(all, s.vars(d)...)
			}
		}
	}
	return all
}

func (s source) vars(d *ast.GenDecl) []complaint {
	var all []complaint
	for _, spec := range d.Specs {
		spec := spec.(*ast.ValueSpec)
		for i, name := range spec.Names {
			known := slices.ContainsFunc(variables(), func(v variable) bool { return v.dir == s.dir() && v.name == name.Name })
			if name.Name == "_" || known || i < len(spec.Values) && s.constant(spec.Values[i]) {
				continue
			}
			all = append(all, s.complain(name, "the package variable "+name.Name,
				"whoever can reach it can change it, and two tests at once share it: make it a constant, a function that returns it, or a field. Compiled regular expressions and sentinel errors may stay"))
		}
	}
	return all
}

// constant reports whether a value is one that Go can't write as a constant
// and that nobody changes. A test may also have its flags.
func (s source) constant(value ast.Expr) bool {
	call, ok := value.(*ast.CallExpr)
	if !ok {
		return false
	}
	name := s.selector(call.Fun)
	return name == "regexp.MustCompile" || name == "errors.New" || s.test() && (name == "flag.Bool" || name == "flag.String")
}

func TestNoState(t *testing.T) { keep(t, stateless) }

func TestVariablesExist(t *testing.T) {
	all := load(t)
	for _, v := range variables() {
		if !slices.ContainsFunc(all, func(s source) bool { return s.dir() == v.dir && s.declares(v.name) }) {
			t.Errorf("%s has no variable %s any more: take it out of variables()", v.dir, v.name)
		}
	}
}

func (s source) declares(name string) bool {
	return slices.ContainsFunc(s.file.Decls, func(d ast.Decl) bool {
		g, ok := d.(*ast.GenDecl)
		return ok && g.Tok == token.VAR && slices.ContainsFunc(g.Specs, func(spec ast.Spec) bool {
			return spec.(*ast.ValueSpec).Names[0].Name == name
		})
	})
}

func TestNoStateCanFail(t *testing.T) {
	prove(t, stateless, []snippet{
		{"internal/a/a.go", "package a\n\nfunc init() {}\n", "an init function"},
		{"internal/a/a.go", "package a\n\nvar count int\n", "the package variable count"},
		{"internal/a/a.go", "package a\n\nvar names = []string{\"x\"}\n", "two tests at once"},
		{"internal/a/a.go", "package a\n\nvar a, b = 1, 2\n", "variable b"},
		{"internal/a/a.go", "package a\n\nimport \"flag\"\n\nvar f = flag.Bool(\"f\", false, \"\")\n", "variable f"},
		{"internal/a/a_test.go", "package a\n\nimport \"flag\"\n\nvar f = flag.Bool(\"f\", false, \"\")\n", ""},
		{"internal/a/a_test.go", "package a\n\nvar count int\n", "variable count"},
		{"internal/a/a.go", "package a\n\nimport \"errors\"\n\nvar errNo = errors.New(\"no\")\n", ""},
		{"internal/a/a.go", "package a\n\nimport \"regexp\"\n\nvar r = regexp.MustCompile(\"a\")\n", ""},
		{"internal/a/a.go", "package a\n\nvar _ I = (*T)(nil)\n", ""},
		{"internal/cli/a.go", "package cli\n\nvar version = \"\"\n", ""},
		{"internal/a/a.go", "package a\n\nvar version = \"\"\n", "variable version"},
		{"internal/a/a.go", "package a\n\ntype t int\n\nfunc (t) init() {}\n", ""},
	})
}
