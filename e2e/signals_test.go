package e2e

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// stage is one run of holdfast over the child that tells what it received, on a
// pseudo-terminal or on pipes.
type stage struct {
	*world
	cmd     *exec.Cmd
	in      io.WriteCloser // the keyboard, or a pipe to standard input
	out     io.Closer      // our end of its output
	log     string
	ignored string // signals that whoever starts holdfast ignores: HUP INT
	mu      sync.Mutex
	screen  bytes.Buffer
	closed  chan struct{} // nothing more comes out
}

// raise starts `holdfast run -- COMMAND` in which tofu is the child that plays.
func raise(t *testing.T, terminal bool, play string, command ...string) *stage {
	t.Helper()
	return raiseIgnoring(t, "", terminal, play, command...)
}

// raiseIgnoring is raise under somebody who ignores signals, as nohup does.
func raiseIgnoring(t *testing.T, ignored string, terminal bool, play string, command ...string) *stage {
	t.Helper()
	s := cast(newWorld(t, time.Hour))
	s.ignored = ignored
	env := s.pod(s.env["HOLDFAST_LAB_ROLE_DEPLOY"])
	env["E2E_CHILD"], env["E2E_LOG"] = play, s.log
	s.start(terminal, env, command...)
	return s
}

// cast puts the child that plays in the place of a world's tofu.
func cast(w *world) *stage {
	w.t.Helper()
	s := &stage{world: w, closed: make(chan struct{}), log: filepath.Join(w.dir, "log")}
	exe, err := os.Executable()
	s.must(err)
	s.must(os.Remove(filepath.Join(s.dir, "bin", "tofu")))
	for _, name := range []string{"tofu", "anything"} {
		s.must(os.Symlink(exe, filepath.Join(s.dir, "bin", name)))
	}
	return s
}

// start runs holdfast over a command on a pseudo-terminal or on pipes.
func (s *stage) start(terminal bool, env map[string]string, command ...string) {
	s.t.Helper()
	s.run(terminal, env, append([]string{"run", "--report", "report.json", "--"}, command...)...)
}

