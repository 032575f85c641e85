package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/access"
	"github.com/holdfast/holdfast/internal/config"
	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/event"
	"github.com/holdfast/holdfast/internal/finding"
	"github.com/holdfast/holdfast/internal/journal"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/report"
)

// Kinds of notices about the access entries of clusters after a run.
const (
	AccessVerified     = "access.verified"
	AccessDead         = "access.dead"
	AccessRepaired     = "access.repaired"
	AccessLeft         = "access.left"          // not repaired, and why
	AccessRepairFailed = "access.repair_failed" // stopped half way
)

// How long a run stays for the entries of its clusters: to look at them, and
// then to repair those that may be. The second has room for IAM's propagation,
// and for what AWS says "not yet" to.
const (
	verifyWithin = 2 * time.Minute
	repairWithin = 5 * time.Minute
)

// AfterRun is what is done about access entries when a command has ended.
type AfterRun struct {
	Request
	Clusters []string // globs of names
	// Stopped is why the run ended before its time; nothing is repaired then.
	Stopped string
	Found   func(finding.Report) // told before anything is repaired
	Tell    func(string)

	propagation time.Duration // of IAM's
	hook        journal.Hook  // nil outside of tests
}

// NewAfterRun is for the clusters of a run.
func NewAfterRun(req Request, clusters []string) AfterRun {
	return AfterRun{Request: req, Clusters: clusters, propagation: access.Propagation}
}

// VerifyAccess looks at the access entries of clusters after a command has
// ended, as the run's identity, and repairs dead ones of nodes and pods in
// clusters that holdfast.hcl names for it. It adds what it found and did to the
// notices of the report, and changes no exit code: the command's own stands. An
// interrupt is the end of ctx; it ends every wait.
func VerifyAccess(ctx context.Context, a AfterRun, p Process, rep *report.Run) []report.RepairedEntry {
	env := precedence.NewEnv(p.Environ)
	ask := AccessRequest{Request: a.Request, Clusters: a.Clusters, Full: true, Propagation: a.propagation, Rate: 10, Timeout: 10 * time.Second,
		// run has no flag for the ledger; the access commands have this variable for theirs.
		Ledger: env["HOLDFAST_LEDGER"], home: first(env["AWS_REGION"], env["AWS_DEFAULT_REGION"])}
	f, found, judged, err := a.look(ctx, ask, p)
	if f != nil {
		defer f.close()
	}
	if err != nil {
		subject := strings.Join(a.Clusters, " ")
		judged = finding.New("access verify", subject, access.Rules(), nil, []finding.Unknown{{Subject: subject, Why: oneLine(err)}})
	}
	notices := notices{rep}
	notices.found(judged)
	a.Found(judged)
	if err != nil {
		return nil
	}
	return a.repair(ctx, f, ask, found, notices)
}

// look looks at the entries. The fleet may be there with an error too.
func (a AfterRun) look(ctx context.Context, ask AccessRequest, p Process) (f *fleet, found access.Result, judged finding.Report, err error) {
	ctx, done := context.WithTimeout(ctx, verifyWithin)
	defer done()
	if f, err = newFleet(ctx, ask, p); err == nil {
		found, judged, err = f.judge(ctx, ask)
	}
	return f, found, judged, err
}

// repair repairs what may be repaired unasked, and says what may not.
func (a AfterRun) repair(ctx context.Context, f *fleet, ask AccessRequest, found access.Result, notices notices) []report.RepairedEntry {
	if !f.repairsAnywhere() {
		return nil
	}
	ctx, done := context.WithTimeout(ctx, repairWithin)
	defer done()
	r := newRepairs(f, RepairRequest{AccessRequest: ask, Yes: true, Tell: a.Tell, Hook: a.hook})
	r.hasty = true
	var plans []access.Plan
	var out []report.RepairedEntry
	for _, c := range found.Clusters {
		leave := f.leave(c)
		if leave == "" {
			leave = a.Stopped
		}
		wanted, left := access.Unasked(found, c, leave)
		some, refused := access.Plans(found, c, wanted, f.callers(c.Account), access.Force{})
		plans = append(plans, some...)
		out = append(append(out, left...), refused...)
	}
	if len(plans) > 0 {
		out = append(out, a.begin(ctx, r, plans)...)
	}
	slices.SortStableFunc(out, func(a, b report.RepairedEntry) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Region, b.Region), cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Principal, b.Principal))
	})
	for _, e := range out {
		notices.repaired(e)
	}
	return out
}

