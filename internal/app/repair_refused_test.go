package app

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	awseks "github.com/aws/aws-sdk-go-v2/service/eks"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/holdfast/holdfast/internal/journal"
	"github.com/holdfast/holdfast/internal/lab"
	labeks "github.com/holdfast/holdfast/internal/lab/eks"
	"github.com/holdfast/holdfast/internal/report"
	"github.com/holdfast/holdfast/internal/source"
)

const (
	opsRole    = "arn:aws:iam::" + accessAccount + ":role/ops"
	peopleRole = "arn:aws:iam::" + accessAccount + ":role/people"
	eksRole    = "arn:aws:iam::" + accessAccount + ":role/aws-service-role/eks.amazonaws.com/AWSServiceRoleForAmazonEKS"
)

// refusal is a row: what is done to the world of one cluster, to the request,
// and meanwhile.
type refusal struct {
	world   func(*lab.Account)
	request func(*RepairRequest)
	// at is a point at which somebody else does something.
	at     journal.Point
	do     func(refusedLab)
	slow   bool // a delete takes a while, in which somebody else does something
	says   string
	forced func(*RepairRequest) // makes it go through
}

type refusedLab struct {
	t   *testing.T
	lab *lab.Server
	eks *awseks.Client
	iam *awsiam.Client
}

// anew makes an entry anew, as somebody else would.
func (f refusedLab) anew(principal string) {
	f.t.Helper()
	if _, err := f.eks.DeleteAccessEntry(f.t.Context(), &awseks.DeleteAccessEntryInput{ClusterName: aws.String("prod-0"), PrincipalArn: &principal}); err != nil {
		f.t.Error(err)
	}
	if _, err := f.eks.CreateAccessEntry(f.t.Context(), &awseks.CreateAccessEntryInput{ClusterName: aws.String("prod-0"), PrincipalArn: &principal, KubernetesGroups: []string{"theirs"}}); err != nil {
		f.t.Error(err)
	}
}

func (f refusedLab) entry(principal string) string {
	f.t.Helper()
	out, err := f.eks.DescribeAccessEntry(f.t.Context(), &awseks.DescribeAccessEntryInput{ClusterName: aws.String("prod-0"), PrincipalArn: &principal})
	if err != nil {
		f.t.Error(err)
		return ""
	}
	return *out.AccessEntry.AccessEntryArn
}

