package app

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/durable"
	"github.com/holdfast/holdfast/internal/journal"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/report"
	"github.com/holdfast/holdfast/internal/rescue"
	"github.com/holdfast/holdfast/internal/tf/backend"
	"github.com/holdfast/holdfast/internal/tf/code"
	"github.com/holdfast/holdfast/internal/tf/state"
)

// rescuer settles what Terraform processes leave behind. It is safe for use by
// several goroutines.
type rescuer struct {
	homes []string // where journals may lie; the first that can be written is taken
	to    string   // s3://bucket/prefix for a copy of everything; empty for none
	who   string   // user@host
	hook  journal.Hook
}

// newRescuer reads where rescued states go: rescue_to of holdfast.hcl, or else
// the user's directory for state, or else, if neither can be written, one for
// temporary files.
func newRescuer(all identities) *rescuer {
	r := &rescuer{who: whoLocks()}
	to := all.file.Run.RescueTo
	switch {
	case strings.HasPrefix(to, "s3://"):
		r.to = to
	case filepath.IsAbs(to):
		r.homes = append(r.homes, to)
	case to != "":
		r.homes = append(r.homes, filepath.Join(all.proc.Dir, to))
	}
	r.homes = append(r.homes, filepath.Join(stateHome(all.env, all.proc.Home), "rescue"),
		filepath.Join(os.TempDir(), "holdfast-rescue-"+all.proc.User))
	return r
}

// whoLocks is this user and host as a lock names them
// (internal/states/statemgr/locker.go in both projects).
func whoLocks() string {
	name := ""
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, _ := os.Hostname() // Terraform writes the lock without it as well
	return name + "@" + host
}

// stateHome is the directory for what outlives a run
// (https://specifications.freedesktop.org/basedir-spec/).
func stateHome(env precedence.Env, home string) string {
	return filepath.Join(first(env["XDG_STATE_HOME"], filepath.Join(home, ".local", "state")), "holdfast")
}

// trace is what is known of a state that was left behind, beside the directory
// itself.
type trace struct {
	run     *rescue.Run
	word    rescue.Word
	partial bool   // the program panicked
	printed []byte // the state that was printed, because no file could be written
	look    bool   // decide, and do nothing
	lock    bool   // the lock is the only question
	alive   rescue.Alive
}

