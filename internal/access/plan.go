package access

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/report"
)

// Guards: how a delete is kept from an entry that isn't the judged one any more,
// for EKS takes no condition. A session policy that names the entry's ARN with
// its UUID makes AWS itself refuse; else it is compared right before.
const (
	GuardSession = "session"
	GuardCompare = "compare"
)

// Plan is the repair of one entry. It is what the journal keeps.
type Plan struct {
	Place
	Cluster  string    `json:"cluster"`
	Entry    Entry     `json:"entry"` // with all its policies
	ID       string    `json:"id"`    // that the principal has
	Created  time.Time `json:"principal_created"`
	Evidence string    `json:"evidence"`
	Forced   []string  `json:"forced,omitempty"` // the words that somebody gave
	// ReadyAt is when the principal is old enough for every service to know it.
	ReadyAt time.Time `json:"ready_at"`
	Notes   []string  `json:"notes,omitempty"`
}

// Force are the words with which somebody overrules a refusal.
type Force struct{ Self, LastAdmin string }

// adminPolicy is the access policy of a cluster's administrators
// (https://docs.aws.amazon.com/eks/latest/userguide/access-policy-permissions.html).
const adminPolicy = ":eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"

func administers(e report.AccessEntry) bool {
	return slices.ContainsFunc(e.Policies, func(p report.AccessPolicy) bool {
		return strings.HasSuffix(p.ARN, adminPolicy) && p.Scope == "cluster"
	})
}

// Plans says which entries of a cluster are to be repaired, in order, and which
// are refused and why. Callers are whoever asks, each of them. The scan must
// have been a full one.
func Plans(r Result, c report.AccessCluster, wanted func(principal string) bool, callers []cred.Principal, force Force) (plans []Plan, refused []report.RepairedEntry) {
	for _, e := range c.Entries {
		if !wanted(e.Principal) {
			continue
		}
		no := func(why string) {
			refused = append(refused, refusedEntry(c, e, why))
		}
		facts, read := r.Facts[Key{c.ARN, e.Principal}]
		switch {
		case e.Verdict == report.Live:
		case e.Verdict == report.Managed:
			no("it is a service-linked role's: AWS keeps its entry")
		case e.Verdict == report.Orphan:
			no("nobody has this name; an entry for nobody can't be created, only deleted by hand")
		case e.Verdict == report.Masked:
			no("aws-auth lets it in for now, with other rights; take the row out first, or repair it by hand")
		case e.Verdict != report.Stale:
			no(string(e.Verdict) + " entries are never repaired: " + lastEvidence(e))
		case e.Strength != report.Proof && e.Strength != report.NearProof:
			no("a hint isn't enough")
		case !read || !e.PoliciesOK || facts.Entry.ARN == "":
			no("its policies couldn't be read, and would be lost")
		default:
			p := planOf(c, e, facts)
			if why := p.guardCaller(callers, force); why != "" {
				no(why)
				continue
			}
			if why := p.guardAdmin(c, e, force); why != "" {
				no(why)
				continue
			}
			plans = append(plans, p)
		}
	}
	return plans, refused
}

func refusedEntry(c report.AccessCluster, e report.AccessEntry, why string) report.RepairedEntry {
	return report.RepairedEntry{Cluster: c.Name, Account: c.Account, Region: c.Region, Principal: e.Principal, Type: e.Type, Outcome: report.Refused, Why: why}
}

// Outcome is what became of a plan, without what only its repair knows.
func (p Plan) Outcome(outcome, why string) report.RepairedEntry {
	return report.RepairedEntry{Cluster: p.Cluster, Account: p.Account, Region: p.Region, Principal: p.Entry.Principal, Type: p.Entry.Type, Outcome: outcome, Why: why}
}

func lastEvidence(e report.AccessEntry) string {
	if len(e.Evidence) == 0 {
		return ""
	}
	return e.Evidence[len(e.Evidence)-1].Text
}

func planOf(c report.AccessCluster, e report.AccessEntry, f Facts) Plan {
	window := f.Window
	if window == 0 {
		window = Propagation
	}
	partition := ""
	if p, err := cred.ParsePrincipal(e.Principal); err == nil {
		partition = p.Partition
	}
	p := Plan{Place: Place{Partition: partition, Account: c.Account, Region: c.Region}, Cluster: c.Name, Entry: f.Entry, ID: f.Owner.ID, Created: f.Owner.Created,
		ReadyAt: f.Owner.Created.Add(window + time.Second)}
	if len(e.Evidence) > 0 {
		p.Evidence = fmt.Sprintf("%s (%s)", e.Evidence[0].Text, e.Strength)
	}
	if ForNodes(f.Entry.Type) {
		p.Notes = append(p.Notes, "nodes that have given up joining must be replaced; those that still try come in by themselves")
		p.Notes = append(p.Notes, "the new role isn't in the old one's instance profile unless somebody put it there; to see:  "+cure.Command("holdfast", "access", "scan", "--full", c.Name))
	}
	return p
}

// guardCaller refuses the caller's own entry: whoever repairs it while the
// verdict is wrong locks themselves out.
func (p *Plan) guardCaller(callers []cred.Principal, force Force) string {
	own, err := cred.ParsePrincipal(p.Entry.Principal)
	if err != nil || !slices.ContainsFunc(callers, func(c cred.Principal) bool { return Canonical(c) == Canonical(own) }) {
		return ""
	}
	if force.Self != "" {
		p.Forced = append(p.Forced, "own entry: "+force.Self)
		return ""
	}
	return "it is the entry of whoever runs this; --force-own-entry WORDS overrules, and the words go into the journal"
}

