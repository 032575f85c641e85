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

	"github.com/holdfast/holdfast/internal/awsapi/identity"
	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/endpoint"
	"github.com/holdfast/holdfast/internal/event"
	"github.com/holdfast/holdfast/internal/link"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/private"
	"github.com/holdfast/holdfast/internal/profile"
	"github.com/holdfast/holdfast/internal/report"
	"github.com/holdfast/holdfast/internal/supervise"
)

// Kinds of events of a run itself.
const (
	Noted     = "run.noted"
	Surviving = "run.surviving"
)

// job is one `holdfast run` from its beginning to its end.
type job struct {
	req    Request
	proc   Process
	env    precedence.Env
	path   string // of the command
	engine string // tofu, terraform, or "" for anything else
	around surroundings

	voice Voice
	mu    sync.Mutex
	told  []report.Notice
}

// Voice is how a run speaks while it goes on.
type Voice struct {
	Event   event.Sink
	Started func(report.Identity) // every hop has a credential, and the command starts now
}

// Run carries out a request. Ctx ends the wait for the first credential; once
// the command runs, nothing but the command's end ends it. The error is
// holdfast's own failure; the report, exit code included, is complete either
// way.
func Run(ctx context.Context, req Request, proc Process, voice Voice) (report.Run, error) {
	j := &job{req: req, proc: proc, env: precedence.NewEnv(proc.Environ), voice: voice}
	supervise.OutlivePipes()
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
	if socket := j.env[link.Env]; socket != "" && !j.req.asked() {
		client, welcome, err := link.Dial(socket)
		if err == nil {
			defer client.Close()
			return j.join(rep, client, welcome)
		}
		j.note(event.Notice, Noted, err.Error()+"; starting one here")
	}
	return j.keep(ctx, rep)
}

// keep is a run with a keeper of its own.
func (j *job) keep(ctx context.Context, rep *report.Run) error {
	who, err := resolve(j.req, j.proc, j.env)
	if err != nil {
		return err
	}
	for _, what := range who.plan.PassedOver {
		j.note(event.Notice, Noted, "passed over "+what)
	}
	for _, what := range who.plan.Warnings(time.Now()) {
		j.note(event.Warning, Noted, what)
	}
	aws, err := identity.Load(ctx, identity.Options{Profile: who.plan.First.Profile, Region: who.region})
	if err != nil {
		return &cure.Error{What: "can't load the AWS configuration", Why: []string{err.Error()}, Err: err}
	}
	if aws.Region() == "" && len(who.plan.Roles) > 0 {
		return &cure.Error{What: "no region says whose STS to ask", Cure: "name it:  --region eu-west-1, or AWS_REGION"}
	}
	held := newChain(who.name, who.plan, aws, j.proc, j.event)
	defer held.stop()
	desk, err := j.open(held, aws.Region())
	if err != nil {
		return err
	}
	defer desk.close()
	child, err := j.environment(desk.welcome, desk.dir, desk.socket, j.req.AllowOther || who.file.Run.AllowOther)
	if err != nil {
		return err
	}
	if err := held.start(ctx); err != nil {
		return err
	}
	j.voice.Started(held.report())
	err = j.supervise(rep, child, desk.dir, func(p link.Process) (func(link.End), error) { return desk.link.Register(p), nil })
	if err == nil {
		j.outlive(desk.link)
	}
	rep.Identity = held.report()
	rep.Endpoint = desk.report()
	rep.Processes = processes(desk.link.Entries())
	return err
}

// join is a run under a keeper that is there already.
func (j *job) join(rep *report.Run, client *link.Client, welcome link.Welcome) error {
	rep.Identity.Name, rep.Identity.From = welcome.Identity, "the keeper above"
	dir, err := private.NewDir(j.env["XDG_RUNTIME_DIR"])
	if err != nil {
		return err
	}
	defer dir.Close()
	child, err := j.environment(welcome, dir, j.env[link.Env], j.req.AllowOther)
	if err != nil {
		return err
	}
	if j.engine != "" {
		if err := client.Register(j.process(os.Getpid())); err != nil {
			return err
		}
	}
	return j.supervise(rep, child, dir, func(p link.Process) (func(link.End), error) {
		if err := client.Register(p); err != nil {
			return nil, err
		}
		return func(e link.End) {
			rep.Processes = processes([]link.Entry{{Process: p, End: &e}})
			if err := client.End(e); err != nil {
				j.note(event.Warning, Noted, "the keeper above couldn't be told of the end: "+err.Error())
			}
		}, nil
	})
}

// desk is what a keeper serves at: the endpoint, the control socket and the
// private directory of the run.
type desk struct {
	dir      *private.Dir
	endpoint *endpoint.Server
	link     *link.Server
	welcome  link.Welcome
	socket   string
}

func (j *job) open(held *chain, region string) (*desk, error) {
	dir, err := private.NewDir(j.env["XDG_RUNTIME_DIR"])
	if err != nil {
		return nil, err
	}
	d := &desk{dir: dir, socket: dir.Path("control.sock")}
	token := endpoint.NewToken()
	if d.endpoint, err = endpoint.Listen(token, map[string]endpoint.Getter{held.name: held.last()}, endpoint.Options{AllowUIDs: j.req.AllowUIDs, Listen: j.req.Listen}); err != nil {
		return nil, errors.Join(&cure.Error{What: "the endpoint can't listen on " + first(j.req.Listen, "127.0.0.1"), Why: []string{err.Error()}, Cure: "leave --listen out for a free port", Err: err}, d.close())
	}
	file, err := dir.Write("token", []byte(token))
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	d.welcome = link.Welcome{Identity: held.name, URL: d.endpoint.URL(held.name), Token: token, TokenFile: file, Region: region}
	if d.link, err = link.Listen(d.socket, d.welcome, supervise.Gone); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *desk) close() error {
	var errs []error
	if d.link != nil {
		errs = append(errs, d.link.Close())
	}
	if d.endpoint != nil {
		errs = append(errs, d.endpoint.Close())
	}
	return errors.Join(append(errs, d.dir.Close())...)
}

func (d *desk) report() report.Endpoint {
	s := d.endpoint.Stats()
	return report.Endpoint{
		Requests: s.Requests, WithoutCredential: s.Empty, Refused: s.Refused,
		LeastLeftSeconds: s.LeastLeft.Round(time.Millisecond).Seconds(), UnseenUsers: s.UnseenUsers,
	}
}

// environment makes the child's: what would win over the endpoint is taken
// out, files are copied without it, and code that names credentials of its own
// is refused.
func (j *job) environment(w link.Welcome, dir *private.Dir, socket string, allowOther bool) (precedence.Env, error) {
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
	env := maps.Clone(plan.Env)
	env[link.Env] = socket
	return env, nil
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
