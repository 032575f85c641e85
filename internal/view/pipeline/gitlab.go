package pipeline

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/holdfast/holdfast/internal/finding"
)

// Issue is one entry of GitLab's code quality report
// (https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format).
type Issue struct {
	Description string   `json:"description"`
	CheckName   string   `json:"check_name"`
	Fingerprint string   `json:"fingerprint"`
	Severity    string   `json:"severity"`
	Location    IssueLoc `json:"location"`
}

// IssueLoc is a line of a file.
type IssueLoc struct {
	Path  string `json:"path"`
	Lines struct {
		Begin int `json:"begin"`
	} `json:"lines"`
}

// GitLab makes a code quality report: an empty array where nothing was found.
func GitLab(r finding.Report) []Issue {
	out := []Issue{}
	for _, f := range r.Findings {
		severity := map[finding.Severity]string{finding.Error: "critical", finding.Warning: "major", finding.Note: "info"}[f.Severity]
		out = append(out, issue(told(f, "; "), f.Rule, f.Fingerprint, severity, place(r, f)))
	}
	for _, u := range r.Unknown {
		sum := sha256.Sum256([]byte(u.Subject + "\x00" + u.Why))
		at := finding.Range{File: r.Subject, Line: 1}
		out = append(out, issue("couldn't be looked at: "+u.Subject+": "+u.Why, "unknown", hex.EncodeToString(sum[:16]), "blocker", at))
	}
	return out
}

func issue(description, check, fingerprint, severity string, at finding.Range) Issue {
	i := Issue{Description: description, CheckName: check, Fingerprint: fingerprint, Severity: severity, Location: IssueLoc{Path: at.File}}
	i.Location.Lines.Begin = at.Line
	return i
}
