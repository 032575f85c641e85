package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/holdfast/holdfast/internal/gate"
	"github.com/holdfast/holdfast/internal/lab"
	labeks "github.com/holdfast/holdfast/internal/lab/eks"
	"github.com/holdfast/holdfast/internal/tf/plan"
)

var (
	updatePlans = flag.Bool("update", false, "write the plans, and what the gate finds in them, into internal/gate/testdata/plans")
	everyPlan   = flag.Bool("every", false, "try every row and not just some")
)

const fixtures = "../../internal/gate/testdata/plans"

// TestPlansAndTheirApply makes a plan for every row with real OpenTofu, judges
// it, and applies it: what the gate calls dead the lab's authenticator refuses,
// what it passes is let in.
func TestPlansAndTheirApply(t *testing.T) {
	rows := planRows()
	seen := map[string]bool{}
	for i, r := range rows {
		l := layoutOf(r)
		if seen[l.String()] || !*everyPlan && !*updatePlans && i%9 != 4 {
			continue
		}
		seen[l.String()] = true
		name := fmt.Sprintf("%02d", i)
		if strings.HasPrefix(filepath.Base(tofu(t)), "terraform") {
			name = "terraform-" + name // only some of them are kept: whoever tests may have no Terraform
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			planAndApply(t, name, l)
		})
	}
}

func planAndApply(t *testing.T, name string, l layout) {
	s := begin(t, lab.Options{World: world(), Slowness: lab.Slowness{HealthDelay: 300 * time.Millisecond}}, head)
	ref, err := s.lab.AddCluster(account, labeks.Spec{Name: "prod"})
	if err != nil {
		t.Fatal(err)
	}
	aws := s.sdk()
	s.lay(l.files(true))
	if l.entry == "another state" && l.association != "none" {
		// The entry has to be there before the association, and the role before it.
		s.mustTofu("apply", "-auto-approve", "-no-color", "-target", l.address("app", true))
		aws.enter(t, "app")
	}
	s.mustTofu("apply", "-auto-approve", "-no-color")
	if l.entry == "another state" && l.association == "none" {
		aws.enter(t, "app")
	}
	if l.role == "gone" {
		aws.removeRoles(t)
	}
	s.lay(l.files(false))
	shown := s.plan(l.arguments()...)
	p, err := plan.Read(bytes.NewReader(shown))
	if err != nil {
		t.Fatal(err)
	}
	offline := describe(gate.Judge(gate.Facts{Plan: p}))
	live := []gate.Cluster{{Name: "prod", Entries: aws.entries(t)}}
	lively := describe(gate.Judge(gate.Facts{Plan: p, Live: live}))
	kept{"TestPlansAndTheirApply", l.String(), l.arguments(), l.files(true), l.files(false)}.compare(t, name, shown, offline, lively, live)
	out, err := s.tofu("apply", "-no-color", "p")
	verdict(t, s, ref, aws, l, lively, out, err)
}

// describe is what a judgement says, one line each, without words that may be
// written better.
func describe(findings any, unknown any) string {
	b, _ := json.Marshal([]any{findings, unknown})
	var all [2][]struct{ Rule, Severity, Subject string }
	_ = json.Unmarshal(b, &all)
	var lines []string
	for _, f := range all[0] {
		lines = append(lines, f.Rule+" "+f.Severity+" "+f.Subject)
	}
	for _, u := range all[1] {
		lines = append(lines, "UNKNOWN "+u.Subject)
	}
	slices.Sort(lines)
	return strings.Join(append(lines, ""), "\n")
}

// kept is a fixture: what a plan was made of, and by which test.
type kept struct {
	test, row     string
	arguments     []string
	before, after map[string]string // code
}

