//go:build unix

package e2e

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// step is a step of a pipeline whose entry process a runner signals.
type step struct {
	*world
	cmd  *exec.Cmd
	said *bytes.Buffer
	done chan struct{}
}

// runner starts a step's entry process.
func (w *world) runner(env map[string]string, terminal bool, name string, args ...string) *step {
	w.t.Helper()
	s := &step{world: w, cmd: w.command(env, name, args...), said: &bytes.Buffer{}, done: make(chan struct{})}
	var from io.Reader
	if terminal {
		master, err := startOnTerminal(s.cmd)
		w.must(err)
		w.t.Cleanup(func() { master.Close() })
		from = master
	} else {
		r, out, err := os.Pipe()
		w.must(err)
		s.cmd.Stdout, s.cmd.Stderr = out, out
		w.must(s.cmd.Start())
		out.Close()
		from = r
	}
	began := make(chan struct{})
	go func() {
		defer close(s.done)
		buffer, begun := make([]byte, 4096), false
		for {
			n, err := from.Read(buffer)
			s.said.Write(buffer[:n])
			if !begun && strings.Count(s.said.String(), "Provisioning with") >= 3 {
				begun = true
				close(began)
			}
			if err != nil {
				return
			}
		}
	}()
	select {
	case <-began:
		time.Sleep(1500 * time.Millisecond) // the keeper looks out for the lock at most so long apart by now
	case <-s.done:
		w.t.Fatalf("it ended before anything was made:\n%s", s.said)
	}
	return s
}

func (s *step) signal(sig syscall.Signal) { _ = s.cmd.Process.Signal(sig) } // it may be gone

// gone waits so long for the entry process's end.
func (s *step) gone(within time.Duration) bool {
	over := time.After(within)
	for !s.dead() {
		select {
		case <-over:
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
	return true
}

func (s *step) dead() bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	return err != nil || strings.Contains(string(stat), ") Z ")
}

// tree is a process and all that descends from it.
func tree(pid int) []int {
	all := []int{pid}
	for _, child := range children(pid) {
		all = append(all, tree(child)...)
	}
	return all
}

// kill kills what was a process's tree, orphans of it included, as runners do
// with what a step leaves.
func kill(tree []int) {
	for _, pid := range tree {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may be gone
	}
}

func children(pid int) (all []int) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // none: it is gone
	for _, task := range tasks {
		b, _ := os.ReadFile(task)
		for word := range strings.FieldsSeq(string(b)) {
			if n, err := strconv.Atoi(word); err == nil {
				all = append(all, n)
			}
		}
	}
	return all
}

// github cancels a job
// (https://docs.github.com/en/actions/reference/workflow-cancellation-reference).
func github(s *step) {
	all := tree(s.cmd.Process.Pid)
	defer func() { kill(all) }()
	s.signal(syscall.SIGINT)
	if s.gone(7500 * time.Millisecond) {
		return
	}
	s.signal(syscall.SIGTERM)
	s.gone(2500 * time.Millisecond)
}

// grace is how GitLab's runner and Kubernetes end a process: SIGTERM, and
// SIGKILL for the whole tree when its time is over.
func grace(s *step) {
	all := tree(s.cmd.Process.Pid)
	s.signal(syscall.SIGTERM)
	s.gone(10 * time.Second)
	kill(all)
}

// stopped makes a world with an apply of a minute, ready to be started.
func stopped(t *testing.T, takes time.Duration) (*world, map[string]string) {
	t.Helper()
	w := newWorld(t, time.Hour)
	w.write("main.tf", code("use_lockfile = true", takes))
	env := w.pod("")
	env["HOLDFAST_ROLE_ARN"] = w.env["HOLDFAST_LAB_ROLE_DEPLOY"]
	env["HOLDFAST_REPORT"] = filepath.Join(w.dir, "report.json")
	w.succeed(env, "holdfast", "run", "--", "tofu", "init", "-no-color")
	return w, env
}

// checkTainted says what is wrong after an interrupt that went well: OpenTofu
// wrote its own state, and released its lock.
func (w *world) checkTainted(s *step) {
	w.t.Helper()
	_, _, text := w.state(stateKey)
	if strings.Count(text, `"tainted"`) != 3 || w.locked(stateKey) {
		w.t.Errorf("locked %v, the state:\n%s\nsaid:\n%s", w.locked(stateKey), text, s.said)
	}
}

const apply = "tofu apply -auto-approve -no-color"

