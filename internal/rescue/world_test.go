package rescue_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/holdfast/holdfast/internal/journal"
	"github.com/holdfast/holdfast/internal/rescue"
	"github.com/holdfast/holdfast/internal/tf/state"
)

func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

const (
	me      = "alice@runner"
	lineage = "6f0e"
)

// content is a state with one resource of that name.
func content(lineage string, serial uint64, resource string) []byte {
	return fmt.Appendf(nil, `{"version":4,"terraform_version":"1.12.6","serial":%d,"lineage":%q,"outputs":{},"resources":[{"mode":"managed","type":"a","name":%q,"instances":[{"attributes":{"id":"1"}}]}]}`, serial, lineage, resource)
}

func parsed(b []byte) state.State {
	s, err := state.Parse(b)
	if err != nil {
		panic(err)
	}
	return s
}

// world is a bucket with a table, and a working directory, as S3, DynamoDB and
// Terraform treat them. It implements the ports of a rescue.
type world struct {
	object  []byte
	changed time.Time
	digest  string
	file    *state.Lock
	item    *state.Lock
	errored []byte // in the working directory
	copies  map[string][]byte

	pushes int
	refuse map[string]error // by the name of the method
	clock  time.Time
}

func (w *world) Look(context.Context) (rescue.Remote, error) {
	r := rescue.Remote{Where: "s3://b/k", Locks: true, Digests: true, Digest: w.digest, File: w.file, Item: w.item}
	if w.object != nil {
		r.Exists, r.MD5, r.Changed, r.State = true, state.Digest(w.object), w.changed, parsed(w.object)
	}
	return r, w.refuse["Look"]
}

func (w *world) SetDigest(_ context.Context, from, to string) error {
	if w.digest != from {
		return errors.New("the digest isn't " + from)
	}
	if err := w.refuse["SetDigest"]; err != nil {
		return err
	}
	w.digest = to
	return nil
}

func (w *world) Take(_ context.Context, l state.Lock) error {
	if w.file != nil || w.item != nil {
		return errors.New("somebody holds the lock")
	}
	w.file, w.item = &l, &l
	return nil
}

func (w *world) Release(_ context.Context, id string) error {
	for _, place := range []**state.Lock{&w.file, &w.item} {
		if *place != nil && (*place).ID != id {
			return fmt.Errorf("the lock is %s", (*place).ID)
		}
		*place = nil
	}
	return w.refuse["Release"]
}

func (w *world) Copy(_ context.Context, name string, content []byte) (string, error) {
	if w.copies == nil {
		w.copies = map[string][]byte{}
	}
	w.copies[name] = content
	return "s3://b/k.rescue/" + name, nil
}

// push is `state push` (internal/states/statemgr/migrate.go, CheckValidImport,
// and the S3 backend's Put).
func (w *world) push(b []byte, held bool) error {
	if err := w.refuse["Push"]; err != nil {
		return err
	}
	if !held && (w.file != nil || w.item != nil) {
		return errors.New("Error acquiring the state lock")
	}
	if w.object != nil && w.digest != "" && w.digest != state.Digest(w.object) {
		return errors.New("state data in S3 does not have the expected content")
	}
	next := parsed(b)
	if w.object != nil {
		now := parsed(w.object)
		switch {
		case now.Lineage != next.Lineage && next.Lineage != "" && now.Lineage != "":
			return errors.New("cannot import state with another lineage")
		case now.Serial > next.Serial || now.Serial == next.Serial && !now.SameContent(next):
			return errors.New("cannot import state over a newer one")
		}
	}
	w.pushes++
	w.write(b)
	return nil
}

func (w *world) write(b []byte) { w.object, w.changed, w.digest = b, w.clock, state.Digest(b) }

func (w *world) Remove(_ string, content []byte) error {
	if w.errored != nil && string(w.errored) != string(content) {
		return errors.New("written anew")
	}
	w.errored = nil
	return nil
}

// engine is the Terraform of the directory; it pushes what the journal keeps.
type engine struct {
	w *world
	c []byte
}

func (e engine) Push(_ context.Context, _ string, held bool) error { return e.w.push(e.c, held) }

// killed is what a hook panics with.
type killed struct{}

// rescueOnce is one `holdfast state rescue` of the usual host.
func rescueOnce(t testing.TB, w *world, home string, run *rescue.Run, hook journal.Hook) (result rescue.Result, died bool) {
	t.Helper()
	return rescueAs(t, w, &host{home: home, run: run, who: me}, hook)
}

// tester is a test, or a check of a property.
type tester interface {
	Helper()
	Fatal(...any)
}

// rescueAs is one rescue as package app does it: what is unfinished is taken up,
// facts are gathered anew.
func rescueAs(t tester, w *world, h *host, hook journal.Hook) (result rescue.Result, died bool) {
	t.Helper()
	ctx := context.Background()
	defer func() {
		if r := recover(); r != nil {
			if _, ours := r.(killed); !ours {
				panic(r)
			}
			died = true
		}
	}()
	all, problems := journal.List(h.home, rescue.Kind)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	var before []*journal.Journal
	for _, j := range rescue.Unfinished(all, "/live") {
		opened, err := journal.Open(j.Dir(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer opened.Close()
		before = append(before, opened)
	}
	f := rescue.Facts{Dir: "/live", Engine: "tofu", Who: h.who, Run: h.run, Word: h.word, Recorded: rescue.Recall(all, "/live")}
	found := w.errored
	if found == nil {
		for _, j := range before {
			if kept, _, _, err := rescue.Kept(j); err == nil {
				found = kept
			}
		}
	}
	if found != nil {
		f.Found = &rescue.Found{Path: "/live/errored.tfstate", From: "/live/errored.tfstate", Modified: noon().Add(50 * time.Minute), State: parsed(found)}
		switch {
		case !h.written.IsZero():
			f.Found.Modified = h.written
		case h.run != nil:
			f.Found.Modified = h.run.Worked
		}
	}
	remote, err := w.Look(ctx)
	if err != nil {
		remote = rescue.Remote{Problem: err.Error()}
	}
	f.Remote = remote
	if d := rescue.Decide(f); d.Quiet() && len(before) == 0 || d.State == rescue.Foreign && !d.Acts() {
		return rescue.Result{Decision: d}, false
	}
	began := noon()
	if !w.clock.IsZero() {
		began = w.clock
	}
	j, err := journal.Create(h.home, rescue.Kind, began, hook)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	result, err = rescue.Carry(ctx, rescue.Case{
		Facts: f, Content: found, Store: w, Engine: engine{w, found}, Files: w, Journal: j, Before: before,
		NewLock: func() state.Lock {
			return state.Lock{ID: "ours-" + j.ID, Who: h.who, Operation: "holdfast", Created: noon().Add(2 * time.Hour)}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return result, false
}

// run is what a keeper saw of a process from noon on that took the lock L.
func run() *rescue.Run {
	return &rescue.Run{Began: noon(), Ended: noon().Add(time.Hour), Who: me, Seen: "L", Worked: noon().Add(30 * time.Minute), Before: rescue.Before{MD5: "before"}}
}

func lock() *state.Lock {
	return &state.Lock{ID: "L", Who: me, Operation: "OperationTypeApply", Created: noon().Add(time.Second)}
}

// lostAnswer pushes, and says that it failed.
type lostAnswer struct{ w *world }

func (l *lostAnswer) Push(_ context.Context, _ string, held bool) error {
	return errors.Join(l.w.push(l.w.errored, held), errors.New("connection reset"))
}
