package access

import (
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/report"
)

// Rules of notes: what else a person should know of an entry.
const (
	RuleWrongType    = "wrong-type"          // not what its principal is used for
	RuleGrantsNobody = "grants-nothing"      // neither policies nor groups
	RuleTagLies      = "tag-certifies"       // a tag names the ID of today on a dead binding
	RuleHealth       = "health"              // what uses it says that it can't get in
	RuleShared       = "shared"              // nodes and people use one role
	RuleNoProfile    = "no-instance-profile" // of nodes, and no instance profile holds it
)

// notes says what isn't a verdict. Beside is nil where instance profiles don't
// matter, or aren't known.
func notes(f *Facts, j Judgement, users []User, beside *profiles) []report.AccessNote {
	var out []report.AccessNote
	say := func(rule, format string, args ...any) {
		out = append(out, report.AccessNote{Rule: rule, Text: fmt.Sprintf(format, args...)})
	}
	read := f.Entry.ARN != ""
	for _, u := range users {
		if u.Role != f.Principal {
			continue
		}
		if read && u.Type != "" && f.Entry.Type != u.Type {
			say(RuleWrongType, "%s %s uses this role, and needs an entry of type %s; this one is %s", u.Kind, u.Name, u.Type, f.Entry.Type)
		}
		for _, issue := range u.Issues {
			say(RuleHealth, "%s %s: %s", u.Kind, u.Name, issue)
		}
	}
	if read && f.Entry.Type == Standard && f.Entry.PolicyRead && len(f.Entry.Policies) == 0 && len(f.Entry.Groups) == 0 {
		say(RuleGrantsNobody, "it has neither policies nor groups: whoever comes in may do nothing")
	}
	if j.Binding == BoundDead && f.Owner.ID != "" {
		for _, key := range keys(f.Entry.Tags) {
			if strings.Contains(f.Entry.Tags[key], f.Owner.ID) {
				say(RuleTagLies, "its tag %s names %s, the ID of today, which this entry isn't bound to: the tag was written later", key, f.Owner.ID)
			}
		}
	}
	if ForNodes(f.Entry.Type) && trustsPeople(f.Owner.Trust) {
		say(RuleShared, "nodes use this role, and its trust policy lets other principals assume it")
	}
	if beside != nil {
		if profile, ok := beside.without(f.Principal); ok {
			p, _ := cred.ParsePrincipal(f.Principal) // without has parsed it
			say(RuleNoProfile, "no instance profile of %s holds this role, so that EC2 starts no node with it; if the role before it was in one:  %s", p.Account,
				cure.Command("aws", "iam", "add-role-to-instance-profile", "--instance-profile-name", profile, "--role-name", p.Name))
		}
	}
	return out
}

func keys(m map[string]string) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