// A runner that cancels: where holdfast is the step's own process, the state is
// written.
func TestPipelineThatIsCancelled(t *testing.T) {
	for name, row := range map[string]struct {
		script string
		entry  []string
		cancel func(*step)
	}{
		"GitHub, exec":     {"exec holdfast run -- " + apply, []string{"bash", "-e", "step.sh"}, github},
		"GitHub, shell":    {apply, []string{"holdfast", "run", "--", "bash", "-eo", "pipefail", "step.sh"}, github},
		"GitLab, exec":     {"exec holdfast run -- " + apply, []string{"bash", "-e", "step.sh"}, grace},
		"Kubernetes, PID1": {"", strings.Fields("holdfast run -- " + apply), grace},
		"a shell below":    {apply + "; echo not reached", []string{"holdfast", "run", "--", "sh", "-e", "step.sh"}, grace},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, env := stopped(t, 60*time.Second)
			w.write("step.sh", row.script+"\n")
			s := w.runner(env, false, row.entry[0], row.entry[1:]...)
			row.cancel(s)
			<-s.done
			_ = s.cmd.Wait() // the state says it
			w.checkTainted(s)
			w.says(w.succeed(env, "holdfast", "state", "rescue"), "nothing to rescue")
		})
	}
}

// The plain form: the shell passes nothing on, and the runner kills all of it.
// The start says so; a later step says what may exist, and whose the lock is.
func TestPipelineInThePlainForm(t *testing.T) {
	t.Parallel()
	w, env := stopped(t, 60*time.Second)
	env["GITHUB_ACTIONS"] = "true"
	w.write("step.sh", "holdfast run -- "+apply+"\necho done\n")
	s := w.runner(env, false, "bash", "-e", "step.sh")
	github(s)
	<-s.done
	_ = s.cmd.Wait() // killed
	w.says(s.said.String(), "put exec in front of holdfast")
	if !w.locked(stateKey) {
		t.Fatal("the story has no lock")
	}
	out, exit := w.output(env, "holdfast", "state", "rescue")
	if exit != 5 || strings.Count(out, "perhaps made, and in no state: terraform_data.slow[") != 3 {
		t.Errorf("exit %d\n%s", exit, out)
	}
	w.says(out, "is this run's and stays until somebody looked", "import blocks to begin with")
	_, after, _ := strings.Cut(strings.Join(strings.Fields(out), " "), "import blocks to begin with: ")
	file, _, _ := strings.Cut(after, " ")
	blocks, err := os.ReadFile(file)
	if err != nil || strings.Count(string(blocks), "import {") != 3 {
		t.Errorf("%s, %v", blocks, err)
	}
	again, exit := w.output(env, "holdfast", "state", "rescue") // as the next job's step does
	if exit != 5 || !w.locked(stateKey) || !strings.Contains(strings.Join(strings.Fields(again), " "), file) {
		t.Errorf("again: exit %d, locked %v\n%s", exit, w.locked(stateKey), again)
	}
	_, after, _ = strings.Cut(out, "holdfast state unlock")
	command, _, _ := strings.Cut(after, "\n")
	w.succeed(env, "sh", "-c", "holdfast state unlock"+command)
	if w.locked(stateKey) {
		t.Error("the lock stays")
	}
	w.succeed(env, "holdfast", "state", "rescue")
}

// Signals and deaths, on a terminal and on a pipe, against what was saved.
func TestWhatIsSaved(t *testing.T) {
	const tainted, whole = 3, 0
	command := strings.Fields("run -- " + apply)
	below := []string{"run", "--", "sh", "-c", apply + " & wait $!"}
	supervisor := func(s *step) { // the process between holdfast and tofu
		for _, shell := range children(s.cmd.Process.Pid) {
			for _, link := range children(shell) {
				_ = syscall.Kill(link, syscall.SIGKILL)
			}
		}
	}
	for name, row := range map[string]struct {
		args  []string
		takes time.Duration
		do    func(*step)
		saved int // how many resources are tainted
	}{
		"SIGINT":            {command, 60 * time.Second, func(s *step) { s.signal(syscall.SIGINT) }, tainted},
		"SIGTERM":           {command, 60 * time.Second, func(s *step) { s.signal(syscall.SIGTERM) }, tainted},
		"both":              {command, 60 * time.Second, func(s *step) { s.signal(syscall.SIGINT); s.signal(syscall.SIGTERM) }, tainted},
		"GitHub's sequence": {command, 60 * time.Second, github, tainted},
		"supervisor killed": {below, 8 * time.Second, supervisor, whole},
		"holdfast killed":   {command, 8 * time.Second, func(s *step) { s.signal(syscall.SIGKILL) }, whole},
		// Terragrunt kills its children thirty seconds after a signal, while a
		// resource takes forty: here in a tenth of the time.
		"Terragrunt's patience": {below, 8 * time.Second, func(s *step) { time.Sleep(3 * time.Second); supervisor(s) }, whole},
	} {
		for where, terminal := range map[string]bool{"pipe": false, "terminal": true} {
			t.Run(name+", "+where, func(t *testing.T) {
				t.Parallel()
				w, env := stopped(t, row.takes)
				s := w.runner(env, terminal, "holdfast", row.args...)
				row.do(s)
				_ = s.cmd.Wait() // the state says it
				end := time.Now().Add(30 * time.Second)
				for w.locked(stateKey) && time.Now().Before(end) { // tofu may live longer than all above it
					time.Sleep(100 * time.Millisecond)
				}
				_, _, text := w.state(stateKey)
				if strings.Count(text, `"index_key"`) != 3 || strings.Count(text, `"tainted"`) != row.saved || w.locked(stateKey) {
					t.Errorf("locked %v, the state:\n%s\nsaid:\n%s", w.locked(stateKey), text, s.said)
				}
			})
		}
	}
}

