// Package view (words out) turns values into text for a person and JSON for a
// machine. It decides nothing, and is reached from package cli only.
//
// Text is for 80 columns, without colour, with every line of ours told by the
// word holdfast in front, because it shares a terminal with somebody else's
// output.
package view

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/event"
	"github.com/holdfast/holdfast/internal/report"
)

const (
	width = 80
	lead  = "holdfast: "
)

// Error writes an error: what, why, and the cure.
func Error(w io.Writer, err error) {
	var e *cure.Error
	if !errors.As(err, &e) {
		write(w, paragraph(lead, err.Error()))
		return
	}
	write(w, paragraph(lead, e.What))
	for _, line := range e.Why {
		if strings.HasPrefix(line, " ") || strings.Contains(line, " | ") {
			write(w, "  "+line+"\n") // an excerpt: its columns matter
			continue
		}
		write(w, paragraph("  ", line))
	}
	if e.Cure != "" {
		write(w, paragraph("  ", e.Cure))
	}
}

// Event writes what a person should know: notices and worse.
func Event(w io.Writer, e event.Event) {
	if e.Severity < event.Notice {
		return
	}
	text := e.Message
	if e.Subject != "run" && !strings.HasPrefix(text, e.Subject) {
		text = e.Subject + ": " + text
	}
	if e.Severity >= event.Warning {
		text = e.Time.Local().Format("15:04") + " " + text
	}
	first, more, several := strings.Cut(text, "\n")
	write(w, paragraph(lead, first))
	if !several {
		return
	}
	for line := range strings.SplitSeq(more, "\n") {
		write(w, paragraph(strings.Repeat(" ", len(lead)), line))
	}
}

// Started says in a line what is kept: "deploy = irsa > ci (1h) > deploy (1h,
// chained); renews every 30m, no end in sight".
func Started(w io.Writer, i report.Identity) {
	from := i.From
	var hops []string
	var shortest time.Duration
	for _, h := range i.Hops {
		life := seconds(h.LifetimeSeconds)
		if life > 0 && (shortest == 0 || life < shortest) {
			shortest = life
		}
		switch {
		case h.RoleARN == "" && life > 0:
			from += " (" + short(life) + ")"
		case h.RoleARN != "" && h.Chained:
			hops = append(hops, h.Name+" ("+short(life)+", chained)")
		case h.RoleARN != "":
			hops = append(hops, h.Name+" ("+short(life)+")")
		}
	}
	line := i.Name + " = " + strings.Join(append([]string{from}, hops...), " > ")
	switch {
	case i.FirstEnds && i.Ends != nil && shortest > 0 && len(hops) > 0:
		line += "; renews every " + short(shortest/2) + " until " + i.Ends.Local().Format("15:04")
	case i.FirstEnds && i.Ends != nil:
		line += "; lasts until " + i.Ends.Local().Format("15:04")
	case i.FirstEnds && shortest > 0:
		line += "; renews every " + short(shortest/2) + " while the first credential lasts"
	case shortest > 0:
		line += "; renews every " + short(shortest/2) + ", no end in sight"
	}
	write(w, paragraph(lead, line))
}

// Summary writes the end of a run in one or two lines.
func Summary(w io.Writer, r report.Run) {
	parts := []string{fmt.Sprintf("done in %s, exit %d.", short(seconds(r.Seconds)), r.ExitCode)}
	if r.Endpoint.LeastLeftSeconds > 0 {
		parts = append(parts, fmt.Sprintf("%s, never less than %s left.", count(r.Identity.Renewals(), "renewal"), atLeast(seconds(r.Endpoint.LeastLeftSeconds))))
	}
	if n := r.Resources(); n > 0 {
		parts = append(parts, fmt.Sprintf("%s, %s.", count(len(r.Processes), "process", "processes"), count(n, "resource operation")))
	}
	if r.Endpoint.UnseenUsers > 0 {
		parts = append(parts, "The kernel couldn't tell who was asking; the token alone decided.")
	}
	if slowest, ok := r.Slowest(); ok {
		parts = append(parts, fmt.Sprintf("Slowest: %s %s.", slowest.Address, short(seconds(slowest.Seconds))))
	}
	write(w, paragraph(lead, strings.Join(parts, " ")))
}

