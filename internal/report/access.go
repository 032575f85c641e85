package report

import (
	"fmt"
	"slices"
	"time"
)

// AccessVersion is the version of Access' JSON.
const AccessVersion = 1

// Verdict is what an access entry is worth.
type Verdict string

// The verdicts, from the one that hurts to the one that doesn't.
const (
	Stale   Verdict = "STALE"   // bound to a principal that is gone; its successor is refused
	Orphan  Verdict = "ORPHAN"  // its principal doesn't exist
	Masked  Verdict = "MASKED"  // stale, but a row of aws-auth lets the successor in for now
	Suspect Verdict = "SUSPECT" // looked at, and can't be decided
	Unknown Verdict = "UNKNOWN" // couldn't be looked at
	Managed Verdict = "MANAGED" // of a service-linked role: AWS's own affair
	Live    Verdict = "LIVE"    // bound to the principal of today
)

// Verdicts lists them in that order.
func Verdicts() []Verdict {
	return []Verdict{Stale, Orphan, Masked, Suspect, Unknown, Managed, Live}
}

// Strength is how far a piece of evidence carries.
type Strength string

// Strengths, the strongest first. Near proof rests on AWS's clocks or on what
// its documentation says of the order of events; proof needs neither.
const (
	Proof     Strength = "proof"
	NearProof Strength = "near proof"
	Hint      Strength = "hint"
)

// AccessEvidence is one reason for a verdict.
type AccessEvidence struct {
	Kind     string   `json:"kind"` // clock, ledger, log, iam, aws-auth, mode, nodegroup, permission
	Text     string   `json:"text"`
	Strength Strength `json:"strength"`
}

// AccessPolicy is an access policy that an entry is associated with.
type AccessPolicy struct {
	ARN        string   `json:"arn"`
	Scope      string   `json:"scope"` // cluster or namespace
	Namespaces []string `json:"namespaces,omitempty"`
}

// AccessNote is something else that a person should know of an entry.
type AccessNote struct {
	Rule string `json:"rule"`
	Text string `json:"text"`
}

// AccessEntry is one entry with its verdict.
type AccessEntry struct {
	Principal  string           `json:"principal"`
	Verdict    Verdict          `json:"verdict"`
	Strength   Strength         `json:"strength,omitempty"`
	Binding    string           `json:"binding"` // today, dead, unknown: apart from aws-auth
	Evidence   []AccessEvidence `json:"evidence"`
	Missing    []string         `json:"missing_permissions,omitempty"`
	ID         string           `json:"principal_id,omitempty"` // that the principal has today
	ARN        string           `json:"entry_arn,omitempty"`
	Type       string           `json:"type,omitempty"`
	Username   string           `json:"username,omitempty"`
	Groups     []string         `json:"groups,omitempty"`
	Policies   []AccessPolicy   `json:"policies,omitempty"` // only if they were read: see PoliciesRead
	PoliciesOK bool             `json:"policies_read"`
	Created    *time.Time       `json:"created_at,omitempty"`
	Modified   *time.Time       `json:"modified_at,omitempty"`
	Read       *time.Time       `json:"read_at,omitempty"` // when the entry itself was read; before this scan if the ledger knew it
	UsedBy     []string         `json:"used_by,omitempty"` // node groups and Fargate profiles
	Notes      []AccessNote     `json:"notes,omitempty"`
}

// AccessCluster is one cluster.
type AccessCluster struct {
	Name    string        `json:"name"`
	ARN     string        `json:"arn"`
	Account string        `json:"account"`
	Region  string        `json:"region"`
	Mode    string        `json:"authentication_mode,omitempty"`
	Skipped string        `json:"skipped,omitempty"` // why it has no entries to judge
	Entries []AccessEntry `json:"entries"`
}

// AccessUnseen is something that couldn't be looked at.
type AccessUnseen struct {
	Account string `json:"account,omitempty"`
	Region  string `json:"region,omitempty"`
	Cluster string `json:"cluster,omitempty"`
	What    string `json:"what"`
	Why     string `json:"why"`
}

// Access is what `holdfast access scan` found.
type Access struct {
	SchemaVersion int             `json:"schema_version"`
	Started       time.Time       `json:"started"`
	Seconds       float64         `json:"seconds"`
	Calls         int             `json:"calls"` // requests to AWS, repeated ones included
	Clusters      []AccessCluster `json:"clusters"`
	Unseen        []AccessUnseen  `json:"unseen"`
	Interrupted   bool            `json:"interrupted,omitempty"`
	// BrokenTrusts are roles whose trust policy names somebody who is gone; only
	// looked for with --full.
	BrokenTrusts []string `json:"broken_trusts,omitempty"`
}

