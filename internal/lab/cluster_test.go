package lab_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/holdfast/holdfast/internal/lab"
	labeks "github.com/holdfast/holdfast/internal/lab/eks"
)

const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// presigned is how aws-iam-authenticator's clients make a token.
type presigned struct {
	base, cluster, query string
	at                   time.Time
}

func (p presigned) token(t *testing.T, c aws.Credentials) string {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, p.base+"/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Expires=60"+p.query, nil)
	if err != nil {
		t.Fatal(err)
	}
	if p.cluster != "" {
		req.Header.Set("x-k8s-aws-id", p.cluster)
	}
	if p.at.IsZero() {
		p.at = time.Now()
	}
	url, _, err := v4.NewSigner().PresignHTTP(context.Background(), c, req, emptyHash, "sts", "eu-west-1", p.at)
	if err != nil {
		t.Fatal(err)
	}
	return "k8s-aws-v1." + base64.RawURLEncoding.EncodeToString([]byte(url))
}

const regionalSTS = "https://sts.eu-west-1.amazonaws.com"

func tokenFor(t *testing.T, c aws.Credentials, cluster string) string {
	return presigned{base: regionalSTS, cluster: cluster}.token(t, c)
}

// kube is a client of one cluster's address.
type kube struct {
	t      *testing.T
	url    string
	client *http.Client
}

