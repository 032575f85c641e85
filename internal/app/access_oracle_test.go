package app

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	awseks "github.com/aws/aws-sdk-go-v2/service/eks"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/holdfast/holdfast/internal/access"
	"github.com/holdfast/holdfast/internal/awsapi/identity"
	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/kube"
	"github.com/holdfast/holdfast/internal/kubetoken"
	"github.com/holdfast/holdfast/internal/lab"
	labeks "github.com/holdfast/holdfast/internal/lab/eks"
	"github.com/holdfast/holdfast/internal/ledger"
	"github.com/holdfast/holdfast/internal/pairwise"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/report"
	"github.com/holdfast/holdfast/internal/source"
)

const accessAccount = "111111111111"

// entryDimensions are what entries differ in. Partitions are in package access:
// the lab is of one.
func entryDimensions() []pairwise.Dimension {
	return []pairwise.Dimension{
		{Name: "principal", Values: []string{"role", "role with a path", "user"}},
		{Name: "type", Values: []string{"STANDARD", "EC2_LINUX", "FARGATE_LINUX"}},
		{Name: "cause", Values: []string{"none", "recreated", "deleted", "changed", "changed and bound anew", "moved"}},
		{Name: "timing", Values: []string{"apart", "in the window", "same second"}},
		{Name: "mode", Values: []string{"API", "API_AND_CONFIG_MAP"}},
		{Name: "aws-auth", Values: []string{"none", "row", "account"}},
		{Name: "permission", Values: []string{"all", "entry", "iam", "cluster", "kubernetes"}},
		{Name: "ledger", Values: []string{"none", "seen", "bound"}},
		{Name: "log", Values: []string{"off", "on"}},
	}
}

// entryRows are the pairwise ones, and as many again with every permission, so
// that not most of them end in UNKNOWN.
func entryRows() []pairwise.Row {
	dims := entryDimensions()
	out := pairwise.Rows(dims)
	dims = slices.DeleteFunc(dims, func(d pairwise.Dimension) bool { return d.Name == "permission" })
	for _, r := range pairwise.Rows(dims) {
		r["permission"] = "all"
		out = append(out, r)
	}
	for _, mode := range []string{"API", "API_AND_CONFIG_MAP"} { // the story itself, whatever the generator does
		for _, rows := range []string{"none", "row", "account"} {
			for _, cause := range []string{"none", "recreated"} {
				out = append(out, pairwise.Row{"principal": "role with a path", "type": "EC2_LINUX", "cause": cause, "timing": "apart",
					"mode": mode, "aws-auth": rows, "permission": "all", "ledger": "none", "log": "off"})
			}
		}
	}
	return out
}

// accessLab is a lab with one cluster, and what an entry of it is about.
type accessLab struct {
	t         *testing.T
	row       map[string]string
	lab       *lab.Server
	env       precedence.Env
	ref       labeks.Ref
	principal string
	exists    bool // whether somebody has the principal's ARN
	eks       *awseks.Client
	config    aws.Config
}

func (a *accessLab) is(dimension, value string) bool { return a.row[dimension] == value }

// path is the principal's, as the entry has it.
func (a *accessLab) path() string {
	if a.is("principal", "role with a path") {
		return "/teams/blue/"
	}
	return "/"
}

func (a *accessLab) kind() string {
	if a.is("principal", "user") {
		return "user"
	}
	return "role"
}

func (a *accessLab) entryType() string {
	if a.kind() == "user" {
		return "STANDARD"
	}
	return a.row["type"]
}

const day = 24 * time.Hour

// ages are how long ago the principal of today and the entry were made, and
// whether the entry is bound to somebody before.
func (a *accessLab) ages() (principal, entry time.Duration, stale bool) {
	stale = !a.is("cause", "none")
	switch {
	case a.is("timing", "in the window"):
		return day + 10*time.Second, day, stale
	case a.is("timing", "same second"):
		return day, day, stale
	case stale:
		return time.Hour, 2 * day, true
	}
	return 2 * day, day, false
}