// compare compares with the fixture that package gate's own tests use, or
// writes it.
func (k kept) compare(t *testing.T, name string, shown []byte, offline, lively string, live []gate.Cluster) {
	t.Helper()
	entries, err := json.Marshal(live)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"row": k.row, "findings": offline, "findings-live": lively, "live.json": string(entries) + "\n", "plan.json": string(shown)}
	for when, f := range map[string]map[string]string{"before": k.before, "after": k.after} {
		for path, text := range f {
			files[when+"/"+path] = text
		}
	}
	path := filepath.Join(fixtures, name+".txtar")
	if *updatePlans {
		var b strings.Builder
		fmt.Fprintf(&b, "made by judge/provider, go test -run %s -update\n%s plan %s\n", k.test, filepath.Base(tofu(t)), strings.Join(k.arguments, " "))
		for _, n := range slices.Sorted(maps.Keys(files)) {
			fmt.Fprintf(&b, "-- %s --\n%s", n, files[n])
		}
		write(t, path, b.String())
		return
	}
	kept, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{"row", "findings", "findings-live"} {
		if want := fmt.Sprintf("-- %s --\n%s-- ", n, files[n]); !strings.Contains(string(kept), want) && !strings.HasSuffix(string(kept), strings.TrimSuffix(want, "-- ")) {
			t.Errorf("%s: the fixture's %s isn't what a fresh plan gives:\n%s", path, n, files[n])
		}
	}
}

// verdict compares what the gate said with what the lab says after the apply.
func verdict(t *testing.T, s *story, ref labeks.Ref, aws sdk, l layout, lively, out string, failed error) {
	t.Helper()
	t.Logf("%s%s", l, lively)
	says := func(rule string) bool { return strings.Contains(lively, rule+" ") }
	if says("HF204") != (failed != nil && strings.Contains(out, "already in use on this cluster")) {
		t.Errorf("HF204 is %v, and the apply says: %v\n%s", says("HF204"), failed, out)
	}
	if failed != nil && l.plan == "target" {
		return // it was the plan of a part, and it did a part of that
	}
	if failed != nil && l.role == "moved" {
		// Nothing orders the deletion before the creation: users apply again.
		s.tofu("apply", "-auto-approve", "-no-color")
	}
	for _, role := range []string{"app", "node"} {
		arn := "arn:aws:iam::" + account + ":role/" + role
		if !aws.holds(t, arn) || !aws.has(t, role) {
			continue
		}
		dead := deadBy(lively, role)
		_, err := s.lab.Decide(ref, aws.token(t, s, role))
		if dead != (err != nil) {
			t.Errorf("role %s: the gate says dead: %v, the authenticator says: %v\n%s", role, dead, err, out)
		}
	}
	if failed == nil && l.association != "none" && aws.holds(t, "arn:aws:iam::"+account+":role/app") {
		if lost := !aws.associated(t, "arn:aws:iam::"+account+":role/app"); lost != says("HF203") {
			t.Errorf("HF203 is %v, and the policy is lost: %v", says("HF203"), lost)
		}
	}
}

// deadBy reports whether the gate said that a role's entry will be dead.
func deadBy(findings, role string) bool {
	for line := range strings.Lines(findings) {
		rule, subject, _ := strings.Cut(strings.TrimSpace(line), " error ")
		named := strings.HasSuffix(subject, ":role/"+role) || strings.HasSuffix(subject, "aws_eks_access_entry."+role)
		if (rule == "HF201" || rule == "HF202") && (named || role == "node" && strings.Contains(subject, "aws_eks_node_group")) {
			return true
		}
	}
	return false
}

// lay writes the code of a directory, and forgets what isn't in it any more.
func (s *story) lay(files map[string]string) {
	s.t.Helper()
	old, _ := filepath.Glob(filepath.Join(s.dir, "*", "main.tf"))
	for _, path := range old {
		if err := os.Remove(path); err != nil {
			s.t.Fatal(err)
		}
	}
	for name, text := range files {
		path := filepath.Join(s.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			s.t.Fatal(err)
		}
		write(s.t, path, text)
	}
	if len(files) > 1 {
		s.mustTofu("get", "-no-color")
	}
}

// plan makes a plan file p and gives its JSON.
func (s *story) plan(args ...string) []byte {
	s.t.Helper()
	s.mustTofu(append([]string{"plan", "-no-color", "-out", "p"}, args...)...)
	cmd := s.command("show", "-json", "p")
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatal(err)
	}
	return out[bytes.IndexByte(out, '{'):]
}

// sdk is the world as an administrator's programs see it.
type sdk struct {
	eks *eks.Client
	iam *iam.Client
	sts *sts.Client
}

