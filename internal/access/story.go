package access

import (
	"slices"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/report"
)

// Story is what happened to one entry, in order of time, and what a person
// should do.
func Story(c report.AccessCluster, e report.AccessEntry, f Facts) report.AccessStory {
	out := report.AccessStory{SchemaVersion: report.AccessVersion, Cluster: c.Name, Account: c.Account, Region: c.Region, Mode: c.Mode, Entry: e, Timeline: []report.AccessMoment{}}
	add := func(at time.Time, source, text string) {
		if !at.IsZero() {
			out.Timeline = append(out.Timeline, report.AccessMoment{At: at.UTC().Truncate(time.Second), Source: source, Text: text})
		}
	}
	kind := kindOf(f.Principal)
	if f.Owner.ID != "" {
		add(f.Owner.Created, "iam", "the "+kind+" of today was made: "+f.Owner.ID)
	}
	add(f.Entry.Created, "eks", "the entry was made, and bound to whoever had the ARN then")
	if f.Entry.Modified.After(f.Entry.Created) {
		add(f.Entry.Modified, "eks", "the entry was changed")
	}
	for _, o := range f.Known {
		text := "the " + kind + " had " + o.ID
		if o.Entry != f.Entry.ARN {
			text += ", and another entry stood here"
		}
		add(o.At, "ledger", text)
	}
	for _, s := range boundaries(f.Log) {
		if s.Granted {
			add(s.At, s.kind(), "the cluster let "+s.ID+" in")
		} else {
			add(s.At, s.kind(), "the cluster refused "+s.ID+" as not mapped")
		}
	}
	slices.SortStableFunc(out.Timeline, func(a, b report.AccessMoment) int { return a.At.Compare(b.At) })
	out.Advice = advice(c, e)
	return out
}

// Rejudge is an entry with the verdict of facts to which something was added.
func Rejudge(e report.AccessEntry, f Facts) report.AccessEntry {
	j := Judge(f)
	e.Verdict, e.Strength, e.Binding, e.Evidence, e.Missing = j.Verdict, j.Strength, j.Binding, j.Evidence, j.Missing
	return e
}

// boundaries keeps of each run of equal sightings the first and the last.
func boundaries(all []Sighting) []Sighting {
	var out []Sighting
	equal := func(a, b Sighting) bool { return a.ID == b.ID && a.Granted == b.Granted }
	for i, s := range all {
		if i == 0 || i == len(all)-1 || !equal(s, all[i-1]) || !equal(s, all[i+1]) {
			out = append(out, s)
		}
	}
	return out
}

// advice is what a person should do, commands behind two spaces.
func advice(c report.AccessCluster, e report.AccessEntry) []string {
	name := e.Principal
	if p, err := cred.ParsePrincipal(name); err == nil && p.Account == c.Account {
		_, name, _ = strings.Cut(name, ":iam::"+c.Account+":")
	}
	switch e.Verdict {
	case report.Live:
		return []string{"The entry is in order. If its principal still can't do something, the cluster knows it and its policies or groups don't allow it (403, not 401)."}
	case report.Managed:
		return []string{"Leave it to AWS."}
	case report.Stale:
		out := []string{"Make the entry anew:  " + cure.Command("holdfast", "access", "repair", "--entry", name, c.Name)}
		if ForNodes(e.Type) {
			out = append(out, "Nodes that have given up joining have to be replaced afterwards. If the role was in an instance profile, look whether the new one is:  "+cure.Command("holdfast", "access", "scan", "--full", c.Name))
		}
		return append(out, "Keep it from happening again: let the entry be replaced with its role (replace_triggered_by on the role's unique_id), or the role keep its life.")
	case report.Orphan:
		return []string{"Nobody has this name. If nobody will, delete the entry:  " +
			cure.Command("aws", "eks", "delete-access-entry", "--region", c.Region, "--cluster-name", c.Name, "--principal-arn", e.Principal),
			"If the principal is to come back under this name, delete the entry first: it won't follow."}
	case report.Masked:
		return []string{"It works for now because of a row in aws-auth, with that row's rights. It will stop when the row goes, or when the authentication mode becomes API.",
			"To make the entry good: take the row out of aws-auth, then  " + cure.Command("holdfast", "access", "repair", "--entry", name, c.Name)}
	case report.Suspect:
		return []string{"Whether it is bound to the principal of today can't be told from outside. If it lets its principal in, all is well: holdfast believes the authenticator's log, which can be switched on for the cluster.",
			"If the principal gets 401 Unauthorized, delete and create the entry by hand; holdfast won't without evidence."}
	}
	return []string{"Something couldn't be looked at: give whoever scans the permissions that are missing:  holdfast iam-policy scan"}
}