// guardAdmin refuses the last administrator that is proven to come in.
func (p *Plan) guardAdmin(c report.AccessCluster, e report.AccessEntry, force Force) string {
	if !administers(e) {
		return ""
	}
	for _, other := range c.Entries {
		if other.Principal != e.Principal && other.Verdict == report.Live && administers(other) {
			return ""
		}
	}
	if force.LastAdmin != "" {
		p.Forced = append(p.Forced, "last administrator: "+force.LastAdmin)
		return ""
	}
	return "it is the only administrator of the cluster, and no other is proven live; --force-last-admin WORDS overrules, and the words go into the journal"
}

// Again is the entry as it is to be created: types for machines take neither
// groups nor a user name, a default user name is left to EKS, and tags of AWS's
// own can't be sent
// (https://docs.aws.amazon.com/eks/latest/userguide/creating-access-entries.html).
func (p Plan) Again() Entry {
	e := Entry{Cluster: p.Cluster, Principal: p.Entry.Principal, Type: p.Entry.Type, Policies: p.Entry.Policies}
	if e.Type == Standard || e.Type == "" {
		e.Groups = p.Entry.Groups
		if owner, err := cred.ParsePrincipal(p.Entry.Principal); err != nil || p.Entry.Username != defaultUsername(owner) {
			e.Username = p.Entry.Username
		}
	}
	e.Tags = maps.Clone(p.Entry.Tags)
	maps.DeleteFunc(e.Tags, func(key, _ string) bool { return strings.HasPrefix(key, "aws:") })
	return e
}

// defaultUsername is what EKS sets for STANDARD where nobody says otherwise
// (the same page); a role's path is left out.
func defaultUsername(p cred.Principal) string {
	if p.Kind == "user" {
		return p.ARN()
	}
	return "arn:" + p.Partition + ":sts::" + p.Account + ":assumed-role/" + p.Name + "/{{SessionName}}"
}

// Steps are for a person, in order.
func (p Plan) Steps(guard string, now time.Time) []string {
	again := p.Again()
	create := "create  principal " + p.name() + ", type " + p.Entry.Type
	if len(again.Groups) > 0 {
		create += ", groups " + strings.Join(again.Groups, " ")
	}
	if again.Username != "" {
		create += ", user name " + again.Username
	}
	if len(again.Tags) > 0 {
		create += ", tags " + strings.Join(keys(again.Tags), " ")
	}
	steps := []string{"record the entry in the journal"}
	if left := p.ReadyAt.Sub(now); left > 0 {
		steps = append(steps, "wait "+left.Round(time.Second).String()+" until every service knows the new "+kindOf(p.Entry.Principal))
	}
	steps = append(steps, "delete  "+p.incarnation()+"  guard="+guard, create)
	for _, policy := range p.Entry.Policies {
		steps = append(steps, "associate  "+policyWords(policy))
	}
	return append(steps, "look at it again: whole, and bound to "+p.ID)
}

// name is the principal without what it shares with its cluster.
func (p Plan) name() string {
	return strings.TrimPrefix(Subject(p.Cluster, p.Account, p.Entry.Principal), p.Cluster+" ")
}

// incarnation is the entry's ARN as far as a person needs it.
func (p Plan) incarnation() string {
	_, short, ok := strings.Cut(p.Entry.ARN, ":"+p.Account+":")
	slash := strings.LastIndexByte(short, '/')
	if !ok || len(short) < slash+9 {
		return p.Entry.ARN
	}
	return short[:slash+9] + "…"
}

func kindOf(arn string) string {
	if p, err := cred.ParsePrincipal(arn); err == nil {
		return p.Kind
	}
	return "principal"
}

func policyWords(p report.AccessPolicy) string {
	text := p.ARN[strings.LastIndexByte(p.ARN, '/')+1:] + ", scope " + p.Scope
	if len(p.Namespaces) > 0 {
		text += " " + strings.Join(p.Namespaces, " ")
	}
	return text
}

// ByHand are the commands that finish a repair whose entry is gone.
func (p Plan) ByHand() []string {
	again := p.Again()
	at := []string{"--region", p.Region, "--cluster-name", p.Cluster, "--principal-arn", p.Entry.Principal}
	create := append([]string{"aws", "eks", "create-access-entry"}, at...)
	if again.Type != "" {
		create = append(create, "--type", again.Type)
	}
	if len(again.Groups) > 0 {
		create = append(append(create, "--kubernetes-groups"), again.Groups...)
	}
	if again.Username != "" {
		create = append(create, "--username", again.Username)
	}
	if len(again.Tags) > 0 {
		b, _ := json.Marshal(again.Tags) // strings always can be
		create = append(create, "--tags", string(b))
	}
	out := []string{cure.Command(create...)}
	for _, policy := range p.Entry.Policies {
		scope := "type=" + policy.Scope
		if len(policy.Namespaces) > 0 {
			scope += ",namespaces=" + strings.Join(policy.Namespaces, ",")
		}
		associate := append([]string{"aws", "eks", "associate-access-policy"}, at...)
		out = append(out, cure.Command(append(associate, "--policy-arn", policy.ARN, "--access-scope", scope)...))
	}
	return out
}