// settle looks at a directory and does what the facts allow. The report is nil
// if there is nothing to say. An error means that nothing could be recorded, so
// that nothing was done.
func (r *rescuer) settle(ctx context.Context, w workplace, t trace) (*report.Rescue, error) {
	unlock, err := r.exclude(w.dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	before, problems := r.journals()
	if len(problems) > 0 {
		return nil, fmt.Errorf("journals of earlier rescues: %w", errors.Join(problems...))
	}
	unfinished := rescue.Unfinished(before, w.dir)
	found, content, err := r.find(w, t, unfinished)
	if err != nil {
		return nil, err
	}
	f := rescue.Facts{Dir: w.dir, Engine: w.engine, Program: w.path, Found: found, Run: t.run, Word: t.word, Recorded: rescue.Recall(before, w.dir), Who: r.who, Alive: t.alive, OnlyLock: t.lock}
	if rec, ok := r.recorded(w.dir); ok {
		f.Knows(rec.Run)
	}
	store, err := w.store(ctx)
	_, pulls := store.(pulled)
	if err == nil && (found != nil || t.look || !pulls) { // its locks can't be seen, so without a state there is nothing to see
		f.Remote, err = store.Look(ctx)
	}
	if err != nil {
		f.Remote.Problem = err.Error()
	}
	if told := rescue.Told(before, w.dir); found == nil && f.Guarded() {
		f.Found, content = kept(told, t.partial) // the file is gone, as in a workspace that was cleaned
		found = f.Found
	}
	if found != nil {
		f.Copy = found.Path
		if found.State.Encrypted {
			f.Encryption = encryption(w)
		}
	}
	d := rescue.Decide(f)
	out := told(f, d)
	switch left := rescue.Left(before, w.dir, content); {
	case t.look:
		return out, nil
	case d.Quiet() && len(unfinished) == 0:
		return nil, nil
	case d.State == rescue.Foreign && !d.Acts():
		return out, nil
	case left != nil && (d.State == rescue.Refuse || d.State == rescue.Keep) && d.Digest != rescue.Repair:
		out.Kept = left.Dir()
		return out, nil
	case f.Recorded.Told && len(d.Orphans) > 0 && d.State == rescue.NoState && d.Digest != rescue.Repair && len(unfinished) == 0:
		out.Kept = rescue.Told(before, w.dir).Dir()
		return out, nil
	case !d.Acts() && len(unfinished) == 0 && !(d.Blind && t.run != nil):
		return out, nil
	}
	return r.carry(ctx, w, rescue.Case{Facts: f, Content: content, Store: store, Before: unfinished})
}

// encryption is where it is said how states of a directory are encrypted.
func encryption(w workplace) rescue.Encryption {
	paths, err := code.Encryption(w.dir, code.OpenTofu)
	switch {
	case err != nil:
		return rescue.Encryption{Problem: err.Error()}
	case len(paths) == 0 && w.env["TF_ENCRYPTION"] == "":
		return rescue.Encryption{Problem: "neither the code nor TF_ENCRYPTION says it"}
	}
	return rescue.Encryption{Files: paths}
}

func (r *rescuer) carry(ctx context.Context, w workplace, c rescue.Case) (*report.Rescue, error) {
	for i, j := range c.Before {
		opened, err := journal.Open(j.Dir(), nil)
		if err != nil {
			return nil, err
		}
		defer opened.Close()
		c.Before[i] = opened
	}
	var err error
	if c.Journal, err = r.begin(); err != nil {
		return nil, err
	}
	defer c.Journal.Close()
	c.Engine, c.Files, c.NewLock = pusher{w}, files{}, r.newLock
	if r.to != "" {
		c.Archive = r.archive(w)
	}
	result, err := rescue.Carry(ctx, c)
	if err == nil && !result.Decision.Blind {
		r.forget(w.dir, time.Time{}) // the journal has it now
	}
	c.Facts.Copy = c.Journal.Path(rescue.CopyName)
	out := told(c.Facts, result.Decision)
	out.Kept, out.Copied, out.Pushed, out.Repaired, out.Released = c.Journal.Dir(), result.Copied, result.Pushed, result.Repaired, result.Released
	out.Done, out.Problem = err == nil && result.Failed == "", result.Failed
	if result.Warned != "" {
		out.Why = append(out.Why, result.Warned)
	}
	if out.Problem != "" && len(out.Next) == 0 {
		out.Next = append(out.Next, cure.Command("holdfast", "state", "rescue", w.dir))
	}
	return out, err
}

// begin makes the journal in the first directory that can be written.
func (r *rescuer) begin() (*journal.Journal, error) {
	var problems []error
	for _, home := range r.homes {
		j, err := journal.Create(home, rescue.Kind, time.Now(), r.hook)
		if err == nil {
			return j, nil
		}
		problems = append(problems, err)
	}
	return nil, &cure.Error{
		What: "nothing was rescued: what was found can't be put on a disk first", Why: strings.Split(errors.Join(problems...).Error(), "\n"),
		Cure: "name a directory that can be written: XDG_STATE_HOME, or rescue_to in the run block of holdfast.hcl", Class: cure.Refused,
	}
}

func (r *rescuer) journals() (all []*journal.Journal, problems []error) {
	for _, home := range r.homes {
		some, wrong := journal.List(home, rescue.Kind)
		all, problems = append(all, some...), append(problems, wrong...)
	}
	slices.SortStableFunc(all, func(a, b *journal.Journal) int { return strings.Compare(a.ID, b.ID) })
	return all, problems
}

// engineOf is the program that worked in a directory, as a rescue that is
// unfinished recorded it.
func (r *rescuer) engineOf(dir string) (name, path string) {
	all, _ := r.journals() // settle says what is wrong with them
	for _, j := range slices.Backward(rescue.Unfinished(all, dir)) {
		if name, path := rescue.EngineOf(j); exists(path) {
			return name, path
		}
	}
	if rec, ok := r.recorded(dir); ok && exists(rec.Program) {
		return rec.Engine, rec.Program
	}
	return "", ""
}

// exclude keeps two rescues of one directory apart.
func (r *rescuer) exclude(dir string) (unlock func(), err error) {
	name := "holdfast-" + state.Digest([]byte(r.who + dir))[:16] + ".lock"
	unlock, ok, err := durable.TryLock(filepath.Join(os.TempDir(), name))
	if err == nil && !ok {
		err = &cure.Error{What: "another holdfast rescues " + dir + " now", Cure: "wait for it, then look:  " + cure.Command("holdfast", "state", "inspect", dir), Class: cure.Incomplete}
	}
	return unlock, err
}

// find looks for a state that was left behind: the file, what was printed, or
// the copy of a rescue that was killed.
func (r *rescuer) find(w workplace, t trace, unfinished []*journal.Journal) (*rescue.Found, []byte, error) {
	path := filepath.Join(w.dir, state.FileName)
	info, err := os.Stat(path)
	if err == nil && info.Mode().IsRegular() {
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, nil, err
		}
		older := t.run != nil && info.ModTime().Before(t.run.Began)
		if len(t.printed) == 0 || !older {
			f := foundIn(content, path, path, t.partial)
			f.Modified = info.ModTime()
			return f, content, nil
		}
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	if len(t.printed) > 0 {
		return foundIn(t.printed, "", "what "+w.engine+" printed", t.partial), t.printed, nil
	}
	for _, j := range slices.Backward(unfinished) {
		if f, content := kept(j, t.partial); f != nil {
			return f, content, nil
		}
	}
	return nil, nil, nil
}

// kept is the copy of an earlier rescue; nil if it kept none.
func kept(j *journal.Journal, partial bool) (*rescue.Found, []byte) {
	content, path, from, err := rescue.Kept(j)
	if err != nil {
		return nil, nil
	}
	f := foundIn(content, path, from+" (kept in "+j.Dir()+")", partial)
	f.Modified = j.Began()
	return f, content
}

func foundIn(content []byte, path, from string, partial bool) *rescue.Found {
	f := &rescue.Found{Path: path, From: from, Partial: partial}
	var err error
	if f.State, err = state.Parse(content); err != nil {
		f.Problem = err.Error()
	}
	return f
}

// newLock is a lock of our own, as Terraform would write it.
func (r *rescuer) newLock() state.Lock {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails, by its own contract
	h := hex.EncodeToString(id)
	return state.Lock{
		ID:        strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-"),
		Operation: "holdfast state rescue", Who: r.who, Created: time.Now().UTC(),
	}
}

// archive copies to the bucket of rescue_to, protected as the state itself is.
func (r *rescuer) archive(w workplace) func(context.Context, string, []byte) (string, error) {
	return func(ctx context.Context, name string, content []byte) (string, error) {
		bucket, prefix, _ := strings.Cut(strings.TrimPrefix(r.to, "s3://"), "/")
		b, workspace, err := w.backend()
		if err != nil {
			return "", err
		}
		at := backend.S3{Encrypt: true}
		if b.Type == "s3" {
			if at, err = b.S3(workspace); err != nil {
				return "", err
			}
		}
		at.Bucket, at.Key = bucket, strings.Trim(prefix, "/")
		store, err := w.bucket(ctx, at.Environment(w.env))
		if err != nil {
			return "", err
		}
		return store.Put(ctx, name, content)
	}
}

// pusher pushes with the Terraform of a directory.
type pusher struct{ workplace }

// pushWithin bounds a push: a state of hundreds of megabytes on a slow line.
const pushWithin = 10 * time.Minute

func (p pusher) Push(ctx context.Context, file string, held bool) error {
	if p.noEngine != nil {
		return p.noEngine
	}
	ctx, cancel := context.WithTimeout(ctx, pushWithin)
	defer cancel()
	return p.terraform().StatePush(ctx, file, held)
}

type files struct{}

// Remove implements rescue.Files. What is gone already is fine.
func (files) Remove(path string, content []byte) error {
	now, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !bytes.Equal(now, content) {
		return fmt.Errorf("%s was written anew meanwhile; it stays", path)
	}
	return os.Remove(path)
}

// told is a decision as the report has it.
func told(f rescue.Facts, d rescue.Decision) *report.Rescue {
	out := &report.Rescue{
		Dir: f.Dir, Where: f.Remote.Where, State: string(d.State), Digest: string(d.Digest), Lock: string(d.Lock),
		LockID: d.LockID, Why: d.Why, Next: d.Next, Orphans: d.Orphans, Blind: d.Blind,
	}
	for _, l := range []*state.Lock{f.Remote.File, f.Remote.Item} {
		if l != nil {
			out.LockHeld = l.String()
		}
	}
	if f.Found != nil {
		out.Found = &report.Version{From: f.Found.From, Serial: f.Found.State.Serial, Lineage: f.Found.State.Lineage}
	}
	if f.Remote.Exists {
		out.Remote = &report.Version{From: f.Remote.Where, Serial: f.Remote.State.Serial, Lineage: f.Remote.State.Lineage, MD5: f.Remote.MD5, Digest: f.Remote.Digest}
	}
	return out
}
