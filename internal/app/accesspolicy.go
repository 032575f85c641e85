package app

import (
	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/ledger"
	"github.com/holdfast/holdfast/internal/source"
)

// AccessPolicy is the least privilege that `access scan` needs in each account,
// or with repair that `access repair` and `access restore` need beside. Book is
// where the ledger is kept, as in AccessRequest. Which action goes with which
// resource:
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelastickubernetesservice.html
func AccessPolicy(req Request, repair bool, book string, p Process) (Policy, error) {
	at, shared, err := ledgerAddress(book)
	if err != nil {
		return Policy{}, err
	}
	one, err := who(req, p)
	if err != nil {
		return Policy{}, err
	}
	principal, partition := "arn:aws:iam::ACCOUNT:role/NAME", "aws"
	if n := len(one.plan.Roles); n > 0 {
		principal = one.plan.Roles[n-1].ARN
		if role, err := cred.ParseRole(principal); err == nil {
			partition = role.Partition
		}
	}
	statements := scanStatements()
	if repair {
		statements = append(statements, repairStatements()...)
	} else {
		statements[0].Action = append(statements[0].Action, "iam:ListInstanceProfiles") // scan --full
	}
	if shared {
		statements = append(statements, ledgerStatements(at, "arn:"+partition+":s3:::")...)
	}
	need := source.Need{Principal: principal, IdentityPolicy: &source.Document{Version: "2012-10-17", Statement: statements}}
	return Policy{PolicyVersion, one.name, one.plan.Found, []source.Need{need}}, nil
}

// ledgerStatements are for a ledger in S3. Without ListBucket an object that isn't
// there looks forbidden
// (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html).
func ledgerStatements(at ledger.Address, arn string) []source.Statement {
	return []source.Statement{
		{Effect: "Allow", Resource: arn + at.Bucket, Action: []string{"s3:ListBucket"}},
		{Effect: "Allow", Resource: arn + at.Bucket + "/" + at.Key, Action: []string{"s3:GetObject", "s3:PutObject"}},
	}
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
