package rescue_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast/holdfast/internal/rescue"
	"github.com/holdfast/holdfast/internal/tf/state"
)

// The dimensions of a decision. Each changes facts in which a supervised run of
// ours left serial 18 over serial 17, with its lock and a digest that fits.
type dimension map[string]func(*rescue.Facts)

func facts() rescue.Facts {
	old := content(lineage, 17, "a")
	return rescue.Facts{
		Dir: "/live", Engine: "tofu", Copy: "/kept/errored.tfstate", Who: me, Run: run(),
		Found: &rescue.Found{Path: "/live/errored.tfstate", From: "/live/errored.tfstate", Modified: noon().Add(50 * time.Minute), State: parsed(content(lineage, 18, "b"))},
		Remote: rescue.Remote{Where: "s3://b/k", Exists: true, State: parsed(old), MD5: state.Digest(old), Changed: noon().Add(-time.Hour),
			Locks: true, File: lock(), Digests: true, Digest: state.Digest(old)},
	}
}

func found() dimension {
	set := func(b []byte) func(*rescue.Facts) { return func(f *rescue.Facts) { f.Found.State = parsed(b) } }
	return dimension{
		"newer":           func(*rescue.Facts) {},
		"none":            func(f *rescue.Facts) { f.Found = nil },
		"the same":        set(content(lineage, 17, "a")),
		"the same, older": set(content(lineage, 16, "a")),
		"a conflict":      set(content(lineage, 17, "b")),
		"older":           set(content(lineage, 16, "b")),
		"another lineage": set(content("other", 18, "b")),
		"no lineage":      set(content("", 1, "b")),
		"encrypted": func(f *rescue.Facts) {
			f.Found.State = parsed([]byte(`{"serial":18,"lineage":"6f0e","encrypted_data":"eA=="}`))
		},
		"partial":      func(f *rescue.Facts) { f.Found.Partial = true },
		"unreadable":   func(f *rescue.Facts) { f.Found.Problem = "not the JSON of a state" },
		"of last week": func(f *rescue.Facts) { f.Found.Modified = noon().Add(-7 * 24 * time.Hour) },
		"printed":      func(f *rescue.Facts) { f.Found.Path, f.Found.From = "", "what tofu printed" },
	}
}

func locks() dimension {
	with := func(change func(*state.Lock)) func(*rescue.Facts) {
		return func(f *rescue.Facts) { l := *lock(); change(&l); f.Remote.File = &l }
	}
	return dimension{
		"ours":             func(*rescue.Facts) {},
		"none":             func(f *rescue.Facts) { f.Remote.File = nil },
		"in the table":     func(f *rescue.Facts) { f.Remote.File, f.Remote.Item = nil, lock() },
		"two that agree":   func(f *rescue.Facts) { f.Remote.Item = lock() },
		"two that differ":  func(f *rescue.Facts) { f.Remote.Item = &state.Lock{ID: "M", Who: me, Created: lock().Created} },
		"there before":     func(f *rescue.Facts) { f.Run.Before.LockID = "L" },
		"of another user":  with(func(l *state.Lock) { l.Who = "bob@elsewhere" }),
		"made before":      with(func(l *state.Lock) { l.Created = noon().Add(-time.Second) }),
		"made after":       with(func(l *state.Lock) { l.Created = noon().Add(2 * time.Hour) }),
		"never read":       func(f *rescue.Facts) { f.Run.Seen = "" },
		"another was read": func(f *rescue.Facts) { f.Run.Seen = "M" },
		"before unknown":   func(f *rescue.Facts) { f.Run.Before = rescue.Before{Problem: "timeout"} },
		"nothing worked": func(f *rescue.Facts) {
			f.Run.Worked = time.Time{}
			if f.Found != nil {
				f.Found.Modified = noon()
			}
		},
		"unsupervised": func(f *rescue.Facts) { f.Run = nil },
		"on a word":    func(f *rescue.Facts) { f.Run, f.Word.LockID = nil, "L" },
		"a wrong word": func(f *rescue.Facts) { f.Run, f.Word.LockID = nil, "M" },
		"recorded":     func(f *rescue.Facts) { f.Run, f.Recorded.Locks = nil, []string{"L"} },
		"recorded run": func(f *rescue.Facts) { f.Run, f.Recorded.Run = nil, f.Run },
		"left":         func(f *rescue.Facts) { f.Run, f.Recorded.Left = nil, []string{"L"} },
		"left before":  func(f *rescue.Facts) { f.Run.Before.LockID, f.Recorded.Left = "L", []string{"L"} },
	}
}