func (a *accessLab) world() *lab.World {
	born, bound, stale := a.ages()
	path := a.path()
	if a.is("cause", "moved") {
		path = "/elsewhere/"
	}
	a.principal = "arn:aws:iam::" + accessAccount + ":" + a.kind() + a.path() + "who"
	a.exists = !a.is("cause", "deleted") && !a.is("cause", "moved")
	account := lab.Account{ID: accessAccount, Roles: []lab.Role{{Name: "scan", Age: 3 * day, Trust: []lab.Trust{{Principals: []string{accessAccount}}}}}}
	if !a.is("cause", "deleted") {
		if a.kind() == "user" {
			account.Users = []lab.User{{Name: "who", Path: path, Age: born}}
		} else {
			account.Roles = append(account.Roles, lab.Role{Name: "who", Path: path, Age: born,
				Trust: []lab.Trust{{Principals: []string{accessAccount}}, {Services: []string{"ec2.amazonaws.com"}}}})
		}
	}
	spec := labeks.Spec{Name: "prod", Mode: a.row["mode"], Entries: []labeks.EntrySpec{{PrincipalARN: a.principal, Type: a.entryType(), Stale: stale, Age: bound}}}
	if a.is("log", "on") {
		spec.Logs = []string{"authenticator"}
	}
	if !a.is("permission", "kubernetes") {
		spec.Entries = append(spec.Entries, labeks.EntrySpec{PrincipalARN: "arn:aws:iam::" + accessAccount + ":role/scan", Age: day,
			Policies: map[string]labeks.Scope{labeks.PolicyClusterAdmin: {Type: "cluster"}}})
	}
	if a.is("mode", "API_AND_CONFIG_MAP") {
		pathless := "arn:aws:iam::" + accessAccount + ":" + a.kind() + "/who"
		switch a.row["aws-auth"] {
		case "row":
			spec.AWSAuth = map[string]string{"map" + strings.ToUpper(a.kind()[:1]) + a.kind()[1:] + "s": fmt.Sprintf("- %sarn: %s\n  username: someone\n", a.kind(), pathless)}
		case "account":
			spec.AWSAuth = map[string]string{"mapAccounts": fmt.Sprintf("- %q\n", accessAccount)}
		}
	}
	account.Clusters = []labeks.Spec{spec}
	return &lab.World{Accounts: []lab.Account{account}, UpdateRebinds: a.is("cause", "changed and bound anew")}
}

