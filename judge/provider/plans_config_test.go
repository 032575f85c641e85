package main

import (
	"fmt"
	"maps"
	"strings"

	"github.com/holdfast/holdfast/internal/pairwise"
)

// planDimensions are what plans that touch entries differ in.
func planDimensions() []pairwise.Dimension {
	return []pairwise.Dimension{
		{Name: "role", Values: []string{"stays", "replaced", "moved", "moved and replaced", "renamed", "deleted", "gone", "updated"}},
		{Name: "arn", Values: []string{"reference", "literal", "interpolated", "variable", "data"}},
		{Name: "entry", Values: []string{"beside", "module", "another state", "absent"}},
		{Name: "nodes", Values: []string{"none", "by text", "by reference", "owned"}},
		{Name: "lifecycle", Values: []string{"none", "trigger", "create before destroy", "prevent_destroy false"}},
		{Name: "association", Values: []string{"none", "by reference", "by text"}},
		{Name: "roles in", Values: []string{"root", "module"}},
	}
}

// planRows are the pairwise rows, the heart of the matter in every form, and
// plans that show a part only.
func planRows() []pairwise.Row {
	rows := pairwise.Rows(planDimensions())
	lifecycles, associations := []string{"none", "trigger", "prevent_destroy false"}, []string{"by text", "by reference"}
	for i, role := range []string{"replaced", "moved and replaced", "gone"} {
		for n, arn := range []string{"literal", "variable", "data"} {
			rows = append(rows, pairwise.Row{"role": role, "arn": arn, "entry": "beside", "nodes": "none",
				"lifecycle": lifecycles[(i+n)%3], "association": associations[n%2], "roles in": "root"})
		}
	}
	for i := 3; i < len(rows); i += 9 {
		r := maps.Clone(rows[i])
		r["plan"] = "target"
		rows = append(rows, r)
	}
	for _, lifecycle := range []string{"none", "create before destroy"} {
		for _, association := range []string{"by text", "by reference"} {
			rows = append(rows, pairwise.Row{"role": "stays, the entry is replaced", "arn": "literal", "entry": "beside", "nodes": "none",
				"lifecycle": lifecycle, "association": association, "roles in": "root"})
		}
	}
	return rows
}

// layout is a row as it can be written: where two values can't stand together,
// one of them gives way.
type layout struct {
	role, arn, entry, nodes, lifecycle, association, in, plan string
}

func layoutOf(r pairwise.Row) layout {
	l := layout{r["role"], r["arn"], r["entry"], r["nodes"], r["lifecycle"], r["association"], r["roles in"], r["plan"]}
	if l.plan == "" || l.role == "moved and replaced" {
		l.plan = "whole" // an engine refuses to leave a move out
	}
	if l.role == "deleted" && l.arn == "reference" {
		l.arn = "literal" // there is nothing to refer to
	}
	if l.role == "gone" && l.arn == "data" {
		l.arn = "literal" // nothing to read either
	}
	if l.entry == "absent" {
		l.association = "none"
	}
	if l.entry == "another state" && l.association == "by reference" {
		l.association = "by text"
	}
	if l.entry == "absent" || l.entry == "another state" {
		l.lifecycle = "none"
	}
	if l.lifecycle == "trigger" && (l.entry != "beside" || l.in != "root" || l.role == "deleted") {
		l.lifecycle = "none" // a trigger names a resource of its own module
	}
	if l.role == "deleted" && (l.nodes == "by reference" || l.nodes == "owned") {
		l.nodes = "by text"
	}
	return l
}

func (l layout) String() string {
	return fmt.Sprintf("role: %s\narn: %s\nentry: %s\nnodes: %s\nlifecycle: %s\nassociation: %s\nroles in: %s\nplan: %s\n",
		l.role, l.arn, l.entry, l.nodes, l.lifecycle, l.association, l.in, l.plan)
}

const head = `terraform {
  required_providers {
    aws = { source = "registry.terraform.io/hashicorp/aws" }
  }
}
`

// files are the code before (true) and after the change.
func (l layout) files(before bool) map[string]string {
	out := map[string]string{}
	main := head
	roles := l.roleBlocks(before)
	if l.in == "module" {
		out["roles/main.tf"] = head + roles + l.roleOutputs(before)
		main += "module \"roles\" {\n  source = \"./roles\"\n}\n"
	} else {
		main += roles
	}
	arn, more := l.principal(before)
	main += more
	switch l.entry {
	case "beside":
		main += l.entryBlock(arn, before)
	case "module":
		out["access/main.tf"] = head + "variable \"arn\" {}\n" + l.entryBlock("var.arn", before)
		main += "module \"access\" {\n  source = \"./access\"\n  arn    = " + arn + "\n}\n"
	case "another state":
		if l.association == "by text" {
			main += associationBlock(text("app"))
		}
	}
	out["main.tf"] = main + l.nodeBlocks(before)
	return out
}

func text(role string) string { return `"arn:aws:iam::` + account + `:role/` + role + `"` }

// label is the name of a role's resource.
func (l layout) label(role string, before bool) string {
	if !before && strings.HasPrefix(l.role, "moved") {
		return role + "_new"
	}
	return role
}

func (l layout) ref(role string, before bool) string {
	if l.in == "module" {
		return "module.roles." + role
	}
	return "aws_iam_role." + l.label(role, before) + ".arn"
}

