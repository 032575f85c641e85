package access

import (
	"strings"

	"github.com/holdfast/holdfast/internal/finding"
	"github.com/holdfast/holdfast/internal/report"
)

// Rules are what `access verify` finds. docs/RULES.md is written from it.
func Rules() []finding.Rule {
	return []finding.Rule{
		{ID: "HF301", Name: "stale-entry", Severity: finding.Error,
			Title: "an access entry is bound to a principal that is gone",
			About: "EKS compares with the unique ID that the principal had when the entry was made. Its successor of the same name gets 401: nodes don't join, people and pipelines stay outside.",
			Cure:  "holdfast access repair makes it anew with all that it had."},
		{ID: "HF302", Name: "orphan-entry", Severity: finding.Warning,
			Title: "an access entry is for a principal that doesn't exist",
			About: "It lets nobody in, and won't let in whoever gets the name next.",
			Cure:  "Delete it, before the name comes back."},
		{ID: "HF303", Name: "masked-entry", Severity: finding.Warning,
			Title: "an access entry is stale, and a row of aws-auth hides it",
			About: "It works with that row's rights until the row goes or the cluster's mode becomes API.",
			Cure:  "Take the row out of aws-auth, then holdfast access repair."},
		{ID: "HF304", Name: "unwell-user", Severity: finding.Error,
			Title: "what uses an entry says that it can't get in",
			About: "A node group's health has many reasons; a dead or a wrong entry is one of them.",
			Cure:  "holdfast access explain CLUSTER PRINCIPAL; then replace nodes that have given up joining."},
		{ID: "HF305", Name: "wrong-type", Severity: finding.Error,
			Title: "an access entry's type isn't the one that its role is used for",
			About: "EKS makes the right one only where there is none, and changes no type.",
			Cure:  "Delete it and create it with the type that is needed."},
		{ID: "HF306", Name: "entry-note", Severity: finding.Note,
			Title: "something else that a person should know of an entry",
			About: "An entry that grants nothing, a tag that certifies a dead binding, a role that nodes and people share.",
			Cure:  "Nothing has to be done for access to work."},
	}
}

func ruleOf(id string) finding.Rule {
	for _, r := range Rules() {
		if r.ID == id {
			return r
		}
	}
	return finding.Rule{ID: id, Severity: finding.Error}
}

// Findings is a scan in the form that pipelines read. What can't be decided is
// unknown.
func Findings(a report.Access, subject string) finding.Report {
	var found []finding.Finding
	var unknown []finding.Unknown
	for _, c := range a.Clusters {
		for _, e := range c.Entries {
			name := Subject(c.Name, c.Account, e.Principal)
			switch id := verdictRule(e.Verdict); {
			case id != "":
				found = append(found, findingOf(id, name, ruleOf(id).Title, evidenceOf(e), strings.Join(advice(c, e)[:1], "")))
			case e.Verdict == report.Suspect || e.Verdict == report.Unknown:
				unknown = append(unknown, finding.Unknown{Subject: name, Why: strings.Join(evidenceOf(e), "; ")})
			}
			for _, n := range e.Notes {
				id := noteRule(n.Rule)
				found = append(found, findingOf(id, name, n.Text, nil, ruleOf(id).Cure))
			}
		}
	}
	for _, u := range a.Unseen {
		unknown = append(unknown, finding.Unknown{Subject: strings.TrimSpace(strings.Join([]string{u.Account, u.Region, u.Cluster}, " ")), Why: u.What + ": " + u.Why})
	}
	if a.Interrupted {
		unknown = append(unknown, finding.Unknown{Subject: subject, Why: "interrupted"})
	}
	return finding.New("access verify", subject, Rules(), found, unknown)
}

// Subject names an entry for a person: its cluster and its principal, without
// what the two share.
func Subject(cluster, account, principal string) string {
	if _, short, ok := strings.Cut(principal, ":iam::"+account+":"); ok {
		principal = short
	}
	return cluster + " " + principal
}

func findingOf(rule, subject, message string, evidence []string, cure string) finding.Finding {
	return finding.Finding{Rule: rule, Severity: ruleOf(rule).Severity, Subject: subject, Message: message, Evidence: evidence, Cure: cure}
}

func verdictRule(v report.Verdict) string {
	switch v {
	case report.Stale:
		return "HF301"
	case report.Orphan:
		return "HF302"
	case report.Masked:
		return "HF303"
	}
	return ""
}

func noteRule(note string) string {
	switch note {
	case RuleHealth:
		return "HF304"
	case RuleWrongType:
		return "HF305"
	}
	return "HF306"
}

func evidenceOf(e report.AccessEntry) []string {
	var out []string
	for _, v := range e.Evidence {
		out = append(out, v.Text)
	}
	if e.Strength != "" && len(out) > 0 {
		out[0] += " (" + string(e.Strength) + ")"
	}
	return out
}
