package code

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
)

// Tree is the code below a directory, module by module, and how they call each
// other.
type Tree struct {
	Modules    []*Module // by directory
	Terragrunt []*Module // each of one file
	Scripts    []*File   // what may be a command for Terragrunt's credentials
	Problems   []Problem
	Files      int // how many were looked at

	left  int                  // steps that one argument's value may still take
	calls map[*Module][]*Block // who calls a module
	dirs  map[string]*Module
}

// Module is the code of one directory.
type Module struct {
	Dir      string
	Vendored bool // below .terraform/modules: somebody else's, followed but not judged
	Blocks   []*Block
	Files    []*File

	tree  *Tree
	group int // modules that call each other, directly or not, have one number
}

// File is one file's text.
type File struct {
	Path string
	Src  []byte
}

// JSON reports whether it is in JSON syntax.
func (f *File) JSON() bool { return strings.HasSuffix(f.Path, ".json") }

// Block is one block. In JSON syntax, what a schema doesn't call a block is an
// argument.
type Block struct {
	Type   string
	Labels []string
	Range  Range // of its head
	File   *File
	Module *Module
	Args   []*Arg
	Blocks []*Block

	settled, vendored bool // of a module call: dir is known
	dir               string
}

// Arg is one argument.
type Arg struct {
	Name  string
	Range Range // name and value
	Value Range
	Block *Block

	expr hcl.Expression
}

// Arg is the argument of that name, or nil.
func (b *Block) Arg(name string) *Arg {
	for _, a := range b.Args {
		if a.Name == name {
			return a
		}
	}
	return nil
}

// Inner are the nested blocks of a type.
func (b *Block) Inner(kind string) []*Block {
	var out []*Block
	for _, c := range b.Blocks {
		if c.Type == kind {
			out = append(out, c)
		}
	}
	return out
}

// Address is how a resource is written: aws_iam_role.node, data.aws_x.y,
// module.m. Blocks without labels have their type.
func (b *Block) Address() string {
	parts := b.Labels
	if b.Type != "resource" {
		parts = append([]string{b.Type}, parts...)
	}
	return strings.Join(parts, ".")
}

// Is reports whether it is a resource, or with data a data source, of a kind.
func (b *Block) Is(kind string) bool {
	return (b.Type == "resource" && len(b.Labels) == 2 && b.Labels[0] == kind) ||
		(b.Type == "data" && len(b.Labels) == 2 && "data."+b.Labels[0] == kind)
}

// ReadTree reads what lies below a directory, hidden directories and Terragrunt's
// caches left out, and the modules that it calls. An error means that dir itself
// can't be read; everything smaller is a Problem.
//
// Files in which no word stands that matters to anybody who asks aren't parsed:
// words are what makes a directory interesting.
func ReadTree(dir string, engine Engine, words []string) (*Tree, error) {
	t := &Tree{dirs: map[string]*Module{}, calls: map[*Module][]*Block{}}
	var jobs []job
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil && path == dir:
			return err
		case err != nil:
			t.Problems = append(t.Problems, Problem{Range: Range{File: path}, Message: err.Error()})
		case e.IsDir() && path != dir && (strings.HasPrefix(e.Name(), ".") || e.Name() == "node_modules"):
			return fs.SkipDir
		case e.IsDir():
			jobs = append(jobs, job{dir: filepath.Clean(path)})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	t.read(jobs, engine, words)
	t.follow(engine, words)
	t.link()
	slices.SortFunc(t.Modules, func(a, b *Module) int { return strings.Compare(a.Dir, b.Dir) })
	slices.SortStableFunc(t.Problems, func(a, b Problem) int { return a.Range.Compare(b.Range) })
	return t, nil
}

type job struct {
	dir      string
	vendored bool
}

// read reads directories side by side.
func (t *Tree) read(jobs []job, engine Engine, words []string) {
	results := make([]*reading, len(jobs))
	next := make(chan int)
	var group sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(jobs)) {
		group.Go(func() {
			for i := range next {
				results[i] = readDir(jobs[i], engine, words)
			}
		})
	}
	for i := range jobs {
		next <- i
	}
	close(next)
	group.Wait()
	for _, r := range results {
		t.Problems = append(t.Problems, r.problems...)
		t.Files += r.files
		t.Scripts = append(t.Scripts, r.scripts...)
		for _, m := range r.terragrunt {
			m.tree = t
			t.Terragrunt = append(t.Terragrunt, m)
		}
		if r.module != nil {
			r.module.tree = t
			t.dirs[r.module.Dir] = r.module
			t.Modules = append(t.Modules, r.module)
		}
	}
}

// reading is what one directory gave.
type reading struct {
	module     *Module
	terragrunt []*Module
	scripts    []*File
	problems   []Problem
	files      int
}

func readDir(j job, engine Engine, words []string) *reading {
	r := &reading{}
	names, err := list(j.dir, engine)
	if errors.Is(err, fs.ErrNotExist) {
		return r // whoever calls it is told
	}
	if err != nil {
		r.problems = append(r.problems, Problem{Range: Range{File: j.dir}, Message: err.Error()})
		return r
	}
	m := &Module{Dir: j.dir, Vendored: j.vendored}
	for _, name := range names {
		m.load(name, r)
	}
	interesting := slices.ContainsFunc(m.Files, func(f *File) bool { return mentions(f.Src, words) })
	if len(m.Files) > 0 {
		r.module = m
	}
	for _, f := range m.Files {
		if interesting || bytes.Contains(f.Src, []byte("module")) {
			r.problems = append(r.problems, m.parse(f)...)
		}
	}
	if !j.vendored {
		r.others(j.dir)
	}
	return r
}

