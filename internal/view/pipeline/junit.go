package pipeline

import (
	"encoding/xml"
	"io"
	"strings"

	"github.com/holdfast/holdfast/internal/finding"
)

type suites struct {
	XMLName xml.Name `xml:"testsuites"`
	Suites  []suite  `xml:"testsuite"`
}

type suite struct {
	Name     string     `xml:"name,attr"`
	Tests    int        `xml:"tests,attr"`
	Failures int        `xml:"failures,attr"`
	Errors   int        `xml:"errors,attr"`
	Skipped  int        `xml:"skipped,attr"`
	Cases    []testCase `xml:"testcase"`
}

type testCase struct {
	Name    string   `xml:"name,attr"`
	Class   string   `xml:"classname,attr"`
	File    string   `xml:"file,attr,omitempty"`
	Failure *outcome `xml:"failure"`
	Error   *outcome `xml:"error"`
	Skipped *outcome `xml:"skipped"`
	Out     string   `xml:"system-out,omitempty"`
}

type outcome struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

// JUnit writes a test suite: a failed case for each finding, a passed one for
// each note, a skipped one for what is waived, an error for what couldn't be
// looked at. Without any it has one case that passed, because readers take an
// empty suite for a run that didn't happen.
func JUnit(w io.Writer, r finding.Report) error {
	s := suite{Name: "holdfast " + r.Command + " " + r.Subject}
	for _, f := range r.Findings {
		c := testCase{Name: f.Rule + " " + f.Subject, Class: f.Rule, File: place(r, f).File}
		text := strings.TrimPrefix(f.Range.String()+"\n", "\n") + told(f, "\n")
		if f.Severity == finding.Note {
			c.Out = text
		} else {
			c.Failure = &outcome{f.Message, string(f.Severity), text}
			s.Failures++
		}
		s.Cases = append(s.Cases, c)
	}
	for _, f := range r.Waived {
		s.Skipped++
		s.Cases = append(s.Cases, testCase{Name: f.Rule + " " + f.Subject, Class: f.Rule, File: place(r, f).File,
			Skipped: &outcome{Message: "waived: " + f.Waiver.Reason + " (" + f.Waiver.Where + ")"}})
	}
	for _, u := range r.Unknown {
		s.Errors++
		s.Cases = append(s.Cases, testCase{Name: "looked at " + u.Subject, Class: "unknown", Error: &outcome{u.Why, "unknown", u.Subject + ": " + u.Why}})
	}
	if len(s.Cases) == 0 {
		s.Cases = []testCase{{Name: "nothing found in " + r.Subject, Class: r.Command}}
	}
	s.Tests = len(s.Cases)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(suites{Suites: []suite{s}}); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
