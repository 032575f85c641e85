package app

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/holdfast/holdfast/internal/access"
	"github.com/holdfast/holdfast/internal/lab"
	labeks "github.com/holdfast/holdfast/internal/lab/eks"
	"github.com/holdfast/holdfast/internal/report"
	"github.com/holdfast/holdfast/internal/source"
)

// profileWorld has an entry of each type for a role without an instance profile,
// named like the type, some in one, and empty profiles.
func profileWorld(empty ...string) *lab.World {
	const arn = "arn:aws:iam::" + accessAccount + ":role"
	a := lab.Account{ID: accessAccount}
	spec := labeks.Spec{Name: "prod-0", Mode: labeks.ModeAPI}
	add := func(name, path, kind string, also ...lab.InstanceProfile) {
		a.Roles = append(a.Roles, lab.Role{Name: name, Path: path, Age: 72 * time.Hour, Trust: []lab.Trust{{Principals: []string{accessAccount}}, {Services: []string{"ec2.amazonaws.com"}}}})
		a.Profiles = append(a.Profiles, also...)
		spec.Entries = append(spec.Entries, labeks.EntrySpec{PrincipalARN: arn + path + name, Type: kind, Age: 48 * time.Hour})
	}
	for _, kind := range []string{"STANDARD", "EC2_LINUX", "EC2_WINDOWS", "EC2", "FARGATE_LINUX", "HYBRID_LINUX", "HYPERPOD_LINUX"} {
		add(kind, "/teams/", kind)
	}
	add("ops", "/", "STANDARD")
	add("held", "/", "EC2_LINUX", lab.InstanceProfile{Name: "nodes", Path: "/x/", Role: "held"})
	add("grouped", "/", "EC2_LINUX") // EKS has a profile of its own for it
	spec.Groups = []labeks.GroupSpec{{Name: "blue", RoleARN: arn + "/grouped"}}
	add("held-twice", "/", "EC2_LINUX", lab.InstanceProfile{Name: "one", Role: "held-twice"}, lab.InstanceProfile{Name: "two", Role: "held-twice"})
	spec.Entries = append(spec.Entries,
		labeks.EntrySpec{PrincipalARN: arn + "/gone", Type: "EC2_LINUX", Stale: true, Age: 48 * time.Hour},
		labeks.EntrySpec{PrincipalARN: "arn:aws:iam::222222222222:role/theirs", Type: "STANDARD", Age: 48 * time.Hour})
	for _, name := range empty {
		a.Profiles = append(a.Profiles, lab.InstanceProfile{Name: name})
	}
	a.Clusters = []labeks.Spec{spec}
	theirs := lab.Account{ID: "222222222222", Roles: []lab.Role{{Name: "theirs", Age: 72 * time.Hour, Trust: []lab.Trust{{Principals: []string{"222222222222"}}}}}}
	return &lab.World{Accounts: []lab.Account{a, theirs}}
}

func fullRequest(policy string) AccessRequest {
	req := accessRequest(NoLedger)
	req.Full, req.Beside = true, true
	req.Wish.Roles = []source.Role{{ARN: opsRole, Policy: policy}}
	return req
}

// withoutProfile are the entries that have the note, with its command.
func withoutProfile(found report.Access) map[string]string {
	out := map[string]string{}
	for _, c := range found.Clusters {
		for _, e := range c.Entries {
			for _, n := range e.Notes {
				if n.Rule == access.RuleNoProfile {
					_, command, _ := strings.Cut(n.Text, "  ")
					out[e.Principal[strings.LastIndexByte(e.Principal, '/')+1:]] = command
				}
			}
		}
	}
	return out
}