func digests() dimension {
	behind := func(f *rescue.Facts) { f.Remote.Digest = "0123456789abcdef0123456789abcdef" }
	return dimension{
		"fits":     func(*rescue.Facts) {},
		"not kept": func(f *rescue.Facts) { f.Remote.Digests, f.Remote.Digest = false, "" },
		"none yet": func(f *rescue.Facts) { f.Remote.Digest = "" },
		"behind":   behind,
		"behind, and written in the run": func(f *rescue.Facts) {
			behind(f)
			f.Remote.Changed = noon().Add(20 * time.Minute)
		},
		"behind, on a word": func(f *rescue.Facts) { behind(f); f.Word.Digest = f.Remote.MD5 },
		"behind, recorded":  func(f *rescue.Facts) { behind(f); f.Recorded.Digest = f.Remote.MD5 },
	}
}

func remotes() dimension {
	return dimension{
		"there": func(*rescue.Facts) {},
		"empty": func(f *rescue.Facts) {
			f.Remote.Exists, f.Remote.State, f.Remote.MD5, f.Remote.Digest = false, state.State{}, "", ""
		},
		"deleted": func(f *rescue.Facts) {
			f.Remote.Exists, f.Remote.State, f.Remote.MD5, f.Remote.Digest = false, state.State{}, "", "0123456789abcdef0123456789abcdef"
		},
		"not seen": func(f *rescue.Facts) { f.Remote = rescue.Remote{Where: "s3://b/k", Problem: "AccessDenied"} },
	}
}

// ourLocks are the rows of locks in which the lock is provably ours, or nobody's.
func ourLocks() []string {
	return []string{"ours", "in the table", "two that agree", "on a word", "recorded", "recorded run", "left"}
}

// Every combination of found, lock, digest and remote: what may never be
// decided, and that whatever isn't settled says why and what next.
func TestEveryCombination(t *testing.T) {
	n, seen := 0, map[string]int{}
	for foundName, setFound := range found() {
		for lockName, setLock := range locks() {
			for digestName, setDigest := range digests() {
				for remoteName, setRemote := range remotes() {
					f := facts()
					setFound(&f)
					setDigest(&f)
					setLock(&f)
					setRemote(&f)
					d := rescue.Decide(f)
					n++
					seen[fmt.Sprint(d.State, " ", d.Digest, " ", d.Lock)]++
					for _, wrong := range objections(f, d, lockName) {
						t.Errorf("found %s, lock %s, digest %s, remote %s: %s\n%+v", foundName, lockName, digestName, remoteName, wrong, d)
					}
				}
			}
		}
	}
	t.Logf("%d combinations, %d different decisions", n, len(seen))
	if len(seen) < 20 {
		t.Errorf("only %d different decisions: the dimensions don't move them", len(seen))
	}
}

