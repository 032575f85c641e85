package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// row is one line of the table.
type row struct {
	what     string
	measured string
	detail   string
	goal     string
	met      bool
	peer     string // aws-vault 7.13.5 on another machine of two cores
	err      error  // why there is no figure
}

// table prints the rows and reports whether every one has a figure.
func table(w io.Writer, rows []row) bool {
	complete := true
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nWHAT\tMEASURED\tGOAL\t\tA PEER, ELSEWHERE\tDETAIL")
	for _, r := range rows {
		verdict := ""
		switch {
		case r.err != nil:
			complete = false
			r.measured, verdict, r.detail = "not measured", "?", r.err.Error()
		case r.goal != "" && r.met:
			verdict = "met"
		case r.goal != "":
			verdict = "MISSED"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", r.what, r.measured, r.goal, verdict, r.peer, r.detail)
	}
	_ = t.Flush() // a terminal that is gone has nobody to tell
	fmt.Fprintln(w, "\nThe peer is aws-vault 7.13.5, measured at another time on another machine of two\ncores: a hint, not a comparison. MB are millions of bytes.")
	return complete
}

func unmeasured(err error, names ...string) []row {
	var rows []row
	for _, n := range names {
		rows = append(rows, row{what: n, err: err})
	}
	return rows
}
