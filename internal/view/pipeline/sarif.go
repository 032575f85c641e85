package pipeline

import (
	"slices"
	"strings"

	"github.com/holdfast/holdfast/internal/finding"
)

// Log is a SARIF 2.1.0 log file, as far as findings need it
// (https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/sarif-v2.1.0-os.html).
type Log struct {
	Version string `json:"version"`
	Schema  string `json:"$schema"`
	Runs    []Run  `json:"runs"`
}

// Run is what one call of holdfast found.
type Run struct {
	Tool        Tool         `json:"tool"`
	Invocations []Invocation `json:"invocations"`
	ColumnKind  string       `json:"columnKind"`
	Results     []Result     `json:"results"`
}

// Tool names holdfast and its rules.
type Tool struct {
	Driver Driver `json:"driver"`
}

// Driver is the part of a tool that found something: all of it, here.
type Driver struct {
	Name           string            `json:"name"`
	InformationURI string            `json:"informationUri"`
	Rules          []ReportingObject `json:"rules"`
}

// ReportingObject is a rule.
type ReportingObject struct {
	ID                   string        `json:"id"`
	Name                 string        `json:"name"`
	ShortDescription     Text          `json:"shortDescription"`
	FullDescription      Text          `json:"fullDescription"`
	Help                 Text          `json:"help"`
	HelpURI              string        `json:"helpUri"`
	DefaultConfiguration Configuration `json:"defaultConfiguration"`
}

// Configuration is a rule's level.
type Configuration struct {
	Level finding.Severity `json:"level"`
}

// Text is a message.
type Text struct {
	Text string `json:"text"`
}

// Invocation says whether everything was looked at.
type Invocation struct {
	ExecutionSuccessful        bool           `json:"executionSuccessful"`
	ToolExecutionNotifications []Notification `json:"toolExecutionNotifications,omitempty"`
}

// Notification is something that couldn't be looked at.
type Notification struct {
	Level   finding.Severity `json:"level"`
	Message Text             `json:"message"`
}

// Result is a finding.
type Result struct {
	RuleID              string            `json:"ruleId"`
	RuleIndex           int               `json:"ruleIndex"`
	Level               finding.Severity  `json:"level"`
	Message             Text              `json:"message"`
	Locations           []Location        `json:"locations"`
	PartialFingerprints map[string]string `json:"partialFingerprints"`
	Suppressions        []Suppression     `json:"suppressions,omitempty"`
}

// Location is where a finding stands, and what it is about.
type Location struct {
	PhysicalLocation Physical  `json:"physicalLocation"`
	LogicalLocations []Logical `json:"logicalLocations,omitempty"`
}

// Physical is a range in a file.
type Physical struct {
	ArtifactLocation Artifact `json:"artifactLocation"`
	Region           Region   `json:"region"`
}

// Artifact is a file, relative to the repository where it can be.
type Artifact struct {
	URI string `json:"uri"`
}

// Region is a range. Columns count characters, see Run.ColumnKind.
type Region struct {
	StartLine   int   `json:"startLine"`
	StartColumn int   `json:"startColumn,omitempty"`
	EndLine     int   `json:"endLine,omitempty"`
	EndColumn   int   `json:"endColumn,omitempty"`
	Snippet     *Text `json:"snippet,omitempty"`
}

// Logical is a resource's address.
type Logical struct {
	FullyQualifiedName string `json:"fullyQualifiedName"`
	Kind               string `json:"kind"`
}

// Suppression is a waiver.
type Suppression struct {
	Kind          string `json:"kind"`
	Status        string `json:"status"`
	Justification string `json:"justification"`
}

// SARIF makes a log of a report. Every result has a physical location, which
// GitHub's code scanning asks for
// (https://docs.github.com/en/code-security/reference/code-scanning/sarif-support-for-code-scanning):
// the plan's first line where a finding has no place in a file.
func SARIF(r finding.Report) Log {
	run := Run{
		Tool:        Tool{Driver{Name: "holdfast " + r.Command, InformationURI: "https://github.com/holdfast/holdfast", Rules: []ReportingObject{}}},
		Invocations: []Invocation{{ExecutionSuccessful: len(r.Unknown) == 0}},
		ColumnKind:  "unicodeCodePoints",
		Results:     []Result{},
	}
	for _, u := range r.Unknown {
		run.Invocations[0].ToolExecutionNotifications = append(run.Invocations[0].ToolExecutionNotifications,
			Notification{finding.Error, Text{"couldn't be looked at: " + u.Subject + ": " + u.Why}})
	}
	rules := slices.Clone(r.Rules)
	index := map[string]int{}
	for i, rule := range rules {
		index[rule.ID] = i
	}
	for _, f := range slices.Concat(r.Findings, r.Waived) {
		if _, ok := index[f.Rule]; !ok {
			index[f.Rule] = len(rules)
			rules = append(rules, r.Rule(f.Rule))
		}
		run.Results = append(run.Results, result(r, f, index[f.Rule]))
	}
	for _, rule := range rules {
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, ReportingObject{
			ID: rule.ID, Name: rule.Name, ShortDescription: Text{rule.Title}, FullDescription: Text{rule.About},
			Help: Text{rule.About + "\n\n" + rule.Cure}, HelpURI: rule.Page(), DefaultConfiguration: Configuration{rule.Severity},
		})
	}
	return Log{Version: "2.1.0", Schema: "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json", Runs: []Run{run}}
}

func result(r finding.Report, f finding.Finding, index int) Result {
	at := place(r, f)
	region := Region{StartLine: at.Line, StartColumn: at.Column, EndLine: at.EndLine, EndColumn: at.EndColumn}
	if f.Excerpt != "" {
		region.Snippet = &Text{f.Excerpt}
	}
	out := Result{
		RuleID: f.Rule, RuleIndex: index, Level: f.Severity, Message: Text{told(f, "\n")},
		Locations:           []Location{{PhysicalLocation: Physical{Artifact{uri(at.File)}, region}}},
		PartialFingerprints: map[string]string{"holdfast/v1": f.Fingerprint},
	}
	if f.Subject != "" && f.Subject != at.File {
		out.Locations[0].LogicalLocations = []Logical{{f.Subject, "resource"}}
	}
	if w := f.Waiver; w != nil {
		kind, until := "external", ""
		if w.InCode {
			kind = "inSource"
		}
		if w.Until != "" {
			until = ", until " + w.Until
		}
		out.Suppressions = []Suppression{{kind, "accepted", w.Reason + " (" + w.Where + until + ")"}}
	}
	return out
}

// uri escapes what a URI reference can't hold. A colon in the first part of a
// relative one would end a scheme.
func uri(path string) string {
	var b strings.Builder
	for i := range len(path) {
		c := path[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("/-._~!$&'()*+,;=@", c) >= 0:
			b.WriteByte(c)
		default:
			const hex = "0123456789ABCDEF"
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}
