//go:build unix

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast/holdfast/internal/lab"
)

const question = "type abandon: "

// stuck is a real OpenTofu on a terminal that has made its resources and can't
// write its state, because S3 doesn't answer.
func stuck(t *testing.T) (*stage, map[string]string) {
	t.Helper()
	s := &stage{world: newWorld(t, time.Hour), closed: make(chan struct{})}
	s.write("main.tf", strings.Replace(code("use_lockfile = true", time.Second), `"sleep 1"`, `"while ! test -e go; do sleep 0.1; done"`, 1))
	env := s.pod(s.env["HOLDFAST_LAB_ROLE_DEPLOY"])
	s.succeed(env, "holdfast", "run", "--", "tofu", "init", "-no-color")
	s.start(true, env, "tofu", "apply", "-auto-approve", "-no-color")
	s.until("its resources are under way, and its lock is there", func() bool { return strings.Contains(s.seen(), "Creating...") && s.locked(stateKey) })
	s.lab.Fault(lab.Fault{Service: "s3", Operation: "PutObject", Kind: lab.FaultHang})
	s.write("go", "")
	s.until("its resources are made", func() bool { return strings.Count(s.seen(), "Creation complete") == 3 })
	return s, env
}

const (
	passed    = "interrupt passed on once"
	notPassed = "not passed on: a second interrupt"
)

// press presses Ctrl-C and waits for what holdfast says to it.
func (s *stage) press() {
	s.t.Helper()
	said := func() int {
		return strings.Count(s.seen(), passed) + strings.Count(s.seen(), notPassed) + strings.Count(s.seen(), question)
	}
	before := said()
	s.keys(ctrlC, 1)
	s.until("an answer to Ctrl-C", func() bool { return said() > before })
}

func (s *stage) asked() bool { return strings.Contains(s.seen(), question) }

// insist presses Ctrl-C until it is asked about, as somebody does who means it.
// Three times are enough, unless this machine takes more than three seconds.
func (s *stage) insist() {
	s.t.Helper()
	s.press()
	s.press()
	if s.asked() {
		s.t.Fatalf("the question came after two Ctrl-C:\n%s", s.seen())
	}
	for n := 3; !s.asked(); n++ {
		if n > 20 {
			s.t.Fatalf("no question after 20 Ctrl-C:\n%s", s.seen())
		}
		s.press()
	}
}

// TestAbandon: a person who presses Ctrl-C three times and types the word gets
// rid of an OpenTofu that can't write its state. Whose the lock was and what was
// made is known afterwards, and the lock keeps everybody out until somebody looked.
func TestAbandon(t *testing.T) {
	t.Parallel()
	s, env := stuck(t)
	s.insist()
	s.keys("abandon\r", 1)
	if exit := s.exit(); exit != 1 || !strings.Contains(s.seen(), "abandoned on your word") || !strings.Contains(s.seen(), "Two interrupts received") {
		t.Errorf("exit %d\n%s", exit, s.seen())
	}
	s.lab.ClearFaults()
	r := s.report()
	if len(r.Processes) != 1 || !r.Processes[0].Told || r.Processes[0].Interrupts < 3 || syscall.Kill(r.Processes[0].PID, 0) == nil {
		t.Fatalf("the process: %+v", r.Processes)
	}
	if _, ok := s.object(stateKey); ok || !s.locked(stateKey) {
		t.Errorf("state there %v, locked %v", ok, s.locked(stateKey))
	}
	if len(r.Rescues) != 1 || r.Rescues[0].Lock != "guard" || len(r.Rescues[0].Orphans) != 3 || r.Rescues[0].LockID == "" {
		t.Fatalf("what is known of it: %+v", r.Rescues)
	}
	known := r.Rescues[0]
	for _, name := range []string{"journal.jsonl", "imports.tf"} {
		info, err := os.Stat(filepath.Join(known.Kept, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info, err)
		}
	}
	// A later process has the proof as well.
	if out, code := s.output(env, "holdfast", "state", "inspect", "."); code != 5 || !strings.Contains(out, known.LockID+" is this run's and stays") || strings.Count(out, "perhaps made") != 3 {
		t.Errorf("inspect: exit %d\n%s", code, out)
	}
	s.succeed(env, "holdfast", "state", "unlock", "--lock-id", known.LockID, ".")
	if s.locked(stateKey) {
		t.Error("still locked")
	}
}

// TestAnotherWordIsNoWord: whatever else is typed, OpenTofu stays and writes its
// state as soon as it can.
func TestAnotherWordIsNoWord(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"abandon it", "no", ""} {
		s, _ := stuck(t)
		s.insist()
		s.keys(word+"\r", 1)
		s.until("it goes on", func() bool { return strings.Contains(s.seen(), "waiting for Terraform to write its state") })
		s.press()
		if strings.Count(s.seen(), question) != 1 {
			t.Errorf("%q: one more Ctrl-C was enough to be asked again:\n%s", word, s.seen())
		}
		s.lab.ClearFaults()
		exit := s.exit()
		if r := s.report(); exit != r.ExitCode || exit > 1 || len(r.Rescues) != 0 || strings.Contains(s.seen(), "Two interrupts received") {
			t.Errorf("%q: exit %d, %+v\n%s", word, exit, r.Rescues, s.seen())
		}
		s.checkState(3)
		if s.locked(stateKey) {
			t.Errorf("%q: still locked", word)
		}
	}
}

// TestUnhurriedCtrlC: three of them, more than three seconds from the
// first to the last, are what an impatient person does.
func TestUnhurriedCtrlC(t *testing.T) {
	t.Parallel()
	s, _ := stuck(t)
	for n := range 3 {
		if n > 0 {
			time.Sleep(1800 * time.Millisecond)
		}
		s.press()
	}
	s.lab.ClearFaults()
	s.exit()
	if s.asked() || strings.Count(s.seen(), notPassed) != 2 {
		t.Errorf("on the screen:\n%s", s.seen())
	}
	s.checkState(3)
}
