package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/holdfast/holdfast/internal/alert"
	"github.com/holdfast/holdfast/internal/assign"
	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/endpoint"
	"github.com/holdfast/holdfast/internal/event"
	"github.com/holdfast/holdfast/internal/link"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/private"
	"github.com/holdfast/holdfast/internal/report"
	"github.com/holdfast/holdfast/internal/shim"
	"github.com/holdfast/holdfast/internal/supervise"
)

// keep is a run with a keeper of its own.
func (j *job) keep(ctx context.Context, rep *report.Run) error {
	all, err := declaredBy(j.req, j.proc, j.env)
	if err != nil {
		return err
	}
	who, explicit, err := all.ofRun(j.engine != "")
	if err != nil {
		return err
	}
	for _, what := range who.plan.PassedOver {
		j.note(event.Notice, Noted, "passed over "+what)
	}
	for _, what := range who.plan.Warnings(time.Now()) {
		j.note(event.Warning, Noted, what)
	}
	if parent := supervise.Parent(); j.env["CI"] == "true" || j.env["GITHUB_ACTIONS"] == "true" {
		if slices.Contains([]string{"sh", "bash", "dash", "ash", "zsh"}, parent) {
			j.note(event.Notice, Noted, "a cancelled job would kill this run before its state is written, because "+parent+
				" passes no signal on: put exec in front of holdfast, or make it the shell of the step (docs/STATE.md)")
		}
	}
	if where := ephemeral(j.env, j.proc.Home); where != "" && all.file.Run.RescueTo == "" {
		j.note(event.Notice, Noted, "a state that can't be uploaded would be kept in "+where+", and lost with it; name a place that stays: rescue_to in the run block of holdfast.hcl")
	}
	k := &keeping{job: j, all: all, run: who, service: newService(ctx, j.proc, j.event), began: rep.Began, stop: make(chan struct{})}
	k.guard = newGuard(k)
	k.alerting()
	defer k.alerted()
	if j.engine == "" && !explicit {
		k.ambient = j.env["AWS_ACCESS_KEY_ID"] // such a command keeps its environment
	}
	defer k.service.close()
	if err := k.open(); err != nil {
		return err
	}
	defer k.close()
	held, err := k.service.chain(ctx, who)
	if err != nil {
		return err
	}
	child, err := k.environment(held, explicit)
	if err != nil {
		return err
	}
	if err := k.ready(ctx, held); err != nil {
		return err
	}
	if err := k.deliver(ctx, child, held); err != nil {
		return err
	}
	k.service.work.Go(func() { k.guard.run(k.service.life) })
	j.voice.Started(held.report())
	err = k.supervise(ctx, rep, child, held.name)
	if err == nil {
		j.outlive(k.link)
		k.unseen()
	}
	rep.Identity, rep.Rescues, rep.Drained, rep.Stopped = held.report(), k.guard.results, k.guard.drained, k.guard.closed()
	for _, other := range k.service.report() {
		if other.Name != held.name {
			rep.Others = append(rep.Others, other)
		}
	}
	rep.Endpoint = k.report()
	rep.Processes = processes(k.link.Entries())
	return err
}

// socketName is the control socket in a keeper's directory.
const socketName = "control.sock"

// keeping is what a keeper has open while its command runs: the identities, the
// endpoint, the control socket and the private directory.
type keeping struct {
	*job
	all      identities
	run      resolved // the identity of the run
	ambient  string   // the access key in the environment of the command
	handed   cred.Set // the keys that the command got instead of the endpoint; zero if it didn't
	service  *service
	dir      *private.Dir
	token    string
	file     string // with the token
	endpoint *endpoint.Server
	link     *link.Server
	rendered rendered
	guard    *guard
	alerts   *alert.Router // nil if nobody is told
	began    time.Time     // of the run; zero for an agent, which has none
	stop     chan struct{} // asks the supervisor in this process for its one interrupt
	stopOnce sync.Once
}

// supervise runs the command under this process, which is on its own list if
// the command is a Terraform.
func (k *keeping) supervise(ctx context.Context, rep *report.Run, env precedence.Env, identity string) error {
	rep.Identity.Name = identity
	var list listed
	if k.engine != "" {
		ticket, err := k.link.Begin(ctx, k.process(os.Getpid(), env, identity))
		if err != nil {
			return err
		}
		list = ticket
	} else {
		k.signalled = k.guard.stopAll
	}
	return k.job.supervise(rep, env, k.dir, list, k.stop)
}

func (k *keeping) interrupt() { k.stopOnce.Do(func() { close(k.stop) }) }

func (k *keeping) open() (err error) {
	if k.dir, err = private.NewDir(k.env["XDG_RUNTIME_DIR"]); err != nil {
		return err
	}
	k.token = endpoint.NewToken()
	if k.endpoint, err = endpoint.Listen(k.token, k.service.lookup, endpoint.Options{AllowUIDs: k.req.AllowUIDs, Listen: k.req.Listen}); err != nil {
		return errors.Join(&cure.Error{What: "the endpoint can't listen on " + first(k.req.Listen, "127.0.0.1"), Why: []string{err.Error()}, Cure: "leave --listen out for a free port", Err: err}, k.close())
	}
	if k.file, err = k.dir.Write("token", []byte(k.token)); err != nil {
		return errors.Join(err, k.close())
	}
	if k.link, err = link.Listen(k.dir.Path(socketName), k.welcome, k.guard.begin, supervise.Gone); err != nil {
		return errors.Join(err, k.close())
	}
	return nil
}

