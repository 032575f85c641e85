package app

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/holdfast/holdfast/internal/access"
	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/durable"
	"github.com/holdfast/holdfast/internal/journal"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/report"
)

// RepairRequest says which entries are to be repaired, and how.
type RepairRequest struct {
	AccessRequest
	Entries      []string // principals, ARNs or as in role/NAME; none for all stale ones
	Yes          bool
	RequireGuard bool
	ForceSelf    string // words
	ForceAdmin   string // words
	Resume       bool
	Undo         bool // of what was begun: end what has changed nothing, finish the rest
	Wait         time.Duration
	Tell         func(string)
	Hook         journal.Hook // nil outside of tests
}

// patience is how long AWS's "not yet" is waited out after a delete.
const patience = 5 * time.Minute

// AccessRepair repairs stale entries, says what it would do, or goes on where
// an earlier one was interrupted. Clusters are repaired side by side, entries of
// one cluster one after another.
func AccessRepair(ctx context.Context, req RepairRequest, p Process) (report.Repair, error) {
	req.Full = true
	out := report.Repair{SchemaVersion: report.RepairVersion, DryRun: !req.Yes && !req.Resume && !req.Undo, Entries: []report.RepairedEntry{}}
	f, err := newFleet(ctx, req.AccessRequest, p)
	if err != nil {
		return out, err
	}
	defer f.close()
	r := newRepairs(f, req)
	left, err := r.unfinished()
	if err != nil {
		return out, err
	}
	if req.Resume || req.Undo {
		out.Entries = r.all(ctx, left)
		return out, nil
	}
	if len(left) > 0 && req.Yes {
		return out, unfinishedBefore(len(left))
	}
	out.Unfinished = len(left)
	found, err := f.scan(ctx, req.AccessRequest)
	if err != nil {
		return out, err
	}
	out.Unseen, out.Scan = found.Unseen, map[report.Verdict]int{}
	for _, v := range report.Verdicts() {
		// Whoever names entries has said which ones matter.
		if n := found.Count(v); n > 0 && len(req.Entries) == 0 {
			out.Scan[v] = n
		}
	}
	var plans []access.Plan
	for _, c := range found.Clusters {
		some, refused := access.Plans(found, c, req.wanted(c), f.callers(c.Account), access.Force{Self: req.ForceSelf, LastAdmin: req.ForceAdmin})
		plans = append(plans, some...)
		out.Entries = append(out.Entries, refused...)
	}
	if !req.Yes {
		for _, plan := range plans {
			out.Entries = append(out.Entries, r.planned(plan))
		}
		return out, nil
	}
	out.Entries = append(out.Entries, r.all(ctx, jobsOf(plans))...)
	return out, nil
}

// wanted says which entries of a cluster are meant.
func (r RepairRequest) wanted(c report.AccessCluster) func(string) bool {
	if len(r.Entries) > 0 {
		return func(principal string) bool {
			return slices.ContainsFunc(r.Entries, func(e string) bool { return access.Means(e, c.Account, principal) })
		}
	}
	stale := map[string]bool{}
	for _, e := range c.Entries {
		stale[e.Principal] = e.Verdict == report.Stale
	}
	return func(principal string) bool { return stale[principal] }
}

// callers are whoever we are on the way to an account.
func (f *fleet) callers(account string) []cred.Principal {
	var out []cred.Principal
	for _, in := range f.entered {
		if in.account != account {
			continue
		}
		out = append(out, in.who)
		for _, h := range in.chain.hops {
			if p, err := cred.ParsePrincipal(h.arn); err == nil {
				out = append(out, p)
			}
		}
	}
	return out
}

// repairs is a repair of any number of entries.
type repairs struct {
	*fleet
	req RepairRequest
	dir string // of the journals
	// hasty has an interrupt end every wait, for a create that isn't possible yet
	// too: whoever sent it won't wait, and the journal can be resumed.
	hasty bool
}

