package access

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/report"
)

// Backup keeps every entry of a full scan. What couldn't be read whole is an
// error: half a backup looks like one.
func Backup(r Result, now time.Time) (report.AccessBackup, error) {
	out := report.AccessBackup{SchemaVersion: report.BackupVersion, Kind: report.BackupKind, Taken: now.UTC().Truncate(time.Second), Clusters: []report.BackupCluster{}}
	for _, u := range r.Unseen {
		return out, fmt.Errorf("%s %s %s: %s: %s", u.Account, u.Region, u.Cluster, u.What, u.Why)
	}
	for _, c := range r.Clusters {
		if c.Skipped != "" {
			return out, fmt.Errorf("%s: %s", c.Name, c.Skipped)
		}
		kept := report.BackupCluster{Name: c.Name, Account: c.Account, Region: c.Region, Entries: []report.BackupEntry{}}
		for _, e := range c.Entries {
			f := r.Facts[Key{c.ARN, e.Principal}]
			if f.Unseen != nil || f.Entry.ARN == "" || !f.Entry.PolicyRead {
				return out, fmt.Errorf("%s in %s couldn't be read whole", e.Principal, c.Name)
			}
			kept.Entries = append(kept.Entries, report.BackupEntry{Principal: e.Principal, Type: f.Entry.Type, Username: f.Entry.Username, Groups: sorted(f.Entry.Groups),
				Tags: f.Entry.Tags, Policies: f.Entry.Policies, ID: f.Owner.ID, Verdict: e.Verdict})
		}
		out.Clusters = append(out.Clusters, kept)
	}
	return out, nil
}

// CheckBackup says what is wrong with a file that should be a backup.
func CheckBackup(b report.AccessBackup) error {
	switch {
	case b.Kind != report.BackupKind:
		return fmt.Errorf("it isn't a backup: its kind is %q", b.Kind)
	case b.SchemaVersion != report.BackupVersion:
		return fmt.Errorf("it is of version %d, and this holdfast reads %d", b.SchemaVersion, report.BackupVersion)
	}
	for _, c := range b.Clusters {
		for _, e := range c.Entries {
			if _, err := cred.ParsePrincipal(e.Principal); err != nil {
				return err
			}
			for _, p := range e.Policies {
				if p.ARN == "" || p.Scope == "" {
					return fmt.Errorf("%s in %s: a policy without ARN or scope", e.Principal, c.Name)
				}
			}
		}
	}
	return nil
}

// Change is one call of a restore. Every one may be made twice.
type Change struct {
	Do     string               `json:"do"`
	Entry  Entry                `json:"entry"` // as it is to be
	Policy *report.AccessPolicy `json:"policy,omitempty"`
	Was    *Entry               `json:"was,omitempty"` // of an update
}

// The kinds of changes.
const (
	DoCreate    = "create"
	DoUpdate    = "update"
	DoAssociate = "associate"
	DoTag       = "tag"
)

// Step names a change in a journal.
func (c Change) Step() string {
	step := c.Do + " " + c.Entry.Principal
	if c.Policy != nil {
		step += " " + c.Policy.ARN
	}
	return step
}

// Words say a change to a person.
func (c Change) Words() string {
	switch c.Do {
	case DoCreate:
		text := "type " + c.Entry.Type
		if len(c.Entry.Groups) > 0 {
			text += ", groups " + strings.Join(c.Entry.Groups, " ")
		}
		if c.Entry.Username != "" {
			text += ", user name " + c.Entry.Username
		}
		return text
	case DoUpdate:
		return fmt.Sprintf("groups %s (are %s), user name %s (is %s)", list(c.Entry.Groups), list(c.Was.Groups), c.Entry.Username, c.Was.Username)
	case DoAssociate:
		return policyWords(*c.Policy)
	}
	return "tags " + strings.Join(keys(c.Entry.Tags), " ")
}

func list(all []string) string {
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, " ")
}

// Restoring compares a cluster's backup with what is there. It adds and never
// takes away: what a backup doesn't know stays, and is told.
func Restoring(b report.BackupCluster, r Result) (changes []Change, left []report.RestoreLeft) {
	leave := func(principal, format string, args ...any) {
		left = append(left, report.RestoreLeft{Cluster: b.Name, Principal: principal, Why: fmt.Sprintf(format, args...)})
	}
	i := slices.IndexFunc(r.Clusters, func(c report.AccessCluster) bool {
		return c.Name == b.Name && c.Account == b.Account && c.Region == b.Region
	})
	if i < 0 || r.Clusters[i].Skipped != "" {
		leave("", "the cluster isn't there, or has no access entries")
		return nil, left
	}
	now := map[string]Facts{}
	for _, e := range r.Clusters[i].Entries {
		now[e.Principal] = r.Facts[Key{r.Clusters[i].ARN, e.Principal}]
	}
	known := map[string]bool{}
	for _, want := range b.Entries {
		known[want.Principal] = true
		facts, there := now[want.Principal]
		p, err := cred.ParsePrincipal(want.Principal)
		switch {
		case err != nil:
			leave(want.Principal, "%s", err.Error())
		case ServiceLinked(p):
			if !there {
				leave(want.Principal, "a service-linked role's entry is AWS's to make")
			}
		case there && (facts.Unseen != nil || !facts.Entry.PolicyRead):
			leave(want.Principal, "what is there couldn't be read")
		case there && facts.Entry.Type != want.Type:
			leave(want.Principal, "its type is %s, was %s, and EKS changes no type: delete it first if the old one is right", facts.Entry.Type, want.Type)
		default:
			var current *Entry
			if there {
				current = &facts.Entry
			}
			changes = append(changes, restoring(b.Name, p, want, current)...)
		}
	}
	for principal := range now {
		if !known[principal] {
			left = append(left, report.RestoreLeft{Cluster: b.Name, Principal: principal, Why: "the backup doesn't know it; it stays", Extra: true})
		}
	}
	slices.SortFunc(left, func(a, b report.RestoreLeft) int { return strings.Compare(a.Principal, b.Principal) })
	return changes, left
}

// restoring is what one entry lacks; current is nil if it isn't there.
func restoring(cluster string, p cred.Principal, want report.BackupEntry, current *Entry) (changes []Change) {
	plan := Plan{Cluster: cluster, Entry: Entry{Principal: want.Principal, Type: want.Type, Username: want.Username, Groups: want.Groups, Tags: want.Tags}}
	again := plan.Again()
	if current == nil {
		changes = append(changes, Change{Do: DoCreate, Entry: again})
		current = &Entry{Tags: again.Tags}
	} else if want.Type == Standard {
		name := want.Username
		if name == "" {
			name = defaultUsername(p)
		}
		if current.Username != name || !slices.Equal(sorted(current.Groups), sorted(want.Groups)) {
			to := again
			to.Username = name
			changes = append(changes, Change{Do: DoUpdate, Entry: to, Was: current})
		}
	}
	missing := maps.Clone(again.Tags)
	maps.DeleteFunc(missing, func(k, v string) bool { return current.Tags[k] == v })
	if len(missing) > 0 {
		to := again
		to.ARN, to.Tags = current.ARN, missing
		changes = append(changes, Change{Do: DoTag, Entry: to})
	}
	have := canonicalPolicies(current.Policies)
	for _, policy := range want.Policies {
		if have[policy.ARN] != canonicalPolicies([]report.AccessPolicy{policy})[policy.ARN] {
			changes = append(changes, Change{Do: DoAssociate, Entry: Entry{Cluster: cluster, Principal: want.Principal}, Policy: &policy})
		}
	}
	return changes
}
