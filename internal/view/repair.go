package view

import (
	"fmt"
	"io"
	"strings"

	"github.com/holdfast/holdfast/internal/report"
)

// Repair writes what will happen to each entry in order, or what happened.
func Repair(w io.Writer, r report.Repair) {
	planned := repaired(w, r.Entries)
	if len(r.Entries) == 0 && r.Scan == nil {
		write(w, "Nothing was left to finish.\n")
	} else if len(r.Entries) == 0 {
		write(w, "No entry is stale by proof or near proof: nothing to repair.\n")
	}
	if n := r.Scan[report.Unknown] + r.Scan[report.Suspect]; n > 0 {
		write(w, count(n, "entry", "entries")+" couldn't be looked at or decided, and stay as they are:  holdfast access scan\n")
	}
	for _, u := range r.Unseen {
		write(w, paragraph("", "couldn't be looked at: "+unseenWords(u)))
	}
	if r.Unfinished > 0 {
		write(w, count(r.Unfinished, "repair")+" of before was interrupted:  holdfast access repair --resume\n")
	}
	if planned > 0 {
		write(w, "Nothing changed: this was a dry run. To do it:  holdfast access repair --yes\n")
	}
}

// repaired writes what will become of entries, or became, and returns how many
// of them are only planned.
func repaired(w io.Writer, entries []report.RepairedEntry) (planned int) {
	for _, e := range entries {
		c := report.AccessCluster{Account: e.Account}
		head := e.Cluster + "  " + shortARN(c, e.Principal)
		if e.Type != "" {
			head += "  " + e.Type
		}
		write(w, head+"\n")
		if e.Outcome == report.Planned {
			planned++
			write(w, paragraph("     ", "STALE: "+e.Why))
			for i, step := range e.Steps {
				write(w, fold(fmt.Sprintf("  %d  ", i+1), "             ", strings.ReplaceAll(step, "  ", " ")))
			}
		} else {
			write(w, paragraph("     ", e.Sentence()))
		}
		for _, line := range e.ToFinish() {
			write(w, "     "+line+"\n")
		}
		for _, n := range e.Notes {
			write(w, paragraph("     ", "Not healed by this: "+n))
		}
	}
	return planned
}

// AccessRepaired writes what a run repaired of its clusters' entries, and what it
// left.
func AccessRepaired(w io.Writer, entries []report.RepairedEntry) {
	if len(entries) == 0 {
		return
	}
	write(w, paragraph(lead, "repair of access entries, as far as holdfast.hcl lets a run do it:"))
	repaired(w, entries)
}

// Restore writes what will be done, or what was.
func Restore(w io.Writer, r report.Restore) {
	for _, c := range r.Changes {
		mark := "  + "
		if c.Done {
			mark = "done "
		} else if !r.DryRun {
			mark = "not  "
		}
		write(w, fold(mark, "         ", c.Cluster+" "+c.Principal+": "+c.Do+" "+c.What))
	}
	for _, l := range r.Left {
		write(w, fold("  = ", "         ", strings.TrimSpace(l.Cluster+" "+l.Principal)+": "+l.Why))
	}
	switch {
	case len(r.Changes) == 0:
		write(w, "Nothing to restore: the clusters have all that can be restored.\n")
	case r.DryRun:
		write(w, "Nothing changed: this was a dry run. To do it, say it again with --yes\n")
	}
}
