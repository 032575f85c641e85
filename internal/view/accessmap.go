package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/holdfast/holdfast/internal/report"
)

// AccessStory writes the verdict of one entry, its timeline and what to do.
func AccessStory(w io.Writer, s report.AccessStory) {
	c := report.AccessCluster{Name: s.Cluster, Account: s.Account, Region: s.Region}
	write(w, s.Cluster+"  "+s.Region+" "+s.Account+"  "+s.Mode+"\n")
	accessLine(w, c, s.Entry)
	if e := s.Entry; e.ARN != "" {
		write(w, "           "+e.ARN+"\n")
	}
	if s.Entry.PoliciesOK {
		write(w, paragraph("           ", "gives "+grants(s.Entry)))
	}
	if len(s.Timeline) > 0 {
		write(w, "\n")
	}
	for _, m := range s.Timeline {
		write(w, fold(fmt.Sprintf("  %s  %-6s ", m.At.Format("2006-01-02 15:04:05"), m.Source), strings.Repeat(" ", 30), m.Text))
	}
	write(w, "\n")
	for _, a := range s.Advice {
		write(w, paragraph("", a))
	}
}

// grants is what an entry gives: groups and policies.
func grants(e report.AccessEntry) string {
	var parts []string
	for _, p := range e.Policies {
		parts = append(parts, policyWords(p))
	}
	if len(e.Groups) > 0 {
		parts = append(parts, "groups "+strings.Join(e.Groups, " "))
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, "; ")
}

func policyWords(p report.AccessPolicy) string {
	name := p.ARN[strings.LastIndexByte(p.ARN, '/')+1:]
	if len(p.Namespaces) > 0 {
		return name + " in " + strings.Join(p.Namespaces, " ")
	}
	return name
}

// AccessMap writes who may enter where, and through which entry.
func AccessMap(w io.Writer, a report.Access) {
	for i, c := range a.Clusters {
		if i > 0 {
			write(w, "\n")
		}
		write(w, strings.TrimSpace(c.Name+"  "+c.Region+" "+c.Account+"  "+c.Mode)+"\n")
		if c.Skipped != "" {
			write(w, paragraph("  ", c.Skipped))
		}
		for _, e := range c.Entries {
			write(w, fmt.Sprintf("  %-7s  %s  %s\n", e.Verdict, shortARN(c, e.Principal), e.Type))
			if e.PoliciesOK {
				write(w, fold("           ", "             ", grants(e)))
			}
			if len(e.UsedBy) > 0 {
				write(w, fold("           ", "             ", "used by "+strings.Join(e.UsedBy, ", ")))
			}
		}
	}
	for _, u := range a.Unseen {
		write(w, paragraph("", "couldn't be looked at: "+unseenWords(u)))
	}
}

// AccessMarkdown is AccessMap as Markdown, a diagram and a table for each
// cluster.
func AccessMarkdown(w io.Writer, a report.Access) {
	write(w, "# Who may enter which cluster\n\nAs of "+a.Started.Format("2006-01-02 15:04")+" UTC.\n")
	for _, c := range a.Clusters {
		write(w, fmt.Sprintf("\n## %s (%s, %s)\n\n", cell(c.Name), c.Region, c.Account))
		if c.Skipped != "" {
			write(w, c.Skipped+"\n")
			continue
		}
		write(w, "```mermaid\nflowchart LR\n  c([\""+mermaid(c.Name)+"\"])\n")
		for i, e := range c.Entries {
			arrow := "-->"
			if e.Verdict != report.Live && e.Verdict != report.Managed {
				arrow = "-.->"
			}
			write(w, fmt.Sprintf("  p%d[\"%s\"] %s|\"%s\"| c\n", i, mermaid(shortARN(c, e.Principal)), arrow, mermaid(string(e.Verdict)+" "+e.Type)))
		}
		write(w, "```\n\n| principal | verdict | type | gives | used by |\n|---|---|---|---|---|\n")
		for _, e := range c.Entries {
			gives := "not read"
			if e.PoliciesOK {
				gives = grants(e)
			}
			write(w, fmt.Sprintf("| %s | %s | %s | %s | %s |\n", cell(shortARN(c, e.Principal)), e.Verdict, cell(e.Type), cell(gives), cell(strings.Join(e.UsedBy, ", "))))
		}
	}
	for i, u := range a.Unseen {
		if i == 0 {
			write(w, "\n## Not looked at\n\n")
		}
		write(w, "- "+cell(unseenWords(u))+"\n")
	}
}

// cell keeps text inside a cell of a table.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;", "*", `\*`, "_", `\_`, "`", "\\`").Replace(s)
}

// mermaid keeps text inside the quotes of a label.
func mermaid(s string) string {
	return strings.NewReplacer(`"`, "#quot;", "\n", " ", "<", "#lt;", ">", "#gt;").Replace(s)
}

// AccessJSON writes a scan as JSON does, a cluster at a time: all of it at once
// would take the memory of the scan a second time.
func AccessJSON(w io.Writer, a report.Access) error {
	clusters := a.Clusters
	a.Clusters = []report.AccessCluster{}
	var around strings.Builder
	if err := JSON(&around, a); err != nil {
		return err
	}
	const empty = "\"clusters\": []"
	before, after, ok := strings.Cut(around.String(), empty)
	if !ok || len(clusters) == 0 {
		_, err := io.WriteString(w, around.String())
		return err
	}
	if _, err := io.WriteString(w, before+strings.TrimSuffix(empty, "]")); err != nil {
		return err
	}
	var one bytes.Buffer
	e := json.NewEncoder(&one)
	e.SetIndent("    ", "  ")
	e.SetEscapeHTML(false)
	for i, c := range clusters {
		one.Reset()
		one.WriteString(",\n    ")
		if err := e.Encode(c); err != nil {
			return err
		}
		text := bytes.TrimSuffix(one.Bytes(), []byte("\n"))
		if i == 0 {
			text = text[1:] // no comma before the first
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, "\n  ]"+after)
	return err
}
