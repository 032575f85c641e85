package rescue_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/holdfast/holdfast/internal/journal"
	"github.com/holdfast/holdfast/internal/rescue"
	"github.com/holdfast/holdfast/internal/tf/state"
)

// scenes are what runs leave behind that a rescue can settle.
func scenes() map[string]func() (*world, *rescue.Run) {
	old, next := content(lineage, 17, "a"), content(lineage, 18, "b")
	base := func() *world {
		w := &world{clock: noon().Add(90 * time.Minute), errored: next, file: lock(), item: lock()}
		w.write(old)
		w.changed = noon().Add(-time.Hour)
		return w
	}
	return map[string]func() (*world, *rescue.Run){
		"state and both locks": func() (*world, *rescue.Run) { return base(), run() },
		"state without a lock": func() (*world, *rescue.Run) {
			w := base()
			w.file, w.item = nil, nil
			return w, run()
		},
		"half a lock": func() (*world, *rescue.Run) {
			w := base()
			w.file = nil
			return w, run()
		},
		"the first state of all": func() (*world, *rescue.Run) {
			w := base()
			w.object, w.digest, w.errored = nil, "", content("", 1, "b")
			return w, run()
		},
		"a digest that lags, and a state": func() (*world, *rescue.Run) {
			w := base()
			w.object, w.changed = content(lineage, 17, "half"), noon().Add(20*time.Minute)
			return w, run()
		},
		"a digest that lags, exit 0": func() (*world, *rescue.Run) {
			w := base()
			w.errored, w.file, w.item = nil, nil, nil
			w.object, w.changed = next, noon().Add(50*time.Minute)
			return w, run()
		},
		"only the lock stayed": func() (*world, *rescue.Run) {
			w := base()
			w.errored = nil
			w.write(next)
			return w, run()
		},
		"pushed by hand": func() (*world, *rescue.Run) {
			w := base()
			w.write(next)
			return w, run()
		},
	}
}

// Killed at every point and run again, a rescue ends with the right state in the
// bucket, pushed once, and no lock. As soon as the first one has recorded
// anything, the second isn't told of the run: that record has to do. Before, the
// keeper's own record of the process stands in.
func TestKilledAtEveryPoint(t *testing.T) {
	for name, scene := range scenes() {
		t.Run(name, func(t *testing.T) {
			for point := 1; ; point++ {
				w, seen := scene()
				want := w.errored
				if want == nil {
					want = w.object
				}
				home, passed, at := t.TempDir(), 0, ""
				_, died := rescueOnce(t, w, home, seen, func(p journal.Point) {
					if passed++; passed == point {
						at = p.String()
						panic(killed{})
					}
				})
				if died {
					all, _ := journal.List(home, rescue.Kind)
					again := seen
					if len(all) > 0 && rescue.DirOf(all[0]) != "" {
						again = nil
					}
					rescueOnce(t, w, home, again, nil)
				}
				if w.file != nil || w.item != nil {
					t.Errorf("killed at %q: the lock stays: %v %v", at, w.file, w.item)
				}
				if w.object == nil || !parsed(w.object).SameContent(parsed(want)) || w.digest != state.Digest(w.object) {
					t.Errorf("killed at %q: the bucket has %s, digest %s", at, w.object, w.digest)
				}
				if w.pushes > 1 || w.errored != nil {
					t.Errorf("killed at %q: %d pushes, errored.tfstate %s", at, w.pushes, w.errored)
				}
				all, _ := journal.List(home, rescue.Kind)
				if left := rescue.Unfinished(all, "/live"); len(left) > 0 {
					t.Errorf("killed at %q: %d journals are unfinished", at, len(left))
				}
				if !died {
					if point < 4 {
						t.Errorf("only %d points", point)
					}
					return
				}
			}
		})
	}
}

func TestStepsThatFail(t *testing.T) {
	no := errors.New("AccessDenied")
	for method, want := range map[string]string{"Push": "push: AccessDenied", "Release": "release the lock: AccessDenied", "SetDigest": "repair the digest: AccessDenied"} {
		w, seen := scenes()["a digest that lags, and a state"]()
		w.refuse = map[string]error{method: no}
		home := t.TempDir()
		got, _ := rescueOnce(t, w, home, seen, nil)
		if got.Failed != want || w.errored == nil {
			t.Errorf("%s: %+v", method, got)
		}
		if method != "Release" && w.item == nil {
			t.Errorf("%s: the lock is gone", method)
		}
		if len(w.copies) != 1 {
			t.Errorf("%s: %d copies beside the state", method, len(w.copies))
		}
		w.refuse = nil
		if again, _ := rescueOnce(t, w, home, nil, nil); !again.Settled() || w.item != nil || w.errored != nil {
			t.Errorf("%s, then again: %+v, lock %v", method, again, w.item)
		}
	}
}

