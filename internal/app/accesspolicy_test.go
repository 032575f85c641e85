package app

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/holdfast/holdfast/internal/report"
	"github.com/holdfast/holdfast/internal/source"
)

// allowing is a printed policy without one of its actions.
func allowing(t *testing.T, repair bool, book, without string) string {
	t.Helper()
	p, err := AccessPolicy(Request{Wish: source.Wish{Roles: []source.Role{{ARN: opsRole}}}}, repair, book, Process{Environ: []string{"AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=b"}, Dir: t.TempDir(), Home: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	doc := p.Needs[0].IdentityPolicy
	for i := range doc.Statement {
		doc.Statement[i].Action = slices.DeleteFunc(doc.Statement[i].Action, func(a string) bool { return a == without })
	}
	doc.Statement = slices.DeleteFunc(doc.Statement, func(s source.Statement) bool { return len(s.Action) == 0 })
	b, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// repairs runs a repair of the world's stale entries by a role that may do what
// the policy says, and reports whether all of it went well.
func repairsWith(t *testing.T, policy string) bool {
	t.Helper()
	f := startRefused(t, staleWorld(1))
	req := RepairRequest{AccessRequest: accessRequest(NoLedger), Yes: true, Tell: func(string) {}}
	req.Wish.Roles = []source.Role{{ARN: opsRole, Policy: policy}}
	out, err := AccessRepair(t.Context(), req, labProcess(t, f.lab))
	if err != nil {
		return false
	}
	well := len(out.Entries) == 2 && len(out.Unseen) == 0
	for _, e := range out.Entries {
		well = well && e.Outcome == report.Repaired
	}
	return well
}

// TestPrintedPoliciesAreEnoughAndNoMore: with what is printed a repair goes
// through, and without any action that a repair of this world uses it doesn't.
func TestPrintedPoliciesAreEnoughAndNoMore(t *testing.T) {
	if !repairsWith(t, allowing(t, true, NoLedger, "")) {
		t.Error("what is printed isn't enough")
	}
	if repairsWith(t, allowing(t, false, NoLedger, "")) {
		t.Error("a scan's policy is enough to repair")
	}
	for _, action := range []string{"eks:ListClusters", "eks:DescribeCluster", "eks:ListAccessEntries", "eks:DescribeAccessEntry", "eks:ListAssociatedAccessPolicies",
		"eks:ListNodegroups", "eks:ListFargateProfiles", "iam:GetRole", "eks:CreateAccessEntry", "eks:DeleteAccessEntry", "eks:AssociateAccessPolicy", "iam:PassRole"} {
		if repairsWith(t, allowing(t, true, NoLedger, action)) {
			t.Errorf("%s isn't needed", action)
		}
	}
}

// TestPrintedPoliciesCoverALedger: the first scan begins one in S3, and the second
// reads it.
func TestPrintedPoliciesCoverALedger(t *testing.T) {
	scans := func(policy string) error {
		f := startRefused(t, sharedWorld())
		req := sharedRequest(sharedAt)
		req.Wish.Roles[0].Policy = policy
		for range 2 {
			if _, err := AccessScan(t.Context(), req, labProcess(t, f.lab)); err != nil {
				return err
			}
		}
		return nil
	}
	if err := scans(allowing(t, false, sharedAt, "")); err != nil {
		t.Error(err)
	}
	if scans(allowing(t, false, "elsewhere.jsonl", "")) == nil {
		t.Error("a policy for a file is enough for S3")
	}
	for _, action := range []string{"s3:ListBucket", "s3:GetObject", "s3:PutObject"} {
		if scans(allowing(t, false, sharedAt, action)) == nil {
			t.Errorf("%s isn't needed", action)
		}
	}
}
