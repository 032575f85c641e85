package authenticator

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"sigs.k8s.io/aws-iam-authenticator/pkg/mapper"
	"sigs.k8s.io/aws-iam-authenticator/pkg/token"

	"github.com/holdfast/holdfast/internal/lab"
	"github.com/holdfast/holdfast/internal/lab/awsauth"
	"github.com/holdfast/holdfast/internal/lab/cluster"
	labeks "github.com/holdfast/holdfast/internal/lab/eks"
)

const (
	account = "111111111111"
	region  = "eu-west-1"
	arn     = "arn:aws:iam::" + account + ":"
)

// The dimensions of the table.
type principal struct {
	name, arn, pathless string
	creds               aws.Credentials
	instance            string // private DNS name
}

func rowsFor(p principal) map[string][]awsauth.Row {
	row := func(arn string) awsauth.Row {
		r := awsauth.Row{RoleARN: arn, Username: "row:{{SessionName}}:{{AccountID}}", Groups: []string{"row", "by-{{SessionNameRaw}}"}}
		if strings.Contains(arn, ":user/") {
			r.RoleARN, r.UserARN = "", arn
		}
		return r
	}
	return map[string][]awsauth.Row{
		"no row": nil, "row": {row(strings.ToUpper(p.pathless[:4]) + p.pathless[4:])}, "row with path": {row(p.arn)}, "row of another": {row(arn + "role/other")},
		"row for a node": {{RoleARN: p.pathless, Username: "system:node:{{EC2PrivateDNSName}}", Groups: []string{"system:nodes"}}},
	}
}

func kinds() map[string]func(*labeks.EntrySpec) {
	return map[string]func(*labeks.EntrySpec){
		"no entry": nil,
		"live":     func(e *labeks.EntrySpec) { e.Groups = []string{"entry"} },
		"named":    func(e *labeks.EntrySpec) { e.Username = "x:{{SessionName}}" },
		"stale":    func(e *labeks.EntrySpec) { e.Stale = true },
		"node":     func(e *labeks.EntrySpec) { e.Type = labeks.Linux },
		"stale node": func(e *labeks.EntrySpec) {
			e.Type, e.Stale = labeks.Linux, true
		},
		"pods": func(e *labeks.EntrySpec) { e.Type = labeks.Fargate },
	}
}

func oracleWorld() *lab.World {
	trust := []lab.Trust{{Principals: []string{account}}, {Services: []string{"ec2.amazonaws.com"}}}
	return &lab.World{Region: region, Accounts: []lab.Account{{ID: account, Users: []lab.User{{Name: "alice"}, {Name: "bob", Path: "/people/"}}, Roles: []lab.Role{
		{Name: "plain", Trust: trust}, {Name: "pathed", Path: "/team/x/", Trust: trust}, {Name: "node", Trust: trust}, {Name: "Mixed", Trust: trust},
	}}}}
}