// Whoever just tries again after a kill is told what may have been made, and takes
// no proof away.
func TestRetryAfterAKill(t *testing.T) {
	t.Parallel()
	w, env := stopped(t, 60*time.Second)
	w.write("step.sh", "holdfast run -- "+apply+"\necho done\n")
	s := w.runner(env, false, "bash", "-e", "step.sh")
	github(s)
	<-s.done
	_ = s.cmd.Wait() // killed
	for _, command := range []string{"run -- " + apply, "state rescue"} {
		out, exit := w.output(env, "sh", "-c", "holdfast "+command)
		if exit == 0 || strings.Count(out, "perhaps made, and in no state: terraform_data.slow[") != 3 || !w.locked(stateKey) {
			t.Errorf("%s: exit %d, locked %v\n%s", command, exit, w.locked(stateKey), out)
		}
	}
}

// Ten units, two at a time; the run is stopped at the third: no later one starts
// a process that writes.
func TestNoUnitStartsAfterADrain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, drained)
	env := w.pod("")
	env["HOLDFAST_ROLE_ARN"] = w.env["HOLDFAST_LAB_ROLE_DEPLOY"]
	var units []string
	for i := range 10 {
		unit := fmt.Sprintf("unit%d", i)
		units = append(units, unit)
		w.must(os.Mkdir(filepath.Join(w.dir, unit), 0o700))
		takes := 6 * time.Second
		if i == 2 {
			takes = 90 * time.Second
		}
		w.write(unit+"/main.tf", strings.Replace(code("use_lockfile = true", takes), stateKey, unit+".tfstate", 1))
		w.succeed(w.env, "tofu", "-chdir="+unit, "init", "-no-color")
	}
	s := w.command(env, "holdfast", "run", "--report", "report.json", "--", "sh", "-c",
		"printf '%s\\n' "+strings.Join(units, " ")+" | xargs -P 2 -I{} sh -c 'tofu -chdir={} apply -auto-approve -no-color; echo {} $? >> exits'")
	var said bytes.Buffer
	s.Stdout, s.Stderr = &said, &said
	w.must(s.Start())
	begun := func() bool { return strings.Contains(w.listing(), "unit2.tfstate.tflock") }
	for end := time.Now().Add(60 * time.Second); !begun() && time.Now().Before(end); {
		time.Sleep(50 * time.Millisecond)
	}
	w.trust(false)
	_ = s.Wait() // xargs fails when a command does
	r := w.report()
	if len(r.Drained) == 0 {
		t.Fatalf("nothing was stopped:\n%s", said.String())
	}
	stopped := r.Drained[0].At
	for _, p := range r.Processes {
		if p.Subcommand == "apply" && strings.HasSuffix(p.Dir, "unit9") {
			t.Errorf("unit9 was started:\n%s", said.String())
		}
	}
	exits, err := os.ReadFile(filepath.Join(w.dir, "exits"))
	w.must(err)
	if !strings.Contains(string(exits), "unit9 125") || strings.Count(string(exits), "125") == 0 {
		t.Errorf("stopped at %s; exits:\n%s\n%s", stopped, exits, said.String())
	}
	if strings.Contains(w.listing(), ".tflock") {
		t.Errorf("a lock stays: %s", w.listing())
	}
}
