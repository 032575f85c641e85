package lint

import (
	"regexp"
	"strings"
	"time"

	"github.com/holdfast/holdfast/internal/finding"
	"github.com/holdfast/holdfast/internal/tf/code"
)

// mark is how a waiver begins in a comment:
//
//	# holdfast:waive HF131 until=2026-12-31 reason="goes in December"
const mark = "holdfast:waive"

// Waivers are those that stand in comments: each is for the block that follows
// it, or around it. One that lacks a reason or an end is nothing but unknown.
func Waivers(t *code.Tree) ([]finding.Waiver, []finding.Unknown) {
	var all []finding.Waiver
	var bad []finding.Unknown
	for _, m := range t.Modules {
		for _, f := range m.Files {
			if !strings.Contains(string(f.Src), mark) {
				continue
			}
			for i, text := range strings.Split(string(f.Src), "\n") {
				at := strings.Index(text, mark)
				if at < 0 || !strings.ContainsAny(text[:at], "#/*") {
					continue
				}
				where := finding.Range{File: f.Path, Line: i + 1, Column: at + 1}
				w, why := parseWaiver(text[at+len(mark):])
				b := blockAt(m, f, i+1)
				switch {
				case why != "":
					bad = append(bad, finding.Unknown{Subject: where.String(), Why: "this waiver doesn't count: " + why})
					continue
				case b == nil:
					bad = append(bad, finding.Unknown{Subject: where.String(), Why: "this waiver doesn't count: no block follows it"})
					continue
				}
				w.Range, w.InCode, w.File, w.Subject = where, true, f.Path, b.Address()
				all = append(all, w)
			}
		}
	}
	return all, bad
}

func parseWaiver(text string) (finding.Waiver, string) {
	rest, reason, ok := strings.Cut(text, "reason=")
	reason = strings.Trim(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(reason), "*/")), `"`)
	words := strings.Fields(rest)
	switch {
	case len(words) == 0 || !regexp.MustCompile(`^HF\d{3}$`).MatchString(words[0]):
		return finding.Waiver{}, "it names no rule: " + mark + ` HF131 until=2026-12-31 reason="…"`
	case !ok || reason == "":
		return finding.Waiver{}, `it has no reason="…"`
	}
	for _, w := range words[1:] {
		if day, ok := strings.CutPrefix(w, "until="); ok {
			until, err := time.Parse(finding.Day, day)
			if err == nil {
				return finding.Waiver{Rule: words[0], Reason: reason, Until: until}, ""
			}
		}
	}
	return finding.Waiver{}, "it has no end: until=2026-12-31, before the reason"
}

// blockAt is the block that begins after a line, with nothing but comments in
// between, or else the last one that begins before it.
func blockAt(m *code.Module, f *code.File, line int) *code.Block {
	lines := strings.Split(string(f.Src), "\n")
	next := line
	for next < len(lines) {
		text := strings.TrimSpace(lines[next])
		if text != "" && !strings.HasPrefix(text, "#") && !strings.HasPrefix(text, "//") {
			break
		}
		next++
	}
	var around *code.Block
	for _, b := range m.Blocks {
		if b.File != f || b.Type == "" {
			continue
		}
		if b.Range.Line == next+1 {
			return b
		}
		if b.Range.Line <= line && (around == nil || b.Range.Line > around.Range.Line) {
			around = b
		}
	}
	return around
}
