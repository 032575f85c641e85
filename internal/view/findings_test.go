package view_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/holdfast/holdfast/internal/finding"
	"github.com/holdfast/holdfast/internal/view"
)

// reports are what formats have to hold: every field, hostile names, more than
// a format's limit, and nothing at all.
func reports() map[string]finding.Report {
	rules := []finding.Rule{
		{ID: "HF131", Name: "literal-principal", Title: "an entry names its role by text", Severity: finding.Error, About: "What happens.", Cure: "Name the resource."},
		{ID: "HF132", Name: "useless-lifecycle", Title: "a lifecycle argument that does nothing", Severity: finding.Warning, About: "Why.", Cure: "Take it out."},
	}
	line := `  principal_arn = "arn:aws:iam::222222222222:role/ng-blue"`
	one := finding.Finding{Rule: "HF131", Severity: finding.Error, Subject: "aws_eks_access_entry.node",
		Message: `this entry will stay bound to the old role when role "node" is made again`,
		Range:   finding.Range{File: "live/eks/nodes.tf", Line: 31, Column: 19, EndLine: 31, EndColumn: 59}, Excerpt: line,
		Evidence: []string{"role aws_iam_role.node has that name, nodes.tf:3:1"},
		Cure:     "name the resource:  principal_arn = aws_iam_role.node.arn", Fixable: true}
	waived := one
	waived.Range.Line, waived.Range.EndLine, waived.Subject = 51, 51, "aws_eks_access_entry.old"
	waived.Waiver = &finding.Waived{Reason: "goes in December", Until: "2026-12-31", Where: "holdfast.hcl:3:1"}
	gate := finding.Finding{Rule: "HF201", Severity: finding.Error, Subject: `module.eks["a"].aws_eks_access_entry.this["arn:aws:iam::222222222222:role/teams/ops"]`,
		Message: "the role is made again and this entry stays: whoever has the role is locked out", Cure: "replace the entry in the same apply:  tofu apply -replace='module.eks[\"a\"].aws_eks_access_entry.this[\"x\"]'"}
	hostile := finding.Finding{Rule: "HF132", Severity: finding.Warning, Subject: "aws_x.y[\"<b>|`\n::error::no\"]", Message: "100% of <script>, [links](x) & @everyone", Cure: "none",
		Range: finding.Range{File: "a dir/ü:ber,all.tf", Line: 2, Column: 1}, Excerpt: "```"}
	wide := finding.Finding{Rule: "HF132", Severity: finding.Note, Subject: "aws_x.wide", Message: "far to the right", Cure: "break the line",
		Range:   finding.Range{File: "a.tf", Line: 7, Column: 141, EndLine: 7, EndColumn: 150},
		Excerpt: "\tx = \"" + strings.Repeat("é", 134) + "0123456789\" # behind it"}
	out := map[string]finding.Report{
		"clean":        finding.New("lint", "live", rules, nil, nil),
		"one":          finding.New("lint", "live", rules, []finding.Finding{one, waived}, nil),
		"gate":         finding.New("gate", "plan.json", rules, []finding.Finding{gate}, nil),
		"inconclusive": finding.New("gate", "plan.json", rules, nil, []finding.Unknown{{Subject: "plan.json", Why: "made with -target: what it leaves out wasn't judged"}}),
		"hostile":      finding.New("lint", ".", rules, []finding.Finding{hostile, wide}, []finding.Unknown{{Subject: "b<.tf", Why: "can't be read: \"|\"\nat all"}}),
	}
	var many []finding.Finding
	for i := range 25 {
		f := one
		f.Range.Line, f.Range.EndLine, f.Subject = i+1, i+1, fmt.Sprintf("aws_eks_access_entry.n%02d", i)
		many = append(many, f)
	}
	out["many"] = finding.New("lint", "live", rules, many, nil)
	return out
}

func TestFindings(t *testing.T) {
	for name, r := range reports() {
		for _, format := range view.Formats() {
			var b bytes.Buffer
			if err := view.Findings(&b, format, r); err != nil {
				t.Fatal(err)
			}
			switch format {
			case "text":
				for _, line := range strings.Split(b.String(), "\n") {
					if utf8.RuneCountInString(line) > 80 && strings.Contains(strings.TrimSpace(line), " ") && !strings.Contains(line, "-replace=") {
						t.Errorf("%s: %d columns: %s", name, utf8.RuneCountInString(line), line)
					}
				}
			case "json", "sarif", "gitlab":
				if !json.Valid(b.Bytes()) {
					t.Errorf("%s: %s isn't JSON", name, format)
				}
			case "junit":
				if err := xml.Unmarshal(b.Bytes(), new(any)); err != nil && err.Error() != "EOF" {
					t.Errorf("%s: %v", name, err)
				}
			case "github":
				for _, line := range strings.Split(b.String(), "\n") {
					if strings.HasPrefix(line, "::error::no") {
						t.Errorf("%s: a name became a command: %s", name, line)
					}
				}
			}
			golden(t, "findings_"+name+"."+map[string]string{"text": "txt", "json": "json", "sarif": "sarif", "junit": "xml", "github": "github", "gitlab": "gitlab.json", "markdown": "md"}[format], b.Bytes())
		}
	}
}

// GitHub shows ten annotations of a kind for a step; the eleventh would vanish.
func TestGitHubSaysWhatItCantShow(t *testing.T) {
	var b bytes.Buffer
	if err := view.Findings(&b, "github", reports()["many"]); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "\n::error "); n != 9 || !strings.HasPrefix(b.String(), "::error ") || !strings.Contains(b.String(), "::16 more that") {
		t.Errorf("%d annotations\n%s", n+1, b.String())
	}
}

// A comment that a platform refuses is one that nobody reads.
func TestMarkdownFitsIntoAComment(t *testing.T) {
	var all []finding.Finding
	for i := range 2000 {
		all = append(all, finding.Finding{Rule: "HF131", Severity: finding.Warning, Subject: fmt.Sprintf("aws_x.n%d", i), Message: strings.Repeat("word ", 20), Cure: "c"})
	}
	all = append(all, finding.Finding{Rule: "HF132", Severity: finding.Error, Subject: "z", Message: "the worst", Cure: "c"})
	var b bytes.Buffer
	if err := view.Findings(&b, "markdown", finding.New("lint", ".", nil, all, nil)); err != nil {
		t.Fatal(err)
	}
	if b.Len() > 65536 || !strings.Contains(b.String(), "more don't fit") || strings.Index(b.String(), "the worst") > 500 {
		t.Errorf("%d bytes\n%.600s", b.Len(), b.String())
	}
}
