package report

import (
	"fmt"
	"slices"
	"time"
)

// Rescues is what `holdfast state rescue` and its siblings print as JSON.
type Rescues struct {
	SchemaVersion int      `json:"schema_version"`
	Directories   []Rescue `json:"directories"`
}

// Rescue is what became of one working directory's state, digest and lock.
type Rescue struct {
	Dir      string   `json:"dir"`
	Where    string   `json:"where,omitempty"` // of the state: s3://bucket/key
	State    string   `json:"state"`           // none, push, already there, not of this run, keep, refuse
	Digest   string   `json:"digest"`          // none, repair, ask
	Lock     string   `json:"lock"`            // none, release, leave, theirs, guard
	Done     bool     `json:"done"`            // false: a look, or a step failed
	Found    *Version `json:"found,omitempty"`
	Remote   *Version `json:"remote,omitempty"`
	LockID   string   `json:"lock_id,omitempty"`
	LockHeld string   `json:"lock_held,omitempty"` // the lock in words
	Released string   `json:"released,omitempty"`  // the ID of the lock
	Repaired bool     `json:"repaired"`            // the digest
	Pushed   bool     `json:"pushed"`
	Kept     string   `json:"kept,omitempty"`   // the directory with the copy and the journal
	Copied   string   `json:"copied,omitempty"` // a second copy, beside the state or where rescue_to says
	Problem  string   `json:"problem,omitempty"`
	Why      []string `json:"why,omitempty"`
	Next     []string `json:"next,omitempty"` // commands that a person would run
	Orphans  []string `json:"orphans,omitempty"`
	Blind    bool     `json:"blind"` // something couldn't be looked at
}

// Version is a state by what tells it from others.
type Version struct {
	From    string `json:"from"`
	Serial  uint64 `json:"serial"`
	Lineage string `json:"lineage"`
	MD5     string `json:"md5,omitempty"`
	Digest  string `json:"digest,omitempty"` // what DynamoDB says the MD5 is
}

// Settled reports whether nothing is left for a person to do.
func (r Rescue) Settled() bool {
	return r.Problem == "" && !r.Blind && len(r.Orphans) == 0 && r.Digest != "ask" &&
		!slices.Contains([]string{"keep", "refuse"}, r.State) && !slices.Contains([]string{"leave", "theirs", "guard"}, r.Lock)
}

// Quiet reports whether there was nothing to settle.
func (r Rescue) Quiet() bool { return r.State == "none" && r.Digest == "none" && r.Lock == "none" }

// OfOthers reports whether all there is to say is that somebody else holds the
// lock.
func (r Rescue) OfOthers() bool {
	return r.State == "none" && r.Digest == "none" && r.Lock == "theirs" && !r.Blind && len(r.Orphans) == 0
}

// Drained is a process that was stopped before its credentials ended, and what
// it left half made.
type Drained struct {
	Dir     string     `json:"dir"`
	Where   string     `json:"where,omitempty"`
	At      time.Time  `json:"at"`
	Why     string     `json:"why"`
	Tainted []Instance `json:"tainted,omitempty"` // the next apply would destroy them
	Missing []string   `json:"missing,omitempty"` // addresses that no state knows and that may exist
	Clean   bool       `json:"clean"`             // nothing was left half made
	Problem string     `json:"problem,omitempty"`
	Next    []string   `json:"next,omitempty"` // commands that a person would run
}

// Instance is one object of a state.
type Instance struct {
	Address string `json:"address"`
	Type    string `json:"type"`
	ID      string `json:"id,omitempty"`
}

// Sentences tell a rescue, the outcome first.
func (r Rescue) Sentences() []string {
	var all []string
	switch {
	case r.Pushed:
		all = append(all, fmt.Sprintf("rescued: serial %d pushed to %s (read back, equal)", r.Found.Serial, r.Where))
	case r.State == "already there":
		all = append(all, fmt.Sprintf("nothing was lost: serial %d is in %s", r.Remote.Serial, r.Where))
	case r.Found != nil && r.State != "not of this run":
		all = append(all, fmt.Sprintf("NOT RESCUED: %s (serial %d)", r.Found.From, r.Found.Serial))
	}
	if r.Repaired {
		all = append(all, "the digest was repaired")
	}
	if r.Released != "" {
		all = append(all, "the lock "+r.Released+" was this run's; released")
	}
	if r.Problem != "" {
		all = append(all, r.Problem)
	}
	if !r.Pushed || r.Problem != "" {
		all = append(all, r.Why...)
	}
	for _, address := range r.Orphans {
		all = append(all, "perhaps made, and in no state: "+address)
	}
	if len(r.Orphans) > 0 && r.Kept != "" {
		all = append(all, "import blocks to begin with: "+r.Kept+"/imports.tf")
	}
	if r.Kept != "" {
		all = append(all, "kept: "+r.Kept)
	}
	if r.Copied != "" {
		all = append(all, "copied: "+r.Copied)
	}
	return append(all, commands(r.Next)...)
}

// Sentences tell a drain.
func (d Drained) Sentences() []string {
	all := []string{"stopped: " + d.Why}
	if d.Clean {
		return append(all, "nothing was left half made")
	}
	if d.Problem != "" {
		all = append(all, d.Problem)
	}
	for _, i := range d.Tainted {
		all = append(all, fmt.Sprintf("tainted: %s %s; the next apply would destroy it", i.Address, i.ID))
	}
	for _, address := range d.Missing {
		all = append(all, "perhaps made, and in no state: "+address)
	}
	return append(all, commands(d.Next)...)
}

// commands are set apart, so that they stay in one piece.
func commands(all []string) []string {
	var out []string
	for _, c := range all {
		out = append(out, "  "+c)
	}
	return out
}