func (k *keeping) close() error {
	var errs []error
	if k.link != nil {
		errs = append(errs, k.link.Close())
	}
	if k.endpoint != nil {
		errs = append(errs, k.endpoint.Close())
	}
	return errors.Join(append(errs, k.dir.Close())...)
}

func (k *keeping) report() report.Endpoint {
	s := k.endpoint.Stats()
	return report.Endpoint{
		Requests: s.Requests, WithoutCredential: s.Empty, Refused: s.Refused,
		LeastLeftSeconds: s.LeastLeft.Round(time.Millisecond).Seconds(), UnseenUsers: s.UnseenUsers,
	}
}

// ready waits for the first credentials: of the run, and of the role that
// Terragrunt will want, so that what can't work is said before anything starts.
func (k *keeping) ready(ctx context.Context, held *chain) error {
	if err := held.ready(ctx); err != nil {
		return err
	}
	role := k.all.terragrunt()
	if role == "" || k.engine != "" {
		return nil
	}
	_, err := k.ofRole(ctx, role)
	return err
}

// environment is the command's: a Terraform's is made so that the endpoint
// wins. Any other command keeps its own, unless an identity was asked for, and
// finds our links before each tofu and terraform.
func (k *keeping) environment(held *chain, explicit bool) (precedence.Env, error) {
	env := maps.Clone(k.env)
	if k.engine != "" || explicit {
		var err error
		if env, err = k.job.environment(k.at(held), k.dir, k.req.AllowOther || k.all.file.Run.AllowOther); err != nil {
			return nil, err
		}
	}
	env[link.Env] = k.dir.Path(socketName)
	if k.engine != "" {
		return env, nil
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("where holdfast itself is: %w", err)
	}
	links := k.dir.Path("bin")
	if err := os.Mkdir(links, 0o700); err != nil {
		return nil, err
	}
	linked, _, err := shim.Install(links, self, shim.Env(env), supervise.Engine)
	return precedence.Env(linked), err
}

// at is where an identity is served.
func (k *keeping) at(c *chain) link.Welcome {
	return link.Welcome{Identity: c.name, URL: k.endpoint.URL(c.name), Token: k.token, TokenFile: k.file, Region: c.region}
}

// welcome answers a supervisor: whose credentials its process gets.
func (k *keeping) welcome(ctx context.Context, ask link.Ask) (link.Welcome, error) {
	if ask.Role != "" {
		if err := undeclared(ask.Role, k.all.declared()); err != nil {
			return link.Welcome{}, err
		}
		c, err := k.ofRole(ctx, ask.Role)
		if err != nil {
			return link.Welcome{}, err
		}
		return k.at(c), nil
	}
	d := assign.Decide(assign.Facts{
		Direct: ask.Direct, AccessKeyID: ask.AccessKeyID, Ambient: k.ambient, Terragrunt: k.all.terragrunt(),
		Unit:     first(ask.Identity, k.all.file.UnitOf(k.proc.Dir, unitDir(ask.Dir))),
		Rendered: func() (string, error) { return k.rendered.role(ctx, unitDir(ask.Dir), k.env) },
		Caller:   func() (string, error) { return ask.Caller, callerProblem(ask) },
		Declared: k.all.declared(),
	})
	if d.NeedsCaller {
		return link.Welcome{WhoIsIt: true}, nil
	}
	if d.KeepKeys {
		return link.Welcome{KeepKeys: true, Note: d.Note}, nil
	}
	c, err := k.decided(ctx, d)
	if err != nil {
		return link.Welcome{}, err
	}
	return k.at(c), nil
}

func (k *keeping) decided(ctx context.Context, d assign.Decision) (*chain, error) {
	if d.Role != "" {
		return k.ofRole(ctx, d.Role)
	}
	who := k.run
	if d.Identity != "" {
		var err error
		if who, err = k.all.named(d.Identity); err != nil {
			return nil, err
		}
	}
	return k.held(ctx, who)
}

func (k *keeping) ofRole(ctx context.Context, arn string) (*chain, error) {
	who, err := k.all.ofRole(arn)
	if err != nil {
		return nil, err
	}
	return k.held(ctx, who)
}

func (k *keeping) held(ctx context.Context, who resolved) (*chain, error) {
	c, err := k.service.chain(ctx, who)
	if err != nil {
		return nil, err
	}
	return c, c.ready(ctx)
}

// unseen says when Terragrunt ran and none of our links was: then it started a
// Terraform by its full path, and that one had no part in this.
func (k *keeping) unseen() {
	if filepath.Base(k.path) == "terragrunt" && len(k.link.Entries()) == 0 {
		k.note(event.Warning, Unseen, "terragrunt ran, but no terraform or tofu was seen: one named by an absolute path (terraform_binary, --tf-path) isn't served")
	}
}
