package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/endpoint"
	"github.com/holdfast/holdfast/internal/event"
	"github.com/holdfast/holdfast/internal/journal"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/report"
	"github.com/holdfast/holdfast/internal/rescue"
	"github.com/holdfast/holdfast/internal/supervise"
	"github.com/holdfast/holdfast/internal/tf/state"
	"github.com/holdfast/holdfast/internal/tfexec"
)

// StateRequest is what somebody asked of `holdfast state`.
type StateRequest struct {
	Request
	Dirs   []string // the current one if there are none
	Engine string   // a name or a path; found out if empty
	Word   rescue.Word
	Look   bool                // decide, and do nothing
	Lock   bool                // the lock is the only question
	Told   func(report.Rescue) // as soon as a directory is done; may be nil
}

// together is how many directories are settled at once: each is a few requests
// and one Terraform, which takes most of a core.
const together = 4

// State looks at directories, and at all below them that hold a state which
// wasn't uploaded, and settles each.
func State(ctx context.Context, req StateRequest, proc Process) (report.Rescues, error) {
	out := report.Rescues{SchemaVersion: report.SchemaVersion, Directories: []report.Rescue{}}
	env := precedence.NewEnv(proc.Environ)
	all, err := declaredBy(req.Request, proc, env)
	if err != nil {
		return out, err
	}
	r := newRescuer(all)
	dirs, err := r.directories(req.Dirs, proc.Dir, env)
	if err != nil {
		return out, err
	}
	s := &settling{req: req, proc: proc, env: env, all: all, rescuer: r, service: newService(ctx, proc, event.Discard)}
	defer s.service.close()
	results := make([]report.Rescue, len(dirs))
	var work sync.WaitGroup
	slots := make(chan struct{}, together)
	for i, dir := range dirs {
		work.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			results[i] = s.one(ctx, dir)
			if req.Told != nil {
				req.Told(results[i])
			}
		})
	}
	work.Wait()
	out.Directories = results
	return out, ctx.Err()
}

// settling is one `holdfast state`.
type settling struct {
	req     StateRequest
	proc    Process
	env     precedence.Env
	all     identities
	rescuer *rescuer
	service *service
}

func (s *settling) one(ctx context.Context, dir string) report.Rescue {
	fail := func(err error) report.Rescue {
		return report.Rescue{Dir: dir, State: string(rescue.NoState), Digest: string(rescue.NoDigest), Lock: string(rescue.NoLock), Problem: err.Error(), Blind: true}
	}
	w, err := s.place(ctx, dir)
	if err != nil {
		return fail(err)
	}
	out, err := s.rescuer.settle(ctx, w, trace{word: s.req.Word, look: s.req.Look, lock: s.req.Lock, alive: aliveIn(dir)})
	switch {
	case err != nil:
		return fail(err)
	case out == nil:
		return report.Rescue{Dir: dir, State: string(rescue.NoState), Digest: string(rescue.NoDigest), Lock: string(rescue.NoLock), Done: true}
	}
	return *out
}

// place finds out as whom and with which program a directory works.
func (s *settling) place(ctx context.Context, dir string) (workplace, error) {
	w := workplace{dir: dir, env: s.env}
	if w.engine, w.path, w.noEngine = s.engine(ctx, dir); w.noEngine != nil {
		w.engine = "terraform" // in commands that are printed
	}
	var err error
	if w.credentials, err = s.credentials(ctx, dir); err != nil {
		return w, err
	}
	// A push is short, and static keys win over whatever else is configured.
	set, err := w.credentials(ctx)
	if err != nil {
		w.credentials = func(context.Context) (cred.Set, error) { return cred.Set{}, err }
		return w, nil // what was found is still kept
	}
	w.env = precedence.Env{}
	for name, value := range s.env {
		if !strings.HasPrefix(name, "AWS_CONTAINER_") && name != "AWS_SESSION_TOKEN" {
			w.env[name] = value
		}
	}
	w.env["AWS_ACCESS_KEY_ID"], w.env["AWS_SECRET_ACCESS_KEY"] = set.AccessKeyID(), set.Secret()
	if set.Token() != "" {
		w.env["AWS_SESSION_TOKEN"] = set.Token()
	}
	return w, nil
}

// credentials are those of the keeper above, or of the unit's own identity.
func (s *settling) credentials(ctx context.Context, dir string) (func(context.Context) (cred.Set, error), error) {
	welcome, err := above(ctx, s.env, s.req.Request, dir)
	if err != nil {
		return nil, err
	}
	if welcome != nil {
		return func(ctx context.Context) (cred.Set, error) { return endpoint.Ask(ctx, welcome.URL, welcome.Token) }, nil
	}
	who, _, err := s.all.ofRun(true)
	if name := s.all.file.UnitOf(s.proc.Dir, unitDir(dir)); name != "" && !s.req.asked() {
		who, err = s.all.named(name)
	}
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (cred.Set, error) {
		c, err := s.service.chain(ctx, who)
		if err != nil {
			return cred.Set{}, err
		}
		if err := c.ready(ctx); err != nil {
			return cred.Set{}, err
		}
		return c.last().Get(ctx)
	}, nil
}

