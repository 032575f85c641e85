package journal_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast/holdfast/internal/journal"
)

func began() time.Time { return time.Date(2026, 11, 22, 10, 42, 7, 0, time.UTC) }

// killed is what a hook panics with.
type killed struct{}

// until runs a sequence that is killed at its nth point; it reports whether it
// came that far.
func until(n int, run func(journal.Hook)) (reached bool) {
	defer func() {
		if r := recover(); r != nil {
			if _, ours := r.(killed); !ours {
				panic(r)
			}
			reached = true
		}
	}()
	passed := 0
	run(func(journal.Point) {
		if passed++; passed == n {
			panic(killed{})
		}
	})
	return false
}

// moves is a sequence over a map: two steps, each of which may be done twice.
func moves(world map[string]int, j *journal.Journal) error {
	if err := j.Keep("before.json", []byte("{}")); err != nil {
		return err
	}
	if err := j.Do("take", 1, func() (any, error) { world["a"] = 0; return nil, nil }); err != nil {
		return err
	}
	if err := j.Note("fact", "x"); err != nil {
		return err
	}
	if err := j.Do("give", 2, func() (any, error) { world["b"] = 1; return map[string]int{"given": 1}, nil }); err != nil {
		return err
	}
	return j.End("moved", nil)
}

// Killed at every point, and then resumed, a sequence comes to its end with
// each step done; no record is lost and none repeated.
func TestKilledAtEveryPoint(t *testing.T) {
	points := 0
	for n := 1; ; n++ {
		parent := t.TempDir()
		world := map[string]int{"a": 1}
		reached := until(n, func(hook journal.Hook) {
			j, err := journal.Create(parent, "test", began(), hook)
			if err != nil {
				t.Fatal(err)
			}
			defer j.Close() // the kernel's part: a dead process holds no lock
			if err := moves(world, j); err != nil {
				t.Fatal(err)
			}
		})
		all, problems := journal.List(parent, "test")
		if len(all) != 1 || problems != nil {
			t.Fatalf("point %d: %d journals, %v", n, len(all), problems)
		}
		if world["a"] == 0 && !all[0].Find(journal.Begun, "take", nil) {
			t.Errorf("point %d: acted before it was recorded", n)
		}
		if _, _, ended := all[0].Outcome(); !ended {
			j, err := journal.Open(all[0].Dir(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := moves(world, j); err != nil {
				t.Fatal(err)
			}
			j.Close()
		}
		last, err := journal.View(all[0].Dir())
		if err != nil {
			t.Fatal(err)
		}
		outcome, _, ended := last.Outcome()
		if !ended || outcome != "moved" || world["a"] != 0 || world["b"] != 1 {
			t.Errorf("point %d: %v, %q", n, world, outcome)
		}
		done := 0
		for _, r := range last.Records() {
			if r.Phase == journal.Done {
				done++
			}
		}
		if done != 2 {
			t.Errorf("point %d: %d steps done", n, done)
		}
		if !reached {
			break
		}
		points++
	}
	if points != 9 {
		t.Errorf("%d points, want 9: keep, 3 of each step, note, end", points)
	}
}

func TestStepThatFailsIsNotDone(t *testing.T) {
	j, err := journal.Create(t.TempDir(), "test", began(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	no := errors.New("no")
	if err := j.Do("try", nil, func() (any, error) { return nil, no }); !errors.Is(err, no) {
		t.Error(err)
	}
	if j.Find(journal.Done, "try", nil) || !j.Find(journal.Begun, "try", nil) {
		t.Error(j.Records())
	}
	tried := false
	if err := j.Do("try", nil, func() (any, error) { tried = true; return 7, nil }); err != nil || !tried {
		t.Error(err, tried)
	}
	var result int
	if !j.Find(journal.Done, "try", &result) || result != 7 {
		t.Error(result)
	}
	if err := j.Do("try", nil, func() (any, error) { t.Error("done twice"); return nil, nil }); err != nil {
		t.Error(err)
	}
}

func TestOneProcessAtATime(t *testing.T) {
	j, err := journal.Create(t.TempDir(), "test", began(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := journal.Open(j.Dir(), nil); !errors.Is(err, journal.ErrBusy) {
		t.Error(err)
	}
	if v, err := journal.View(j.Dir()); err != nil || v.Kind != "test" || !v.Began().Equal(began()) {
		t.Error(v, err)
	}
	j.Close()
	again, err := journal.Open(j.Dir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

func TestWhatIsOnTheDisk(t *testing.T) {
	j, err := journal.Create(filepath.Join(t.TempDir(), "new", "er"), "test", began(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if !strings.HasPrefix(j.ID, "2026-11-22T10-42-07Z-") {
		t.Error(j.ID)
	}
	if err := j.Keep("state", []byte("secret")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{"": 0o700 | os.ModeDir, "journal.jsonl": 0o600, "state": 0o600, "lock": 0o600} {
		if info, err := os.Stat(j.Path(name)); err != nil || info.Mode() != want {
			t.Errorf("%q: %v, %v", name, info.Mode(), err)
		}
	}
}

func TestTornAndBrokenFiles(t *testing.T) {
	line := `{"time":"2026-11-22T10:42:07Z","phase":"done","step":"a"}` + "\n"
	first := `{"journal":1,"kind":"test","began":"2026-11-22T10:42:07Z"}` + "\n"
	for name, c := range map[string]struct {
		text string
		want string // an error, or the number of records
	}{
		"whole":           {first + line + line, "2"},
		"torn":            {first + line + line[:20], "1"},
		"torn at newline": {first + line + strings.TrimSuffix(line, "\n"), "1"},
		"no line at all":  {"", "line 1: not a whole line"},
		"torn head":       {first[:10], "line 1: not a whole line"},
		"other version":   {strings.Replace(first, ":1", ":2", 1), "not a journal of version 1"},
		"broken inside":   {first + "{]\n" + line, "line 2"},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "journal.jsonl")
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		j, err := journal.Open(dir, nil)
		if err != nil {
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if got := fmt.Sprint(len(j.Records())); got != c.want {
			t.Errorf("%s: %s records, want %s", name, got, c.want)
		}
		if err := j.Note("next", nil); err != nil { // stands on a line of its own
			t.Error(err)
		}
		j.Close()
		if again, err := journal.View(dir); err != nil || len(again.Records()) != len(j.Records()) {
			t.Errorf("%s: after a note: %v", name, err)
		}
	}
}

func FuzzView(f *testing.F) {
	f.Add([]byte(`{"journal":1,"kind":"test"}` + "\n" + `{"phase":"done","step":"a","data":{}}` + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "journal.jsonl"), b, 0o600); err != nil {
			t.Fatal(err)
		}
		j, err := journal.View(dir)
		if err != nil {
			return
		}
		for _, r := range j.Records() {
			if len(r.Data) > 0 && !json.Valid(r.Data) {
				t.Errorf("%q", r.Data)
			}
		}
	})
}