// TestRolesOfNodesWithoutAProfile: who may be started by EC2 is told a role that
// EC2 can't start anything with, and nobody's verdict changes.
func TestRolesOfNodesWithoutAProfile(t *testing.T) {
	command := func(profile, role string) string {
		return "aws iam add-role-to-instance-profile --instance-profile-name " + profile + " --role-name " + role
	}
	for _, test := range []struct {
		empty []string
		want  map[string]string // the profile of each role
	}{
		{nil, map[string]string{"EC2_LINUX": "PROFILE", "EC2_WINDOWS": "PROFILE", "EC2": "PROFILE"}},
		{[]string{"eks-1"}, map[string]string{"EC2_LINUX": "eks-1", "EC2_WINDOWS": "eks-1", "EC2": "eks-1"}},
		{[]string{"eks-1", "EC2"}, map[string]string{"EC2_LINUX": "PROFILE", "EC2_WINDOWS": "PROFILE", "EC2": "EC2"}},
	} {
		f := startRefused(t, profileWorld(test.empty...))
		plain, err := AccessScan(t.Context(), accessRequest(NoLedger), labProcess(t, f.lab))
		if err != nil || len(withoutProfile(plain)) > 0 || f.count("ListInstanceProfiles") != 0 {
			t.Fatalf("%v; without --full: %v, %d calls", err, withoutProfile(plain), f.count("ListInstanceProfiles"))
		}
		found, err := AccessScan(t.Context(), fullRequest(""), labProcess(t, f.lab))
		if err != nil || len(found.Unseen) > 0 {
			t.Fatal(err, found.Unseen)
		}
		want := map[string]string{}
		for role, profile := range test.want {
			want[role] = command(profile, role)
		}
		if got := withoutProfile(found); !maps.Equal(got, want) {
			t.Errorf("empty: %v\n got %q\nwant %q", test.empty, got, want)
		}
		if n := f.count("ListInstanceProfiles"); n != 1 {
			t.Errorf("%d sweeps of one account", n)
		}
		for i, e := range found.Clusters[0].Entries {
			if was := plain.Clusters[0].Entries[i]; e.Principal != was.Principal || e.Verdict != was.Verdict || e.Strength != was.Strength {
				t.Errorf("%s is %s, and was %s", e.Principal, e.Verdict, was.Verdict)
			}
		}
	}
}

func (f refusedLab) count(operation string) int {
	n := 0
	for _, c := range f.lab.Calls() {
		if c.Operation == operation {
			n++
		}
	}
	return n
}

// TestWhatFullMayNotRead is told once, with the permission, and nothing is guessed.
func TestWhatFullMayNotRead(t *testing.T) {
	for action, what := range map[string]string{"iam:ListInstanceProfiles": "the instance profiles", "iam:ListRoles": "the trust policies of all roles"} {
		f := startRefused(t, profileWorld())
		policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"` + action + `","Resource":"*"}]}`
		found, err := AccessScan(t.Context(), fullRequest(policy), labProcess(t, f.lab))
		if err != nil || !found.Incomplete() || len(found.Unseen) != 1 {
			t.Fatalf("%v, %+v", err, found.Unseen)
		}
		if u := found.Unseen[0]; u.Account != accessAccount || u.What != what || !strings.HasPrefix(u.Why, action+" is denied") {
			t.Errorf("%+v", u)
		}
		if got := withoutProfile(found); (len(got) == 0) != (action == "iam:ListInstanceProfiles") {
			t.Errorf("%s: %v", action, got)
		}
	}
}

// TestPrintedPoliciesCoverAFullScan and no more.
func TestPrintedPoliciesCoverAFullScan(t *testing.T) {
	whole := func(policy string) bool {
		f := startRefused(t, profileWorld())
		found, err := AccessScan(t.Context(), fullRequest(policy), labProcess(t, f.lab))
		return err == nil && len(found.Unseen) == 0
	}
	if !whole(allowing(t, false, NoLedger, "")) {
		t.Error("what is printed isn't enough")
	}
	for _, action := range []string{"iam:ListInstanceProfiles", "iam:ListRoles"} {
		if whole(allowing(t, false, NoLedger, action)) {
			t.Errorf("%s isn't needed", action)
		}
	}
	if strings.Contains(allowing(t, true, NoLedger, ""), "iam:ListInstanceProfiles") {
		t.Error("a repair looks at no instance profile")
	}
}

// TestBrokenTrustsOfASmallAccount: roles whose trust policy names somebody who is
// gone are looked for however few roles have entries.
func TestBrokenTrustsOfASmallAccount(t *testing.T) {
	w := staleWorld(1)
	w.Accounts[0].Roles = append(w.Accounts[0].Roles, lab.Role{Name: "trusts", Age: time.Hour, Trust: []lab.Trust{{Principals: []string{"arn:aws:iam::" + accessAccount + ":role/people"}}}})
	f := startRefused(t, w)
	if _, err := f.iam.DeleteRole(t.Context(), &awsiam.DeleteRoleInput{RoleName: aws.String("people")}); err != nil {
		t.Fatal(err)
	}
	found, err := AccessScan(t.Context(), fullRequest(""), labProcess(t, f.lab))
	if want := []string{"arn:aws:iam::" + accessAccount + ":role/trusts"}; err != nil || !slices.Equal(found.BrokenTrusts, want) {
		t.Errorf("%v, %q", err, found.BrokenTrusts)
	}
}