func (l layout) address(role string, before bool) string {
	address := "aws_iam_role." + l.label(role, before)
	if l.in == "module" {
		return "module.roles." + address
	}
	return address
}

func (l layout) roleBlocks(before bool) string {
	if l.role == "deleted" && !before {
		return ""
	}
	var b strings.Builder
	for _, role := range []string{"app", "node"} {
		principal := `{ AWS = "arn:aws:iam::` + account + `:root" }`
		if role == "node" {
			principal = `{ Service = "ec2.amazonaws.com" }`
		}
		name, description := role, "first"
		if !before && l.role == "renamed" {
			name += "-v2"
		}
		if !before && l.role == "updated" {
			description = "second"
		}
		fmt.Fprintf(&b, "resource \"aws_iam_role\" %q {\n  name               = %q\n  description        = %q\n  assume_role_policy = jsonencode({ Version = \"2012-10-17\", Statement = [{ Effect = \"Allow\", Action = \"sts:AssumeRole\", Principal = %s }] })\n}\n",
			l.label(role, before), name, description, principal)
		if !before && l.role == "moved and replaced" {
			fmt.Fprintf(&b, "moved {\n  from = aws_iam_role.%s\n  to   = aws_iam_role.%s_new\n}\n", role, role)
		}
	}
	return b.String()
}

func (l layout) roleOutputs(before bool) string {
	if l.role == "deleted" && !before {
		return ""
	}
	return fmt.Sprintf("output \"app\" {\n  value = aws_iam_role.%s.arn\n}\noutput \"node\" {\n  value = aws_iam_role.%s.arn\n}\n", l.label("app", before), l.label("node", before))
}

// principal is how the entry's ARN is written, and what that needs.
func (l layout) principal(before bool) (expression, blocks string) {
	if before || l.arn == "reference" {
		return l.ref("app", before), ""
	}
	switch l.arn {
	case "interpolated":
		return `"arn:aws:iam::${data.aws_caller_identity.me.account_id}:role/app"`, "data \"aws_caller_identity\" \"me\" {}\n"
	case "variable":
		return "var.app", "variable \"app\" {\n  default = " + text("app") + "\n}\n"
	case "data":
		return "data.aws_iam_role.app.arn", "data \"aws_iam_role\" \"app\" {\n  name = \"app\"\n}\n"
	}
	return text("app"), ""
}

func (l layout) entryBlock(arn string, before bool) string {
	lifecycle, trigger := "", ""
	if !before {
		switch l.lifecycle {
		case "trigger":
			trigger = "  lifecycle {\n    replace_triggered_by = [aws_iam_role." + l.label("app", before) + ".unique_id]\n  }\n"
			lifecycle = trigger
		case "create before destroy":
			lifecycle = "  lifecycle {\n    create_before_destroy = true\n  }\n"
		case "prevent_destroy false":
			lifecycle = "  lifecycle {\n    prevent_destroy = false\n  }\n"
		}
	}
	out := "resource \"aws_eks_access_entry\" \"app\" {\n  cluster_name  = \"prod\"\n  principal_arn = " + arn + "\n" + lifecycle + "}\n"
	switch l.association {
	case "by reference":
		out += associationBlock("aws_eks_access_entry.app.principal_arn", trigger)
	case "by text":
		depends := ""
		if before {
			depends = "  depends_on = [aws_eks_access_entry.app]\n"
		}
		out += associationBlock(text("app"), depends, trigger)
	}
	return out
}

func associationBlock(arn string, more ...string) string {
	return "resource \"aws_eks_access_policy_association\" \"app\" {\n  cluster_name  = \"prod\"\n  principal_arn = " + arn +
		"\n  policy_arn    = \"arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy\"\n  access_scope {\n    type = \"cluster\"\n  }\n" + strings.Join(more, "") + "}\n"
}

func (l layout) nodeBlocks(before bool) string {
	if l.nodes == "none" {
		return ""
	}
	arn, depends, entry := l.ref("node", before), "", ""
	switch l.nodes {
	case "by text":
		arn = text("node")
		if before && l.in == "root" {
			depends = "  depends_on = [aws_iam_role.node]\n"
		} else if before {
			depends = "  depends_on = [module.roles]\n"
		}
	case "owned":
		entry = "resource \"aws_eks_access_entry\" \"node\" {\n  cluster_name  = \"prod\"\n  principal_arn = " + arn + "\n  type          = \"EC2_LINUX\"\n}\n"
		depends = "  depends_on = [aws_eks_access_entry.node]\n"
	}
	return entry + "resource \"aws_eks_node_group\" \"workers\" {\n  cluster_name    = \"prod\"\n  node_group_name = \"workers\"\n  node_role_arn   = " + arn +
		"\n  subnet_ids      = [\"subnet-a\"]\n  scaling_config {\n    desired_size = 1\n    max_size     = 1\n    min_size     = 1\n  }\n" + depends + "}\n"
}

// arguments are what the plan is called with.
func (l layout) arguments() []string {
	var args []string
	if l.role == "replaced" || l.role == "moved and replaced" {
		args = append(args, "-replace", l.address("app", false), "-replace", l.address("node", false))
	}
	if l.role == "stays, the entry is replaced" {
		args = append(args, "-replace", "aws_eks_access_entry.app")
	}
	if l.plan == "target" {
		role := l.address("app", false)
		if l.role == "deleted" {
			role = l.address("app", true)
		}
		args = append(args, "-target", role)
	}
	return args
}
