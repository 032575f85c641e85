package gate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/finding"
	"github.com/holdfast/holdfast/internal/tf/plan"
)

// entries judges entries that the state or the code knows.
func (j *judge) entries() {
	for _, e := range j.entry {
		f, _ := j.of(e, plan.Principal, "principal_arn")
		if e.Actions.Has(plan.CreateFirst) && samePrincipal(e, f) {
			j.find("HF204", e.Address, "the entry is created before its predecessor is destroyed: EKS answers 409",
				"take create_before_destroy out of "+e.Address+", and of whatever depends on it", "one cluster holds one entry for a principal")
		}
		switch {
		case f == nil || j.fresh(cluster(e)):
		case (e.Actions.Stays() || e.Actions == plan.Forget) && f.comes:
			j.find("HF201", e.Address, fmt.Sprintf("the entry stays while its %s is made again: whoever has it is locked out", f.kind),
				"replace it in the same apply:  -replace='"+e.Address+"'", f.how(), "the entry is for "+e.Before.Get(plan.Principal)+forgotten(e))
		case (e.Actions.Stays() || e.Actions == plan.Forget) && f.goes:
			j.find("HF208", e.Address, fmt.Sprintf("the entry stays behind without its %s, and locks out a successor", f.kind),
				"take the entry out of the code together with the "+f.kind, f.how(), "the entry is for "+e.Before.Get(plan.Principal))
		case e.Actions.Has(plan.Create) && f.again() && !j.ordered(e, f):
			j.find("HF210", e.Address, fmt.Sprintf("nothing makes this entry wait for the new %s", f.kind),
				"name the resource:  principal_arn = "+f.to+".arn", f.how())
		}
	}
}

func forgotten(e plan.Change) string {
	if e.Actions == plan.Forget {
		return "; the state forgets it, the cluster doesn't"
	}
	return ""
}

// samePrincipal reports whether an entry that is made again is for the same ARN.
func samePrincipal(e plan.Change, f *fate) bool {
	if e.After.Unknown(plan.Principal) {
		return f != nil && f.again()
	}
	return e.Before.Get(plan.Principal) == e.After.Get(plan.Principal)
}

// ordered reports whether an entry is made after its role: a value that isn't
// known yet, a reference, or a trigger says so. A lifecycle isn't in a plan, but
// the reason of a replacement is.
func (j *judge) ordered(e plan.Change, f *fate) bool {
	return e.After.Unknown(plan.Principal) || e.Reason == "replace_by_triggers" || j.plan.After(e.Address, f.to)
}

// role is what a node group or Fargate profile runs as.
func role(c plan.Change) (plan.Name, string) {
	if c.Type == "aws_eks_fargate_profile" {
		return plan.PodRole, "pod_execution_role_arn"
	}
	return plan.NodeRole, "node_role_arn"
}

func title(c plan.Change) string {
	if c.Type == "aws_eks_fargate_profile" {
		return "Fargate profile"
	}
	return "node group"
}

// users judges the entries that EKS makes for node groups and Fargate profiles.
func (j *judge) users() {
	told := map[*fate]bool{}
	for _, u := range j.using {
		n, argument := role(u)
		f, opaque := j.of(u, n, argument)
		name := cluster(u)
		if f == nil && opaque && !u.Actions.Stays() && u.Actions.Has(plan.Create) && slices.ContainsFunc(j.fates, func(f fate) bool { return f.again() }) {
			j.cannot(u.Address, "which role it will have is known only after the apply, and the plan makes roles again")
		}
		if f == nil || told[f] || j.owned(u, f) || j.fresh(name) || j.asked(name) {
			continue
		}
		was := !u.Actions.Has(plan.Create) || u.Actions.Has(plan.Delete)
		told[f] = true
		switch {
		case f.comes && (was || f.goes):
			j.find("HF202", u.Address, fmt.Sprintf("the entry that EKS made for this %s stays bound to the old role: nodes will be refused", title(u)),
				j.unownedCure(name, f), f.how(), "no access entry for it is in the state or the code", "not asked: whether "+orCluster(name)+" holds one (--live)")
		case f.goes && was:
			j.find("HF208", u.Address, "the entry that EKS made for it stays behind, and locks out a successor of its role",
				j.unownedCure(name, f), f.how(), "no access entry for it is in the state or the code")
		case f.comes:
			j.find("HF209", u.Address, "whether "+orCluster(name)+" still holds an entry of an earlier role of that name isn't in the plan",
				"ask it:  holdfast gate --live PLAN", f.how())
		default:
			told[f] = false
		}
	}
}

func orCluster(name string) string {
	if name == "" {
		return "the cluster"
	}
	return "cluster " + name
}

func (j *judge) unownedCure(name string, f *fate) string {
	if name == "" {
		return "delete that entry after the old role is gone and before the new nodes start, or let the code own it"
	}
	return "repair it right after the apply:  holdfast access repair --entry " + f.kind + "/" + f.name + " " + name
}

// owned reports whether the plan has an entry for a role in the cluster of what
// uses it. Such an entry is judged by itself.
func (j *judge) owned(u plan.Change, f *fate) bool {
	return slices.ContainsFunc(j.entry, func(e plan.Change) bool {
		g, _ := j.of(e, plan.Principal, "principal_arn")
		return g == f && sameCluster(e, u)
	})
}

// asked reports whether a cluster said what it holds.
func (j *judge) asked(name string) bool {
	return slices.ContainsFunc(j.facts.Live, func(c Cluster) bool { return c.Name == name && c.Err == nil })
}