func tokens(t *testing.T, creds aws.Credentials, name string) map[string]string {
	t.Helper()
	sign := func(base, cluster, query string, at time.Time, c aws.Credentials) string {
		req, err := http.NewRequest(http.MethodGet, base+"/?Action=GetCallerIdentity&Version=2011-06-15"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		if cluster != "" {
			req.Header.Set("x-k8s-aws-id", cluster)
		}
		hash := "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
		url, _, err := v4.NewSigner().PresignHTTP(t.Context(), c, req, hash, "sts", region, at)
		if err != nil {
			t.Fatal(err)
		}
		return "k8s-aws-v1." + base64.RawURLEncoding.EncodeToString([]byte(url))
	}
	const regional, life = "https://sts.eu-west-1.amazonaws.com", "&X-Amz-Expires=60"
	now := time.Now()
	forged := creds
	forged.SecretAccessKey += "x"
	return map[string]string{
		"fresh":            sign(regional, name, life, now, creds),
		"global host":      sign("https://sts.amazonaws.com", name, life, now, creds),
		"old":              sign(regional, name, life, now.Add(-14*time.Minute), creds),
		"expired":          sign(regional, name, life, now.Add(-16*time.Minute), creds),
		"other cluster":    sign(regional, "another", life, now, creds),
		"wrong host":       sign("https://sts.example.com", name, life, now, creds),
		"other partition":  sign("https://sts.cn-north-1.amazonaws.com.cn", name, life, now, creds),
		"no cluster":       sign(regional, "", life, now, creds),
		"without expiry":   sign(regional, name, "", now, creds),
		"long expiry":      sign(regional, name, "&X-Amz-Expires=901", now, creds),
		"more parameters":  sign(regional, name, life+"&x=1", now, creds),
		"path":             sign(regional+"/x", name, life, now, creds),
		"wrong key":        sign(regional, name, life, now, forged),
		"not signed":       "k8s-aws-v1." + base64.RawURLEncoding.EncodeToString([]byte(regional+"/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Expires=60&X-Amz-SignedHeaders=x-k8s-aws-id&X-Amz-Date="+now.UTC().Format("20060102T150405Z"))),
		"not a token":      "x",
		"not base64":       "k8s-aws-v1.%",
		"nothing in it":    "k8s-aws-v1.",
		"not even a query": "k8s-aws-v1." + base64.RawURLEncoding.EncodeToString([]byte(regional+"/?%zz")),
	}
}

// TestOracle puts every row of the table to the real authenticator and to the
// lab.
func TestOracle(t *testing.T) {
	s, err := lab.Start(lab.Options{World: oracleWorld(), StrictSTSHost: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	playSTS(t, s, []string{"sts.eu-west-1.amazonaws.com", "sts.amazonaws.com"})
	var n, granted, masked int
	for _, p := range principals(t, s) {
		for rowName, rows := range rowsFor(p) {
			data, err := awsauth.Render(rows, nil)
			if err != nil {
				t.Fatal(err)
			}
			if rowName == "row of another" {
				data["mapAccounts"] = "- '" + account + "'"
			}
			byRow := awsAuthOf(t, data)
			for kind, change := range kinds() {
				for _, mode := range []string{labeks.ModeConfigMap, labeks.ModeBoth, labeks.ModeAPI} {
					spec, ok := specFor(p, mode, change)
					if !ok {
						continue
					}
					spec.Name, spec.AWSAuth = fmt.Sprintf("c%d", n), data
					ref, err := s.AddCluster(account, spec)
					if err != nil {
						t.Fatal(err)
					}
					mappers := map[string][]mapper.Mapper{
						labeks.ModeConfigMap: {byRow}, labeks.ModeAPI: {entriesOf(t, s.Bindings(ref))}, labeks.ModeBoth: {entriesOf(t, s.Bindings(ref)), byRow},
					}[mode]
					for tokenName, text := range tokens(t, p.creds, ref.Name) {
						n++
						where := strings.Join([]string{p.name, kind, mode, rowName, tokenName}, " / ")
						if compare(t, where, s, ref, mappers, text, p.instance) {
							granted++
							if mode == labeks.ModeAPI && strings.HasPrefix(kind, "stale") {
								t.Errorf("%s: a stale entry let somebody in", where)
							}
							if kind == "stale" {
								masked++
							}
						}
					}
				}
			}
		}
	}
	t.Logf("%d rows, %d let in, %d of them by a row that hides a stale entry", n, granted, masked)
	if granted == 0 || granted == n || masked == 0 {
		t.Error("the table decides nothing")
	}
}

func specFor(p principal, mode string, change func(*labeks.EntrySpec)) (labeks.Spec, bool) {
	spec := labeks.Spec{Region: region, Mode: mode}
	if change == nil {
		return spec, true
	}
	entry := labeks.EntrySpec{PrincipalARN: p.arn}
	change(&entry)
	isUser := strings.Contains(p.arn, ":user/")
	if mode == labeks.ModeConfigMap || isUser && entry.Type != "" {
		return spec, false // EKS has no such entry
	}
	spec.Entries = []labeks.EntrySpec{entry}
	return spec, true
}

// compare says whether both let the token in.
func compare(t *testing.T, where string, s *lab.Server, ref labeks.Ref, mappers []mapper.Mapper, text, instance string) bool {
	t.Helper()
	var username string
	var groups []string
	id, realErr := token.NewVerifier(ref.Name, "aws", region).Verify(text)
	if realErr == nil {
		username, groups, realErr = realMap(mappers, id)
		if i := strings.Index(username, "DNS of "); i >= 0 {
			username = username[:i] + instance
		}
	}
	u, labErr := s.Decide(ref, text)
	var format token.FormatError
	switch {
	case (realErr == nil) != (labErr == nil):
		t.Errorf("%s: the authenticator says %v, the lab %v", where, realErr, labErr)
	case errors.As(realErr, &format) && realErr.Error() != labErr.Error():
		t.Errorf("%s: the authenticator says %v, the lab %v", where, realErr, labErr)
	case realErr == nil && (u.Name != username || !slices.Equal(u.Groups, groups) || u.Identity.UserID != id.UserID || u.Identity.CanonicalARN != id.CanonicalARN):
		t.Errorf("%s: the authenticator says %s %v %+v, the lab %+v", where, username, groups, id, u)
	}
	return realErr == nil
}

func principals(t *testing.T, s *lab.Server) []principal {
	t.Helper()
	env := map[string]string{}
	for _, e := range s.Env() {
		k, v, _ := strings.Cut(e, "=")
		env[k] = v
	}
	config := func(c aws.Credentials) aws.Config {
		return aws.Config{Region: region, BaseEndpoint: aws.String(s.URL()), Credentials: credentials.StaticCredentialsProvider{Value: c}}
	}
	admin := aws.Credentials{AccessKeyID: env["AWS_ACCESS_KEY_ID"], SecretAccessKey: env["AWS_SECRET_ACCESS_KEY"]}
	assume := func(role, session string) aws.Credentials {
		out, err := sts.NewFromConfig(config(admin)).AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: &session})
		if err != nil {
			t.Fatal(err)
		}
		return aws.Credentials{AccessKeyID: *out.Credentials.AccessKeyId, SecretAccessKey: *out.Credentials.SecretAccessKey, SessionToken: *out.Credentials.SessionToken}
	}
	user := func(name string) aws.Credentials {
		return aws.Credentials{AccessKeyID: env["HOLDFAST_LAB_USER_"+name+"_ACCESS_KEY_ID"], SecretAccessKey: env["HOLDFAST_LAB_USER_"+name+"_SECRET_ACCESS_KEY"]}
	}
	i, err := s.Launch(lab.InstanceRequest{Role: "node"})
	if err != nil {
		t.Fatal(err)
	}
	return []principal{
		{"role", arn + "role/plain", arn + "role/plain", assume(arn+"role/plain", "session"), ""},
		{"role with path", arn + "role/team/x/pathed", arn + "role/pathed", assume(arn+"role/team/x/pathed", "session"), ""},
		{"role in mixed case", arn + "role/Mixed", arn + "role/Mixed", assume(arn+"role/Mixed", "me@example.com"), ""},
		{"user", arn + "user/alice", arn + "user/alice", user("ALICE"), ""},
		{"user with path", arn + "user/people/bob", arn + "user/people/bob", user("BOB"), ""},
		{"instance", arn + "role/node", arn + "role/node", aws.Credentials{AccessKeyID: i.AccessKey, SecretAccessKey: i.Secret, SessionToken: i.Token}, i.PrivateDNS},
	}
}

// TestHosts: what the verifier takes for STS, and nothing else, the lab does.
func TestHosts(t *testing.T) {
	hosts := append(cluster.STSHosts(), "sts.eu-west-1.amazonaws.com")
	for _, host := range append(hosts, "sts.xx-west-1.amazonaws.com", "sts.amazonaws.com.evil.example", "sts.amazonaws.com:443", "amazonaws.com", "sts.amazonaws.com.cn", "sts-fips.eu-west-1.amazonaws.com") {
		text := "k8s-aws-v1." + base64.RawURLEncoding.EncodeToString([]byte("https://"+host+"/x"))
		_, realErr := token.NewVerifier("c", "aws", region).Verify(text)
		_, labErr := cluster.New().Verify(labeks.Ref{Name: "c", Region: region}, text, time.Now())
		if realErr.Error() != labErr.Error() {
			t.Errorf("%s: the verifier says %v, the lab %v", host, realErr, labErr)
		}
	}
}