// run starts holdfast with arguments on a pseudo-terminal or on pipes.
func (s *stage) run(terminal bool, env map[string]string, args ...string) {
	s.t.Helper()
	args = append([]string{"holdfast"}, args...)
	if s.ignored != "" {
		args = append([]string{"sh", "-c", `trap "" ` + s.ignored + `; exec "$@"`, "sh"}, args...)
	}
	s.cmd = s.command(env, args[0], args[1:]...)
	var from io.Reader
	if terminal {
		master, err := startOnTerminal(s.cmd)
		s.must(err)
		s.in, s.out, from = master, master, master
		s.t.Cleanup(func() { master.Close() })
	} else {
		in, err := s.cmd.StdinPipe()
		s.must(err)
		r, w, err := os.Pipe()
		s.must(err)
		s.cmd.Stdout, s.cmd.Stderr = w, w
		s.must(s.cmd.Start())
		w.Close()
		s.in, s.out, from = in, r, r
	}
	go func() {
		defer close(s.closed)
		buffer := make([]byte, 4096)
		for {
			n, err := from.Read(buffer)
			s.mu.Lock()
			s.screen.Write(buffer[:n])
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
}

// TestOpenTofuOnATerminal: the prompt works, and of a Ctrl-C and a SIGTERM at
// its heels one arrives, so that the state is written and the lock released.
func TestOpenTofuOnATerminal(t *testing.T) {
	t.Parallel()
	s := &stage{world: newWorld(t, time.Hour), closed: make(chan struct{})}
	s.write("main.tf", code("use_lockfile = true", 60*time.Second))
	env := s.pod(s.env["HOLDFAST_LAB_ROLE_DEPLOY"])
	s.succeed(env, "holdfast", "run", "--", "tofu", "init", "-no-color")
	s.start(true, env, "tofu", "apply", "-no-color")
	s.until("the prompt is on the screen", func() bool { return strings.Contains(s.seen(), "Enter a value: ") })
	s.keys("yes\r", 1)
	s.until("the resources are under way", func() bool { return strings.Count(s.seen(), "Provisioning with") == 3 })
	s.keys(ctrlC, 1)
	s.signal(syscall.SIGTERM)
	if exit := s.exit(); exit != 1 {
		t.Errorf("exit %d\n%s", exit, s.seen())
	}
	if strings.Contains(s.seen(), "Two interrupts received") || !strings.Contains(s.seen(), "Gracefully shutting down") {
		t.Errorf("on the screen:\n%s", s.seen())
	}
	state, ok := s.object(stateKey)
	if !ok || strings.Count(string(state), `"tainted"`) != 3 || s.locked(stateKey) {
		t.Errorf("state there %v, locked %v:\n%s", ok, s.locked(stateKey), state)
	}
	r := s.report()
	if len(r.Processes) != 1 || r.Processes[0].Interrupts < 1 || len(r.Processes[0].Resources) != 3 || !r.Processes[0].Resources[0].Failed {
		t.Errorf("the report: %+v", r.Processes)
	}
}

func (s *stage) seen() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.screen.String()
}

func (s *stage) told() string {
	b, err := os.ReadFile(s.log)
	if err != nil {
		return ""
	}
	return string(b)
}

// until waits for something to be true, and fails the test if it never is.
func (s *stage) until(what string, true func() bool) {
	s.t.Helper()
	for end := time.Now().Add(30 * time.Second); !true(); {
		if time.Now().After(end) {
			s.t.Fatalf("never: %s\nthe child told:\n%s\non the screen:\n%s", what, s.told(), s.seen())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (s *stage) ready() {
	s.t.Helper()
	s.until("the child is ready", func() bool { return strings.Contains(s.told(), "ready") })
}

func (s *stage) signal(signals ...os.Signal) {
	s.t.Helper()
	for i, sig := range signals {
		if i > 0 {
			time.Sleep(300 * time.Millisecond) // two of a kind at once are one
		}
		s.must(s.cmd.Process.Signal(sig))
	}
}

func (s *stage) keys(text string, times int) {
	s.t.Helper()
	for i := range times {
		if i > 0 {
			time.Sleep(300 * time.Millisecond)
		}
		_, err := s.in.Write([]byte(text))
		s.must(err)
	}
}

// exit waits for holdfast's end.
func (s *stage) exit() int {
	s.t.Helper()
	_ = s.cmd.Wait() // its state says it
	return s.cmd.ProcessState.ExitCode()
}

const ctrlC = "\x03"

func TestWhatTheChildReceives(t *testing.T) {
	stop := func(signals ...os.Signal) func(*stage) {
		return func(s *stage) { s.ready(); s.signal(signals...) }
	}
	answer := func(s *stage) {
		s.until("the prompt is on the screen", func() bool { return strings.Contains(s.seen(), "Enter a value: ") })
		s.keys("yes\n", 1)
	}
	const pipe, terminal = false, true
	for name, row := range map[string]struct {
		terminal bool
		play     string
		do       func(*stage)
		received string // the child's last word
		exit     int
	}{
		"terminal, prompt answered":    {terminal, "prompt", answer, `read "yes" <nil>`, 0},
		"terminal, one Ctrl-C":         {terminal, "count", func(s *stage) { s.ready(); s.keys(ctrlC, 1) }, "got interrupt", 0},
		"terminal, two Ctrl-C":         {terminal, "count", func(s *stage) { s.ready(); s.keys(ctrlC, 2) }, "got interrupt", 0},
		"terminal, SIGTERM":            {terminal, "count", stop(syscall.SIGTERM), "got interrupt", 0},
		"terminal, SIGHUP":             {terminal, "count", stop(syscall.SIGHUP), "got interrupt", 0},
		"terminal, holdfast killed":    {terminal, "work 15", stop(syscall.SIGKILL), "finished", -1},
		"terminal, Ctrl-Z":             {terminal, "work 15", func(s *stage) { s.ready(); s.keys("\x1a", 1) }, "finished", 0},
		"pipe, prompt answered":        {pipe, "prompt", answer, `read "yes" <nil>`, 0},
		"pipe, one SIGINT":             {pipe, "count", stop(syscall.SIGINT), "got interrupt", 0},
		"pipe, two SIGINT":             {pipe, "count", stop(syscall.SIGINT, syscall.SIGINT), "got interrupt", 0},
		"pipe, SIGTERM":                {pipe, "count", stop(syscall.SIGTERM), "got interrupt", 0},
		"pipe, SIGINT then SIGTERM":    {pipe, "count", stop(syscall.SIGINT, syscall.SIGTERM), "got interrupt", 0},
		"pipe, reader of stdout gone":  {pipe, "work 15", func(s *stage) { s.ready(); s.out.Close() }, "finished", 0},
		"pipe, holdfast killed":        {pipe, "work 15", stop(syscall.SIGKILL), "finished", -1},
		"pipe, nothing happens at all": {pipe, "work 3", func(*stage) {}, "finished", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := raise(t, row.terminal, row.play, "tofu", "apply")
			row.do(s)
			exit := s.exit()
			s.until("the child's last word: "+row.received, func() bool { return strings.HasSuffix(s.told(), row.received+"\n") })
			if exit != row.exit {
				t.Errorf("exit %d, want %d\n%s", exit, row.exit, s.seen())
			}
			if strings.Contains(s.told(), "broken") {
				t.Errorf("the child felt it:\n%s", s.told())
			}
		})
	}
}

// TestIgnoredSignals: what nohup, or a shell that starts a job in the background,
// ignores stays ignored, but for the one that Terraform takes nevertheless.
func TestIgnoredSignals(t *testing.T) {
	for name, row := range map[string]struct {
		play     string
		command  string
		signal   os.Signal
		received string
	}{
		"SIGHUP, Terraform":           {"work 15", "tofu", syscall.SIGHUP, "ready\nfinished"},
		"SIGINT, Terraform":           {"count", "tofu", syscall.SIGINT, "got interrupt"},
		"SIGHUP, an ordinary command": {"work 15", "bin/anything", syscall.SIGHUP, "ready\nfinished"},
		"SIGINT, an ordinary command": {"work 15", "bin/anything", syscall.SIGINT, "ready\nfinished"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := raiseIgnoring(t, "HUP INT", false, row.play, row.command, "apply")
			s.ready()
			s.signal(row.signal)
			exit := s.exit()
			s.until("the child's last word: "+row.received, func() bool { return strings.HasSuffix(s.told(), row.received+"\n") })
			if exit != 0 {
				t.Errorf("exit %d\n%s", exit, s.seen())
			}
		})
	}
}

// TestOrdinaryCommandIsInTheForeground: on a terminal the kernel gives Ctrl-C to
// a command that isn't Terraform, and holdfast adds none of its own.
func TestOrdinaryCommandIsInTheForeground(t *testing.T) {
	t.Parallel()
	s := raise(t, true, "count", "bin/anything")
	s.ready()
	s.keys(ctrlC, 1)
	if exit := s.exit(); exit != 0 || !strings.HasSuffix(s.told(), "got interrupt\n") {
		t.Errorf("exit %d, the child told:\n%s", exit, s.told())
	}
}

// TestForegroundByFlag: --foreground gives up the session of its own, so that
// every Ctrl-C reaches a Terraform too.
func TestForegroundByFlag(t *testing.T) {
	t.Parallel()
	s := raise(t, true, "count", "tofu", "apply")
	s.ready()
	s.keys(ctrlC, 1)
	s.exit()
	own := s.told()

	s = raise(t, true, "count", "holdfast", "run", "--foreground", "--", "tofu", "apply")
	s.ready()
	s.keys(ctrlC, 2)
	s.exit()
	if !strings.HasSuffix(own, "got interrupt\n") || !strings.HasSuffix(s.told(), "got interrupt,interrupt\n") {
		t.Errorf("in a session of its own:\n%s\nin the foreground:\n%s", own, s.told())
	}
}

// TestTerraformThatEndsAfterTheCommand: the keeper stays, and the endpoint with
// it, until the last registered Terraform is gone.
func TestTerraformThatEndsAfterTheCommand(t *testing.T) {
	for _, terminal := range []bool{true, false} {
		s := raise(t, terminal, "work 20", "sh", "-c", "holdfast run -q -- tofu apply & while ! grep -qs ready $E2E_LOG; do sleep 0.05; done; exit 3")
		s.ready()
		s.until("holdfast tells what it waits for", func() bool { return strings.Contains(s.seen(), "still running") })
		s.signal(syscall.SIGTERM) // to the keeper alone: it doesn't leave
		exit := s.exit()
		if exit != 3 || !strings.HasSuffix(s.told(), "finished\n") {
			t.Errorf("exit %d before the child's end, which told:\n%s", exit, s.told())
		}
		r := s.report()
		if len(r.Processes) != 1 || !r.Processes[0].Told || r.Processes[0].Interrupts != 0 {
			t.Errorf("the report's processes: %+v", r.Processes)
		}
	}
}

// TestSupervisorThatIsKilled: its Terraform stays on the keeper's list until
// its own end.
func TestSupervisorThatIsKilled(t *testing.T) {
	t.Parallel()
	s := raise(t, false, "work 20", "sh", "-c", "holdfast run -q -- tofu apply & inner=$!; while ! grep -qs ready $E2E_LOG; do sleep 0.05; done; kill -9 $inner; exit 0")
	exit := s.exit()
	if exit != 0 || !strings.HasSuffix(s.told(), "finished\n") {
		t.Errorf("exit %d before the child's end, which told:\n%s", exit, s.told())
	}
	if r := s.report(); len(r.Processes) != 1 || r.Processes[0].Told {
		t.Errorf("nobody could tell how it ended, but: %+v", r.Processes)
	}
}

// TestLimitsOfTheChild: what holdfast does to its own memory leaves the child as
// it would be without it.
func TestLimitsOfTheChild(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Hour)
	const show = "ulimit -a; grep -E 'CoreDumping|Seccomp|NoNewPrivs|SigIgn|SigBlk' /proc/self/status; ls -ld /proc/self/environ | cut -d' ' -f1-4"
	for _, above := range []string{"", `trap "" HUP INT; `} { // as nohup, and a job in the background
		without, err := exec.Command("sh", "-c", above+"sh -c '"+strings.ReplaceAll(show, "'", `'\''`)+"'").Output()
		w.must(err)
		cmd := w.command(w.pod(""), "sh", "-c", above+`exec holdfast run -q -- sh -c "$0"`, show)
		with, err := cmd.Output()
		w.must(err)
		if !bytes.Equal(without, with) {
			t.Errorf("without holdfast:\n%s\nwith:\n%s", without, with)
		}
	}
}
