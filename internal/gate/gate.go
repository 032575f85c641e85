// Package gate (logic) judges a plan before it is applied: which access entries
// the apply would leave bound to a dead role, which other principals it would
// break, and which credentials would end before it does.
//
// It judges planned values and uses references only to see which role a value
// that isn't known yet will be, and in which order things happen. It promises
// that a plan which doesn't show everything is never called clean, and evidence
// and a cure with every finding.
//
// It knows only what a plan shows: entries that no state file has are assumed
// where EKS makes them, and known only from Facts.Live.
package gate

import (
	"fmt"
	"strings"

	"github.com/holdfast/holdfast/internal/finding"
	"github.com/holdfast/holdfast/internal/tf/plan"
)

// Facts are what a plan is judged by.
type Facts struct {
	Plan     *plan.Plan
	Caller   string    // the ARN that will apply, if it is known
	Drained  []Drained // what recorded runs left tainted
	Live     []Cluster // what clusters hold; empty if they weren't asked
	PlanKeys string    // where the saved plan file carries an access key, else empty
}

// Drained is a resource that a run left tainted when it stopped for want of
// credentials, although it may be whole.
type Drained struct {
	Address string
	ID      string
	Record  string // where that is written
}

// Cluster is what a cluster says it holds.
type Cluster struct {
	Name    string
	Entries []Entry
	Err     error // it couldn't be asked
}

// Entry is an access entry that a cluster holds.
type Entry struct {
	Principal string
	Type      string
	ARN       string // its last part changes when it is made again
}

// Judge gives what is wrong with a plan, and what of it can't be judged.
func Judge(f Facts) ([]finding.Finding, []finding.Unknown) {
	j := &judge{facts: f, plan: f.Plan, unknown: partial(f.Plan)}
	j.sort()
	j.settle()
	for _, look := range []func(){j.entries, j.users, j.live, j.associations, j.types, j.own, j.principals, j.drained, j.credentials} {
		look()
	}
	return j.findings, j.unknown
}

// Moving says of an ARN whether the plan makes or removes that role or user: then
// entries for it matter that no state knows. It is nil for a plan without any.
func Moving(p *plan.Plan) func(arn string) bool {
	j := &judge{plan: p}
	if j.settle(); len(j.fates) == 0 {
		return nil
	}
	return func(arn string) bool { return j.named(arn) != nil }
}

// judge is one judgement while it is made.
type judge struct {
	facts    Facts
	plan     *plan.Plan
	fates    []fate
	byARN    map[string]*fate
	byName   map[name]*fate     // the first of that name; the others follow in next
	byTo     map[string][]*fate // by the address of what comes, without indexes; made when it is asked for
	accounts map[string]string  // by provider block
	entry    []plan.Change
	assoc    []plan.Change
	using    []plan.Change // node groups and Fargate profiles
	cluster  []plan.Change
	findings []finding.Finding
	unknown  []finding.Unknown
}

func (j *judge) sort() {
	for _, c := range j.plan.Changes {
		if c.Deposed {
			continue // what is left of an earlier apply, under a name of its own
		}
		switch c.Type {
		case "aws_eks_access_entry":
			j.entry = append(j.entry, c)
		case "aws_eks_access_policy_association":
			j.assoc = append(j.assoc, c)
		case "aws_eks_node_group", "aws_eks_fargate_profile":
			j.using = append(j.using, c)
		case "aws_eks_cluster":
			j.cluster = append(j.cluster, c)
		}
	}
}

// roles are the plan's changes of roles and users.
func (j *judge) roles(yield func(plan.Change) bool) {
	for _, c := range j.plan.Changes {
		if !c.Deposed && (c.Type == "aws_iam_role" || c.Type == "aws_iam_user") && !yield(c) {
			return
		}
	}
}

func (j *judge) find(id, subject, message, cure string, evidence ...string) {
	j.findings = append(j.findings, finding.Finding{
		Rule: id, Severity: severity(id), Subject: subject, Message: message, Evidence: evidence, Cure: cure,
	})
}

func (j *judge) cannot(subject, format string, args ...any) {
	j.unknown = append(j.unknown, finding.Unknown{Subject: subject, Why: fmt.Sprintf(format, args...)})
}

// partial says why a plan doesn't show everything that will happen.
func partial(p *plan.Plan) []finding.Unknown {
	var out []finding.Unknown
	add := func(format string, args ...any) {
		out = append(out, finding.Unknown{Subject: "the plan", Why: fmt.Sprintf(format, args...)})
	}
	if p.Errored {
		add("planning ended with an error, so the plan isn't whole: correct it and plan again")
	}
	if p.Deferred > 0 {
		add("%d changes wait for another plan, which has to be judged too", p.Deferred)
	}
	switch {
	case p.UnplannedCount > 0:
		list := strings.Join(p.Unplanned, ", ")
		if p.UnplannedCount > len(p.Unplanned) {
			list += ", …"
		}
		add("it says nothing about %d resources of the state or the code, as with -target or -exclude: %s", p.UnplannedCount, list)
	case p.Incomplete && p.Deferred == 0 && !p.Errored:
		add("it says itself that it isn't complete, as with -target: plan without that")
	}
	return out
}

// cluster is the name of the cluster that an entry or a node group belongs to,
// "" if it isn't known yet.
func cluster(c plan.Change) string {
	if name := c.Before.Get(plan.Cluster); name != "" {
		return name
	}
	return c.After.Get(plan.Cluster)
}

// fresh reports whether a cluster is made, or goes, in this plan: then nothing
// in it is older than the plan's roles, or nothing is left.
func (j *judge) fresh(name string) bool {
	for _, c := range j.cluster {
		same := name != "" && (c.Before.Get(plan.RoleName) == name || c.After.Get(plan.RoleName) == name)
		if same && c.Actions&(plan.Create|plan.Delete) != 0 {
			return true
		}
	}
	return false
}

func sameCluster(a, b plan.Change) bool {
	x, y := cluster(a), cluster(b)
	return x == "" || y == "" || x == y
}
