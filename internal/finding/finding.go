// Package finding (words) is the one form of what a check found: a rule, how bad
// it is, what it is about, where that stands, the evidence and the cure.
//
// It promises fingerprints that stay the same while lines move, and a verdict
// that never calls clean what couldn't be looked at.
//
// It knows no format: package view writes findings for people and pipelines.
package finding

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// SchemaVersion is the version of Report's JSON.
const SchemaVersion = 1

// Severity says how bad a finding is; SARIF's levels have the same names.
type Severity string

// Severities. Notes don't count for the exit code.
const (
	Error   Severity = "error"   // it will break, or has broken
	Warning Severity = "warning" // it breaks when something else happens
	Note    Severity = "note"
)

func (s Severity) rank() int { return slices.Index([]Severity{Error, Warning, Note}, s) }

// Rule is what a check knows, once for all its findings.
type Rule struct {
	ID       string   // HF201
	Name     string   // entry-outlives-role
	Title    string   // one line, no full stop
	Severity Severity // of most of its findings
	About    string   // what happens and why, in sentences
	Cure     string   // what helps in general
}

// Page is where a rule is explained.
func (r Rule) Page() string {
	return "https://github.com/holdfast/holdfast/blob/main/docs/RULES.md#" + strings.ToLower(r.ID)
}

// Range is a piece of a file. Lines and columns start at 1, columns count
// characters; line 0 says that the place inside the file isn't known.
type Range struct {
	File      string `json:"file,omitempty"`
	Line      int    `json:"line,omitempty"`
	Column    int    `json:"column,omitempty"`
	EndLine   int    `json:"end_line,omitempty"`
	EndColumn int    `json:"end_column,omitempty"` // behind the last character
}

// String is file:line:column, the form that editors and terminals follow.
func (r Range) String() string {
	if r.Line == 0 {
		return r.File
	}
	return fmt.Sprintf("%s:%d:%d", r.File, r.Line, r.Column)
}

// Compare orders ranges by file, line and column.
func (r Range) Compare(o Range) int {
	return cmp.Or(cmp.Compare(r.File, o.File), cmp.Compare(r.Line, o.Line), cmp.Compare(r.Column, o.Column))
}

// Finding is one thing that somebody should know.
type Finding struct {
	Rule     string   `json:"rule"`
	Severity Severity `json:"severity"`
	Subject  string   `json:"subject"` // a resource's address, an entry, a file
	Message  string   `json:"message"` // one sentence, no full stop
	Range    Range    `json:"location"`
	Excerpt  string   `json:"excerpt,omitempty"` // the line Range.Line as it stands; never with a secret in it
	Evidence []string `json:"evidence,omitempty"`
	Cure     string   `json:"cure"`              // what stands behind two spaces can be pasted
	Fixable  bool     `json:"fixable,omitempty"` // by holdfast lint --fix
	Waiver   *Waived  `json:"waiver,omitempty"`

	// Fingerprint is set by New: the same while the finding's rule, file and
	// subject are, whatever its line.
	Fingerprint string `json:"fingerprint"`
}

// Waived says why a finding doesn't count.
type Waived struct {
	Reason string `json:"reason"`
	Until  string `json:"until,omitempty"` // the last day, 2006-01-02
	Where  string `json:"where"`           // the waiver's own place, or the baseline file
	InCode bool   `json:"in_code"`         // it stands beside the code
}

// Unknown is something that couldn't be looked at.
type Unknown struct {
	Subject string `json:"subject"`
	Why     string `json:"why"`
}

// Verdict is a report in a word.
type Verdict string

// Verdicts.
const (
	Clean        Verdict = "clean"
	Found        Verdict = "findings"     // also if something couldn't be looked at
	Inconclusive Verdict = "inconclusive" // nothing found, but not everything was looked at
)

// Report is what a command found: the documented JSON.
type Report struct {
	SchemaVersion int       `json:"schema_version"`
	Command       string    `json:"command"` // gate, lint, access verify
	Subject       string    `json:"subject"` // the plan, directory or cluster that was looked at
	Verdict       Verdict   `json:"verdict"`
	Findings      []Finding `json:"findings"`
	Waived        []Finding `json:"waived"`
	Unknown       []Unknown `json:"unknown"`
	Rules         []Rule    `json:"-"`
}

// New makes a report: the findings in order, each with its fingerprint, those
// that are waived apart, and the verdict. Characters that would do something to a
// terminal, or end a line, are written as escapes: plans and code are written by
// others.
func New(command, subject string, rules []Rule, findings []Finding, unknown []Unknown) Report {
	r := Report{
		SchemaVersion: SchemaVersion, Command: command, Subject: subject, Rules: rules,
		Findings: []Finding{}, Waived: []Finding{}, Unknown: append([]Unknown{}, unknown...),
	}
	for i := range r.Unknown {
		r.Unknown[i] = Unknown{visible(r.Unknown[i].Subject), visible(r.Unknown[i].Why)}
	}
	sorted := slices.Clone(findings)
	for i := range sorted {
		sorted[i] = sorted[i].visible()
	}
	slices.SortStableFunc(sorted, func(a, b Finding) int {
		return cmp.Or(a.Range.Compare(b.Range), cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.Rule, b.Rule))
	})
	seen := map[string]int{}
	for _, f := range sorted {
		key := f.key()
		f.Fingerprint = fingerprint(key, seen[key])
		seen[key]++
		if f.Waiver != nil {
			r.Waived = append(r.Waived, f)
		} else {
			r.Findings = append(r.Findings, f)
		}
	}
	r.Verdict = r.verdict()
	return r
}

// Except takes out findings that a baseline holds, by their fingerprints.
func (r Report) Except(known map[string]bool, where string) Report {
	kept := []Finding{}
	for _, f := range r.Findings {
		if known[f.Fingerprint] {
			f.Waiver = &Waived{Reason: "it was there when the baseline was made", Where: where}
			r.Waived = append(r.Waived, f)
		} else {
			kept = append(kept, f)
		}
	}
	r.Findings = kept
	r.Verdict = r.verdict()
	return r
}

func (r Report) verdict() Verdict {
	switch {
	case r.Counting() > 0:
		return Found
	case len(r.Unknown) > 0:
		return Inconclusive
	}
	return Clean
}

// Counting is how many findings are worse than a note.
func (r Report) Counting() int { return r.Count(Error) + r.Count(Warning) }

// Count is how many findings of a severity aren't waived.
func (r Report) Count(s Severity) int {
	n := 0
	for _, f := range r.Findings {
		if f.Severity == s {
			n++
		}
	}
	return n
}

// Worst gives the findings with errors first, notes last.
func (r Report) Worst() []Finding {
	out := slices.Clone(r.Findings)
	slices.SortStableFunc(out, func(a, b Finding) int { return cmp.Compare(a.Severity.rank(), b.Severity.rank()) })
	return out
}

// Rule is what the report knows of a finding's rule.
func (r Report) Rule(id string) Rule {
	if i := slices.IndexFunc(r.Rules, func(x Rule) bool { return x.ID == id }); i >= 0 {
		return r.Rules[i]
	}
	return Rule{ID: id, Name: id, Title: id, Severity: Warning}
}

// key is what a finding's fingerprint is made of: nothing that moves when a line
// is added above, or when a sentence of ours is written better.
func (f Finding) key() string {
	return strings.Join([]string{f.Rule, filepath.ToSlash(f.Range.File), f.Subject}, "\x00")
}

// fingerprint tells apart findings of one key by their order.
func fingerprint(key string, n int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d", key, n))
	return hex.EncodeToString(sum[:16])
}