func refusals() map[string]refusal {
	asks := func(entry string) func(*RepairRequest) { return func(r *RepairRequest) { r.Entries = []string{entry} } }
	people := asks("role/people")
	direct := func(r *RepairRequest) { people(r); r.Role = "" } // no hop of ours
	policy := func(text string) func(*RepairRequest) {
		return func(r *RepairRequest) {
			people(r)
			r.Role = ""
			r.Wish.Roles = []source.Role{{ARN: opsRole, Policy: text}}
		}
	}
	anew := func(f refusedLab) { f.anew(peopleRole) }
	stale := func(arn string, also ...func(*labeks.EntrySpec)) func(*lab.Account) {
		return func(a *lab.Account) {
			e := labeks.EntrySpec{PrincipalARN: arn, Age: 48 * time.Hour, Stale: true}
			for _, f := range also {
				f(&e)
			}
			entries := a.Clusters[0].Entries[:0]
			for _, old := range a.Clusters[0].Entries {
				if old.PrincipalARN != arn {
					entries = append(entries, old)
				}
			}
			a.Clusters[0].Entries = append(entries, e)
		}
	}
	admin := func(e *labeks.EntrySpec) {
		e.Policies = map[string]labeks.Scope{labeks.PolicyClusterAdmin: {Type: "cluster"}}
	}
	young := func(a *lab.Account) { a.Roles[0].Age = time.Hour } // ops, made again too
	return map[string]refusal{
		"the caller's own": {world: func(a *lab.Account) { young(a); stale(opsRole)(a) }, request: asks("role/ops"), says: "whoever runs this",
			forced: func(r *RepairRequest) { r.ForceSelf = "the platform team watches" }},
		"the last administrator": {world: func(a *lab.Account) {
			stale(peopleRole, admin)(a)
			stale(opsRole)(a)
		}, request: people, says: "only administrator", forced: func(r *RepairRequest) { r.ForceAdmin = "there is another way in" }},
		"a service-linked role":                               {world: stale(eksRole), request: asks(eksRole), says: "service-linked"},
		"made anew between check and delete, compared":        {request: direct, at: journal.Point{Step: "delete", Phase: journal.Begun}, do: anew, says: "made the entry anew"},
		"made anew between check and delete, under a session": {request: people, at: journal.Point{Step: "delete", Phase: journal.Begun}, do: anew, says: "made the entry anew"},
		"made anew while the delete is on its way":            {request: people, slow: true, do: anew, says: "guard=session"},
		"no guard where one is required":                      {request: func(r *RepairRequest) { direct(r); r.RequireGuard = true }, says: "--require-guard"},
		"changed between check and delete": {request: people, at: journal.Point{Step: "delete", Phase: journal.Begun}, says: "was changed since", do: func(f refusedLab) {
			in := &awseks.UpdateAccessEntryInput{ClusterName: aws.String("prod-0"), PrincipalArn: aws.String(peopleRole), KubernetesGroups: []string{"more"}}
			if _, err := f.eks.UpdateAccessEntry(f.t.Context(), in); err != nil {
				f.t.Error(err)
			}
		}},
		"the role is made again meanwhile": {request: people, at: journal.Point{Step: "plan", Phase: journal.Noted}, says: "made again since", do: func(f refusedLab) {
			if _, err := f.iam.DeleteRole(f.t.Context(), &awsiam.DeleteRoleInput{RoleName: aws.String("people")}); err != nil {
				f.t.Error(err)
			}
			trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + accessAccount + `"},"Action":"sts:AssumeRole"}]}`
			if _, err := f.iam.CreateRole(f.t.Context(), &awsiam.CreateRoleInput{RoleName: aws.String("people"), AssumeRolePolicyDocument: &trust}); err != nil {
				f.t.Error(err)
			}
		}},
		"the role is gone meanwhile": {request: people, at: journal.Point{Step: "plan", Phase: journal.Noted}, says: "is gone", do: func(f refusedLab) {
			if _, err := f.iam.DeleteRole(f.t.Context(), &awsiam.DeleteRoleInput{RoleName: aws.String("people")}); err != nil {
				f.t.Error(err)
			}
		}},
		"nobody may create":    {request: policy(denying("eks:CreateAccessEntry")), says: "couldn't be created after the delete"},
		"nobody may associate": {request: policy(denying("eks:AssociateAccessPolicy")), says: "couldn't be associated after the delete"},
		"nobody may delete":    {request: policy(denying("eks:DeleteAccessEntry")), says: "DeleteAccessEntry"},
		"masked": {world: func(a *lab.Account) {
			a.Clusters[0].Mode = labeks.ModeBoth
			a.Clusters[0].AWSAuth = map[string]string{"mapAccounts": `["` + accessAccount + `"]`}
		}, request: people, says: "aws-auth"},
		"suspect": {world: func(a *lab.Account) { a.Roles[1].Age = 48*time.Hour + 5*time.Second }, request: people, says: "never repaired"},
		"unknown": {request: policy(denying("iam:GetRole", "iam:ListRoles")), says: "never repaired"},
		"orphan":  {world: func(a *lab.Account) { a.Roles = append(a.Roles[:1], a.Roles[2:]...) }, request: people, says: "nobody has this name"},
	}
}

func denying(actions ...string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":["` + strings.Join(actions, `","`) + `"],"Resource":"*"}]}`
}