func newRepairs(f *fleet, req RepairRequest) *repairs {
	return &repairs{fleet: f, req: req, dir: filepath.Join(stateHome(precedence.NewEnv(f.proc.Environ), f.proc.Home), "repair")}
}

// entryJob is one entry: its plan, and its journal if it has begun.
type entryJob struct {
	plan access.Plan
	dir  string
}

func jobsOf(plans []access.Plan) []entryJob {
	jobs := make([]entryJob, 0, len(plans))
	for _, plan := range plans {
		jobs = append(jobs, entryJob{plan: plan})
	}
	return jobs
}

func (r *repairs) unfinished() ([]entryJob, error) {
	all, problems := journal.List(r.dir, access.JournalKind)
	if len(problems) > 0 {
		return nil, &cure.Error{What: "a journal can't be read", Why: []string{problems[0].Error()}, Cure: "look at it; what it can't say has to be finished by hand", Err: errors.Join(problems...)}
	}
	var out []entryJob
	for _, j := range all {
		var plan access.Plan
		if _, _, ended := j.Outcome(); ended || !j.Find(journal.Noted, "plan", &plan) {
			continue // done, or killed before anything was settled
		}
		out = append(out, entryJob{plan, j.Dir()})
	}
	return out, nil
}

// unfinishedBefore refuses a new repair while earlier ones aren't finished.
func unfinishedBefore(n int) error {
	return &cure.Error{What: fmt.Sprintf("%d repairs were interrupted and aren't finished", n), Cure: "finish them first:  holdfast access repair --resume", Class: cure.Refused}
}

func (r *repairs) planned(p access.Plan) report.RepairedEntry {
	out := p.Outcome(report.Planned, p.Evidence)
	out.Notes = p.Notes
	repairer, err := r.repairer(p)
	if err != nil {
		out.Outcome, out.Why = report.Refused, oneLine(err)
		return out
	}
	out.Guard = repairer.Guard()
	out.Steps = p.Steps(out.Guard, time.Now())
	return out
}

// all repairs clusters side by side. In a cluster, one entry at a time is
// missing: after a failure no other is begun.
func (r *repairs) all(ctx context.Context, jobs []entryJob) []report.RepairedEntry {
	byCluster := map[string][]int{}
	for i, j := range jobs {
		arn := j.plan.ClusterARN(j.plan.Cluster)
		byCluster[arn] = append(byCluster[arn], i)
	}
	out := make([]report.RepairedEntry, len(jobs))
	var work sync.WaitGroup
	for arn, indexes := range byCluster {
		// What was begun comes first.
		slices.SortStableFunc(indexes, func(a, b int) int { return cmp.Compare(jobs[b].dir, jobs[a].dir) })
		work.Go(func() {
			var failed string
			unlock, err := r.lock(arn)
			if err != nil {
				failed = oneLine(err)
			} else {
				defer unlock()
			}
			for _, i := range indexes {
				if failed == "" && ctx.Err() != nil {
					failed = "not begun: " + endOf(ctx)
				}
				if failed != "" {
					out[i] = jobs[i].plan.Outcome(report.Refused, failed)
					out[i].Journal = jobs[i].dir
					continue
				}
				if out[i] = r.one(ctx, jobs[i]); out[i].Outcome == report.Failed {
					failed = "not begun, because the repair before it in this cluster failed"
				}
			}
		})
	}
	work.Wait()
	return out
}

// lock keeps two processes of this machine from one cluster.
func (r *repairs) lock(arn string) (func(), error) {
	if err := durable.Mkdir(r.dir); err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(arn))
	unlock, ok, err := durable.TryLock(filepath.Join(r.dir, hex.EncodeToString(sum[:8])+".lock"))
	if err == nil && !ok {
		err = errors.New("another holdfast repairs entries of this cluster")
	}
	return unlock, err
}