// live judges what clusters say they hold and no state knows.
func (j *judge) live() {
	for _, c := range j.facts.Live {
		if c.Err != nil {
			j.cannot(orCluster(c.Name), "its entries couldn't be listed: %v", c.Err)
			continue
		}
		if j.fresh(c.Name) {
			continue
		}
		for _, e := range c.Entries {
			f := j.named(e.Principal)
			if f == nil || j.planned(c.Name, e.Principal) {
				continue
			}
			subject := orCluster(c.Name) + " " + e.Principal
			cure := j.unownedCure(c.Name, f)
			if f.comes {
				j.find("HF202", subject, fmt.Sprintf("the cluster holds an entry that isn't in the plan, and its %s is made again: it will be dead", f.kind), cure, f.how(), "type "+e.Type)
			} else {
				j.find("HF208", subject, fmt.Sprintf("the cluster holds an entry that isn't in the plan, and its %s goes", f.kind), cure, f.how(), "type "+e.Type)
			}
		}
	}
}

// planned reports whether the plan knows an entry that a cluster holds.
func (j *judge) planned(name, principal string) bool {
	return slices.ContainsFunc(j.entry, func(e plan.Change) bool {
		return e.Before.Get(plan.Principal) == principal && (cluster(e) == name || cluster(e) == "")
	})
}

// associations judges what hangs on an entry.
func (j *judge) associations() {
	for _, a := range j.assoc {
		if !a.Actions.Stays() {
			continue
		}
		for _, e := range j.entry {
			if e.Actions.Has(plan.Delete) && e.Before.Get(plan.Principal) == a.Before.Get(plan.Principal) && sameCluster(a, e) {
				j.find("HF203", a.Address, "the association goes with its entry, and the plan doesn't make it again",
					"replace it with its entry:  lifecycle { replace_triggered_by = ["+e.Address+".access_entry_arn] }", e.Address+" is deleted, for "+e.Before.Get(plan.Principal))
				break
			}
		}
	}
}

// types judges what entries are for.
func (j *judge) types() {
	for _, e := range j.entry {
		if e.Actions == plan.Delete || e.Actions == plan.Forget {
			continue
		}
		kind := e.After.Get(plan.EntryType)
		if kind == "" && !e.After.Unknown(plan.EntryType) {
			kind = "STANDARD" // EKS's default
		}
		if kind == "" {
			continue
		}
		for _, u := range j.using {
			if u.Actions == plan.Delete || u.Actions == plan.Forget || !sameCluster(e, u) || !j.sameRole(e, u) {
				continue
			}
			if want := wants(u); !slices.Contains(want, kind) {
				j.find("HF205", e.Address, fmt.Sprintf("the entry has type %s, and its role is a %s's: its nodes will be refused", kind, title(u)),
					fmt.Sprintf("give it the type that fits:  type = %q", want[0]), u.Address+" runs as this role")
				break
			}
		}
		if nodes(kind) {
			j.policyOfNodes(e, kind)
		}
	}
}

func nodes(kind string) bool {
	return slices.Contains([]string{"EC2_LINUX", "EC2_WINDOWS", "FARGATE_LINUX", "HYBRID_LINUX", "HYPERPOD_LINUX"}, kind)
}

// policyOfNodes tells of an association with an entry that takes none:
// https://docs.aws.amazon.com/eks/latest/userguide/access-policies.html
func (j *judge) policyOfNodes(e plan.Change, kind string) {
	for _, a := range j.assoc {
		same := a.After.Get(plan.Principal) != "" && a.After.Get(plan.Principal) == e.After.Get(plan.Principal)
		if a.Actions.Has(plan.Create) && same && sameCluster(a, e) {
			j.find("HF205", a.Address, "EKS refuses an access policy for an entry of type "+kind, "take the association out", e.Address+" has type "+kind)
		}
	}
}

// wants are the types of an entry that a node group or Fargate profile needs.
func wants(u plan.Change) []string {
	if u.Type == "aws_eks_fargate_profile" {
		return []string{"FARGATE_LINUX"}
	}
	ami := u.After.Get(plan.AMIType)
	switch {
	case strings.HasPrefix(ami, "WINDOWS"):
		return []string{"EC2_WINDOWS"}
	case ami == "" || ami == "CUSTOM":
		return []string{"EC2_LINUX", "EC2_WINDOWS"}
	}
	return []string{"EC2_LINUX"}
}

// sameRole reports whether an entry is for the role that something runs as.
func (j *judge) sameRole(e, u plan.Change) bool {
	n, argument := role(u)
	x, y := e.After.Get(plan.Principal), u.After.Get(n)
	if x != "" && y != "" {
		return x == y
	}
	f, _ := j.of(e, plan.Principal, "principal_arn")
	g, _ := j.of(u, n, argument)
	return f != nil && f == g
}

// own judges the entry of whoever applies.
func (j *judge) own() {
	callers := j.plan.Callers
	if j.facts.Caller != "" {
		callers = []string{j.facts.Caller}
	}
	for _, e := range j.entry {
		if !e.Actions.Has(plan.Delete) {
			continue
		}
		for _, arn := range callers {
			if sameIdentity(arn, e.Before.Get(plan.Principal)) {
				j.find("HF206", e.Address, "this is the entry of the identity that applies, and the plan deletes it",
					"apply it with another identity, or in a run of its own", "the caller is "+arn)
				break
			}
		}
	}
}

// sameIdentity compares a caller's ARN, which may be a session's and then has no
// path, with an entry's.
func sameIdentity(caller, principal string) bool {
	a, err1 := cred.ParsePrincipal(caller)
	b, err2 := cred.ParsePrincipal(principal)
	return err1 == nil && err2 == nil && a.Account == b.Account && a.Kind == b.Kind && a.Name == b.Name && (a.Path == "" || a.Path == b.Path)
}

// lower is for a finding that is less than its rule.
func (j *judge) lower(s finding.Severity) { j.findings[len(j.findings)-1].Severity = s }