func objections(f rescue.Facts, d rescue.Decision, lockName string) (all []string) {
	object := func(wrong bool, format string, args ...any) {
		if wrong {
			all = append(all, fmt.Sprintf(format, args...))
		}
	}
	held := f.Remote.File != nil || f.Remote.Item != nil
	ours := slices.Contains(ourLocks(), lockName)
	if d.State == rescue.Push {
		object(f.Remote.Exists && f.Remote.State.Serial >= f.Found.State.Serial, "pushed over serial %d", f.Remote.State.Serial)
		object(f.Remote.Exists && f.Remote.State.Lineage != f.Found.State.Lineage, "pushed over another lineage")
		object(f.Found.Problem != "" || f.Found.Partial || f.Found.State.Encrypted, "pushed what can't be pushed")
		object(held && !ours, "pushed under somebody's lock")
		object(f.Remote.Digests && f.Remote.Exists && f.Remote.Digest != "" && f.Remote.Digest != f.Remote.MD5 && d.Digest != rescue.Repair, "pushed over a wrong digest")
		object(!f.Remote.Exists && f.Remote.Digest != "", "pushed where somebody deleted the state")
	}
	object(d.Lock == rescue.Release && !ours, "released a lock that isn't provably ours")
	object(d.Lock == rescue.Release && (d.State == rescue.Refuse || d.State == rescue.Keep), "released a lock over what isn't settled")
	object(held && ours && !d.Blind && d.Lock != rescue.Release && d.Lock != rescue.Guard, "left a lock of ours")
	object(d.Digest == rescue.Repair && held && !ours, "repaired a digest under somebody's lock")
	object(d.Blind && (d.Lock == rescue.Release || d.Digest == rescue.Repair || d.State == rescue.Push), "acted blindly")
	object(f.Remote.Problem != "" && !d.Blind, "didn't say that it couldn't look")
	object(!d.Clear() && len(d.Why) == 0, "doesn't say why")
	object(!d.Clear() && len(d.Next) == 0 && (f.Found == nil || f.Found.Problem == ""), "doesn't say what next")
	return all
}

// What a person is told names both things that disagree, and a command.
func TestWhatIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		found, lock, digest, remote string
		want                        rescue.StateAction
		why, next                   []string
	}{
		"newer":    {"newer", "ours", "fits", "there", rescue.Push, []string{"serial 18 was found, s3://b/k has serial 17"}, nil},
		"first":    {"no lineage", "ours", "fits", "empty", rescue.Push, []string{"serial 1 was found", "holds no state"}, nil},
		"there":    {"the same", "ours", "fits", "there", rescue.Already, []string{"holds it already, as serial 17"}, nil},
		"older":    {"older", "ours", "fits", "there", rescue.Refuse, []string{"serial 16 was found, serial 17 is in s3://b/k"}, []string{"inspect"}},
		"conflict": {"a conflict", "none", "fits", "there", rescue.Refuse, []string{"serial 17", "another content"}, []string{"inspect"}},
		"lineage":  {"another lineage", "none", "fits", "there", rescue.Refuse, []string{"lineage other", "6f0e"}, []string{"inspect"}},
		"began":    {"no lineage", "none", "fits", "there", rescue.Refuse, []string{"no lineage", "6f0e"}, []string{"inspect"}},
		"lock":     {"newer", "of another user", "fits", "there", rescue.Refuse, []string{"bob@elsewhere", me}, []string{"--lock-id L"}},
		"alone":    {"newer", "unsupervised", "fits", "there", rescue.Refuse, []string{"nothing proves whose", "for it: same user and host", "made 2026-11-22 12:00:01, before"}, []string{"--lock-id L"}},
		"digest":   {"newer", "ours", "behind", "there", rescue.Refuse, []string{"0123456789abcdef0123456789abcdef", state.Digest(content(lineage, 17, "a"))}, []string{"--digest " + state.Digest(content(lineage, 17, "a"))}},
		"deleted":  {"newer", "ours", "fits", "deleted", rescue.Refuse, []string{"is gone", "0123456789abcdef"}, []string{"inspect"}},
		"cipher":   {"encrypted", "ours", "fits", "there", rescue.Keep, []string{"encrypted"}, []string{"/kept/errored.tfstate", "state push -lock=false"}},
		"panic":    {"partial", "none", "fits", "there", rescue.Keep, []string{"panic"}, []string{"state push /kept/errored.tfstate"}},
		"week":     {"of last week", "none", "fits", "there", rescue.Foreign, []string{"2026-11-15", "2026-11-22"}, []string{"inspect"}},
		"blind":    {"newer", "ours", "fits", "not seen", rescue.Keep, []string{"AccessDenied"}, []string{"holdfast state rescue /live"}},
	} {
		f := facts()
		found()[c.found](&f)
		digests()[c.digest](&f)
		locks()[c.lock](&f)
		remotes()[c.remote](&f)
		d := rescue.Decide(f)
		why, next := strings.Join(d.Why, "\n"), strings.Join(d.Next, "\n")
		if d.State != c.want {
			t.Errorf("%s: %+v", name, d)
		}
		for _, want := range c.why {
			if !strings.Contains(why, want) {
				t.Errorf("%s: no %q in\n%s", name, want, why)
			}
		}
		for _, want := range c.next {
			if !strings.Contains(next, want) {
				t.Errorf("%s: no %q in\n%s", name, want, next)
			}
		}
	}
}

