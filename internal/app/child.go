package app

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/holdfast/holdfast/internal/event"
	"github.com/holdfast/holdfast/internal/link"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/private"
	"github.com/holdfast/holdfast/internal/report"
	"github.com/holdfast/holdfast/internal/supervise"
)

// supervise runs the command to its end. A Terraform is put on the keeper's
// list by register, which returns what to call with its end.
func (j *job) supervise(rep *report.Run, env precedence.Env, dir *private.Dir, register func(link.Process) (func(link.End), error)) error {
	terraform := j.engine != ""
	command := supervise.Command{
		Path: j.path, Args: j.req.Command[1:], Env: env.Environ(), Dir: j.proc.Dir,
		Stdin: j.proc.Stdin, Stdout: j.proc.Stdout, Stderr: j.proc.Stderr,
		OwnSession: terraform && !j.req.Foreground,
		Spool:      dir.Create,
	}
	hooks := supervise.Hooks{Notice: func(text string) { j.note(event.Notice, Noted, text) }}
	var watch operations
	if terraform {
		watch = j.watch(&command, dir)
		hooks.Output = watch.take
	}
	done := func(link.End) {}
	hooks.Started = func(pid int) {
		if !terraform {
			return
		}
		end, err := register(j.process(pid))
		if err != nil {
			j.note(event.Warning, Noted, fmt.Sprintf("the keeper above doesn't know of this %s: %v", j.engine, err))
			return
		}
		done = end
	}
	ended, err := supervise.Run(command, hooks)
	if err != nil {
		return err
	}
	end := link.End{ExitCode: ended.Code, Seconds: ended.Took.Seconds(), Interrupts: ended.Interrupts, Resources: watch.resources()}
	if ended.Signal != 0 {
		end.Signal = ended.Signal.String()
	}
	done(end)
	rep.ExitCode = ended.Code
	return nil
}

// process is this job's Terraform under a number.
func (j *job) process(pid int) link.Process {
	return link.Process{
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
	if e.Severity >= event.Notice {
		j.mu.Lock()
		j.told = append(j.told, report.Notice{Time: e.Time, Severity: e.Severity.String(), Kind: e.Kind, Subject: e.Subject, Message: e.Message})
		j.mu.Unlock()
	}
	j.voice.Event(e)
}

func (j *job) notices() []report.Notice {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]report.Notice{}, j.told...)
}
