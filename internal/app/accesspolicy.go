package app

import (
	"github.com/holdfast/holdfast/internal/source"
)

// AccessPolicy is the least privilege that `access scan` needs in each account,
// or with repair that `access repair` and `access restore` need beside. Which
// action goes with which resource:
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelastickubernetesservice.html
func AccessPolicy(req Request, repair bool, p Process) (Policy, error) {
	one, err := who(req, p)
	if err != nil {
		return Policy{}, err
	}
	principal := "arn:aws:iam::ACCOUNT:role/NAME"
	if n := len(one.plan.Roles); n > 0 {
		principal = one.plan.Roles[n-1].ARN
	}
	need := source.Need{Principal: principal, IdentityPolicy: &source.Document{Version: "2012-10-17", Statement: scanStatements()}}
	if repair {
		need.IdentityPolicy.Statement = append(need.IdentityPolicy.Statement, repairStatements()...)
	}
	return Policy{PolicyVersion, one.name, one.plan.Found, []source.Need{need}}, nil
}

func scanStatements() []source.Statement {
	return []source.Statement{
		{Effect: "Allow", Resource: "*", Action: []string{
			"eks:ListClusters", "eks:DescribeCluster", "eks:ListAccessEntries", "eks:DescribeAccessEntry", "eks:ListAssociatedAccessPolicies",
			"eks:ListNodegroups", "eks:DescribeNodegroup", "eks:ListFargateProfiles", "eks:DescribeFargateProfile",
			"iam:ListRoles", "iam:GetRole", "iam:GetUser",
		}},
		{Effect: "Allow", Resource: "arn:*:logs:*:*:log-group:/aws/eks/*", Action: []string{"logs:FilterLogEvents"}},
	}
}

// repairStatements: the role is passed for EC2_LINUX and EC2_WINDOWS
// (https://docs.aws.amazon.com/eks/latest/userguide/creating-access-entries.html).
func repairStatements() []source.Statement {
	return []source.Statement{
		{Effect: "Allow", Resource: "arn:*:eks:*:*:cluster/*", Action: []string{"eks:CreateAccessEntry"}},
		{Effect: "Allow", Resource: "arn:*:eks:*:*:access-entry/*", Action: []string{"eks:DeleteAccessEntry", "eks:UpdateAccessEntry", "eks:AssociateAccessPolicy", "eks:TagResource"}},
		{Effect: "Allow", Resource: "*", Action: []string{"iam:PassRole"}},
	}
}
