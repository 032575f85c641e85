package access_test

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast/holdfast/internal/access"
	"github.com/holdfast/holdfast/internal/report"
)

func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

const (
	today  = "AROATODAY000000000000"
	before = "AROABEFORE00000000000"
	entry1 = "arn:aws:eks:eu-west-1:111111111111:access-entry/prod/role/111111111111/node/02ca1157"
)

// facts are of an entry that was made an hour after its role.
func facts(principal string) access.Facts {
	return access.Facts{
		Now: noon(), Mode: access.ModeAPI, Principal: principal,
		Entry: access.Entry{Principal: principal, ARN: entry1, Created: noon().Add(-47 * time.Hour), Modified: noon().Add(-47 * time.Hour), Type: "EC2_LINUX"},
		Owner: access.Owner{ARN: principal, ID: today, Created: noon().Add(-48 * time.Hour)},
	}
}

// close makes the clock undecided.
func closely(f *access.Facts) { f.Owner.Created = f.Entry.Created.Add(-10 * time.Second) }

func later(f *access.Facts) { f.Owner.Created = noon().Add(-time.Hour) }

func saw(f *access.Facts, id string, ago time.Duration, granted bool) {
	f.Log = append(f.Log, access.Sighting{At: noon().Add(-ago), ID: id, Granted: granted})
}

func known(f *access.Facts, entry, id string, ago time.Duration, bound bool) {
	f.Known = append(f.Known, access.Observation{Entry: entry, ID: id, At: noon().Add(-ago), Bound: bound})
}

// TestJudge is about what the lab's table can't tell apart: which evidence
// decided, and what is left when it is taken away.
func TestJudge(t *testing.T) {
	const h = time.Hour
	for name, row := range map[string]struct {
		change   func(*access.Facts)
		verdict  report.Verdict
		strength report.Strength
		says     string
	}{
		"older role":                         {func(*access.Facts) {}, report.Live, report.NearProof, "role made"},
		"younger role":                       {later, report.Stale, report.NearProof, "role made"},
		"bound within the window":            {closely, report.Suspect, report.Hint, "within 1m0s"},
		"same second":                        {func(f *access.Facts) { f.Owner.Created = f.Entry.Created }, report.Suspect, report.Hint, "same seconds"},
		"clocks may differ":                  {func(f *access.Facts) { f.Owner.Created = f.Entry.Created.Add(4 * time.Second) }, report.Suspect, report.Hint, "same seconds"},
		"changed later":                      {func(f *access.Facts) { later(f); f.Entry.Modified = noon() }, report.Suspect, report.Hint, "binds anew"},
		"changed before the role":            {func(f *access.Facts) { later(f); f.Entry.Modified = noon().Add(-40 * h) }, report.Stale, report.NearProof, "role made"},
		"no times":                           {func(f *access.Facts) { f.Entry.Created = time.Time{} }, report.Suspect, report.Hint, "didn't say"},
		"ledger: seen with another ID":       {func(f *access.Facts) { closely(f); known(f, entry1, before, 40*h, false) }, report.Stale, report.Proof, before},
		"ledger: bound to today's":           {func(f *access.Facts) { closely(f); known(f, entry1, today, 40*h, true) }, report.Live, report.Proof, today},
		"ledger: seen with today's":          {func(f *access.Facts) { closely(f); known(f, entry1, today, 40*h, false) }, report.Suspect, report.Hint, "within"},
		"ledger: of another entry":           {func(f *access.Facts) { closely(f); known(f, "else", before, 40*h, true) }, report.Suspect, report.Hint, "within"},
		"ledger: too soon to be trusted":     {func(f *access.Facts) { closely(f); known(f, entry1, before, 47*h-30*time.Second, false) }, report.Suspect, report.Hint, "within"},
		"ledger: another ID, changed since":  {func(f *access.Facts) { later(f); known(f, entry1, before, 40*h, true); f.Entry.Modified = noon() }, report.Suspect, report.Hint, "binds anew"},
		"log: refused today's":               {func(f *access.Facts) { closely(f); saw(f, today, h, false) }, report.Stale, report.Proof, "refused"},
		"log: refused before it settled":     {func(f *access.Facts) { closely(f); saw(f, today, 47*h-30*time.Second, false) }, report.Suspect, report.Hint, "within"},
		"log: let today's in":                {func(f *access.Facts) { closely(f); saw(f, today, h, true) }, report.Live, report.Proof, "let"},
		"log: the last word":                 {func(f *access.Facts) { closely(f); saw(f, today, 2*h, false); saw(f, today, h, true) }, report.Live, report.Proof, "let"},
		"log: let another in, then the role": {func(f *access.Facts) { later(f); saw(f, before, 2*h, true) }, report.Stale, report.Proof, before},
		"log: another, though ours is older": {func(f *access.Facts) { saw(f, before, 2*h, true) }, report.Live, report.NearProof, "role made"},
		"log: aws-auth may have let it in": {func(f *access.Facts) {
			closely(f)
			f.Mode, f.AWSAuth.Row = access.ModeBoth, true
			saw(f, today, h, true)
		}, report.Suspect, report.Hint, "within"},
		"masked":       {func(f *access.Facts) { later(f); f.Mode, f.AWSAuth.Row = access.ModeBoth, true }, report.Masked, report.NearProof, "role made"},
		"mode unknown": {func(f *access.Facts) { later(f); f.Mode = "" }, report.Unknown, "", "role made"},
		"aws-auth unread": {func(f *access.Facts) {
			later(f)
			f.Mode, f.AWSAuth.Unseen = access.ModeBoth, &access.Unseen{Why: "401"}
		}, report.Unknown, "", "role made"},
		"gone":                {func(f *access.Facts) { f.Owner = access.Owner{Gone: true} }, report.Orphan, report.NearProof, "no such role"},
		"gone, a young entry": {func(f *access.Facts) { f.Owner = access.Owner{Gone: true}; f.Entry.Created = noon().Add(-time.Second) }, report.Suspect, report.Hint, "lag behind"},
		"moved":               {func(f *access.Facts) { f.Owner = access.Owner{Gone: true, Else: "arn:x"} }, report.Orphan, report.NearProof, "no such role"},
		"IAM not asked": {func(f *access.Facts) {
			f.Owner = access.Owner{Unseen: &access.Unseen{Why: "denied", Permission: "iam:GetRole"}}
		}, report.Unknown, "", "denied"},
		"entry not read": {func(f *access.Facts) { later(f); f.Unseen = &access.Unseen{Why: "denied"} }, report.Unknown, "", "denied"},
	} {
		for _, partition := range []string{"aws", "aws-cn", "aws-us-gov", "aws-eusc", "aws-iso"} {
			f := facts("arn:" + partition + ":iam::111111111111:role/teams/node")
			row.change(&f)
			j := access.Judge(f)
			texts := ""
			for _, e := range j.Evidence {
				texts += e.Text + "\n"
			}
			if j.Verdict != row.verdict || j.Strength != row.strength || !strings.Contains(texts, row.says) {
				t.Errorf("%s, %s: %+v", partition, name, j)
			}
		}
	}
}

