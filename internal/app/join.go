package app

import (
	"context"
	"fmt"
	"maps"
	"os"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/awsapi/identity"
	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/event"
	"github.com/holdfast/holdfast/internal/link"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/private"
	"github.com/holdfast/holdfast/internal/report"
	"github.com/holdfast/holdfast/internal/shim"
	"github.com/holdfast/holdfast/internal/supervise"
)

// join is a run under a keeper that is there already.
func (j *job) join(ctx context.Context, rep *report.Run, client *link.Client) error {
	ask := link.Ask{Direct: !j.linked && j.engine != "", AccessKeyID: j.env["AWS_ACCESS_KEY_ID"], Dir: j.absolute(workDir(j.req.Command[1:]))}
	welcome, err := client.Ask(ask)
	if err == nil && welcome.WhoIsIt {
		ask.Caller, ask.Problem = j.caller(ctx)
		welcome, err = client.Ask(ask)
	}
	if err != nil {
		return err
	}
	if welcome.Note != "" {
		j.note(event.Warning, Noted, fmt.Sprintf("%s in %s: %s", j.req.Command[0], ask.Dir, welcome.Note))
	}
	rep.Identity.Name, rep.Identity.From = welcome.Identity, "the keeper above"
	dir, err := private.NewDir(j.env["XDG_RUNTIME_DIR"])
	if err != nil {
		return err
	}
	defer dir.Close()
	child := maps.Clone(j.env)
	if !welcome.KeepKeys {
		if child, err = j.environment(welcome, dir, j.req.AllowOther); err != nil {
			return err
		}
	}
	identity := welcome.Identity
	if welcome.KeepKeys {
		identity = ""
	}
	rep.Identity.Name = identity
	if j.engine != "" {
		if err := client.Register(j.process(os.Getpid(), child, identity)); err != nil {
			return err
		}
	}
	return j.supervise(rep, child, dir, &remote{j: j, client: client, rep: rep}, nil)
}

// remote is a place on the list of a keeper above.
type remote struct {
	j       *job
	client  *link.Client
	rep     *report.Run
	process link.Process
	lost    bool // the keeper doesn't know of this process
}

func (r *remote) Started(p link.Process) {
	r.process = p
	r.say(r.client.Register(p))
}

func (r *remote) Interrupted() { r.say(r.client.Interrupted()) }

func (r *remote) Progressed(p link.Progress) { _ = r.client.Progressed(p) } // the next one says more

func (r *remote) End(e link.End) {
	r.rep.Processes = processes([]link.Entry{{Process: r.process, End: &e}})
	r.say(r.client.End(e))
}

// say tells a person, once, that the keeper couldn't be told.
func (r *remote) say(err error) {
	if err != nil && !r.lost {
		r.lost = true
		r.j.note(event.Warning, Noted, fmt.Sprintf("the keeper above isn't told of this %s any more, and won't look after its state: %v", r.j.engine, err))
	}
}

// caller asks AWS whose keys stand in our environment.
func (j *job) caller(ctx context.Context) (arn, problem string) {
	aws, err := identity.Load(ctx, identity.Options{})
	if err == nil {
		arn, err = aws.Caller(ctx, cred.New(j.env["AWS_ACCESS_KEY_ID"], j.env["AWS_SECRET_ACCESS_KEY"], j.env["AWS_SESSION_TOKEN"]))
	}
	if err != nil {
		return "", err.Error()
	}
	return arn, ""
}

// callerProblem is why a supervisor couldn't say whose keys it found.
func callerProblem(ask link.Ask) error {
	if ask.Problem == "" {
		return nil
	}
	return &cure.Error{What: ask.Problem}
}

// Link is one of our links, started by somebody who wanted a terraform or tofu:
// it starts the real one, as a supervisor of the keeper above.
func Link(name string, args []string, proc Process, voice Voice) (report.Run, error) {
	rep := report.Run{SchemaVersion: report.SchemaVersion, ExitCode: ExitOwn}
	env := precedence.NewEnv(proc.Environ)
	real, err := shim.Resolve(name, shim.Env(env))
	if err != nil {
		return rep, &cure.Error{What: err.Error(), Cure: "start it under holdfast:  holdfast run -- COMMAND"}
	}
	path, err := supervise.Find(real.Name, real.Env["PATH"])
	if err != nil {
		rep.ExitCode = ExitNotFound
		return rep, err
	}
	proc.Environ = precedence.Env(real.Env).Environ()
	client, err := link.Dial(env[link.Env])
	switch {
	case asksNothing(args):
		if err == nil {
			client.Close()
		}
		return rep, supervise.Replace(path, append([]string{real.Name}, args...), proc.Environ)
	case err != nil:
		text := fmt.Sprintf("%v; %s goes on with what it finds", err, name)
		voice.Event(event.Event{Time: time.Now().Round(0), Kind: Noted, Severity: event.Warning, Subject: "run", Message: text})
		return rep, supervise.Replace(path, append([]string{real.Name}, args...), proc.Environ)
	}
	defer client.Close()
	j := &job{req: Request{Command: append([]string{name}, args...)}, proc: proc, env: precedence.Env(real.Env), path: path, engine: supervise.Engine(name), linked: true, voice: voice}
	supervise.OutlivePipes()
	j.around = look(j.req.Command, j.engine, proc, j.env)
	err = j.join(context.Background(), &rep, client) // its end is the child's
	return rep, err
}

// IsLink reports whether a process that was started under that name is one of
// our links.
func IsLink(name string, proc Process) bool {
	return supervise.Engine(name) != "" && precedence.NewEnv(proc.Environ)[shim.EnvDir] != ""
}

// asksNothing reports whether a Terraform with these arguments needs no
// credential: Terragrunt asks for the version before each run.
func asksNothing(args []string) bool {
	switch verb := subcommand(args); verb {
	case "", "version", "fmt", "help":
		return true
	default:
		return len(args) > 0 && strings.HasPrefix(args[len(args)-1], "-help")
	}
}
