package pipeline

import (
	"fmt"
	"io"
	"strings"

	"github.com/holdfast/holdfast/internal/finding"
)

// annotations is how many of a kind GitHub shows for a step
// (https://docs.github.com/en/rest/checks/runs and
// https://github.com/orgs/community/discussions/26680).
const annotations = 10

// GitHub writes workflow commands that become annotations, errors first. Where
// there are more of a kind than GitHub shows, the last place says how many are
// missing
// (https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands).
func GitHub(w io.Writer, r finding.Report) error {
	lines := kind(r, finding.Error, "error")
	lines = append(lines, kind(r, finding.Warning, "warning")...)
	lines = append(lines, kind(r, finding.Note, "notice")...)
	lines = append(lines, "holdfast "+r.Command+": "+oneLine(Counts(r)+" in "+r.Subject))
	_, err := io.WriteString(w, strings.Join(lines, "\n")+"\n")
	return err
}

func kind(r finding.Report, severity finding.Severity, command string) []string {
	var all []string
	for _, f := range r.Findings {
		if f.Severity != severity {
			continue
		}
		at := place(r, f)
		properties := fmt.Sprintf("file=%s,line=%d", property(at.File), at.Line)
		if at.EndLine > 0 {
			properties += fmt.Sprintf(",endLine=%d", at.EndLine)
		}
		if at.Column > 0 && at.EndLine == at.Line {
			properties += fmt.Sprintf(",col=%d,endColumn=%d", at.Column, at.EndColumn)
		}
		all = append(all, fmt.Sprintf("::%s %s,title=%s::%s", command, properties, property(f.Rule), data(told(f, "\n"))))
	}
	if severity == finding.Error {
		for _, u := range r.Unknown {
			all = append(all, fmt.Sprintf("::error title=couldn't be looked at::%s", data(u.Subject+": "+u.Why)))
		}
	}
	if len(all) > annotations {
		rest := len(all) - annotations + 1
		all = append(all[:annotations-1], fmt.Sprintf("::%s title=holdfast %s::%d more that GitHub wouldn't show; the step's log and --output markdown have them", command, r.Command, rest))
	}
	return all
}
