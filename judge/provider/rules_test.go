package main

import (
	"bytes"
	"errors"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/holdfast/holdfast/internal/gate"
	"github.com/holdfast/holdfast/internal/lab"
	labeks "github.com/holdfast/holdfast/internal/lab/eks"
	"github.com/holdfast/holdfast/internal/tf/plan"
)

const (
	nodeARN = "arn:aws:iam::" + account + ":role/node"
	appARN  = "arn:aws:iam::" + account + ":role/app"

	roleOfNodes = `resource "aws_iam_role" "node" {
  name               = "node"
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ec2.amazonaws.com" } }] })
}
`
	roleOfApp = `resource "aws_iam_role" "app" {
  name               = "app"
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { AWS = "arn:aws:iam::111111111111:root" } }] })
}
`
	groupOf = `resource "aws_eks_node_group" "workers" {
  cluster_name    = "prod"
  node_group_name = "workers"
  node_role_arn   = aws_iam_role.node.arn
  subnet_ids      = ["subnet-a"]
  scaling_config {
    desired_size = 1
    max_size     = 1
    min_size     = 1
  }
`
	whoApplies = "data \"aws_caller_identity\" \"me\" {}\n"
)

func entryFor(role, arn, more string) string {
	return "resource \"aws_eks_access_entry\" \"" + role + "\" {\n  cluster_name  = \"prod\"\n  principal_arn = " + arn + "\n" + more + "}\n"
}

// ruleRow is a plan for one rule, and what the lab has to say of it afterwards.
type ruleRow struct {
	before, after string   // code
	arguments     []string // of the plan
	as            string   // the role that plans and applies; the administrator if empty
	prepare       func(*ruled)
	says, live    string // the gate's, without and with the cluster's entries
	applied       func(r *ruled, out string, err error)
}

// ruled is a row while it is played.
type ruled struct {
	*story
	t   *testing.T
	ref labeks.Ref
	sdk sdk
}