func (f *fixture) kube(name string) kube {
	f.t.Helper()
	c := settled(f.t, f.eks(f.admin()), name)
	ca, err := base64.StdEncoding.DecodeString(*c.CertificateAuthority.Data)
	if err != nil {
		f.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		f.t.Fatal("no CA")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	f.t.Cleanup(transport.CloseIdleConnections)
	return kube{f.t, *c.Endpoint, &http.Client{Transport: transport}}
}

func (k kube) do(method, path, token string, body any) (int, map[string]any) {
	k.t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		k.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(k.t.Context(), method, k.url+path, bytes.NewReader(b))
	if err != nil {
		k.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := k.client.Do(req)
	if err != nil {
		k.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		k.t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		k.t.Fatalf("%s: %v", text, err)
	}
	return resp.StatusCode, out
}

const (
	selfReview = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
	nodesPath  = "/api/v1/nodes"
	awsAuth    = "/api/v1/namespaces/kube-system/configmaps/aws-auth"
)

// whoami is the status of a SelfSubjectReview and the user's name.
func (k kube) whoami(token string) (int, string) {
	k.t.Helper()
	status, out := k.do("POST", selfReview, token, map[string]string{})
	s, _ := out["status"].(map[string]any)
	info, _ := s["userInfo"].(map[string]any)
	name, _ := info["username"].(string)
	return status, name
}

func launched(t *testing.T, f *fixture, in lab.InstanceRequest) (lab.Instance, aws.Credentials) {
	t.Helper()
	i, err := f.Launch(in)
	if err != nil {
		t.Fatal(err)
	}
	return i, aws.Credentials{AccessKeyID: i.AccessKey, SecretAccessKey: i.Secret, SessionToken: i.Token}
}

// The second failure: the node of a role that was created again is refused,
// and describe says nothing.
func TestANodeOfARecreatedRoleIsLockedOut(t *testing.T) {
	f := start(t, lab.Options{World: eksWorld()})
	c := f.eks(f.admin())
	if _, err := c.CreateNodegroup(t.Context(), groupInput(clusterTest, "workers", nodeRole)); err != nil {
		t.Fatal(err)
	}
	before := describeEntry(t, c, clusterTest, nodeRole)
	k := f.kube(clusterTest)
	join := func() (int, string) {
		i, creds := launched(t, f, lab.InstanceRequest{Role: "node"})
		status, _ := k.do("POST", nodesPath, tokenFor(t, creds, clusterTest), map[string]any{"metadata": map[string]any{"name": i.PrivateDNS}})
		return status, i.PrivateDNS
	}
	status, first := join()
	if status != 201 {
		t.Fatal("the first node:", status)
	}
	recreate(t, f, "node", "/team/", nodeTrust)
	if status, _ := join(); status != 401 {
		t.Error("a node of the new role:", status)
	}
	after := describeEntry(t, c, clusterTest, nodeRole)
	if *after.AccessEntryArn != *before.AccessEntryArn || !after.ModifiedAt.Equal(*before.ModifiedAt) {
		t.Error("describe shows a difference")
	}
	if status, _ := k.do("GET", nodesPath, tokenFor(t, f.admin(), clusterTest), nil); status != 401 {
		t.Error("the administrator has no entry here:", status)
	}
	if _, err := c.DeleteAccessEntry(t.Context(), &eks.DeleteAccessEntryInput{ClusterName: aws.String(clusterTest), PrincipalArn: aws.String(nodeRole)}); err != nil {
		t.Fatal(err)
	}
	createEntry(t, c, clusterTest, nodeRole, func(in *eks.CreateAccessEntryInput) { in.Type = aws.String("EC2_LINUX") })
	status, second := join()
	if status != 201 {
		t.Error("after the repair:", status)
	}
	_, creds := launched(t, f, lab.InstanceRequest{Role: "node"})
	_, list := k.do("GET", nodesPath, tokenFor(t, creds, clusterTest), nil)
	ready := map[string]string{}
	for _, item := range list["items"].([]any) {
		o := item.(map[string]any)
		condition := o["status"].(map[string]any)["conditions"].([]any)[0].(map[string]any)
		ready[o["metadata"].(map[string]any)["name"].(string)] = condition["status"].(string)
	}
	if ready[first] != "Unknown" || ready[second] != "True" {
		t.Error(ready)
	}
}

func TestGroupsAndPoliciesDecide(t *testing.T) {
	f := start(t, lab.Options{World: eksWorld()})
	c := f.eks(f.admin())
	user := aws.Credentials{AccessKeyID: f.env["HOLDFAST_LAB_USER_ALICE_ACCESS_KEY_ID"], SecretAccessKey: f.env["HOLDFAST_LAB_USER_ALICE_SECRET_ACCESS_KEY"]}
	k := f.kube(clusterTest)
	token := tokenFor(t, user, clusterTest)
	if status, _ := k.whoami(token); status != 401 {
		t.Error("without an entry:", status)
	}
	if status, out := k.do("GET", "/version", "", nil); status != 200 || out["major"] != "1" {
		t.Error("anonymous version:", status)
	}
	if status, _ := k.do("GET", nodesPath, "", nil); status != 403 {
		t.Error("anonymous nodes:", status)
	}
	createEntry(t, c, clusterTest, alice)
	if status, name := k.whoami(token); status != 201 || name != alice {
		t.Error(status, name)
	}
	for _, test := range []struct {
		policy     string
		namespaces []string
		nodes      int
		configmap  int
	}{
		{"", nil, 403, 403},
		{labeks.PolicyView, nil, 403, 404},
		{labeks.PolicyView, []string{"kube-*"}, 403, 404},
		{labeks.PolicyView, []string{"shop"}, 403, 403},
		{labeks.PolicyAdminView, nil, 200, 404},
		{labeks.PolicyAdmin, nil, 403, 404},
		{labeks.PolicyClusterAdmin, nil, 200, 404},
		{labeks.PolicyClusterAdmin, []string{"kube-system"}, 403, 404},
	} {
		if test.policy != "" {
			scope := &ekstypes.AccessScope{Type: ekstypes.AccessScopeTypeCluster}
			if test.namespaces != nil {
				scope = &ekstypes.AccessScope{Type: ekstypes.AccessScopeTypeNamespace, Namespaces: test.namespaces}
			}
			if _, err := c.AssociateAccessPolicy(t.Context(), &eks.AssociateAccessPolicyInput{ClusterName: aws.String(clusterTest), PrincipalArn: aws.String(alice), PolicyArn: &test.policy, AccessScope: scope}); err != nil {
				t.Fatal(err)
			}
		}
		if status, out := k.do("GET", nodesPath, token, nil); status != test.nodes {
			t.Errorf("%s %v: nodes %d %v", test.policy, test.namespaces, status, out["message"])
		}
		if status, out := k.do("GET", awsAuth, token, nil); status != test.configmap {
			t.Errorf("%s %v: aws-auth %d %v", test.policy, test.namespaces, status, out["message"])
		}
		if test.policy != "" {
			if _, err := c.DisassociateAccessPolicy(t.Context(), &eks.DisassociateAccessPolicyInput{ClusterName: aws.String(clusterTest), PrincipalArn: aws.String(alice), PolicyArn: &test.policy}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if status, out := k.do("GET", "/api/v1/pods", token, nil); status != 501 || !strings.Contains(out["message"].(string), "/api/v1/pods") {
		t.Error(status, out)
	}
}

// An aws-auth row for the same ARN hides that an entry is stale, until the mode
// is API.
func TestAWSAuthMasksAStaleEntry(t *testing.T) {
	w := eksWorld()
	w.Accounts[0].Clusters[0].AWSAuth = map[string]string{"mapRoles": "- rolearn: arn:aws:iam::" + account + ":role/Deploy\n  username: masked\n  groups: [system:masters]\n"}
	f := start(t, lab.Options{World: w})
	c := f.eks(f.admin())
	createEntry(t, c, clusterTest, deployRole)
	out, err := f.assume(f.ci(), deployRole)
	if err != nil {
		t.Fatal(err)
	}
	k := f.kube(clusterTest)
	if _, name := k.whoami(tokenFor(t, keys(out.Credentials), clusterTest)); name != "arn:aws:sts::111111111111:assumed-role/deploy/apply" {
		t.Error("a live entry comes first, not", name)
	}
	recreate(t, f, "deploy", "/", *trust(account, "sts:AssumeRole"))
	if out, err = f.assume(f.admin(), deployRole); err != nil {
		t.Fatal(err)
	}
	token := tokenFor(t, keys(out.Credentials), clusterTest)
	if _, name := k.whoami(token); name != "masked" {
		t.Error(name)
	}
	status, got := k.do("GET", awsAuth, token, nil)
	if status != 200 || !strings.Contains(fmt.Sprint(got["data"]), "masked") {
		t.Error(status, got)
	}
	got["data"] = map[string]string{"mapAccounts": "['" + account + "']"}
	if status, _ := k.do("PUT", awsAuth, token, got); status != 200 {
		t.Error(status)
	}
	if _, name := k.whoami(token); name != "arn:aws:iam::111111111111:role/deploy" {
		t.Error(name)
	}
	if status, _ := k.do("PUT", awsAuth, token, got); status != 403 {
		t.Error("a user without groups wrote aws-auth:", status)
	}
	if _, err := c.UpdateClusterConfig(t.Context(), &eks.UpdateClusterConfigInput{Name: aws.String(clusterTest), AccessConfig: &ekstypes.UpdateAccessConfigRequest{AuthenticationMode: ekstypes.AuthenticationModeApi}}); err != nil {
		t.Fatal(err)
	}
	if status, _ := k.whoami(token); status != 401 {
		t.Error("in mode API:", status)
	}
}

func TestTokens(t *testing.T) {
	f := start(t, lab.Options{World: eksWorld()})
	strict := start(t, lab.Options{World: eksWorld(), StrictSTSHost: true})
	for _, l := range []*fixture{f, strict} {
		createEntry(t, l.eks(l.admin()), clusterTest, ciRole)
	}
	ci := f.ci()
	ref, _ := f.Cluster(account, "eu-west-1", clusterTest)
	strictRef, _ := strict.Cluster(account, "eu-west-1", clusterTest)
	if _, err := strict.Decide(strictRef, presigned{base: strict.URL(), cluster: clusterTest}.token(t, strict.ci())); err == nil || !strings.Contains(err.Error(), "unexpected scheme") {
		t.Error("strict:", err)
	}
	wrong := ci
	wrong.SecretAccessKey += "x"
	old := time.Now().Add(-15*time.Minute - time.Second)
	for name, test := range map[string]struct{ token, want string }{
		"regional":        {tokenFor(t, ci, clusterTest), ""},
		"global":          {presigned{base: "https://sts.amazonaws.com", cluster: clusterTest}.token(t, ci), ""},
		"FIPS":            {presigned{base: "https://sts-fips.us-east-1.amazonaws.com", cluster: clusterTest}.token(t, ci), ""},
		"the lab's own":   {presigned{base: f.URL(), cluster: clusterTest}.token(t, ci), ""},
		"old enough":      {presigned{base: regionalSTS, cluster: clusterTest, at: time.Now().Add(-14 * time.Minute)}.token(t, ci), ""},
		"too old":         {presigned{base: regionalSTS, cluster: clusterTest, at: old}.token(t, ci), "X-Amz-Date parameter is expired"},
		"of the future":   {presigned{base: regionalSTS, cluster: clusterTest, at: time.Now().Add(time.Hour)}.token(t, ci), "not yet current"},
		"other cluster":   {tokenFor(t, ci, "old"), "signature"},
		"no cluster":      {tokenFor(t, ci, ""), "client did not sign the x-k8s-aws-id header"},
		"other host":      {presigned{base: "https://sts.example.com", cluster: clusterTest}.token(t, ci), `unexpected hostname "sts.example.com"`},
		"other partition": {presigned{base: "https://sts.cn-north-1.amazonaws.com.cn", cluster: clusterTest}.token(t, ci), "unexpected hostname"},
		"http":            {presigned{base: "http://sts.amazonaws.com", cluster: clusterTest}.token(t, ci), `unexpected scheme "http"`},
		"path":            {presigned{base: regionalSTS + "/x", cluster: clusterTest}.token(t, ci), "unexpected path"},
		"parameter":       {presigned{base: regionalSTS, cluster: clusterTest, query: "&X=1"}.token(t, ci), `non-whitelisted query parameter "X"`},
		"wrong key":       {tokenFor(t, wrong, clusterTest), "signature"},
		"unknown key":     {tokenFor(t, aws.Credentials{AccessKeyID: "AKIAX", SecretAccessKey: "x"}, clusterTest), "security token"},
		"not ours":        {"Bearer", "missing expected"},
		"not base64":      {"k8s-aws-v1.%", "not properly formatted"},
		"too large":       {"k8s-aws-v1." + strings.Repeat("A", 4096), "token is too large"},
	} {
		u, err := f.Decide(ref, test.token)
		if got := fmt.Sprint(err); (err == nil) != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s: %v (%+v), want %q", name, err, u, test.want)
		}
	}
}

func TestTokenReviewAndTheTwin(t *testing.T) {
	f := start(t, lab.Options{World: eksWorld()})
	c := f.eks(f.admin())
	createEntry(t, c, clusterTest, "arn:aws:iam::"+account+":user/administrator")
	if _, err := c.AssociateAccessPolicy(t.Context(), &eks.AssociateAccessPolicyInput{ClusterName: aws.String(clusterTest), PrincipalArn: aws.String("arn:aws:iam::" + account + ":user/administrator"),
		PolicyArn: aws.String(labeks.PolicyClusterAdmin), AccessScope: &ekstypes.AccessScope{Type: ekstypes.AccessScopeTypeCluster}}); err != nil {
		t.Fatal(err)
	}
	twin := kube{t, f.env["HOLDFAST_LAB_CLUSTER_PROD"], http.DefaultClient}
	admin := tokenFor(t, f.admin(), clusterTest)
	review := func(token string) map[string]any {
		status, out := twin.do("POST", "/apis/authentication.k8s.io/v1/tokenreviews", admin, map[string]any{"spec": map[string]string{"token": token}})
		if status != 201 {
			t.Fatal(status, out)
		}
		return out["status"].(map[string]any)
	}
	if s := review(admin); s["authenticated"] != true || !strings.Contains(fmt.Sprint(s["user"]), "aws-iam-authenticator:111111111111:AIDA") {
		t.Error(s)
	}
	if s := review(tokenFor(t, f.ci(), clusterTest)); s["authenticated"] == true {
		t.Error(s)
	}
}
