package view

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/holdfast/holdfast/internal/finding"
	"github.com/holdfast/holdfast/internal/view/pipeline"
)

// Formats are what --output takes where pipelines read.
func Formats() []string {
	return []string{"text", "json", "sarif", "junit", "github", "gitlab", "markdown"}
}

// Findings writes a report in one of Formats.
func Findings(w io.Writer, format string, r finding.Report) error {
	switch format {
	case "json":
		return JSON(w, r)
	case "sarif":
		return JSON(w, pipeline.SARIF(r))
	case "junit":
		return pipeline.JUnit(w, r)
	case "github":
		return pipeline.GitHub(w, r)
	case "gitlab":
		return JSON(w, pipeline.GitLab(r))
	case "markdown":
		return pipeline.Markdown(w, r)
	}
	findingsText(w, r)
	return nil
}

// findingsText is one paragraph for each finding, and the counts.
func findingsText(w io.Writer, r finding.Report) {
	for _, f := range r.Findings {
		where := f.Range.String()
		if f.Range.Line == 0 {
			where = f.Subject
		}
		rule := f.Rule + "  "
		if f.Severity != finding.Error {
			rule += string(f.Severity) + ": "
		}
		write(w, headed(where+"  ", rule, f.Message))
		write(w, excerpt(f))
		for _, e := range f.Evidence {
			write(w, fold("  ", "  ", e))
		}
		write(w, fold("  ", "  ", f.Cure))
		write(w, "\n")
	}
	for _, u := range r.Unknown {
		write(w, headed("", "couldn't be looked at: ", u.Subject+": "+u.Why))
	}
	write(w, ending(r)+"\n")
}

// headed folds a message behind a place and a rule. A place that takes half of
// the line has a line of its own.
func headed(place, rule, text string) string {
	if utf8.RuneCountInString(place+rule) <= width/2 {
		return fold(place+rule, "  ", text)
	}
	return strings.TrimRight(place, " ") + "\n" + fold("  "+rule, "  ", text)
}

// excerpt is the line with carets under the range, cut to the width around it.
func excerpt(f finding.Finding) string {
	if f.Excerpt == "" || f.Range.Line == 0 {
		return ""
	}
	number := fmt.Sprintf("  %d | ", f.Range.Line)
	bar := strings.Repeat(" ", len(number)-2) + "| "
	line, from, to := window(f.Excerpt, f.Range, width-len(number))
	return number + line + "\n" + bar + strings.Repeat(" ", from) + strings.Repeat("^", to-from) + "\n"
}

// window cuts a line to size characters around the range, and gives where the
// range begins and ends in what is left. Tabs become spaces, so that carets
// stand under what they mean.
func window(text string, at finding.Range, size int) (string, int, int) {
	line := []rune(strings.ReplaceAll(strings.TrimRight(text, "\r\n"), "\t", " "))
	from := min(max(at.Column-1, 0), len(line))
	to := len(line)
	if at.EndLine == at.Line && at.EndColumn > at.Column {
		to = min(at.EndColumn-1, len(line))
	}
	if len(line) <= size {
		return string(line), from, max(to, from+1)
	}
	start := 0
	if to > size {
		start = min(max(from-8, 0), len(line)-size)
	}
	end := start + size
	cut := append([]rune{}, line[start:end]...)
	if start > 0 {
		copy(cut, []rune("..."))
	}
	if end < len(line) {
		copy(cut[size-3:], []rune("..."))
	}
	from, to = from-start, min(to-start, size)
	return string(cut), from, max(to, from+1)
}

// ending is a report in a line, and what can be done about it in another.
func ending(r finding.Report) string {
	text := r.Command + ": " + pipeline.Counts(r) + " in " + r.Subject
	if r.Verdict == finding.Inconclusive {
		text += ": INCONCLUSIVE"
	}
	fixable := 0
	for _, f := range r.Findings {
		if f.Fixable {
			fixable++
		}
	}
	if fixable > 0 {
		text += fmt.Sprintf("\n%d can be fixed:  holdfast %s --fix", fixable, r.Command)
	}
	return text
}
