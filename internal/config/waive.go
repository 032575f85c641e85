package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/holdfast/holdfast/internal/finding"
)

// decodeWaive reads a `waive` block: a rule whose findings don't count for a
// while, and why.
func decodeWaive(block *hcl.Block) (finding.Waiver, hcl.Diagnostics) {
	content, diags := block.Body.Content(attributes("subject", "file", "reason", "until"))
	d := decoder{content.Attributes, diags}
	w := finding.Waiver{Rule: block.Labels[0], Subject: d.text("subject"), File: d.text("file"), Reason: strings.TrimSpace(d.text("reason")), Range: ranged(block.DefRange)}
	if !isRule(w.Rule) {
		d.wrong(block.LabelRanges[0], "not a rule", fmt.Sprintf("%q: rules are called HF131, HF201 (docs/RULES.md)", w.Rule))
	}
	if w.Reason == "" {
		d.wrong(block.DefRange, "a waiver without a reason", "say why, for whoever finds it next year: reason = \"…\"")
	}
	var err error
	if w.Until, err = time.Parse(finding.Day, d.text("until")); err != nil {
		at := block.DefRange
		if a, ok := d.attributes["until"]; ok {
			at = a.Expr.Range()
		}
		d.wrong(at, "a waiver without an end", "until is the last day on which it holds: until = \"2027-01-31\"")
	}
	return w, d.diags
}

func isRule(id string) bool {
	return len(id) == 5 && strings.HasPrefix(id, "HF") && strings.Trim(id[2:], "0123456789") == ""
}

func ranged(r hcl.Range) finding.Range {
	return finding.Range{File: r.Filename, Line: r.Start.Line, Column: r.Start.Column, EndLine: r.End.Line, EndColumn: r.End.Column}
}
