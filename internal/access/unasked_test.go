package access_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/holdfast/holdfast/internal/access"
	"github.com/holdfast/holdfast/internal/pairwise"
	"github.com/holdfast/holdfast/internal/report"
)

func unaskedDimensions() []pairwise.Dimension {
	return []pairwise.Dimension{
		{Name: "type", Values: []string{"EC2_LINUX", "EC2_WINDOWS", "EC2", "FARGATE_LINUX", "HYBRID_LINUX", "HYPERPOD_LINUX", "STANDARD", "", "SOMETHING_NEW"}},
		{Name: "verdict", Values: []string{"STALE", "ORPHAN", "MASKED", "SUSPECT", "UNKNOWN", "MANAGED", "LIVE"}},
		{Name: "strength", Values: []string{"proof", "near proof", "hint"}},
		{Name: "cluster", Values: []string{"named", "not named"}},
		{Name: "policies", Values: []string{"read", "not read"}},
		{Name: "trust", Values: []string{"services", "one statement", "people too", "people", "anybody", "not that service", "federated", "nobody", "not read"}},
	}
}

func trusts() map[string]string {
	const ec2, people = `{"Effect":"Allow","Principal":{"Service":["ec2.amazonaws.com"]},"Action":"sts:AssumeRole"}`, `{"Effect":"Allow","Principal":{"AWS":"111111111111"},"Action":"sts:AssumeRole"}`
	return map[string]string{
		"services":         `{"Statement":[` + ec2 + `,{"Effect":"Deny","Principal":{"AWS":"*"},"Action":"sts:TagSession"}]}`,
		"one statement":    `{"Statement":` + ec2 + `}`,
		"people too":       `{"Statement":[` + ec2 + `,` + people + `]}`,
		"people":           `{"Statement":` + people + `}`,
		"anybody":          `{"Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}]}`,
		"not that service": `{"Statement":[{"Effect":"Allow","NotPrincipal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`,
		"federated":        `{"Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111111111111:oidc-provider/x","Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRoleWithWebIdentity"}]}`,
		"nobody":           `{"Statement":[]}`,
		"not read":         "",
	}
}

// unaskedRows are the pairwise ones, and each type, trust and strength once more
// with nothing else against it, so that not most of them are refused twice over.
func unaskedRows() []pairwise.Row {
	dims := unaskedDimensions()
	rows := pairwise.Rows(dims)
	for _, d := range dims {
		for _, v := range d.Values {
			r := pairwise.Row{"type": "EC2_LINUX", "verdict": "STALE", "strength": "near proof", "cluster": "named", "policies": "read", "trust": "services"}
			r[d.Name] = v
			rows = append(rows, r)
		}
	}
	return rows
}

// TestWhatIsRepairedUnasked: a dead entry of machines, proven, whole, of a role
// for services, in a cluster that is named. Everything else that isn't live is
// left, with a reason.
func TestWhatIsRepairedUnasked(t *testing.T) {
	const principal, cluster = "arn:aws:iam::111111111111:role/node", "arn:aws:eks:eu-west-1:111111111111:cluster/prod"
	machines := []string{"EC2_LINUX", "EC2_WINDOWS", "EC2", "FARGATE_LINUX", "HYBRID_LINUX", "HYPERPOD_LINUX"}
	repaired := 0
	for _, row := range unaskedRows() {
		e := report.AccessEntry{Principal: principal, Type: row["type"], Verdict: report.Verdict(row["verdict"]), Strength: report.Strength(row["strength"]), PoliciesOK: row["policies"] == "read"}
		f := facts(principal)
		f.Entry.Type, f.Owner.Trust = row["type"], trusts()[row["trust"]]
		c := report.AccessCluster{Name: "prod", ARN: cluster, Account: "111111111111", Region: "eu-west-1", Entries: []report.AccessEntry{e}}
		r := access.Result{Access: report.Access{Clusters: []report.AccessCluster{c}}, Facts: map[access.Key]access.Facts{{Cluster: cluster, Principal: principal}: f}}
		leave := ""
		if row["cluster"] != "named" {
			leave = "nobody names it"
		}
		wanted, left := access.Unasked(r, c, leave)
		plans, refused := access.Plans(r, c, wanted, nil, access.Force{})
		left = append(left, refused...)

		want := e.Verdict == report.Stale && slices.Contains(machines, e.Type) && e.Strength != report.Hint && leave == "" &&
			e.PoliciesOK && (row["trust"] == "services" || row["trust"] == "one statement")
		if want {
			repaired++
		}
		if (len(plans) == 1) != want || len(plans) > 1 {
			t.Errorf("%v: %d plans", row, len(plans))
		}
		silent := e.Verdict == report.Live || e.Verdict == report.Managed || e.Verdict != report.Stale && leave != ""
		if n := len(left); n != 1 && !want && !silent || n != 0 && (want || silent) {
			t.Errorf("%v: left %+v", row, left)
		}
		for _, l := range left {
			if l.Outcome != report.Refused || l.Principal != principal || strings.TrimSpace(l.Why) == "" {
				t.Errorf("%v: %+v", row, l)
			}
		}
	}
	if repaired < 10 {
		t.Errorf("%d rows are repaired", repaired)
	}
}