// TestRefused: nothing is changed by holdfast, and it is said why.
func TestRefused(t *testing.T) {
	for name, row := range refusals() {
		t.Run(name, func(t *testing.T) {
			w := staleWorld(1)
			if row.world != nil {
				row.world(&w.Accounts[0])
			}
			f := startRefused(t, w)
			req := RepairRequest{AccessRequest: accessRequest(NoLedger), Yes: true, Tell: func(string) {}}
			req.Role = opsRole
			row.request(&req)
			if row.at.Step != "" {
				req.Hook = func(p journal.Point) {
					if p == row.at {
						row.do(f)
					}
				}
			}
			done := make(chan bool)
			close(done)
			if row.slow {
				done = f.duringDelete(row.do)
			}
			before := f.arns()
			e := f.repair(req)
			<-done
			if e.Outcome != report.Refused || !strings.Contains(e.Why, row.says) {
				t.Errorf("%+v", e)
			}
			if row.do == nil {
				if after := f.arns(); !maps.Equal(before, after) {
					t.Errorf("changed:\n%v\n%v", before, after)
				}
			} else if strings.Contains(row.says, "anew") || row.slow {
				if after := f.entry(peopleRole); after == "" || after == before[peopleRole] {
					t.Error("what somebody else made is gone")
				}
			}
			if row.forced == nil {
				return
			}
			row.forced(&req)
			if e := f.repair(req); e.Outcome != report.Repaired {
				t.Errorf("with words: %+v", e)
			}
		})
	}
}

func startRefused(t *testing.T, w *lab.World) refusedLab {
	t.Helper()
	l, err := lab.Start(lab.Options{World: w})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	labEnvironment(t, l)
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return refusedLab{t, l, awseks.NewFromConfig(cfg), awsiam.NewFromConfig(cfg)}
}

func (f refusedLab) repair(req RepairRequest) report.RepairedEntry {
	f.t.Helper()
	out, err := AccessRepair(f.t.Context(), req, labProcess(f.t, f.lab))
	if err != nil {
		f.t.Fatal(err)
	}
	if len(out.Entries) != 1 {
		f.t.Fatalf("%+v", out)
	}
	return out.Entries[0]
}

func (f refusedLab) arns() map[string]string {
	f.t.Helper()
	out := map[string]string{}
	ref, _ := f.lab.Cluster(accessAccount, "eu-west-1", "prod-0")
	for _, b := range f.lab.Bindings(ref) {
		out[b.PrincipalARN] = f.entry(b.PrincipalARN)
	}
	return out
}

// duringDelete does something while the first delete is on its way: it has been
// sent, and AWS hasn't looked at it yet.
func (f refusedLab) duringDelete(do func(refusedLab)) chan bool {
	f.lab.Fault(lab.Fault{Service: "eks", Operation: "DeleteAccessEntry", Kind: lab.FaultHang, Count: 1})
	done := make(chan bool)
	go func() {
		defer close(done)
		for len(f.lab.Faults()) > 0 { // until the fault has hit
			select {
			case <-f.t.Context().Done():
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
		do(f)
		f.lab.ClearFaults()
	}()
	return done
}

// staleWorld has clusters with entries of every kind, all but one of each
// cluster stale.
func staleWorld(clusters int) *lab.World {
	const arn = "arn:aws:iam::" + accessAccount + ":role/"
	account := lab.Account{ID: accessAccount}
	trust := []lab.Trust{{Principals: []string{accessAccount}}, {Services: []string{"ec2.amazonaws.com"}}}
	for _, name := range []string{"ops", "people", "node"} {
		age := time.Hour
		if name == "ops" {
			age = 72 * time.Hour
		}
		who := trust
		if name == "node" {
			who = trust[1:]
		}
		account.Roles = append(account.Roles, lab.Role{Name: name, Age: age, Trust: who})
	}
	for n := range clusters {
		account.Clusters = append(account.Clusters, labeks.Spec{Name: fmt.Sprint("prod-", n), Mode: labeks.ModeAPI, Entries: []labeks.EntrySpec{
			{PrincipalARN: arn + "ops", Age: 48 * time.Hour, Policies: map[string]labeks.Scope{labeks.PolicyClusterAdmin: {Type: "cluster"}}},
			{PrincipalARN: arn + "people", Age: 48 * time.Hour, Stale: true, Groups: []string{"deployers", "viewers"}, Username: "people:{{SessionName}}", Tags: map[string]string{"team": "a, b=c"},
				Policies: map[string]labeks.Scope{labeks.PolicyEdit: {Type: "namespace", Namespaces: []string{"shop", "till-*"}}, labeks.PolicyAdmin: {Type: "cluster"}}},
			{PrincipalARN: arn + "node", Age: 48 * time.Hour, Stale: true, Type: "EC2_LINUX", Tags: map[string]string{"k": "v"}},
		}})
	}
	return &lab.World{Accounts: []lab.Account{account}}
}
