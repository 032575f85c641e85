//go:build clients

package lab_test

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast/holdfast/internal/lab"
)

// These tests ask the lab with boto3 and with the AWS CLI. They install what is
// missing, and fail where that isn't possible: what couldn't be looked at is
// never a pass.

// operations are those of EKS that the lab has.
func operations() []string {
	return []string{
		"CreateCluster", "DescribeCluster", "ListClusters", "DeleteCluster", "UpdateClusterConfig", "DescribeUpdate", "ListUpdates",
		"CreateNodegroup", "DescribeNodegroup", "ListNodegroups", "DeleteNodegroup",
		"CreateFargateProfile", "DescribeFargateProfile", "ListFargateProfiles", "DeleteFargateProfile",
		"CreateAccessEntry", "DescribeAccessEntry", "ListAccessEntries", "UpdateAccessEntry", "DeleteAccessEntry",
		"AssociateAccessPolicy", "DisassociateAccessPolicy", "ListAssociatedAccessPolicies", "ListAccessPolicies",
		"TagResource", "UntagResource", "ListTagsForResource",
	}
}

func clientsWorld() *lab.World {
	return &lab.World{Accounts: []lab.Account{{ID: account, Roles: []lab.Role{
		{Name: "cluster", Trust: service("eks.amazonaws.com")}, {Name: "node", Trust: service("ec2.amazonaws.com")},
		{Name: "pods", Trust: service("eks-fargate-pods.amazonaws.com")}, {Name: "deploy", Trust: []lab.Trust{{Principals: []string{account}}}},
	}}}}
}

// installed finds a program, or installs the Debian package that has it.
func installed(t *testing.T, deb string, candidates ...[]string) []string {
	t.Helper()
	works := func() []string {
		for _, c := range candidates {
			if exec.Command(c[0], c[1:]...).Run() == nil {
				return c
			}
		}
		return nil
	}
	if c := works(); c != nil {
		return c
	}
	out, err := exec.Command("apt-get", "install", "-y", deb).CombinedOutput()
	if c := works(); c != nil {
		return c
	}
	t.Fatalf("NOT LOOKED AT: %s: %v\n%s", deb, err, out)
	return nil
}

// environment has nothing of the machine's own but what a program needs to run.
func (f *fixture) environment() []string {
	none := filepath.Join(f.t.TempDir(), "none")
	return append(f.Env(), "PATH="+os.Getenv("PATH"), "HOME="+os.Getenv("HOME"), "AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE="+none, "AWS_SHARED_CREDENTIALS_FILE="+none, "AWS_PAGER=")
}

func TestBoto3(t *testing.T) {
	python := installed(t, "python3-boto3", []string{"python3", "-c", "import boto3"}, []string{"/usr/bin/python3", "-c", "import boto3"})[0]
	f := start(t, lab.Options{World: clientsWorld()})
	cmd := exec.Command(python, "../../clients/python/lab.py")
	cmd.Env = f.environment()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	asked := strings.Fields(string(out))
	for _, want := range operations() {
		if !slices.Contains(asked, want) {
			t.Errorf("%s wasn't asked", want)
		}
	}
}

// cli is the AWS CLI, and what it was asked for.
type cli struct {
	t     *testing.T
	path  string
	env   []string
	asked map[string]bool
}

func (c cli) eks(command string, args ...string) map[string]any {
	c.t.Helper()
	cmd := exec.Command(c.path, append([]string{"--output", "json", "eks", command}, args...)...)
	cmd.Env = c.env
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		c.t.Fatalf("aws eks %s %q: %v %s", command, args, err, errs.String())
	}
	c.asked[command] = true
	var answer map[string]any
	if len(out) > 0 {
		if err := json.Unmarshal(out, &answer); err != nil {
			c.t.Fatalf("aws eks %s: %v\n%s", command, err, out)
		}
	}
	return answer
}

func TestAWSCLI(t *testing.T) {
	path := installed(t, "awscli", []string{"aws", "--version"})[0]
	f := start(t, lab.Options{World: clientsWorld(), Slowness: lab.Slowness{Settle: 1}})
	client := cli{t, path, f.environment(), map[string]bool{}}
	eks := client.eks
	member := func(answer map[string]any, outer, inner string) string {
		t.Helper()
		o, _ := answer[outer].(map[string]any)
		s, ok := o[inner].(string)
		if !ok {
			t.Fatalf("no %s.%s in %v", outer, inner, answer)
		}
		return s
	}
	const policy = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"
	eks("create-cluster", "--name", "cli", "--role-arn", clusterRole, "--resources-vpc-config", "subnetIds=a,b", "--access-config", "authenticationMode=API_AND_CONFIG_MAP")
	eks("describe-cluster", "--name", "cli")
	eks("list-clusters")
	update := eks("update-cluster-config", "--name", "cli", "--access-config", "authenticationMode=API")
	eks("describe-update", "--name", "cli", "--update-id", member(update, "update", "id"))
	eks("list-updates", "--name", "cli")
	eks("create-nodegroup", "--cluster-name", "cli", "--nodegroup-name", "n", "--subnets", "a", "--node-role", "arn:aws:iam::"+account+":role/node")
	eks("describe-nodegroup", "--cluster-name", "cli", "--nodegroup-name", "n")
	eks("list-nodegroups", "--cluster-name", "cli")
	eks("create-fargate-profile", "--cluster-name", "cli", "--fargate-profile-name", "f", "--pod-execution-role-arn", podRole, "--selectors", "namespace=x")
	eks("describe-fargate-profile", "--cluster-name", "cli", "--fargate-profile-name", "f")
	eks("list-fargate-profiles", "--cluster-name", "cli")
	at := []string{"--cluster-name", "cli", "--principal-arn", deployRole}
	arn := member(eks("create-access-entry", append(at, "--kubernetes-groups", "g")...), "accessEntry", "accessEntryArn")
	eks("describe-access-entry", at...)
	eks("list-access-entries", "--cluster-name", "cli")
	eks("update-access-entry", append(at, "--username", "x")...)
	eks("associate-access-policy", append(at, "--policy-arn", policy, "--access-scope", "type=cluster")...)
	eks("list-associated-access-policies", at...)
	eks("list-access-policies")
	eks("disassociate-access-policy", append(at, "--policy-arn", policy)...)
	eks("tag-resource", "--resource-arn", arn, "--tags", "a=1")
	eks("list-tags-for-resource", "--resource-arn", arn)
	eks("untag-resource", "--resource-arn", arn, "--tag-keys", "a")
	token := member(eks("get-token", "--cluster-name", "cli"), "status", "token")
	// The CLI signs for the endpoint that it is pointed at.
	ref, _ := f.Cluster(account, "eu-west-1", "cli")
	if u, err := f.Decide(ref, token); err != nil || !strings.HasSuffix(u.Name, ":user/administrator") {
		text, _ := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(token, "k8s-aws-v1."))
		t.Errorf("%+v, %v\n%s", u, err, text)
	}
	eks("delete-access-entry", at...)
	eks("delete-nodegroup", "--cluster-name", "cli", "--nodegroup-name", "n")
	eks("delete-fargate-profile", "--cluster-name", "cli", "--fargate-profile-name", "f")
	eks("delete-cluster", "--name", "cli")
	if got, want := len(client.asked)-1, len(operations()); got != want {
		t.Errorf("%d operations were asked, want %d", got, want)
	}
}