func (s *story) sdk() sdk {
	who := credentials.NewStaticCredentialsProvider(s.vars["AWS_ACCESS_KEY_ID"], s.vars["AWS_SECRET_ACCESS_KEY"], "")
	at := aws.String(s.lab.URL())
	return sdk{
		eks.New(eks.Options{Region: region, BaseEndpoint: at, Credentials: who}),
		iam.New(iam.Options{Region: region, BaseEndpoint: at, Credentials: who}),
		sts.New(sts.Options{Region: region, BaseEndpoint: at, Credentials: who}),
	}
}

func (c sdk) enter(t *testing.T, role string) {
	t.Helper()
	_, err := c.eks.CreateAccessEntry(t.Context(), &eks.CreateAccessEntryInput{ClusterName: aws.String("prod"), PrincipalArn: aws.String("arn:aws:iam::" + account + ":role/" + role)})
	if err != nil {
		t.Fatal(err)
	}
}

func (c sdk) removeRoles(t *testing.T) {
	t.Helper()
	for _, role := range []string{"app", "node"} {
		if err := leaveProfiles(t.Context(), c.iam, &role); err != nil {
			t.Fatal(err)
		}
		if _, err := c.iam.DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: &role}); err != nil {
			t.Fatal(err)
		}
	}
}

func (c sdk) entries(t *testing.T) []gate.Entry {
	t.Helper()
	list, err := c.eks.ListAccessEntries(t.Context(), &eks.ListAccessEntriesInput{ClusterName: aws.String("prod")})
	if err != nil {
		t.Fatal(err)
	}
	var out []gate.Entry
	for _, arn := range list.AccessEntries {
		e, err := c.eks.DescribeAccessEntry(t.Context(), &eks.DescribeAccessEntryInput{ClusterName: aws.String("prod"), PrincipalArn: &arn})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, gate.Entry{Principal: arn, Type: aws.ToString(e.AccessEntry.Type)})
	}
	return out
}

func (c sdk) holds(t *testing.T, arn string) bool {
	t.Helper()
	return slices.ContainsFunc(c.entries(t), func(e gate.Entry) bool { return e.Principal == arn })
}

func (c sdk) has(t *testing.T, role string) bool {
	t.Helper()
	_, err := c.iam.GetRole(t.Context(), &iam.GetRoleInput{RoleName: &role})
	return err == nil
}

func (c sdk) associated(t *testing.T, arn string) bool {
	t.Helper()
	out, err := c.eks.ListAssociatedAccessPolicies(t.Context(), &eks.ListAssociatedAccessPoliciesInput{ClusterName: aws.String("prod"), PrincipalArn: &arn})
	var gone *ekstypes.ResourceNotFoundException
	if err != nil && !errors.As(err, &gone) {
		t.Fatal(err)
	}
	return err == nil && len(out.AssociatedAccessPolicies) > 0
}

// token is a role's for the cluster: an instance's for node, a session's else.
func (c sdk) token(t *testing.T, s *story, role string) string {
	t.Helper()
	var who aws.Credentials
	if role == "node" {
		i, err := s.lab.Launch(lab.InstanceRequest{Role: role})
		if err != nil {
			t.Fatal(err)
		}
		who = aws.Credentials{AccessKeyID: i.AccessKey, SecretAccessKey: i.Secret, SessionToken: i.Token}
	} else {
		out, err := c.sts.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::" + account + ":role/" + role), RoleSessionName: aws.String("judge")})
		if err != nil {
			t.Fatal(err)
		}
		who = aws.Credentials{AccessKeyID: *out.Credentials.AccessKeyId, SecretAccessKey: *out.Credentials.SecretAccessKey, SessionToken: *out.Credentials.SessionToken}
	}
	return clusterToken(t, who)
}

func clusterToken(t *testing.T, who aws.Credentials) string {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, "https://sts."+region+".amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Expires=60", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("x-k8s-aws-id", "prod")
	const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	signed, _, err := v4.NewSigner().PresignHTTP(t.Context(), who, req, emptyHash, "sts", region, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return "k8s-aws-v1." + base64.RawURLEncoding.EncodeToString([]byte(signed))
}
