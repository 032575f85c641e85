package view

import (
	"io"

	"github.com/holdfast/holdfast/internal/app"
)

// Alerts writes what became of a test, a line for each place.
func Alerts(w io.Writer, tested app.AlertsTested) {
	for _, r := range tested.Alerts {
		said := "sent"
		if r.Err != "" {
			said = "NOT SENT: " + r.Err
		}
		write(w, fold("", "    ", r.Name+" ("+r.To+") "+said))
	}
}