func TestServiceLinkedEntriesAreAWSsOwn(t *testing.T) {
	f := facts("arn:aws:iam::111111111111:role/aws-service-role/eks.amazonaws.com/AWSServiceRoleForAmazonEKS")
	later(&f)
	if j := access.Judge(f); j.Verdict != report.Managed {
		t.Errorf("%+v", j)
	}
}

func TestSettled(t *testing.T) {
	owner := access.Owner{ID: today, Created: noon().Add(-48 * time.Hour)}
	for name, row := range map[string]struct {
		known []access.Observation
		owner access.Owner
		want  bool
	}{
		"bound to today's":  {[]access.Observation{{ID: today, At: noon(), Bound: true}}, owner, true},
		"only seen":         {[]access.Observation{{ID: today, At: noon()}}, owner, false},
		"another ID":        {[]access.Observation{{ID: before, At: noon(), Bound: true}}, owner, false},
		"too soon":          {[]access.Observation{{ID: today, At: noon().Add(-48*time.Hour + 30*time.Second), Bound: true}}, owner, false},
		"gone":              {[]access.Observation{{ID: today, At: noon(), Bound: true}}, access.Owner{Gone: true}, false},
		"nothing":           {nil, owner, false},
		"an older one fits": {[]access.Observation{{ID: today, At: noon(), Bound: true}, {ID: today, At: noon()}}, owner, true},
	} {
		if _, ok := access.Settled(row.known, row.owner, 0); ok != row.want {
			t.Errorf("%s: %v", name, ok)
		}
	}
}
