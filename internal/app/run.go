package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/holdfast/holdfast/internal/event"
	"github.com/holdfast/holdfast/internal/link"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/private"
	"github.com/holdfast/holdfast/internal/profile"
	"github.com/holdfast/holdfast/internal/report"
	"github.com/holdfast/holdfast/internal/shim"
	"github.com/holdfast/holdfast/internal/supervise"
)

// Kinds of events of a run itself.
const (
	Noted     = "run.noted"
	Surviving = "run.surviving"
	Unseen    = "run.unseen"
	Overdue   = "run.overdue"  // longer than run.warn_after
	Draining  = "run.draining" // a process is stopped before its credentials end
	Drained   = "run.drained"  // it has stopped; what it left half made

	Rescued      = "state.rescued"
	RescueLeft   = "state.left"   // something is left to a person
	RescueFailed = "state.failed" // nothing could be recorded
)

// job is one `holdfast run` from its beginning to its end.
type job struct {
	req    Request
	proc   Process
	env    precedence.Env
	path   string // of the command
	engine string // tofu, terraform, or "" for anything else
	linked bool   // the command was found through one of our links
	around surroundings

	signalled func(os.Signal) // a signal reached us that asks for the end; may be nil

	voice Voice
	mu    sync.Mutex
	told  []report.Notice

	listener event.Sink // who sends alerts; may be nil
}

// Voice is how a run speaks while it goes on.
type Voice struct {
	Event   event.Sink
	Started func(report.Identity) // every hop has a credential, and the command starts now
}

// UntilAsked is ctx until a signal asks this process to end, which doesn't end it
// meanwhile. What whoever started it ignores stays ignored.
func UntilAsked(ctx context.Context) (context.Context, context.CancelFunc) {
	return supervise.UntilAsked(ctx)
}

// Run carries out a request. Ctx ends the wait for the first credential; once
// the command runs, nothing but the command's end ends it. The error is
// holdfast's own failure; the report, exit code included, is complete either
// way.
func Run(ctx context.Context, req Request, proc Process, voice Voice) (report.Run, error) {
	j := &job{req: req, proc: proc, env: precedence.NewEnv(proc.Environ), voice: voice}
	supervise.OutlivePipes()
	// A signal ends the wait for the first credential; from then on signals are
	// the child's affair.
	ctx, stop := UntilAsked(ctx)
	defer stop()
	rep := report.Run{
		SchemaVersion: report.SchemaVersion, Began: time.Now().Round(0), Processes: []report.Process{}, ExitCode: ExitOwn,
		Identity: report.Identity{Hops: []report.Hop{}},
	}
	err := j.run(ctx, &rep)
	var start *supervise.StartError
	if errors.As(err, &start) {
		rep.ExitCode = start.Code
	}
	if err != nil {
		rep.Problem = err.Error()
	}
	rep.Seconds = time.Since(rep.Began).Seconds()
	rep.Notices = j.notices()
	return rep, err
}

func (j *job) run(ctx context.Context, rep *report.Run) error {
	rep.Command = filepath.Base(j.req.Command[0])
	joins := j.env[link.Env] != "" && !j.req.asked()
	if !joins || supervise.Engine(rep.Command) != "" {
		// The links of a run above are for what its command starts, not for us.
		j.env = precedence.Env(shim.Strip(shim.Env(j.env)))
	}
	var err error
	if j.path, err = find(j.req.Command[0], j.env); err != nil {
		return err
	}
	if j.engine = supervise.Engine(j.path); j.engine != "" {
		rep.Command += " " + subcommand(j.req.Command[1:])
	}
	j.around = look(j.req.Command, j.engine, j.proc, j.env)
	for _, what := range j.around.unseen {
		j.note(event.Notice, Noted, "couldn't be looked at: "+what)
	}
	if joins {
		client, err := link.Dial(j.env[link.Env])
		if err == nil {
			defer client.Close()
			return j.join(ctx, rep, client)
		}
		j.note(event.Notice, Noted, err.Error()+"; starting one here")
	}
	return j.keep(ctx, rep)
}

// environment makes the child's: what would win over the endpoint is taken
// out, files are copied without it, and code that names credentials of its own
// is refused.
func (j *job) environment(w link.Welcome, dir *private.Dir, allowOther bool) (precedence.Env, error) {
	plan := j.child(precedence.Delivery{FullURI: w.URL, Token: w.Token, TokenFile: w.TokenFile, CopyDir: dir.Path(), Region: w.Region})
	notes, err := others(precedence.Shadowed(plan.After, j.around.clients), allowOther)
	if err != nil {
		return nil, err
	}
	for _, text := range notes {
		j.note(event.Warning, Noted, text)
	}
	if err := profile.Write(plan.Copies); err != nil {
		return nil, err
	}
	return maps.Clone(plan.Env), nil
}

func (j *job) child(d precedence.Delivery) precedence.Plan {
	return precedence.Child(j.around.facts, d)
}

// outlive keeps the endpoint up until the last registered Terraform is gone,
// even though the command has ended.
func (j *job) outlive(l *link.Server) {
	running := l.Running()
	if len(running) == 0 {
		return
	}
	var where []string
	for _, p := range running {
		where = append(where, fmt.Sprintf("%s %s (pid %d) in %s", p.Engine, p.Subcommand, p.PID, p.Dir))
	}
	j.note(event.Notice, Surviving, "the command has ended; still running, and still served: "+strings.Join(where, ", "))
	release := supervise.Hold(func(os.Signal) {
		j.note(event.Notice, Surviving, "waiting for Terraform to write its state; not leaving before")
	})
	defer release()
	_ = l.Idle(context.Background()) // nothing else ends it
}