// Somebody tries again after a run that left its state: what was found is older
// than the process that has just ended, and is judged as the earlier run's.
func TestTryAgain(t *testing.T) {
	again := func() rescue.Facts {
		f := facts()
		f.Recorded.Run = f.Run
		f.Run = &rescue.Run{Began: noon().Add(2 * time.Hour), Ended: noon().Add(2*time.Hour + time.Second), Who: me, Before: rescue.Before{LockID: "L"}, Made: []string{"a.again"}}
		return f
	}
	for name, row := range map[string]struct {
		change func(*rescue.Facts)
		state  rescue.StateAction
		lock   rescue.LockAction
	}{
		"rescued":                {func(*rescue.Facts) {}, rescue.Push, rescue.Guard}, // a.again may exist
		"nothing made since":     {func(f *rescue.Facts) { f.Run.Made = nil }, rescue.Push, rescue.Release},
		"there already":          {func(f *rescue.Facts) { f.Run.Made, f.Found.State = nil, f.Remote.State }, rescue.Already, rescue.Release},
		"a conflict":             {func(f *rescue.Facts) { f.Found.State = parsed(content(lineage, 17, "b")) }, rescue.Refuse, rescue.Guard},
		"encrypted, left":        {func(f *rescue.Facts) { f.Found.State.Encrypted, f.Recorded.Left = true, []string{"L"} }, rescue.Keep, rescue.Guard},
		"it is gone, left":       {func(f *rescue.Facts) { f.Found, f.Recorded.Left = nil, []string{"L"} }, rescue.NoState, rescue.Guard},
		"it is gone":             {func(f *rescue.Facts) { f.Found, f.Run.Made = nil, nil }, rescue.NoState, rescue.Release}, // only the lock was left
		"of the week before":     {func(f *rescue.Facts) { f.Run.Made, f.Found.Modified = nil, noon().Add(-7*24*time.Hour) }, rescue.Foreign, rescue.Release},
		"of the week before, II": {func(f *rescue.Facts) { f.Found.Modified, f.Recorded.Left = noon().Add(-7*24*time.Hour), []string{"L"} }, rescue.Foreign, rescue.Guard},
		"killed, nothing found": {func(f *rescue.Facts) {
			f.Found, f.Recorded.Locks, f.Recorded.Run.Made = nil, []string{"L"}, []string{"a.lost"}
		}, rescue.NoState, rescue.Guard},
		"killed, on a word": {func(f *rescue.Facts) { f.Run.Made, f.Recorded = nil, rescue.Recorded{Locks: []string{"L"}} }, rescue.Push, rescue.Release},
		"another's lock":    {func(f *rescue.Facts) { f.Remote.File = &state.Lock{ID: "M", Who: "bob@elsewhere", Created: noon()} }, rescue.Refuse, rescue.Theirs},
	} {
		f := again()
		row.change(&f)
		if d := rescue.Decide(f); d.State != row.state || d.Lock != row.lock {
			t.Errorf("%s: state %s, lock %s; want %s, %s\n%q", name, d.State, d.Lock, row.state, row.lock, d.Why)
		}
	}
}

// A process that was killed and whose resources no state knows: the lock stays,
// and they are named.
func TestOrphans(t *testing.T) {
	f := facts()
	f.Found, f.Run.Made = nil, []string{"a.a", "a.lost"}
	d := rescue.Decide(f)
	if !slices.Equal(d.Orphans, []string{"a.lost"}) || d.Lock != rescue.Guard || d.Clear() {
		t.Errorf("%+v", d)
	}
	hidden := facts()
	found()["encrypted"](&hidden)
	hidden.Run.Made = []string{"a.hidden"}
	if d := rescue.Decide(hidden); len(d.Orphans) != 0 {
		t.Errorf("nobody can read what was found: %+v", d)
	}
	f.OnlyLock = true // holdfast state unlock
	if d := rescue.Decide(f); d.Lock != rescue.Release {
		t.Errorf("%+v", d)
	}
}