// become lets what follows run as a role's session.
func (r *ruled) become(role string) {
	r.t.Helper()
	out, err := r.sdk.sts.AssumeRole(r.t.Context(), &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::" + account + ":role/" + role), RoleSessionName: aws.String("judge")})
	if err != nil {
		r.t.Fatal(err)
	}
	r.env = slices.DeleteFunc(r.env, func(e string) bool {
		return strings.HasPrefix(e, "AWS_ACCESS_KEY_ID=") || strings.HasPrefix(e, "AWS_SECRET_ACCESS_KEY=")
	})
	r.env = append(r.env, "AWS_ACCESS_KEY_ID="+*out.Credentials.AccessKeyId, "AWS_SECRET_ACCESS_KEY="+*out.Credentials.SecretAccessKey, "AWS_SESSION_TOKEN="+*out.Credentials.SessionToken)
}

// oldEntry leaves an entry of a role for nodes that is gone.
func (r *ruled) oldEntry() {
	r.t.Helper()
	r.lay(map[string]string{"main.tf": head + roleOfNodes})
	r.mustTofu("apply", "-auto-approve", "-no-color")
	if _, err := r.sdk.eks.CreateAccessEntry(r.t.Context(), &eks.CreateAccessEntryInput{ClusterName: aws.String("prod"), PrincipalArn: aws.String(nodeARN), Type: aws.String("EC2_LINUX")}); err != nil {
		r.t.Fatal(err)
	}
	r.mustTofu("destroy", "-auto-approve", "-no-color")
}

// joins says whether a node must be let in.
func joins(in bool) func(*ruled, string, error) {
	return func(r *ruled, out string, err error) {
		r.t.Helper()
		if status := r.join("node"); (status == http.StatusCreated) != in || in && err != nil {
			r.t.Errorf("a node gets %d, the apply %v\n%s", status, err, out)
		}
	}
}

// enters says whether a session of the role app must be let in.
func enters(in bool) func(*ruled, string, error) {
	return func(r *ruled, out string, err error) {
		r.t.Helper()
		if err != nil {
			r.t.Errorf("the apply: %v\n%s", err, out)
		}
		if _, refused := r.lab.Decide(r.ref, r.sdk.token(r.t, r.story, "app")); (refused == nil) != in {
			r.t.Errorf("whoever has the role: %v", refused)
		}
	}
}

func ruleRows() map[string]ruleRow {
	const association = `resource "aws_eks_access_policy_association" "node" {
  cluster_name  = "prod"
  principal_arn = aws_eks_access_entry.node.principal_arn
  policy_arn    = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"
  access_scope {
    type = "cluster"
  }
}
`
	nodes := groupOf + "  depends_on = [aws_eks_access_entry.node]\n}\n"
	again := []string{"-replace", "aws_iam_role.app", "-replace", "aws_eks_access_entry.app"}
	entryApp := roleOfApp + entryFor("app", "aws_iam_role.app.arn", "")
	linux := "  type          = \"EC2_LINUX\"\n"
	return map[string]ruleRow{
		"HF205-standard": {before: roleOfNodes, after: roleOfNodes + entryFor("node", "aws_iam_role.node.arn", "") + nodes,
			says: "HF205 error aws_eks_access_entry.node\n", live: "HF205 error aws_eks_access_entry.node\n", applied: joins(false)},
		"HF205-new": {after: roleOfNodes + entryFor("node", "aws_iam_role.node.arn", "  type          = \"FARGATE_LINUX\"\n") + nodes,
			says: "HF205 error aws_eks_access_entry.node\n", live: "HF205 error aws_eks_access_entry.node\n", applied: joins(false)},
		"HF205-not": {before: roleOfNodes, after: roleOfNodes + entryFor("node", "aws_iam_role.node.arn", linux) + nodes, applied: joins(true)},
		"HF205-policy": {before: roleOfNodes + entryFor("node", "aws_iam_role.node.arn", linux), after: roleOfNodes + entryFor("node", "aws_iam_role.node.arn", linux) + association,
			says: "HF205 error aws_eks_access_policy_association.node\n", live: "HF205 error aws_eks_access_policy_association.node\n",
			applied: func(r *ruled, out string, err error) {
				if err == nil || !strings.Contains(out, "InvalidRequestException") && !strings.Contains(out, "InvalidParameterException") {
					r.t.Errorf("EKS took it: %v\n%s", err, out)
				}
			}},
		"HF206-own": {before: whoApplies + entryApp, after: whoApplies + roleOfApp, as: "app",
			says: "HF206 warning aws_eks_access_entry.app\n", live: "HF206 warning aws_eks_access_entry.app\n", applied: enters(false)},
		"HF206-again": {before: whoApplies + entryApp, after: whoApplies + entryApp, as: "app", arguments: again[2:],
			says: "HF206 warning aws_eks_access_entry.app\n", live: "HF206 warning aws_eks_access_entry.app\n", applied: enters(true)},
		"HF206-not": {before: whoApplies + entryApp, after: whoApplies + roleOfApp, applied: enters(false)},
		"HF209-there": {prepare: (*ruled).oldEntry, after: roleOfNodes + groupOf + "}\n",
			says: "HF209 note aws_eks_node_group.workers\n", live: "HF202 error cluster prod " + nodeARN + "\n", applied: joins(false)},
		"HF209-gone": {after: roleOfNodes + groupOf + "}\n",
			says: "HF209 note aws_eks_node_group.workers\n", applied: joins(true)},
		// Text and no depends_on: which comes first is nobody's decision, so that
		// there is nothing to compare with afterwards.
		"HF210-text": {before: entryApp, after: roleOfApp + entryFor("app", `"`+appARN+`"`, ""), arguments: again,
			says: "HF210 warning aws_eks_access_entry.app\n", live: "HF210 warning aws_eks_access_entry.app\n"},
		"HF210-depends": {before: entryApp, after: roleOfApp + entryFor("app", `"`+appARN+`"`, "  depends_on = [aws_iam_role.app]\n"), arguments: again, applied: enters(true)},
		"HF210-not":     {before: entryApp, after: entryApp, arguments: again, applied: enters(true)},
	}
}

// TestRulesAndTheirApply makes a plan for each of the rules that the rows of
// TestPlansAndTheirApply don't come to, with real OpenTofu; judges it, applies it,
// and holds the judgement against what the lab does then.
//
// HF220 is in TestTrustPoliciesKeepIDs, for trust policies only: this provider has
// no buckets, keys, queues, topics or secrets.
func TestRulesAndTheirApply(t *testing.T) {
	if strings.HasPrefix(filepath.Base(tofu(t)), "terraform") {
		return // the fixtures are OpenTofu's
	}
	for name, row := range ruleRows() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := begin(t, lab.Options{World: world(), Slowness: lab.Slowness{HealthDelay: 300 * time.Millisecond}}, head)
			ref, err := s.lab.AddCluster(account, labeks.Spec{Name: "prod", Mode: labeks.ModeAPI})
			if err != nil {
				t.Fatal(err)
			}
			row.play(&ruled{s, t, ref, s.sdk()}, name)
		})
	}
}

func (row ruleRow) play(r *ruled, name string) {
	r.t.Helper()
	if row.prepare != nil {
		row.prepare(r)
	}
	before, after := map[string]string{"main.tf": head + row.before}, map[string]string{"main.tf": head + row.after}
	r.lay(before)
	r.mustTofu("apply", "-auto-approve", "-no-color")
	if row.as != "" {
		r.become(row.as)
	}
	r.lay(after)
	shown := r.plan(row.arguments...)
	p, err := plan.Read(bytes.NewReader(shown))
	if err != nil {
		r.t.Fatal(err)
	}
	live := []gate.Cluster{{Name: "prod", Entries: r.sdk.entries(r.t)}}
	offline, lively := describe(gate.Judge(gate.Facts{Plan: p})), describe(gate.Judge(gate.Facts{Plan: p, Live: live}))
	if offline != row.says || lively != row.live {
		r.t.Errorf("the gate says\n%swith the cluster's entries\n%s", offline, lively)
	}
	kept{"TestRulesAndTheirApply", name + "\n", row.arguments, before, after}.compare(r.t, name, shown, offline, lively, live)
	out, err := r.tofu("apply", "-no-color", "p")
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		r.t.Fatal(err)
	}
	if row.applied != nil {
		row.applied(r, out, err)
	}
}