// Count is the number of entries with one of the verdicts; of all without any.
func (a Access) Count(verdicts ...Verdict) int {
	n := 0
	for _, c := range a.Clusters {
		for _, e := range c.Entries {
			if len(verdicts) == 0 || slices.Contains(verdicts, e.Verdict) {
				n++
			}
		}
	}
	return n
}

// Incomplete says whether something couldn't be looked at or decided.
func (a Access) Incomplete() bool {
	return len(a.Unseen) > 0 || a.Interrupted || a.Count(Unknown, Suspect) > 0
}

// Unwell reports whether the health of something that uses an entry says that it
// can't get in.
func (a Access) Unwell() bool {
	for _, c := range a.Clusters {
		for _, e := range c.Entries {
			if slices.ContainsFunc(e.Notes, func(n AccessNote) bool { return n.Rule == "health" }) {
				return true
			}
		}
	}
	return false
}

// Findings counts the entries that a person should do something about.
func (a Access) Findings() int { return a.Count(Stale, Orphan, Masked) }

// RepairVersion is the version of Repair's JSON.
const RepairVersion = 1

// Repair is what `holdfast access repair` did, or would do.
type Repair struct {
	SchemaVersion int             `json:"schema_version"`
	DryRun        bool            `json:"dry_run"`
	Entries       []RepairedEntry `json:"entries"`
	Scan          map[Verdict]int `json:"verdicts,omitempty"` // of the scan before
	Unseen        []AccessUnseen  `json:"unseen,omitempty"`
	Unfinished    int             `json:"unfinished,omitempty"` // repairs of before that were interrupted
}

// Outcomes of a repair.
const (
	Planned  = "planned"  // a dry run
	Repaired = "repaired" // the entry is whole again
	Refused  = "refused"  // nothing was changed
	Failed   = "failed"   // it stopped: Missing says whether the entry is gone now
	Undone   = "undone"   // given up before anything was changed
)

// RepairedEntry is one entry's part.
type RepairedEntry struct {
	Cluster   string   `json:"cluster"`
	Account   string   `json:"account"`
	Region    string   `json:"region"`
	Principal string   `json:"principal"`
	Type      string   `json:"type,omitempty"`
	Steps     []string `json:"steps,omitempty"`
	Outcome   string   `json:"outcome"`
	Why       string   `json:"why,omitempty"`
	Guard     string   `json:"guard,omitempty"` // session or compare
	Proof     string   `json:"proof,omitempty"` // created, bound, seen, joined
	ProofText string   `json:"proof_text,omitempty"`
	Journal   string   `json:"journal,omitempty"`
	Missing   bool     `json:"missing,omitempty"` // the entry isn't there now
	ByHand    []string `json:"by_hand,omitempty"` // commands that finish it
	Notes     []string `json:"notes,omitempty"`   // what the repair can't heal
}

// Sentence says what became of the entry.
func (e RepairedEntry) Sentence() string {
	if e.Outcome == Repaired {
		return fmt.Sprintf("repaired, guard=%s, proof: %s (%s)", e.Guard, e.Proof, e.ProofText)
	}
	return e.Outcome + ": " + e.Why
}

// ToFinish are the lines that say how a repair that stopped is finished; none for
// any other.
func (e RepairedEntry) ToFinish() []string {
	const resume = "To finish:  holdfast access repair --resume"
	switch {
	case e.Missing:
		out := []string{"The entry is gone for now. " + resume, "or by hand:"}
		for _, command := range e.ByHand {
			out = append(out, "  "+command)
		}
		return out
	case e.Outcome == Failed:
		return []string{resume}
	}
	return nil
}

// AccessMoment is a line of a timeline.
type AccessMoment struct {
	At     time.Time `json:"at"`
	Source string    `json:"source"` // iam, eks, ledger, log
	Text   string    `json:"text"`
}

// AccessStory is what `holdfast access explain` tells of one entry.
type AccessStory struct {
	SchemaVersion int            `json:"schema_version"`
	Cluster       string         `json:"cluster"`
	Account       string         `json:"account"`
	Region        string         `json:"region"`
	Mode          string         `json:"authentication_mode,omitempty"`
	Entry         AccessEntry    `json:"entry"`
	Timeline      []AccessMoment `json:"timeline"`
	Advice        []string       `json:"advice"`
}