func (m *Module) load(name string, r *reading) {
	path := filepath.Join(m.Dir, name)
	src, err := readFile(path)
	if err != nil {
		r.problems = append(r.problems, Problem{Range: Range{File: path}, Message: err.Error()})
		return
	}
	r.files++
	m.Files = append(m.Files, &File{Path: path, Src: src})
}

// maxFile is how large a file of code may be, in bytes.
const maxFile = 16 << 20

// readFile reads a file of code. What isn't an ordinary file could block, or
// never end.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("not an ordinary file")
	case info.Size() > maxFile:
		return nil, fmt.Errorf("%d bytes, more than the %d that are read", info.Size(), maxFile)
	}
	return os.ReadFile(path)
}

// others reads Terragrunt's files and scripts of a directory.
func (r *reading) others(dir string) {
	for _, pattern := range []string{"terragrunt.hcl", "root.hcl", "*.sh"} {
		paths, _ := filepath.Glob(filepath.Join(dir, pattern))
		for _, path := range paths {
			m := &Module{Dir: dir}
			m.load(filepath.Base(path), r)
			switch {
			case len(m.Files) == 0:
			case strings.HasSuffix(path, ".sh"):
				r.scripts = append(r.scripts, m.Files[0])
			default:
				r.problems = append(r.problems, m.parse(m.Files[0])...)
				r.terragrunt = append(r.terragrunt, m)
			}
		}
	}
}

func mentions(src []byte, words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return bytes.Contains(src, []byte(w)) })
}

// follow reads the local modules that lie outside, and those that init put under
// .terraform/modules, until there are no more.
func (t *Tree) follow(engine Engine, words []string) {
	for done := 0; done < len(t.Modules); {
		var jobs []job
		queued := map[string]bool{}
		for ; done < len(t.Modules); done++ {
			m := t.Modules[done]
			for _, b := range m.Blocks {
				dir, vendored := m.target(b)
				if dir != "" && t.dirs[dir] == nil && !queued[dir] {
					queued[dir] = true
					jobs = append(jobs, job{dir, vendored || m.Vendored})
				}
			}
		}
		t.read(jobs, engine, words)
	}
}

// target is the directory of the module that a block calls, "" for none.
func (m *Module) target(b *Block) (dir string, vendored bool) {
	if b.Type != "module" || len(b.Labels) != 1 {
		return "", false
	}
	if !b.settled {
		b.dir, b.vendored = m.find(b)
		b.settled = true
	}
	return b.dir, b.vendored
}

func (m *Module) find(b *Block) (dir string, vendored bool) {
	source, _ := b.Arg("source").literal()
	if strings.HasPrefix(source, "./") || strings.HasPrefix(source, "../") {
		return filepath.Join(m.Dir, filepath.FromSlash(source)), false
	}
	if at, ok := installed(m.Dir)[b.Labels[0]]; ok {
		return filepath.Join(m.Dir, filepath.FromSlash(at)), true
	}
	return "", false
}

// installed is what init wrote down of a root module's calls, by their names.
// Calls of called modules have longer keys; they are local to those.
func installed(dir string) map[string]string {
	b, err := os.ReadFile(filepath.Join(dir, ".terraform", "modules", "modules.json"))
	if err != nil {
		return nil
	}
	var manifest struct {
		Modules []struct{ Key, Dir string }
	}
	if json.Unmarshal(b, &manifest) != nil {
		return nil
	}
	out := map[string]string{}
	for _, m := range manifest.Modules {
		if m.Key != "" && !strings.Contains(m.Key, ".") {
			out[m.Key] = m.Dir
		}
	}
	return out
}

// link notes who calls whom, and gives modules that belong together a number.
func (t *Tree) link() {
	for i, m := range t.Modules {
		m.group = i
	}
	for _, m := range t.Modules {
		for _, b := range m.Blocks {
			dir, _ := m.target(b)
			callee := t.dirs[dir]
			if dir == "" {
				continue
			}
			if callee == nil || len(callee.Files) == 0 {
				t.Problems = append(t.Problems, Problem{Range: b.Range, Message: "the module " + dir + " can't be read"})
				continue
			}
			t.calls[callee] = append(t.calls[callee], b)
			if from, to := callee.group, m.group; from != to {
				for _, other := range t.Modules {
					if other.group == from {
						other.group = to
					}
				}
			}
		}
	}
}

// Reaches reports whether two modules are of one configuration, as far as the
// tree shows.
func (m *Module) Reaches(o *Module) bool { return m.group == o.group }

// Of are the module's blocks of a kind: a resource's, or data. and a data
// source's.
func (m *Module) Of(kind string) []*Block {
	var out []*Block
	for _, b := range m.Blocks {
		if b.Is(kind) {
			out = append(out, b)
		}
	}
	return out
}

// Called is the module that a block calls, nil if the tree hasn't got it.
func (m *Module) Called(b *Block) *Module {
	dir, _ := m.target(b)
	if dir == "" {
		return nil
	}
	return m.tree.dirs[dir]
}

// Source is the text of a file that was read.
func (t *Tree) Source(path string) ([]byte, bool) {
	for _, m := range t.Modules {
		for _, f := range m.Files {
			if f.Path == path {
				return f.Src, true
			}
		}
	}
	return nil, false
}
