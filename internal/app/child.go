package app

import (
	"os"
	"path/filepath"
	"time"

	"github.com/holdfast/holdfast/internal/event"
	"github.com/holdfast/holdfast/internal/link"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/private"
	"github.com/holdfast/holdfast/internal/report"
	"github.com/holdfast/holdfast/internal/supervise"
	"github.com/holdfast/holdfast/internal/tf/state"
)

// listed is a Terraform's place on a keeper's list, in this process or at the
// other end of a conversation.
type listed interface {
	Started(link.Process)
	Interrupted()
	Progressed(link.Progress)
	End(link.End)
}

// supervise runs the command to its end. A Terraform is on the keeper's list
// before it starts.
func (j *job) supervise(rep *report.Run, env precedence.Env, dir *private.Dir, list listed, interrupt <-chan struct{}) error {
	terraform := j.engine != ""
	command := supervise.Command{
		Path: j.path, Args: j.req.Command[1:], Env: env.Environ(), Dir: j.proc.Dir,
		Stdin: j.proc.Stdin, Stdout: j.proc.Stdout, Stderr: j.proc.Stderr,
		OwnSession: terraform && !j.req.Foreground,
		Spool:      dir.Create, Interrupt: interrupt,
	}
	hooks := supervise.Hooks{Notice: func(text string) { j.note(event.Notice, Noted, text) }, Signalled: j.signalled}
	watch := &operations{}
	if terraform {
		watch = j.watch(&command, dir)
		watch.progressed = list.Progressed
		hooks.Output, hooks.Interrupted = watch.take, list.Interrupted
		hooks.Started = func(pid int) { list.Started(j.process(pid, env, rep.Identity.Name)) }
	}
	ended, err := supervise.Run(command, hooks)
	if err != nil {
		return err
	}
	rep.ExitCode = ended.Code
	if !terraform {
		return nil
	}
	end := link.End{ExitCode: ended.Code, Seconds: ended.Took.Seconds(), Interrupts: ended.Interrupts}
	if ended.Signal != 0 {
		end.Signal = ended.Signal.String()
	}
	watch.tell(&end)
	if end.ExitCode != 0 && command.OwnSession {
		end.Printed = printed(dir.Path("stdout"))
	}
	// A signal that comes while the keeper settles what is left must not end us.
	release := supervise.Hold(func(os.Signal) { j.note(event.Notice, Surviving, "looking after the state; not leaving before") })
	defer release()
	list.End(end)
	return nil
}

// largestOutput is the size in bytes above which a Terraform's output isn't
// searched for a state that it printed.
const largestOutput = 256 << 20

// printed is the state that a Terraform printed because it could write it
// nowhere else; nil if it didn't, or if its output went to a terminal.
func printed(path string) []byte {
	info, err := os.Stat(path)
	if err != nil || info.Size() > largestOutput {
		return nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	return state.Printed(b)
}

// process is this job's Terraform under a number. Identity is empty if its
// environment holds the keys.
func (j *job) process(pid int, env precedence.Env, identity string) link.Process {
	return link.Process{
		Path: j.path, Identity: identity, Environ: env.Environ(),
		PID: pid, Born: supervise.Born(pid), Engine: j.engine, Subcommand: subcommand(j.req.Command[1:]),
		Dir: j.absolute(workDir(j.req.Command[1:])), Began: time.Now().Round(0),
	}
}

func (j *job) absolute(dir string) string {
	if filepath.IsAbs(dir) {
		return filepath.Clean(dir)
	}
	return filepath.Join(j.proc.Dir, dir)
}

// processes is the keeper's list as the report has it.
func processes(entries []link.Entry) []report.Process {
	all := []report.Process{}
	for _, e := range entries {
		p := report.Process{
			PID: e.Process.PID, Engine: e.Process.Engine, Subcommand: e.Process.Subcommand, Dir: e.Process.Dir, Resources: []report.Resource{},
		}
		if e.End != nil {
			p.Told, p.ExitCode, p.Signal, p.Seconds, p.Interrupts = true, e.End.ExitCode, e.End.Signal, e.End.Seconds, e.End.Interrupts
			for _, r := range e.End.Resources {
				p.Resources = append(p.Resources, report.Resource(r))
			}
		}
		all = append(all, p)
	}
	return all
}

// note tells a person something about the run itself.
func (j *job) note(severity event.Severity, kind, text string) {
	j.event(event.Event{Time: time.Now().Round(0), Kind: kind, Severity: severity, Subject: "run", Message: text})
}

// event passes an event on and keeps what a person should know for the report.
func (j *job) event(e event.Event) {
	j.mu.Lock()
	if e.Severity >= event.Notice {
		j.told = append(j.told, report.Notice{Time: e.Time, Severity: e.Severity.String(), Kind: e.Kind, Subject: e.Subject, Message: e.Message})
	}
	listener := j.listener
	j.mu.Unlock()
	if listener != nil {
		listener(e)
	}
	j.voice.Event(e)
}

func (j *job) notices() []report.Notice {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]report.Notice{}, j.told...)
}
