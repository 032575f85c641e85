package access

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/report"
)

// Levels of proof that a repair worked, each higher than the one before.
const (
	ProofCreated = "created" // it is whole, and when it was bound can't be told
	ProofBound   = "bound"   // made long enough after its principal
	ProofSeen    = "seen"    // the cluster's authenticator let the ID of today in
	ProofJoined  = "joined"  // the node groups that use it are well
)

// prove reads the entry again, and looks for the highest proof that can be had.
func (r *Repairer) prove(ctx context.Context, p Plan, out *report.RepairedEntry) error {
	e, err := r.EKS.Entry(ctx, p.Cluster, p.Entry.Principal)
	if err != nil {
		return err
	}
	policies, err := r.EKS.Policies(ctx, p.Cluster, p.Entry.Principal)
	if err != nil {
		return err
	}
	if lost := lacking(e, policies, p.Again()); lost != "" {
		return errors.New("the new entry isn't what the old one was: " + lost)
	}
	owner, err := cred.ParsePrincipal(p.Entry.Principal)
	if err != nil {
		return err
	}
	now, err := r.IAM.Owner(ctx, owner)
	if err != nil || now.ID != p.ID {
		out.Proof, out.ProofText = ProofCreated, "whose it is now couldn't be told"
		return nil
	}
	until := r.Now().Add(r.Wait)
	for {
		out.Proof, out.ProofText = r.level(ctx, p, e, now)
		left := until.Sub(r.Now())
		if out.Proof == ProofJoined || out.Proof == ProofSeen && len(p.Notes) == 0 || left <= 0 {
			return nil
		}
		if r.Linger(ctx, min(left, 3*time.Second)) != nil {
			return nil // it is repaired all the same
		}
	}
}

// lacking says what the new entry lacks of what was asked for.
func lacking(e Entry, policies []report.AccessPolicy, want Entry) string {
	switch {
	case want.Type != "" && e.Type != want.Type:
		return fmt.Sprintf("its type is %s, and was %s", e.Type, want.Type)
	case len(want.Groups) > 0 && strings.Join(sorted(e.Groups), " ") != strings.Join(sorted(want.Groups), " "):
		return fmt.Sprintf("its groups are %s, and were %s", strings.Join(e.Groups, " "), strings.Join(want.Groups, " "))
	case want.Username != "" && e.Username != want.Username:
		return fmt.Sprintf("its user name is %s, and was %s", e.Username, want.Username)
	}
	for k, v := range want.Tags {
		if e.Tags[k] != v {
			return "its tag " + k + " is missing"
		}
	}
	have := canonicalPolicies(policies)
	for arn, scope := range canonicalPolicies(want.Policies) {
		if have[arn] != scope {
			return "its policy " + arn + " is missing"
		}
	}
	return ""
}

func (r *Repairer) level(ctx context.Context, p Plan, e Entry, owner Owner) (level, text string) {
	j := Judge(Facts{Now: r.Now(), Window: r.Window, Mode: ModeAPI, Principal: p.Entry.Principal, Entry: e, Owner: owner})
	level, text = ProofCreated, lastEvidence(report.AccessEntry{Evidence: j.Evidence})
	if j.Binding == BoundToday {
		level, text = ProofBound, "made long enough after "+p.ID+" was"
	}
	if lines, err := r.Around.Log(ctx, p.Cluster, e.Created); err == nil {
		if owner, err := cred.ParsePrincipal(p.Entry.Principal); err == nil {
			for _, s := range Sightings(lines)[Canonical(owner)] {
				if s.Granted && s.ID == p.ID && s.At.After(e.Created) {
					level, text = ProofSeen, "the cluster let "+s.ID+" in at "+stamp(s.At)
				}
			}
		}
	}
	if level == ProofCreated || !ForNodes(e.Type) {
		return level, text
	}
	users, err := r.Around.Users(ctx, p.Cluster)
	if err != nil {
		return level, text
	}
	well := 0
	for _, u := range users {
		if u.Role != p.Entry.Principal {
			continue
		}
		if u.Status != "ACTIVE" || len(u.Issues) > 0 {
			return level, text + "; " + u.Kind + " " + u.Name + " is " + u.Status
		}
		well++
	}
	if well > 0 && level == ProofSeen {
		return ProofJoined, text + ", and the node groups that use it are ACTIVE"
	}
	return level, text
}