// engine is the program that worked in a directory: the one that the user names,
// the one whose registry its lock file names, or the only one in PATH. It is
// never guessed: a state that the other one pushes says so for ever.
func (s *settling) engine(ctx context.Context, dir string) (name, path string, err error) {
	name = s.req.Engine
	if name == "" {
		name = supervise.Engine(s.env["TG_TF_PATH"])
	}
	if name == "" {
		if b, err := os.ReadFile(filepath.Join(dir, ".terraform.lock.hcl")); err == nil {
			switch text := string(b); {
			case strings.Contains(text, "registry.opentofu.org/"):
				name = "tofu"
			case strings.Contains(text, "registry.terraform.io/"):
				name = "terraform"
			}
		}
	}
	if name != "" {
		path, err = find(name, s.env)
		return supervise.Engine(name), path, err
	}
	if name, path := s.rescuer.engineOf(dir); path != "" {
		return name, path, nil
	}
	return s.only(ctx, dir)
}

// only is the Terraform in PATH that can have worked in a directory: the only
// one, or the only one of the version that its state names.
func (s *settling) only(ctx context.Context, dir string) (name, path string, err error) {
	there := map[string]string{}
	for _, name := range []string{"tofu", "terraform"} {
		if path, err := find(name, s.env); err == nil {
			there[name] = path
		}
	}
	if len(there) == 0 {
		return "", "", &cure.Error{What: "there is no tofu and no terraform in PATH", Cure: "name it:  --engine PATH"}
	}
	if len(there) > 1 {
		content, _ := os.ReadFile(filepath.Join(dir, state.FileName)) // without it nothing can be told apart
		wrote, _ := state.Parse(content)
		maps.DeleteFunc(there, func(_, path string) bool {
			v, err := tfexec.AskVersion(ctx, path, s.env.Environ())
			return err != nil || v.String() != wrote.Written
		})
	}
	for name, path := range there {
		if len(there) == 1 {
			return name, path, nil
		}
	}
	return "", "", &cure.Error{What: "nothing in " + dir + " says whether tofu or terraform works there", Cure: "name it:  --engine tofu", Class: cure.Usage}
}

// directories are those that were named, as far as Terraform was initialised
// there, and all below them in which a state lies that wasn't uploaded, whose
// rescue was killed, or whose keeper was.
func (r *rescuer) directories(named []string, here string, env precedence.Env) ([]string, error) {
	if len(named) == 0 {
		named = []string{here}
	}
	seen := map[string]bool{}
	var all []string
	add := func(dir string) {
		if !seen[dir] {
			seen[dir] = true
			all = append(all, dir)
		}
	}
	journals, _ := r.journals() // settle says what is wrong with them
	for _, name := range named {
		root := name
		if !filepath.IsAbs(root) {
			root = filepath.Join(here, root)
		}
		if info, err := os.Stat(root); err != nil || !info.IsDir() {
			return nil, &cure.Error{What: name + " isn't a directory", Class: cure.Usage, Err: err}
		}
		data := first(env["TF_DATA_DIR"], ".terraform")
		if filepath.IsAbs(data) || exists(filepath.Join(root, data)) {
			add(root)
		}
		err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case e.IsDir() && (e.Name() == ".git" || e.Name() == ".terraform" || slices.Contains(r.homes, path)):
				return fs.SkipDir
			case e.Name() == state.FileName:
				add(filepath.Dir(path))
			}
			return nil
		})
		if err != nil {
			return nil, &cure.Error{What: "can't look for states below " + name, Why: []string{err.Error()}, Err: err}
		}
		below := func(dir string) bool { return dir == root || strings.HasPrefix(dir, root+string(filepath.Separator)) }
		for _, j := range journals {
			if _, _, ended := j.Outcome(); !ended && below(rescue.DirOf(j)) {
				add(rescue.DirOf(j))
			}
		}
		for _, dir := range r.alone() {
			if below(dir) {
				add(dir)
			}
		}
	}
	return all, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Pruned is a kept state that was, or would be, removed.
type Pruned struct {
	Dir     string    `json:"dir"`
	Settled time.Time `json:"settled"`
}

// Prune removes kept states whose push was verified longer ago than that. What
// was left to a person stays.
func Prune(proc Process, age time.Duration, dry bool) ([]Pruned, error) {
	all, err := declaredBy(Request{}, proc, precedence.NewEnv(proc.Environ))
	if err != nil {
		return nil, err
	}
	journals, problems := newRescuer(all).journals()
	out := []Pruned{}
	for _, j := range journals {
		at, settled := rescue.SettledAt(j)
		if !settled || time.Since(at) < age {
			continue
		}
		if !dry {
			if err := remove(j); err != nil {
				problems = append(problems, err)
				continue
			}
		}
		out = append(out, Pruned{j.Dir(), at})
	}
	return out, errors.Join(problems...)
}

func remove(j *journal.Journal) error {
	opened, err := journal.Open(j.Dir(), nil)
	if err != nil {
		return err
	}
	defer opened.Close()
	return os.RemoveAll(j.Dir())
}

// aliveIn names the Terraform processes that work in a directory now, as far as
// this system shows them.
func aliveIn(dir string) rescue.Alive {
	all, err := supervise.In(dir)
	if err != nil {
		return rescue.Alive{Problem: err.Error()}
	}
	var found []string
	for _, p := range all {
		if supervise.Engine(p.Name) != "" {
			found = append(found, fmt.Sprintf("%s (pid %d) runs there now", p.Name, p.PID))
		}
	}
	slices.Sort(found)
	return rescue.Alive{Processes: strings.Join(found, ", ")}
}
