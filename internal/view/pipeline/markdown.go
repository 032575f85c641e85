package pipeline

import (
	"fmt"
	"io"
	"strings"

	"github.com/holdfast/holdfast/internal/finding"
)

// comment is how many bytes a comment may have; GitHub takes 65,536 characters
// and GitLab a million.
const comment = 60_000

// Markdown writes a comment for a pull request, worst first. What doesn't fit is
// counted at the end.
func Markdown(w io.Writer, r finding.Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "### holdfast %s: %s\n\n%s in %s\n", r.Command, r.Verdict, Counts(r), code(r.Subject))
	shown := 0
	all := r.Worst()
	for _, f := range all {
		text := item(r, f)
		if b.Len()+len(text) > comment {
			break
		}
		b.WriteString(text)
		shown++
	}
	if shown < len(all) {
		fmt.Fprintf(&b, "\n%d more don't fit into a comment; `--output json` has all of them.\n", len(all)-shown)
	}
	for i, u := range r.Unknown {
		if i == 0 {
			b.WriteString("\n**Couldn't be looked at**\n\n")
		}
		if i == 20 {
			fmt.Fprintf(&b, "- and %d more\n", len(r.Unknown)-i)
			break
		}
		fmt.Fprintf(&b, "- %s: %s\n", code(u.Subject), prose(u.Why))
	}
	for i, f := range r.Waived {
		if i == 0 {
			b.WriteString("\n<details><summary>waived</summary>\n\n")
		}
		if i == 20 {
			fmt.Fprintf(&b, "- and %d more\n", len(r.Waived)-i)
			break
		}
		fmt.Fprintf(&b, "- %s %s: %s (%s)\n", f.Rule, code(f.Subject), prose(f.Waiver.Reason), code(f.Waiver.Where))
	}
	if len(r.Waived) > 0 {
		b.WriteString("\n</details>\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func item(r finding.Report, f finding.Finding) string {
	var b strings.Builder
	where := code(f.Subject)
	if f.Range.Line > 0 {
		where = code(f.Range.String())
	}
	fmt.Fprintf(&b, "\n**[%s](%s)** %s %s: %s\n", f.Rule, r.Rule(f.Rule).Page(), f.Severity, where, prose(f.Message))
	if f.Excerpt != "" {
		fence := strings.Repeat("`", max(3, ticks(f.Excerpt)+1))
		fmt.Fprintf(&b, "\n%shcl\n%s\n%s\n", fence, f.Excerpt, fence)
	}
	for _, e := range f.Evidence {
		fmt.Fprintf(&b, "- %s\n", prose(e))
	}
	words, command, pasted := strings.Cut(f.Cure, "  ")
	fmt.Fprintf(&b, "- %s", prose(words))
	if pasted {
		b.WriteString(" " + code(strings.TrimSpace(command)))
	}
	b.WriteString("\n")
	return b.String()
}

// ticks is the longest run of backticks.
func ticks(text string) int {
	longest, now := 0, 0
	for _, c := range text {
		if c != '`' {
			now = 0
			continue
		}
		now++
		longest = max(longest, now)
	}
	return longest
}

// code is a code span that holds the text whatever is in it.
func code(text string) string {
	text = oneLine(text)
	fence := strings.Repeat("`", ticks(text)+1)
	if strings.HasPrefix(text, "`") || strings.HasSuffix(text, "`") {
		text = " " + text + " "
	}
	return fence + text + fence
}

// prose escapes what Markdown and HTML would take for syntax, and mentions.
func prose(text string) string {
	var b strings.Builder
	for _, c := range oneLine(text) {
		switch {
		case strings.ContainsRune("\\`*_[]<>|#@~", c):
			b.WriteByte('\\')
		case c == '&':
			b.WriteString("&amp;")
			continue
		}
		b.WriteRune(c)
	}
	return b.String()
}
