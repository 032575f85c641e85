package eks_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/holdfast/holdfast/internal/access"
	"github.com/holdfast/holdfast/internal/awsapi/eks"
	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/lab"
	labeks "github.com/holdfast/holdfast/internal/lab/eks"
)

const account = "111111111111"

// keys are a credential that is there.
type keys struct{ set cred.Set }

func (k keys) Get(context.Context) (cred.Set, error) { return k.set, nil }

// start is a lab with a cluster of some entries, and EKS and IAM there.
func start(t *testing.T, o eks.Options, also ...func(*lab.Account)) (*lab.Server, *eks.AWS, keys) {
	t.Helper()
	a := lab.Account{ID: account, Roles: []lab.Role{{Name: "node", Path: "/teams/", Age: time.Hour, Trust: []lab.Trust{{Services: []string{"ec2.amazonaws.com"}}}}}, Users: []lab.User{{Name: "alice", Age: time.Hour}}}
	a.Clusters = []labeks.Spec{{Name: "prod", Mode: labeks.ModeAPI, Logs: []string{"authenticator"}, Entries: []labeks.EntrySpec{{PrincipalARN: "arn:aws:iam::" + account + ":role/teams/node", Type: "EC2_LINUX"}}}}
	for _, change := range also {
		change(&a)
	}
	l, err := lab.Start(lab.Options{World: &lab.World{Accounts: []lab.Account{a}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	env := map[string]string{}
	for _, e := range l.Env() {
		name, value, _ := strings.Cut(e, "=")
		env[name] = value
	}
	for name, value := range map[string]string{"AWS_ENDPOINT_URL": l.URL(), "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
		"AWS_CA_BUNDLE": "", "AWS_EC2_METADATA_DISABLED": "true", "AWS_PROFILE": "", "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": ""} {
		t.Setenv(name, value)
	}
	if o.Rate == 0 {
		o = eks.Options{Rate: 1000, Timeout: 5 * time.Second, Tries: 10}
	}
	aws, err := eks.Load(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return l, aws, keys{cred.New(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], "")}
}

func place() access.Place {
	return access.Place{Partition: "aws", Account: account, Region: "eu-west-1"}
}

func refusalOf(t *testing.T, err error) *access.Refusal {
	t.Helper()
	var r *access.Refusal
	if !errors.As(err, &r) {
		t.Fatalf("%v isn't a refusal", err)
	}
	return r
}

func TestRefusalsSayWhatTheyAre(t *testing.T) {
	_, aws, who := start(t, eks.Options{})
	p := aws.In(place(), who)
	_, err := p.Entry(t.Context(), "prod", "arn:aws:iam::"+account+":role/nobody")
	if r := refusalOf(t, err); !r.Gone() || r.Denied() || r.Permission != "eks:DescribeAccessEntry" {
		t.Errorf("%+v", r)
	}
	_, err = p.Create(t.Context(), access.Entry{Cluster: "prod", Principal: "arn:aws:iam::" + account + ":role/teams/node"}, "t")
	if r := refusalOf(t, err); !r.Exists() {
		t.Errorf("%+v", r)
	}
	_, err = aws.In(place(), keys{cred.New("AKIANOBODY", "x", "")}).Clusters(t.Context())
	if r := refusalOf(t, err); !r.Denied() {
		t.Errorf("%+v", r)
	}
}

// TestOwnersGoByTheirWholeName: IAM answers for a name, whatever its path.
func TestOwnersGoByTheirWholeName(t *testing.T) {
	_, aws, who := start(t, eks.Options{})
	d := aws.IAM(account, "eu-west-1", who)
	for arn, want := range map[string]struct{ gone, other bool }{
		"role/teams/node": {}, "role/node": {true, true}, "role/nobody": {true, false}, "user/alice": {}, "user/x/alice": {true, true}, "user/bob": {true, false},
	} {
		p, err := cred.ParsePrincipal("arn:aws:iam::" + account + ":" + arn)
		if err != nil {
			t.Fatal(err)
		}
		o, err := d.Owner(t.Context(), p)
		if err != nil || o.Gone != want.gone || (o.Else != "") != want.other || (o.ID == "") != want.gone {
			t.Errorf("%s: %+v, %v", arn, o, err)
		}
	}
}

// TestProfilesOfManyPages: a page has at most a thousand.
func TestProfilesOfManyPages(t *testing.T) {
	l, aws, who := start(t, eks.Options{}, func(a *lab.Account) {
		for n := range 1001 {
			a.Profiles = append(a.Profiles, lab.InstanceProfile{Name: fmt.Sprint("p", n), Role: "node"})
		}
		a.Profiles = append(a.Profiles, lab.InstanceProfile{Name: "z"})
	})
	roles := map[string]int{}
	if err := aws.IAM(account, "eu-west-1", who).Profiles(t.Context(), func(p access.Profile) { roles[p.Role]++ }); err != nil {
		t.Fatal(err)
	}
	if len(roles) != 2 || roles["arn:aws:iam::"+account+":role/teams/node"] != 1001 || roles[""] != 1 || aws.Calls() != 2 || len(l.Calls()) != 2 {
		t.Errorf("%v, %d calls", roles, aws.Calls())
	}
}

// TestTroubleThatPasses: throttling and failures are asked again, each attempt
// counted; silence isn't.
func TestTroubleThatPasses(t *testing.T) {
	l, aws, who := start(t, eks.Options{Rate: 1000, Timeout: 300 * time.Millisecond, Tries: 10})
	p := aws.In(place(), who)
	l.Fault(lab.Fault{Service: "eks", Kind: lab.FaultThrottle, Count: 2})
	l.Fault(lab.Fault{Service: "eks", Kind: lab.FaultStatus, Status: 503, Count: 1})
	if names, err := p.Clusters(t.Context()); err != nil || len(names) != 1 || aws.Calls() != 4 {
		t.Errorf("%v, %v, %d calls", names, err, aws.Calls())
	}
	l.Fault(lab.Fault{Service: "logs", Kind: lab.FaultThrottle, Count: 2})
	l.Fault(lab.Fault{Service: "logs", Kind: lab.FaultStatus, Status: 500, Count: 1})
	if lines, err := p.Log(t.Context(), "prod", time.Now().Add(-time.Hour)); err != nil || len(lines) != 0 || aws.Calls() != 8 {
		t.Errorf("%v, %v, %d calls", lines, err, aws.Calls())
	}
	l.Fault(lab.Fault{Service: "eks", Kind: lab.FaultHang})
	defer l.ClearFaults()
	_, err := p.Clusters(t.Context())
	if r := refusalOf(t, err); r.Message != "no answer in time" || aws.Calls() != 9 {
		t.Errorf("%+v, %d calls", r, aws.Calls())
	}
}

// TestLogsHaveAnAddressOfTheirOwn: the variable for CloudWatch Logs wins over the
// one for all services.
func TestLogsHaveAnAddressOfTheirOwn(t *testing.T) {
	l, _, who := start(t, eks.Options{})
	t.Setenv("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", l.URL())
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
	aws, err := eks.Load(t.Context(), eks.Options{Rate: 1000, Timeout: time.Second, Tries: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := aws.In(place(), who).Log(t.Context(), "prod", time.Now()); err != nil {
		t.Error(err)
	}
	if _, err := aws.In(place(), who).Clusters(t.Context()); err == nil {
		t.Error("EKS is at another address")
	}
}
