package view

import (
	"fmt"
	"io"
	"strings"

	"github.com/holdfast/holdfast/internal/report"
)

// Doctor writes the answer first, then why, then what to do.
func Doctor(w io.Writer, d report.Doctor) {
	write(w, paragraph("", d.Answer))
	if d.EndedBy != "" && d.Ends != "never" {
		write(w, paragraph("", "What decides: "+d.EndedBy+"."))
	}
	if len(d.Hops) > 0 {
		write(w, "\n")
	}
	for i, h := range d.Hops {
		write(w, fold(fmt.Sprintf("  %d  %-9s  ", i+1, h.Name), strings.Repeat(" ", 16), hopWords(h)))
	}
	if len(d.Findings) > 0 {
		write(w, "\n")
	}
	for _, f := range d.Findings {
		write(w, hanging(f.Rule+"  ", f.What))
		write(w, fold("       ", "       ", f.Evidence))
		write(w, fold("       ", "       ", f.Cure))
	}
	write(w, "\nwhat each SDK would take, without holdfast:\n")
	for _, s := range d.SDKs {
		text := s.Source
		if s.Where != "" {
			text += " (" + s.Where + ")"
		}
		if s.Note != "" {
			text += ": " + s.Note
		}
		write(w, fold(fmt.Sprintf("  %-11s ", s.SDK), strings.Repeat(" ", 14), text))
	}
	for _, u := range d.Unknown {
		write(w, paragraph("", "couldn't be looked at: "+u))
	}
	if d.Cure != "" {
		write(w, "\n"+paragraph("", d.Cure))
	}
}

func hopWords(h report.DoctorHop) string {
	words := []string{h.How}
	if h.Where != "" {
		words[0] += " (" + h.Where + ")"
	}
	if h.LifetimeSeconds > 0 {
		words = append(words, short(seconds(h.LifetimeSeconds)))
	}
	if h.Cap != "" {
		words = append(words, h.Cap)
	}
	if h.Renewable {
		words = append(words, "renewable")
	} else {
		words = append(words, "NOT renewable")
	}
	if h.Ends != nil {
		words = append(words, "until "+h.Ends.Format("15:04 MST"))
	}
	text := strings.Join(words, ", ")
	if h.EndsIt {
		text += " <- ends it"
	}
	return text
}
