package view

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/holdfast/holdfast/internal/report"
)

// Access writes the entries that need a person, by cluster, what couldn't be
// looked at, and counts for the rest.
func Access(w io.Writer, a report.Access) {
	for _, c := range a.Clusters {
		head := false
		for _, v := range report.Verdicts() {
			for _, e := range c.Entries {
				if e.Verdict != v || !worthALine(e) {
					continue
				}
				if !head {
					write(w, c.Name+"  "+c.Region+" "+c.Account+"\n")
					head = true
				}
				accessLine(w, c, e)
			}
		}
	}
	for _, u := range a.Unseen {
		write(w, paragraph("", "couldn't be looked at: "+unseenWords(u)))
	}
	for _, role := range a.BrokenTrusts {
		write(w, paragraph("", "trust policy names somebody who is gone: "+role))
	}
	if a.Interrupted {
		write(w, "interrupted: this is what was found until then\n")
	}
	write(w, paragraph("", accessCounts(a)))
	if a.Findings() > 0 {
		c, e := firstOf(a)
		write(w, fmt.Sprintf("\nholdfast access explain %s %s\n", c.Name, shortARN(c, e.Principal)))
		write(w, "holdfast access repair (a dry run)\n")
	}
}

// worthALine leaves out what is as it should be.
func worthALine(e report.AccessEntry) bool {
	return e.Verdict != report.Live && e.Verdict != report.Managed || len(e.Notes) > 0
}

func accessLine(w io.Writer, c report.AccessCluster, e report.AccessEntry) {
	line := fmt.Sprintf("  %-7s  %s", e.Verdict, shortARN(c, e.Principal))
	if e.Type != "" {
		line += "  " + e.Type
	}
	if e.Strength != "" && e.Strength != report.Hint {
		line += "  (" + string(e.Strength) + ")"
	}
	write(w, line+"\n")
	for _, v := range e.Evidence {
		write(w, paragraph("           ", v.Text))
	}
	if len(e.UsedBy) > 0 {
		write(w, paragraph("           ", "used by "+strings.Join(e.UsedBy, ", ")))
	}
	for _, n := range e.Notes {
		write(w, paragraph("           ", n.Text))
	}
}

// shortARN is a principal without what it has in common with its cluster.
func shortARN(c report.AccessCluster, principal string) string {
	if _, rest, ok := strings.Cut(principal, ":iam::"+c.Account+":"); ok {
		return rest
	}
	return principal
}

func unseenWords(u report.AccessUnseen) string {
	var where []string
	for _, part := range []string{u.Account, u.Region, u.Cluster} {
		if part != "" {
			where = append(where, part)
		}
	}
	text := u.What
	if len(where) > 0 {
		text += " in " + strings.Join(where, " ")
	}
	return text + ": " + u.Why
}

// accessCounts is "61 entries in 2 clusters: 57 live, 1 stale, 1 unknown
// (iam:GetRole)".
func accessCounts(a report.Access) string {
	var parts []string
	order := append([]report.Verdict{report.Live}, report.Verdicts()...)
	for i, v := range order {
		n := a.Count(v)
		if n == 0 || i > 0 && v == report.Live {
			continue
		}
		part := fmt.Sprintf("%d %s", n, strings.ToLower(string(v)))
		if v == report.Unknown {
			if missing := missingOf(a); len(missing) > 0 {
				part += " (" + strings.Join(missing, ", ") + ")"
			}
		}
		parts = append(parts, part)
	}
	text := count(a.Count(), "entry", "entries") + " in " + count(len(a.Clusters), "cluster")
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	skipped := 0
	for _, c := range a.Clusters {
		if c.Skipped != "" {
			skipped++
		}
	}
	if skipped > 0 {
		text += fmt.Sprintf("; %d without access entries (CONFIG_MAP)", skipped)
	}
	return text
}

// missingOf lists the permissions that were missing, each once.
func missingOf(a report.Access) []string {
	var out []string
	for _, c := range a.Clusters {
		for _, e := range c.Entries {
			for _, m := range e.Missing {
				if !slices.Contains(out, m) {
					out = append(out, m)
				}
			}
		}
	}
	return out
}

func firstOf(a report.Access) (report.AccessCluster, report.AccessEntry) {
	for _, v := range report.Verdicts() {
		for _, c := range a.Clusters {
			for _, e := range c.Entries {
				if e.Verdict == v {
					return c, e
				}
			}
		}
	}
	return report.AccessCluster{}, report.AccessEntry{}
}
