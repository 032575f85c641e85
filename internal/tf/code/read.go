package code

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/json"
)

// Engine is the program that will read the code.
type Engine string

// The two engines. Only OpenTofu reads *.tofu, and there x.tofu hides x.tf
// (https://opentofu.org/docs/language/files/).
const (
	Terraform Engine = "terraform"
	OpenTofu  Engine = "tofu"
)

// Read reads dir and the local modules that it calls. An error means that dir
// itself can't be read; everything smaller is a Problem.
func Read(dir string, engine Engine) (Code, error) {
	if _, err := os.ReadDir(dir); err != nil {
		return Code{}, err
	}
	r := reader{engine: engine, seen: map[string]bool{}}
	r.dir(filepath.Clean(dir))
	r.code.sort()
	return r.code, nil
}

type reader struct {
	engine Engine
	seen   map[string]bool
	code   Code
}

func (r *reader) dir(dir string) {
	if r.seen[dir] {
		return
	}
	r.seen[dir] = true
	names, err := list(dir, r.engine)
	if err != nil {
		r.problem(Range{File: dir}, err.Error())
		return
	}
	m := module{engine: r.engine}
	for _, name := range names {
		path := filepath.Join(dir, name)
		src, err := os.ReadFile(path)
		if err != nil {
			r.problem(Range{File: path}, err.Error())
			continue
		}
		r.code.Files = append(r.code.Files, path)
		m.add(path, src)
	}
	r.code.Clients = append(r.code.Clients, m.clients...)
	r.code.Problems = append(r.code.Problems, m.problems...)
	r.code.ClusterAuth = append(r.code.ClusterAuth, m.auth...)
	for _, source := range m.sources {
		r.dir(filepath.Join(dir, filepath.FromSlash(source)))
	}
}

func (r *reader) problem(rng Range, message string) {
	r.code.Problems = append(r.code.Problems, Problem{Range: rng, Message: message})
}

// list gives the files that the engine would read, overrides last, as both
// engines merge them in that order
// (https://developer.hashicorp.com/terraform/language/files/override).
func list(dir string, engine Engine) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var plain, overrides []string
	for _, entry := range entries {
		name := entry.Name()
		if entry.IsDir() || ignored(name) || !reads(engine, name) || hidden(engine, name, entries) {
			continue
		}
		if override(name) {
			overrides = append(overrides, name)
		} else {
			plain = append(plain, name)
		}
	}
	return append(plain, overrides...), nil
}

func reads(engine Engine, name string) bool {
	switch {
	case strings.HasSuffix(name, ".tf"), strings.HasSuffix(name, ".tf.json"):
		return true
	case strings.HasSuffix(name, ".tofu"), strings.HasSuffix(name, ".tofu.json"):
		return engine == OpenTofu
	}
	return false
}

// ignored are editors' and hidden files, which both engines skip
// (internal/configs IsIgnoredFile).
func ignored(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~") ||
		strings.HasPrefix(name, "#") && strings.HasSuffix(name, "#")
}

func hidden(engine Engine, name string, entries []fs.DirEntry) bool {
	if engine != OpenTofu {
		return false
	}
	twin := ""
	if base, ok := strings.CutSuffix(name, ".tf"); ok {
		twin = base + ".tofu"
	} else if base, ok := strings.CutSuffix(name, ".tf.json"); ok {
		twin = base + ".tofu.json"
	}
	return twin != "" && slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == twin })
}

func override(name string) bool {
	base, _, _ := strings.Cut(name, ".")
	return base == "override" || strings.HasSuffix(base, "_override")
}

// Parse reads one file's bytes. Its name decides between native syntax and
// JSON.
func Parse(name string, src []byte) Code {
	var m module
	m.add(name, src)
	c := Code{Clients: m.clients, ClusterAuth: m.auth, Problems: m.problems, Files: []string{name}}
	c.sort()
	return c
}

func parse(name string, src []byte) (hcl.Body, hcl.Diagnostics) {
	var file *hcl.File
	var diags hcl.Diagnostics
	if strings.HasSuffix(name, ".json") {
		file, diags = json.Parse(src, name)
	} else {
		file, diags = hclsyntax.ParseConfig(src, name, hcl.InitialPos)
	}
	if file == nil || file.Body == nil {
		return nil, diags
	}
	return file.Body, diags
}

// problems drops the details of diagnostics: they quote the source, and the
// source may hold a secret.
func problems(name string, diags hcl.Diagnostics) []Problem {
	var out []Problem
	for _, d := range diags {
		if d.Severity != hcl.DiagError {
			continue
		}
		rng := Range{File: name}
		if d.Subject != nil {
			rng = ranged(*d.Subject)
		}
		out = append(out, Problem{Range: rng, Message: fmt.Sprintf("can't be read: %s", d.Summary)})
	}
	return out
}