// A lock of the run's own that has to stay, because something may have been made
// that no state knows, doesn't keep its state or its digest from being rescued.
func TestRescueUnderALockThatStays(t *testing.T) {
	for _, scene := range []string{"state and both locks", "a digest that lags, and a state", "a digest that lags, exit 0"} {
		w, seen := scenes()[scene]()
		w.file, w.item = lock(), lock()
		seen.Made = []string{"a.lost"}
		got, _ := rescueOnce(t, w, t.TempDir(), seen, nil)
		if got.Failed != "" || got.Decision.Lock != rescue.Guard || w.item == nil || w.file == nil || w.digest != state.Digest(w.object) {
			t.Errorf("%s: %+v, digest %s of %s", scene, got, w.digest, w.object)
		}
		if scene != "a digest that lags, exit 0" && (!got.Pushed || w.errored != nil) {
			t.Errorf("%s: not pushed: %+v", scene, got)
		}
	}
}

// What nobody looked for stays guarded, however often somebody rescues, until its
// lock is taken away or a state knows it.
func TestGuardStays(t *testing.T) {
	left := func() (*world, string) {
		w, seen := scenes()["only the lock stayed"]()
		seen.Made = []string{"a.lost"}
		home := t.TempDir()
		rescueOnce(t, w, home, seen, nil)
		return w, home
	}
	w, home := left()
	for range 2 {
		got, _ := rescueOnce(t, w, home, nil, nil)
		if got.Decision.Lock != rescue.Guard || got.Released != "" || w.item == nil || len(got.Decision.Orphans) != 1 {
			t.Errorf("rescued again: %+v, lock %v", got, w.item)
		}
	}
	w.file, w.item = nil, nil // holdfast state unlock
	if got, _ := rescueOnce(t, w, home, nil, nil); !got.Decision.Quiet() {
		t.Errorf("unlocked, and told again: %+v", got.Decision)
	}
	w, home = left()
	w.write(content(lineage, 19, "lost")) // imported
	if got, _ := rescueOnce(t, w, home, nil, nil); got.Released != "L" {
		t.Errorf("imported: %+v", got)
	}
}

// The backend doesn't answer: what was found is kept, with all that the keeper
// saw, and the next rescue settles it without having seen the run.
func TestBlind(t *testing.T) {
	w, seen := scenes()["state and both locks"]()
	w.refuse = map[string]error{"Look": errors.New("no credentials")}
	home := t.TempDir()
	got, _ := rescueOnce(t, w, home, seen, nil)
	if !got.Decision.Blind || got.Decision.State != rescue.Keep || w.pushes != 0 || w.item == nil {
		t.Errorf("%+v", got)
	}
	w.refuse = nil
	if got, _ := rescueOnce(t, w, home, nil, nil); !got.Settled() || got.Released != "L" || !got.Pushed {
		t.Errorf("%+v", got)
	}
}

// A push whose answer was lost isn't a failure.
func TestPushThatArrivedAllTheSame(t *testing.T) {
	w, seen := scenes()["state and both locks"]()
	lost := &lostAnswer{w}
	home := t.TempDir()
	j, err := journal.Create(home, rescue.Kind, noon(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	remote, _ := w.Look(t.Context())
	got, err := rescue.Carry(t.Context(), rescue.Case{
		Facts: rescue.Facts{Dir: "/live", Remote: remote, Run: seen, Who: me, Found: &rescue.Found{
			Path: "/live/errored.tfstate", Modified: noon().Add(50 * time.Minute), State: parsed(w.errored),
		}},
		Content: w.errored, Store: w, Engine: lost, Files: w, Journal: j,
	})
	if err != nil || !got.Pushed || !got.Settled() {
		t.Errorf("%+v, %v", got, err)
	}
}

// Who else may have a lock on our copy: nobody overwrites a file that Terraform
// wrote anew meanwhile.
func TestFileWrittenAnewStays(t *testing.T) {
	w, seen := scenes()["state and both locks"]()
	home := t.TempDir()
	got, _ := rescueOnce(t, w, home, seen, func(p journal.Point) {
		if p.String() == "done push" {
			w.errored = content(lineage, 99, "c")
		}
	})
	if !strings.Contains(got.Failed, "written anew") || w.errored == nil {
		t.Errorf("%+v", got)
	}
}

// The object changes between the look and the repair: the digest stays.
func TestRepairLooksAgain(t *testing.T) {
	w, seen := scenes()["a digest that lags, exit 0"]()
	digest := w.digest
	got, _ := rescueOnce(t, w, t.TempDir(), seen, func(p journal.Point) {
		if p.String() == "begun repair the digest" {
			w.object = content(lineage, 19, "c")
		}
	})
	if !strings.Contains(got.Failed, "somebody else writes") || w.digest != digest {
		t.Errorf("%+v", got)
	}
}

// A person vouched for the lock, and the rescue was killed: the next one needn't
// ask again.
func TestKilledOnAPersonsWord(t *testing.T) {
	w, _ := scenes()["state and both locks"]()
	home := t.TempDir()
	_, died := rescueAs(t, w, &host{home: home, who: me, word: rescue.Word{LockID: "L"}}, func(p journal.Point) {
		if p.String() == "noted case" {
			panic(killed{})
		}
	})
	if !died {
		t.Fatal("it wasn't killed")
	}
	if got, _ := rescueOnce(t, w, home, nil, nil); !got.Settled() || !got.Pushed || w.item != nil {
		t.Errorf("%+v, lock %v", got, w.item)
	}
}
