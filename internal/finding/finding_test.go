package finding

import (
	"testing"
	"time"
)

func at(file string, line int, rule, subject string) Finding {
	return Finding{Rule: rule, Severity: Error, Subject: subject, Range: Range{File: file, Line: line, Column: 1}}
}

func TestFingerprintsStayWhileLinesMove(t *testing.T) {
	before := New("lint", ".", nil, []Finding{at("a.tf", 3, "HF131", "x"), at("a.tf", 9, "HF131", "x"), at("b.tf", 1, "HF131", "x")}, nil)
	after := New("lint", ".", nil, []Finding{at("b.tf", 7, "HF131", "x"), at("a.tf", 13, "HF131", "x"), at("a.tf", 19, "HF131", "x")}, nil)
	seen := map[string]bool{}
	for i := range before.Findings {
		if before.Findings[i].Fingerprint != after.Findings[i].Fingerprint {
			t.Errorf("finding %d: %s, then %s", i, before.Findings[i].Fingerprint, after.Findings[i].Fingerprint)
		}
		seen[before.Findings[i].Fingerprint] = true
	}
	if len(seen) != 3 {
		t.Errorf("three findings have %d fingerprints", len(seen))
	}
	other := New("lint", ".", nil, []Finding{at("a.tf", 3, "HF132", "x")}, nil)
	if seen[other.Findings[0].Fingerprint] {
		t.Error("another rule has the same fingerprint")
	}
}

func TestVerdict(t *testing.T) {
	note := Finding{Rule: "HF110", Severity: Note}
	waived := at("a.tf", 1, "HF131", "x")
	waived.Waiver = &Waived{Reason: "r"}
	unknown := []Unknown{{"a.tf", "can't be read"}}
	for name, c := range map[string]struct {
		findings []Finding
		unknown  []Unknown
		want     Verdict
	}{
		"nothing":                     {nil, nil, Clean},
		"a note":                      {[]Finding{note}, nil, Clean},
		"waived":                      {[]Finding{waived}, nil, Clean},
		"waived, and unknown":         {[]Finding{waived}, unknown, Inconclusive},
		"unknown":                     {nil, unknown, Inconclusive},
		"a note, and unknown":         {[]Finding{note}, unknown, Inconclusive},
		"an error":                    {[]Finding{at("a.tf", 1, "HF131", "x")}, nil, Found},
		"an error outweighs unknown":  {[]Finding{at("a.tf", 1, "HF131", "x")}, unknown, Found},
		"a warning outweighs a note":  {[]Finding{note, {Severity: Warning}}, nil, Found},
		"a waived one and an error":   {[]Finding{waived, at("a.tf", 2, "HF131", "x")}, nil, Found},
		"a waived one, a note, known": {[]Finding{waived, note}, nil, Clean},
	} {
		if got := New("gate", "p", nil, c.findings, c.unknown).Verdict; got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func day(text string) time.Time {
	d, err := time.Parse(Day, text)
	if err != nil {
		panic(err)
	}
	return d
}

func TestWaive(t *testing.T) {
	now := time.Date(2026, 11, 22, 23, 59, 0, 0, time.UTC)
	address := `module.eks["a"].aws_eks_access_entry.this["x"]`
	for name, c := range map[string]struct {
		w             Waiver
		waived, ended bool
	}{
		"exact":               {Waiver{Rule: "HF201", Subject: address, Until: day("2026-12-01")}, true, false},
		"a pattern":           {Waiver{Rule: "HF201", Subject: `module.eks["a"].*`, Until: day("2026-12-01")}, true, false},
		"a pattern, no more":  {Waiver{Rule: "HF201", Subject: `module.eks["b"].*`, Until: day("2026-12-01")}, false, false},
		"brackets are plain":  {Waiver{Rule: "HF201", Subject: `module.eks[a].*`, Until: day("2026-12-01")}, false, false},
		"every subject":       {Waiver{Rule: "HF201", Until: day("2026-12-01")}, true, false},
		"another rule":        {Waiver{Rule: "HF202", Until: day("2026-12-01")}, false, false},
		"its last day":        {Waiver{Rule: "HF201", Until: day("2026-11-22")}, true, false},
		"the day after":       {Waiver{Rule: "HF201", Until: day("2026-11-21")}, false, true},
		"another file":        {Waiver{Rule: "HF201", File: "b.tf", Until: day("2026-12-01")}, false, false},
		"stars in between":    {Waiver{Rule: "HF201", Subject: `*.aws_eks_access_entry.*["x"]`}, true, false},
		"a star past the end": {Waiver{Rule: "HF201", Subject: `*["x"]y`}, false, false},
		"a baseline's no end": {Waiver{Rule: "HF201"}, true, false},
	} {
		out, ended := Waive([]Finding{at("a.tf", 1, "HF201", address)}, []Waiver{c.w}, now)
		if got := out[0].Waiver != nil; got != c.waived || (len(ended) > 0) != c.ended {
			t.Errorf("%s: waived %v, ended %v", name, got, ended)
		}
	}
	// One that has ended doesn't hide one that hasn't.
	out, ended := Waive([]Finding{at("a.tf", 1, "HF201", "x")}, []Waiver{
		{Rule: "HF201", Until: day("2026-11-21")}, {Rule: "HF201", Until: day("2026-11-23"), Reason: "r"}}, now)
	if out[0].Waiver == nil || out[0].Waiver.Reason != "r" || len(ended) != 0 {
		t.Errorf("%+v, ended %v", out[0].Waiver, ended)
	}
}

// What others wrote can't draw on a terminal, or end a line.
func TestVisible(t *testing.T) {
	r := New("gate", "p", nil, []Finding{{Subject: "a\x1b[2Jb\n::error::", Message: "m\u202e", Excerpt: "\tx\r", Evidence: []string{"\u0085"}, Cure: "ü"}}, []Unknown{{"\x07", "w"}})
	f := r.Findings[0]
	if f.Subject != `a\u001b[2Jb\u000a::error::` || f.Message != `m\u202e` || f.Excerpt != "\tx"+`\u000d` || f.Evidence[0] != `\u0085` || f.Cure != "ü" || r.Unknown[0].Subject != `\u0007` {
		t.Errorf("%#v %#v", f, r.Unknown)
	}
}