// begin repairs entries, unless earlier repairs have to be finished first.
func (a AfterRun) begin(ctx context.Context, r *repairs, plans []access.Plan) []report.RepairedEntry {
	left, err := r.unfinished()
	if err == nil && len(left) > 0 {
		err = unfinishedBefore(len(left))
	}
	if err != nil {
		why := oneLine(err)
		if e := (*cure.Error)(nil); errors.As(err, &e) {
			why += "; " + e.Cure
		}
		var out []report.RepairedEntry
		for _, plan := range plans {
			out = append(out, plan.Outcome(report.Refused, why))
		}
		return out
	}
	var names []string
	for _, plan := range plans {
		names = append(names, access.Subject(plan.Cluster, plan.Account, plan.Entry.Principal))
	}
	deadline, _ := ctx.Deadline()
	a.Tell(fmt.Sprintf("repairing, as holdfast.hcl says, until %s at the latest (an interrupt ends the wait): %s", deadline.Add(lastCalls).Local().Format("15:04:05"), strings.Join(names, ", ")))
	if where := ephemeral(precedence.NewEnv(r.proc.Environ), r.proc.Home); where != "" {
		a.Tell("the journal is lost with " + where + "; if this is killed, these commands make what is missing:")
		for _, plan := range plans {
			for _, command := range plan.ByHand() {
				a.Tell("  " + command)
			}
		}
	}
	return r.all(ctx, jobsOf(plans))
}

// repairsAnywhere reports whether a block asks for repairs after a run at all.
// Where none does, the findings have said all there is to say.
func (f *fleet) repairsAnywhere() bool {
	for _, b := range f.blocks {
		if b.RepairAfterApply != nil && *b.RepairAfterApply {
			return true
		}
	}
	return false
}

// leave is why nothing in a cluster is repaired unasked; empty if a block of
// holdfast.hcl names it for that, and none says no.
func (f *fleet) leave(c report.AccessCluster) string {
	place := func(b config.Cluster) string { return fmt.Sprintf("%s:%d", b.Range.Filename, b.Range.Start.Line) }
	named := false
	for _, in := range f.entered {
		for _, b := range in.target.blocks {
			if in.account != c.Account || b.RepairAfterApply == nil || !b.Covers(c.Name, c.Account, c.Region) {
				continue
			}
			if !*b.RepairAfterApply {
				return place(b) + " says that nothing is repaired in this cluster"
			}
			named = true
		}
	}
	if named {
		return ""
	}
	for _, b := range f.blocks {
		if b.RepairAfterApply != nil && *b.RepairAfterApply && b.Covers(c.Name, c.Account, c.Region) {
			return place(b) + " names this cluster for another identity than the run's, or its account couldn't be entered"
		}
	}
	return "no cluster block of holdfast.hcl names this cluster with repair_after_apply = true"
}

// EndedEarly says why a run ended before its time, so that nobody knows whether
// what it was about is done; empty if it ran to its end. Signalled says that a
// signal reached holdfast.
func EndedEarly(rep report.Run, signalled bool) string {
	if len(rep.Drained) > 0 {
		return "the run was stopped in " + rep.Drained[0].Dir + ": " + rep.Drained[0].Why
	}
	if rep.Stopped != "" {
		return "the run was stopped: " + rep.Stopped
	}
	for _, p := range rep.Processes {
		who := p.Engine + " " + p.Subcommand + " in " + p.Dir
		switch {
		case !p.Told:
			return "how " + who + " ended isn't known"
		case p.Signal != "":
			return who + " was ended by a signal (" + p.Signal + ")"
		case p.Interrupts > 0:
			return who + " was interrupted"
		}
	}
	// A shell gives 128+n for a signal n.
	if rep.ExitCode > 128 && rep.ExitCode <= 128+64 {
		return fmt.Sprintf("the command was ended by a signal (exit %d)", rep.ExitCode)
	}
	if signalled {
		return "holdfast was asked to end"
	}
	return ""
}

// notices are those of a run's report.
type notices struct{ rep *report.Run }

func (n notices) add(severity event.Severity, kind, about, text string) {
	n.rep.Notices = append(n.rep.Notices, report.Notice{Time: time.Now().UTC().Round(0), Severity: severity.String(), Kind: kind, Subject: about, Message: text})
}

func (n notices) found(r finding.Report) {
	for _, f := range r.Findings {
		if f.Severity != finding.Note {
			n.add(event.Warning, AccessDead, f.Subject, f.Message)
		}
	}
	for _, u := range r.Unknown {
		n.add(event.Warning, AccessVerified, u.Subject, "couldn't be looked at: "+u.Why)
	}
	if r.Verdict == finding.Clean {
		n.add(event.Notice, AccessVerified, r.Subject, "every access entry lets its principal in")
	}
}

func (n notices) repaired(e report.RepairedEntry) {
	about := access.Subject(e.Cluster, e.Account, e.Principal)
	switch e.Outcome {
	case report.Repaired:
		n.add(event.Notice, AccessRepaired, about, strings.Join(append([]string{e.Sentence()}, e.Notes...), "\n"))
	case report.Failed:
		n.add(event.Warning, AccessRepairFailed, about, strings.Join(append([]string{e.Sentence()}, e.ToFinish()...), "\n"))
	default:
		n.add(event.Warning, AccessLeft, about, "not repaired: "+e.Why)
	}
}
