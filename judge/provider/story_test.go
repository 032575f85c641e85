package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eks"

	"github.com/holdfast/holdfast/internal/lab"
	labeks "github.com/holdfast/holdfast/internal/lab/eks"
)

const (
	account = "111111111111"
	region  = "eu-west-1"
)

// story is a lab and a directory in which OpenTofu works with this provider.
type story struct {
	t    *testing.T
	lab  *lab.Server
	dir  string
	env  []string
	vars map[string]string
}

// tofu finds OpenTofu: HOLDFAST_TOFU, or what the project has built.
func tofu(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("HOLDFAST_TOFU"); path != "" {
		return path
	}
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(home, ".cache", "holdfast", "tools", "tofu*"))
	if err != nil || len(found) == 0 {
		t.Fatal("no OpenTofu; set HOLDFAST_TOFU to the path of a tofu, or build one in tools/")
	}
	return found[0]
}

func begin(t *testing.T, o lab.Options, config string) *story {
	t.Helper()
	s, err := lab.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	st := &story{t: t, lab: s, dir: t.TempDir(), vars: map[string]string{}}
	for _, e := range s.Env() {
		k, v, _ := strings.Cut(e, "=")
		st.vars[k] = v
	}
	bin := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", filepath.Join(bin, "terraform-provider-aws"), ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	rc := filepath.Join(bin, "tofu.rc")
	write(t, rc, "provider_installation {\n  dev_overrides {\n    \"registry.terraform.io/hashicorp/aws\" = \""+bin+"\"\n  }\n}\n")
	write(t, filepath.Join(st.dir, "main.tf"), config)
	// Nothing of the machine's own environment but what a program needs to run.
	st.env = append(s.Env(), "PATH="+os.Getenv("PATH"), "HOME="+bin, "TF_CLI_CONFIG_FILE="+rc, "CHECKPOINT_DISABLE=1",
		"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE="+filepath.Join(bin, "none"), "AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(bin, "none"), "AWS_MAX_ATTEMPTS=1")
	return st
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (s *story) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(s.t.Context(), tofu(s.t), args...)
	cmd.Dir, cmd.Env = s.dir, s.env
	return cmd
}

func (s *story) tofu(args ...string) (string, error) {
	out, err := s.command(args...).CombinedOutput()
	return string(out), err
}

func (s *story) mustTofu(args ...string) string {
	s.t.Helper()
	out, err := s.tofu(args...)
	if err != nil {
		s.t.Fatalf("tofu %q: %v\n%s", args, err, out)
	}
	return out
}

// join lets a node of the role register and gives the API server's status.
func (s *story) join(role string) int {
	s.t.Helper()
	i, err := s.lab.Launch(lab.InstanceRequest{Role: role})
	if err != nil {
		s.t.Fatal(err)
	}
	token := clusterToken(s.t, aws.Credentials{AccessKeyID: i.AccessKey, SecretAccessKey: i.Secret, SessionToken: i.Token})
	body := `{"apiVersion":"v1","kind":"Node","metadata":{"name":"` + i.PrivateDNS + `"}}`
	post, err := http.NewRequest(http.MethodPost, s.vars["AWS_ENDPOINT_URL"]+"/lab/k8s/"+account+"/"+region+"/prod/api/v1/nodes", strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	post.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(post)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// entry is what describe says, as text.
func (s *story) entry() string {
	s.t.Helper()
	client := eks.New(eks.Options{Region: region, BaseEndpoint: aws.String(s.lab.URL()),
		Credentials: credentials.NewStaticCredentialsProvider(s.vars["AWS_ACCESS_KEY_ID"], s.vars["AWS_SECRET_ACCESS_KEY"], "")})
	out, err := client.DescribeAccessEntry(s.t.Context(), &eks.DescribeAccessEntryInput{ClusterName: aws.String("prod"), PrincipalArn: aws.String("arn:aws:iam::" + account + ":role/node")})
	if err != nil {
		s.t.Fatal(err)
	}
	b, err := json.Marshal(out.AccessEntry)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

const workers = `
terraform {
  required_providers {
    aws = { source = "registry.terraform.io/hashicorp/aws" }
  }
}
variable "workers" {
  type = bool
}
locals {
  trust = { for s in ["eks", "ec2"] : s => jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "${s}.amazonaws.com" } }] }) }
}
resource "aws_iam_role" "cluster" {
  name               = "cluster"
  assume_role_policy = local.trust.eks
}
resource "aws_eks_cluster" "prod" {
  name     = "prod"
  role_arn = aws_iam_role.cluster.arn
  access_config {
    authentication_mode = "API"
  }
  vpc_config {
    subnet_ids = ["subnet-a", "subnet-b"]
  }
}
resource "aws_iam_role" "node" {
  count              = var.workers ? 1 : 0
  name               = "node"
  assume_role_policy = local.trust.ec2
}
resource "aws_iam_role_policy_attachment" "node" {
  count      = var.workers ? 1 : 0
  role       = aws_iam_role.node[0].name
  policy_arn = "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy"
}
resource "aws_iam_instance_profile" "node" {
  count = var.workers ? 1 : 0
  name  = "node"
  role  = aws_iam_role.node[0].name
}
resource "aws_eks_node_group" "workers" {
  count           = var.workers ? 1 : 0
  cluster_name    = aws_eks_cluster.prod.name
  node_group_name = "workers"
  node_role_arn   = aws_iam_role.node[0].arn
  subnet_ids      = ["subnet-a"]
  scaling_config {
    desired_size = 1
    max_size     = 1
    min_size     = 1
  }
}
data "aws_caller_identity" "me" {}
data "aws_eks_cluster_auth" "prod" {
  name = aws_eks_cluster.prod.name
}
output "who" {
  value = data.aws_caller_identity.me.arn
}
output "token" {
  value     = data.aws_eks_cluster_auth.prod.token
  sensitive = true
}
`

func world() *lab.World { return &lab.World{Accounts: []lab.Account{{ID: account}}} }

// The second failure from outside: node group and role go and come again under
// the same names, describe shows the same entry, and the node is locked out.
func TestStory(t *testing.T) {
	s := begin(t, lab.Options{World: world(), Slowness: lab.Slowness{HealthDelay: 500 * time.Millisecond}}, workers)
	s.mustTofu("apply", "-auto-approve", "-no-color", "-var", "workers=true")
	if who := s.mustTofu("output", "-raw", "who"); !strings.Contains(who, "arn:aws:iam::"+account+":user/administrator") {
		t.Error(who)
	}
	if token := s.mustTofu("output", "-raw", "token"); !strings.Contains(token, "k8s-aws-v1.") {
		t.Error(token)
	}
	before := s.entry()
	if status := s.join("node"); status != http.StatusCreated {
		t.Fatalf("the first node: %d", status)
	}
	s.atRest("-var", "workers=true")
	s.mustTofu("apply", "-auto-approve", "-no-color", "-var", "workers=false")
	out, err := s.tofu("apply", "-auto-approve", "-no-color", "-var", "workers=true")
	if err == nil || !strings.Contains(out, "'CREATE_FAILED', wanted target 'ACTIVE'") {
		t.Errorf("the second apply: %v\n%s", err, out)
	}
	// As with the real provider, what didn't become ACTIVE is tainted, not lost.
	if got := s.actions("-var", "workers=true")["aws_eks_node_group.workers[0]"]; got != "delete create" {
		t.Errorf("the failed node group is planned for %q", got)
	}
	if after := s.entry(); after != before {
		t.Errorf("describe shows a difference:\n%s\n%s", before, after)
	}
	if status := s.join("node"); status != http.StatusUnauthorized {
		t.Errorf("the second node: %d", status)
	}
}

const entries = `
terraform {
  required_providers {
    aws = { source = "registry.terraform.io/hashicorp/aws" }
  }
}
variable "path" {
  default = "/"
}
data "aws_eks_cluster" "prod" {
  name = "prod"
}
resource "aws_iam_role" "app" {
  for_each           = toset(["referred", "literal"])
  name               = each.key
  path               = each.key == "referred" ? var.path : "/"
  description        = each.key == "literal" ? var.path : ""
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { AWS = "arn:aws:iam::111111111111:root" } }] })
}
resource "aws_eks_access_entry" "referred" {
  cluster_name  = data.aws_eks_cluster.prod.name
  principal_arn = aws_iam_role.app["referred"].arn
}
resource "aws_eks_access_entry" "literal" {
  cluster_name      = "prod"
  principal_arn     = "arn:aws:iam::111111111111:role/literal"
  kubernetes_groups = ["deployers"]
  tags              = { team = "shop" }
  depends_on        = [aws_iam_role.app]
}
resource "aws_eks_access_policy_association" "literal" {
  cluster_name  = "prod"
  principal_arn = aws_eks_access_entry.literal.principal_arn
  policy_arn    = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSEditPolicy"
  access_scope {
    type       = "namespace"
    namespaces = ["shop"]
  }
}
`

// actions are what a plan would do to each resource.
func (s *story) actions(args ...string) map[string]string {
	s.t.Helper()
	var plan struct {
		Changes []struct {
			Address string
			Change  struct{ Actions []string }
		} `json:"resource_changes"`
	}
	if err := json.Unmarshal(s.plan(args...), &plan); err != nil {
		s.t.Fatal(err)
	}
	actions := map[string]string{}
	for _, c := range plan.Changes {
		actions[c.Address] = strings.Join(c.Change.Actions, " ")
	}
	return actions
}

// atRest wants a plan that would change no resource.
func (s *story) atRest(args ...string) {
	s.t.Helper()
	got := s.actions(args...)
	if slices.ContainsFunc(slices.Collect(maps.Values(got)), func(a string) bool { return a != "no-op" }) {
		s.t.Errorf("not at rest: %v", got)
	}
}

// What a plan says of an entry when its role is made again: replaced if it
// refers to the role, nothing if its ARN is written down.
func TestPlansOfEntries(t *testing.T) {
	o := lab.Options{World: world(), Slowness: lab.Slowness{IAMLag: 300 * time.Millisecond}}
	s := begin(t, o, entries)
	if _, err := s.lab.AddCluster(account, labeks.Spec{Name: "prod"}); err != nil {
		t.Fatal(err)
	}
	s.mustTofu("apply", "-auto-approve", "-no-color")
	s.atRest()
	if got := s.actions("-replace", `aws_iam_role.app["literal"]`, "-var", "path=/team/"); got[`aws_iam_role.app["referred"]`] != "delete create" || got[`aws_iam_role.app["literal"]`] != "delete create" ||
		got["aws_eks_access_entry.referred"] != "delete create" || got["aws_eks_access_entry.literal"] != "no-op" || got["aws_eks_access_policy_association.literal"] != "no-op" {
		t.Errorf("%v", got)
	}
	if got := s.actions("-var", "path=/team/"); got[`aws_iam_role.app["literal"]`] != "update" {
		t.Errorf("%v", got)
	}
	s.mustTofu("apply", "-auto-approve", "-no-color", "-var", "path=/team/")
	s.mustTofu("destroy", "-auto-approve", "-no-color", "-var", "path=/team/")
}

// An interrupt cancels the call that is under way, unless the provider is told
// not to listen.
func TestCancel(t *testing.T) {
	for _, deaf := range []string{"0", "1"} {
		s := begin(t, lab.Options{World: world()}, workers)
		s.env = append(s.env, "HOLDFAST_PROVIDER_IGNORES_CANCEL="+deaf)
		s.lab.Fault(lab.Fault{Service: "iam", Operation: "CreateRole", Kind: lab.FaultSlow, Delay: 3 * time.Second})
		cmd := s.command("apply", "-auto-approve", "-no-color", "-var", "workers=false")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(20 * time.Second); s.lab.Hits() == 0; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("no call in 20 s")
			}
		}
		interrupted := time.Now()
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		err := cmd.Wait()
		took := time.Since(interrupted)
		if cancelled := strings.Contains(out.String(), "context canceled"); err == nil || cancelled != (deaf == "0") || (took < 2*time.Second) != (deaf == "0") {
			t.Errorf("deaf %s: %v after %s\n%s", deaf, err, took, out.String())
		}
	}
}
