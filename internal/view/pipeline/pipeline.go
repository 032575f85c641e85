// Package pipeline (words out) writes findings in the formats that pipelines
// read: SARIF, JUnit, GitHub's annotations, GitLab's code quality and Markdown.
//
// It promises that nothing of a finding's text can become syntax of the format,
// that a format's limits cut loudly (the rest is counted), and that what
// couldn't be looked at shows in every one of them.
//
// It knows nothing about rules, and links no library: the formats are small.
package pipeline

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/holdfast/holdfast/internal/finding"
)

// place is where a finding is shown: its file, or the plan that was judged.
func place(r finding.Report, f finding.Finding) finding.Range {
	at := f.Range
	if at.File == "" {
		at.File = r.Subject
	}
	at.File = filepath.ToSlash(at.File)
	at.Line = max(at.Line, 1)
	return at
}

// told is a finding in sentences, for formats with one field of text.
func told(f finding.Finding, gap string) string {
	lines := []string{f.Message}
	if f.Subject != "" && !strings.Contains(f.Message, f.Subject) {
		lines = []string{f.Subject + ": " + f.Message}
	}
	lines = append(lines, f.Evidence...)
	return strings.Join(append(lines, f.Cure), gap)
}

// Counts is a report in a few words: 1 error, 2 warnings, 3 waived.
func Counts(r finding.Report) string {
	var parts []string
	add := func(n int, one, many string) {
		switch {
		case n == 1:
			parts = append(parts, "1 "+one)
		case n > 1:
			parts = append(parts, fmt.Sprintf("%d %s", n, many))
		}
	}
	add(r.Count(finding.Error), "error", "errors")
	add(r.Count(finding.Warning), "warning", "warnings")
	add(r.Count(finding.Note), "note", "notes")
	if len(parts) == 0 {
		parts = []string{"nothing found"}
	}
	add(len(r.Waived), "waived", "waived")
	add(len(r.Unknown), "unknown", "unknown")
	return strings.Join(parts, ", ")
}