func (r *repairs) one(ctx context.Context, job entryJob) report.RepairedEntry {
	no := func(err error) report.RepairedEntry {
		out := job.plan.Outcome(report.Refused, oneLine(err))
		out.Journal = job.dir
		return out
	}
	repairer, err := r.repairer(job.plan)
	if err != nil {
		return no(err)
	}
	var j *journal.Journal
	if job.dir != "" {
		j, err = journal.Open(job.dir, r.req.Hook)
	} else {
		j, err = journal.Create(r.dir, access.JournalKind, time.Now(), r.req.Hook)
	}
	if err != nil {
		return no(err)
	}
	defer j.Close()
	// An interrupt ends what hasn't begun; what has begun is finished, so that no
	// entry stays away because somebody was in a hurry.
	repairer.Linger = func(_ context.Context, d time.Duration) error { return sleep(ctx, d) }
	if r.hasty {
		repairer.Sleep = repairer.Linger
	}
	steady := context.WithoutCancel(ctx)
	if until, ok := ctx.Deadline(); ok {
		var done context.CancelFunc
		steady, done = context.WithDeadline(steady, until.Add(lastCalls))
		defer done()
	}
	if r.req.Undo {
		return repairer.Undo(steady, j, job.plan)
	}
	return repairer.Run(steady, j, job.plan)
}

// lastCalls is how long the calls of an entry that has begun may go on after the
// time for repairs is over, where that has an end.
const lastCalls = 30 * time.Second

// repairer finds the place of a plan among those that we have entered.
func (r *repairs) repairer(p access.Plan) (*access.Repairer, error) {
	for _, s := range r.sites {
		if s.Place != p.Place {
			continue
		}
		in, ok := r.in(p.Account)
		writer, writes := s.EKS.(access.Writer)
		if !ok || !writes {
			break
		}
		out := &access.Repairer{EKS: writer, IAM: r.directories[p.Account], Around: s.Around, Window: r.req.Propagation, Patience: patience, Wait: r.req.Wait,
			Now: time.Now, Sleep: sleep, Tell: r.req.Tell}
		if in.guardable() {
			out.Guarded = func(ctx context.Context, entry string) (access.Writer, error) {
				return r.guarded(ctx, in, s.Place, entry)
			}
		} else if r.req.RequireGuard {
			return nil, errors.New("--require-guard: the last hop isn't holdfast's own, so that no session can be had that may delete this entry alone; give a role:  --role-arn ARN")
		}
		return out, nil
	}
	return nil, &cure.Error{What: "cluster " + p.Cluster + " is in account " + p.Account + " and region " + p.Region + ", which aren't among those that flags and holdfast.hcl name", Class: cure.Usage,
		Cure: "name them as when the repair was begun"}
}

func (f *fleet) in(account string) (entered, bool) {
	for _, in := range f.entered {
		if in.account == account {
			return in, true
		}
	}
	return entered{}, false
}

// guardable says whether the last hop can be made again with a session policy.
// A role that has one already would need both at once, and a session takes one.
func (in entered) guardable() bool {
	roles := in.chain.plan.Roles
	return len(roles) > 0 && roles[len(roles)-1].Policy == "" && (len(roles) > 1 || !in.chain.plan.First.TakesRole() || in.chain.plan.First.Web())
}

// guarded becomes the last role once more, with a session that may delete one
// entry: https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session
func (r *repairs) guarded(ctx context.Context, in entered, at access.Place, entry string) (access.Writer, error) {
	policy, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []any{
		map[string]any{"Effect": "Allow", "Action": "eks:DeleteAccessEntry", "Resource": entry},
	}})
	if err != nil {
		return nil, err
	}
	who := resolved{name: in.chain.name + " for " + entry, plan: in.chain.plan, region: in.chain.region}
	who.plan.Roles = slices.Clone(who.plan.Roles)
	who.plan.Roles[len(who.plan.Roles)-1].Policy = string(policy)
	c, err := r.service.chain(ctx, who)
	if err != nil {
		return nil, err
	}
	if err := c.ready(ctx); err != nil {
		return nil, errors.New(oneLine(err))
	}
	return r.aws.In(at, c.last()), nil
}

// endOf says why a context has ended.
func endOf(ctx context.Context) string {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return "the time that repairs may take was over"
	}
	return "interrupted"
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