// startAccess makes the lab of a row, and lets happen in it what the row says.
func startAccess(t *testing.T, r map[string]string) *accessLab {
	t.Helper()
	a := &accessLab{t: t, row: r}
	var err error
	if a.lab, err = lab.Start(lab.Options{World: a.world()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.lab.Close() })
	a.env = labEnvironment(t, a.lab)
	if a.config, err = config.LoadDefaultConfig(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.eks = awseks.NewFromConfig(a.config)
	a.ref, _ = a.lab.Cluster(accessAccount, "eu-west-1", "prod")
	if strings.HasPrefix(r["cause"], "changed") && a.entryType() == "STANDARD" {
		if _, err := a.eks.UpdateAccessEntry(t.Context(), &awseks.UpdateAccessEntryInput{ClusterName: aws.String("prod"), PrincipalArn: &a.principal, KubernetesGroups: []string{"new"}}); err != nil {
			t.Fatal(err)
		}
	}
	if a.is("log", "on") && a.exists {
		out, err := a.eks.DescribeCluster(t.Context(), &awseks.DescribeClusterInput{Name: aws.String("prod")})
		if err != nil {
			t.Fatal(err)
		}
		k := kube.Cluster{Endpoint: *out.Cluster.Endpoint, CA: pemOf(t, *out.Cluster.CertificateAuthority.Data), Token: a.token()}
		if _, err := k.LetsIn(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// token is what the principal shows a cluster: as a machine where the entry is
// for machines.
func (a *accessLab) token() string {
	a.t.Helper()
	var set cred.Set
	switch {
	case a.kind() == "user":
		set = cred.New(a.env["HOLDFAST_LAB_USER_WHO_ACCESS_KEY_ID"], a.env["HOLDFAST_LAB_USER_WHO_SECRET_ACCESS_KEY"], "")
	case a.entryType() == "EC2_LINUX":
		i, err := a.lab.Launch(lab.InstanceRequest{Role: "who"})
		if err != nil {
			a.t.Fatal(err)
		}
		set = cred.New(i.AccessKey, i.Secret, i.Token)
	default:
		out, err := sts.NewFromConfig(a.config).AssumeRole(a.t.Context(), &sts.AssumeRoleInput{RoleArn: &a.principal, RoleSessionName: aws.String("me")})
		if err != nil {
			a.t.Fatal(err)
		}
		set = cred.New(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
	}
	presigned, err := identity.PresignForCluster(a.t.Context(), set, "eu-west-1", "prod", time.Now())
	if err != nil {
		a.t.Fatal(err)
	}
	return kubetoken.New("", presigned, time.Now()).Status.Token
}

// truth is what the cluster itself says: whether it lets the principal in, and
// whether its entry is bound to the ID of today.
func (a *accessLab) truth() (letIn, bound bool) {
	a.t.Helper()
	if !a.exists {
		return false, false
	}
	_, err := a.lab.Decide(a.ref, a.token())
	return err == nil, a.boundID() == a.idToday()
}

func (a *accessLab) boundID() string {
	for _, b := range a.lab.Bindings(a.ref) {
		if b.PrincipalARN == a.principal {
			return b.BoundID
		}
	}
	return ""
}

func (a *accessLab) idToday() string {
	a.t.Helper()
	c := awsiam.NewFromConfig(a.config)
	if a.kind() == "user" {
		out, err := c.GetUser(a.t.Context(), &awsiam.GetUserInput{UserName: aws.String("who")})
		if err != nil {
			a.t.Fatal(err)
		}
		return *out.User.UserId
	}
	out, err := c.GetRole(a.t.Context(), &awsiam.GetRoleInput{RoleName: aws.String("who")})
	if err != nil {
		a.t.Fatal(err)
	}
	return *out.Role.RoleId
}

// history is what an honest ledger holds: what was there to see an hour after
// the entry was made.
func (a *accessLab) history() string {
	a.t.Helper()
	path := filepath.Join(a.t.TempDir(), ledger.FileName)
	if a.is("ledger", "none") {
		return path
	}
	_, age, stale := a.ages()
	out, err := a.eks.DescribeAccessEntry(a.t.Context(), &awseks.DescribeAccessEntryInput{ClusterName: aws.String("prod"), PrincipalArn: &a.principal})
	if err != nil {
		a.t.Fatal(err)
	}
	o := access.Observation{Cluster: a.place().ClusterARN("prod"), Principal: a.principal, Entry: *out.AccessEntry.AccessEntryArn,
		At: time.Now().Add(time.Hour / 2).Add(-age), Bound: a.is("ledger", "bound")}
	switch {
	case a.exists && !a.is("timing", "apart"):
		// The principal of today was there already; that it is the one who is
		// bound, nobody could have shown if it isn't.
		o.ID, o.Bound = a.idToday(), o.Bound && !stale
	case stale:
		o.ID = "AROA0BEFORE0000000000" // whoever it was; the lab tells nobody either
	default:
		o.ID = a.idToday()
	}
	if err := (ledger.File{Path: path}).Append(a.t.Context(), []access.Observation{o}); err != nil {
		a.t.Fatal(err)
	}
	return path
}

func (a *accessLab) place() access.Place {
	return access.Place{Partition: "aws", Account: accessAccount, Region: "eu-west-1"}
}

// scan is the whole of `access scan`, by a role that may do all but what the
// row's permission says.
func (a *accessLab) scan() report.AccessEntry {
	a.t.Helper()
	denied := map[string]string{"entry": `"eks:DescribeAccessEntry"`, "iam": `"iam:GetRole","iam:ListRoles","iam:GetUser"`, "cluster": `"eks:DescribeCluster"`}[a.row["permission"]]
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	if denied != "" {
		policy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":[` + denied + `],"Resource":"*"}]}`
	}
	req := accessRequest(a.history())
	req.Wish.Roles = []source.Role{{ARN: "arn:aws:iam::" + accessAccount + ":role/scan", Policy: policy}}
	found, err := AccessScan(a.t.Context(), req, labProcess(a.t, a.lab))
	if err != nil {
		a.t.Fatal(err)
	}
	for _, e := range found.Clusters[0].Entries {
		if e.Principal == a.principal {
			return e
		}
	}
	a.t.Fatal("the entry isn't in the report")
	return report.AccessEntry{}
}

func accessRequest(book string) AccessRequest {
	return AccessRequest{Request: Request{Region: "eu-west-1"}, Ledger: book, Rate: 1000, Timeout: 10 * time.Second, Propagation: access.Propagation}
}

// labEnvironment is the administrator's, in this process and for a request.
func labEnvironment(t *testing.T, l *lab.Server) precedence.Env {
	t.Helper()
	env := precedence.NewEnv(l.Env())
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": l.URL(), "AWS_ENDPOINT_URL_STS": l.URL(), "AWS_REGION": env["AWS_REGION"], "AWS_CONFIG_FILE": os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_CA_BUNDLE": "", "AWS_EC2_METADATA_DISABLED": "true", "AWS_PROFILE": "",
		"AWS_ACCESS_KEY_ID": env["AWS_ACCESS_KEY_ID"], "AWS_SECRET_ACCESS_KEY": env["AWS_SECRET_ACCESS_KEY"], "AWS_SESSION_TOKEN": "",
	} {
		t.Setenv(name, value)
	}
	return env
}

func labProcess(t *testing.T, l *lab.Server) Process {
	t.Helper()
	dir := t.TempDir()
	env := append(l.Env(), "AWS_ENDPOINT_URL_STS="+l.URL(), "AWS_EC2_METADATA_DISABLED=true", "HOME="+dir)
	return Process{Environ: env, Dir: dir, Home: dir, User: "me", Host: "here", Stderr: os.Stderr}
}

// TestVerdictsAgreeWithTheCluster: the oracle is the lab's own authenticator.
func TestVerdictsAgreeWithTheCluster(t *testing.T) {
	seen := map[report.Verdict]int{}
	for _, r := range entryRows() {
		var words []string
		for _, d := range entryDimensions() {
			words = append(words, d.Name+"="+r[d.Name])
		}
		t.Run(strings.Join(words, ","), func(t *testing.T) {
			a := startAccess(t, r)
			letIn, bound := a.truth()
			e := a.scan()
			seen[e.Verdict]++
			a.compare(e, letIn, bound)
		})
	}
	for _, v := range []report.Verdict{report.Live, report.Stale, report.Orphan, report.Masked, report.Suspect, report.Unknown} {
		if seen[v] == 0 {
			t.Errorf("no row ends in %s: the table doesn't test it", v)
		}
	}
	t.Log(seen)
}

func (a *accessLab) compare(e report.AccessEntry, letIn, bound bool) {
	a.t.Helper()
	wrong := ""
	switch e.Verdict {
	case report.Stale:
		if letIn || bound || !a.exists {
			wrong = "the cluster lets it in, or nobody has the name"
		}
	case report.Live:
		if !letIn || !bound {
			wrong = "the cluster refuses it, or lets it in by aws-auth"
		}
	case report.Masked:
		if !letIn || bound {
			wrong = "no row lets it in, or the entry does"
		}
	case report.Orphan:
		if a.exists {
			wrong = "somebody has the name"
		}
	}
	want := a.expected(letIn, bound)
	if wrong == "" && want != "" && e.Verdict != want {
		wrong = "want " + string(want)
	}
	if wrong != "" {
		a.t.Errorf("%s (%s): let in %v, bound %v: %s\n%+v", e.Verdict, e.Strength, letIn, bound, wrong, e.Evidence)
	}
}

// expected is the verdict that a row must have, empty where more than one would
// be honest.
func (a *accessLab) expected(letIn, bound bool) report.Verdict {
	_, _, stale := a.ages()
	settled := a.is("ledger", "bound") && !stale
	switch {
	case a.is("permission", "iam"), a.is("permission", "entry") && !settled:
		return report.Unknown
	case !a.exists:
		return report.Orphan
	case settled:
		return report.Live
	case !a.is("timing", "apart") || strings.HasPrefix(a.row["cause"], "changed") && a.entryType() == "STANDARD":
		return ""
	case bound:
		return report.Live
	case a.is("permission", "cluster"), a.is("permission", "kubernetes") && a.is("mode", "API_AND_CONFIG_MAP"):
		return report.Unknown
	case letIn:
		return report.Masked
	}
	return report.Stale
}

func pemOf(t *testing.T, encoded string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