// Explain writes what the child's environment will differ in, and why.
func Explain(w io.Writer, x app.Explanation) {
	write(w, fmt.Sprintf("%s would run with credentials of: %s\n", x.Command, x.From))
	if len(x.Changes) > 0 {
		write(w, "\nenvironment: + set, - taken out, ~ changed (no secret is shown)\n")
	}
	for _, c := range x.Changes {
		write(w, hanging("  ", c.String()))
	}
	if len(x.Links) > 0 {
		write(w, "\nlinks, found before the real ones: "+strings.Join(x.Links, ", ")+"\n")
	}
	if len(x.Copies) > 0 {
		write(w, "\nfiles: a private copy instead of the original, which isn't touched\n")
	}
	for _, c := range x.Copies {
		write(w, hanging("  ", "without "+strings.Join(c.Keys, ", ")))
	}
	if len(x.Shadows) > 0 {
		write(w, "\ncode that wins over the endpoint:\n")
	}
	for _, s := range x.Shadows {
		write(w, hanging("  ", s.String()))
		write(w, hanging("    ", s.Cure))
	}
	for _, n := range x.Notes {
		write(w, "\n"+paragraph("", n))
	}
}

// JSON writes a value as indented JSON with a newline at its end.
func JSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// write leaves errors out: there is nowhere to tell them.
func write(w io.Writer, text string) { _, _ = io.WriteString(w, text) }

// paragraph breaks text at spaces into lines of the width, the first behind
// head and the rest under it.
func paragraph(head, text string) string { return fold(head, strings.Repeat(" ", len(head)), text) }

// hanging is paragraph with later lines further in.
func hanging(head, text string) string { return fold(head, head+"    ", text) }

// fold breaks text into lines. What stands behind two spaces is a command to
// be pasted, and stays in one piece whatever its length.
func fold(head, indent, text string) string {
	text, command, _ := strings.Cut(text, "  ")
	words := strings.Fields(text)
	if command != "" {
		words = append(words, " "+command)
	}
	var out strings.Builder
	line := head
	empty := true
	for _, word := range words {
		if !empty && len([]rune(line))+1+len([]rune(word)) > width {
			out.WriteString(line + "\n")
			line, empty, word = indent, true, strings.TrimLeft(word, " ")
		}
		if !empty {
			line += " "
		}
		line += word
		empty = false
	}
	return out.String() + line + "\n"
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// short writes a duration as people do: 1h34m, 52m10s, 6s, 340ms.
func short(d time.Duration) string {
	switch {
	case d >= time.Hour:
		text := strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
		if whole, ok := strings.CutSuffix(text, "h0m"); ok {
			return whole + "h"
		}
		return text
	case d >= time.Minute:
		text := d.Round(time.Second).String()
		if whole, ok := strings.CutSuffix(text, "m0s"); ok {
			return whole + "m"
		}
		return text
	case d >= 10*time.Second:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(100 * time.Millisecond).String()
	default:
		return d.Round(time.Millisecond).String()
	}
}

// atLeast is short for a bound: it never says more than there is.
func atLeast(d time.Duration) string {
	switch {
	case d >= 10*time.Minute:
		return short(d.Truncate(time.Minute))
	case d >= 10*time.Second:
		return short(d.Truncate(time.Second))
	default:
		return short(d.Truncate(100 * time.Millisecond))
	}
}

func count(n int, words ...string) string {
	if n == 1 {
		return "1 " + words[0]
	}
	if len(words) > 1 {
		return fmt.Sprintf("%d %s", n, words[1])
	}
	return fmt.Sprintf("%d %ss", n, words[0])
}
