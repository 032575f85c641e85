package iam

import (
	"net/http"
	"slices"
	"strings"

	"github.com/holdfast/holdfast/internal/lab/wire"
)

const managed = "arn:" + Partition + ":iam::aws:policy/"

// attachable are the AWS-managed policies that the lab knows by name: those of
// https://docs.aws.amazon.com/eks/latest/userguide/security-iam-awsmanpol.html
// that a customer attaches to a role, and a few that everybody has.
func attachable() []string {
	return []string{
		"AmazonEKSClusterPolicy", "AmazonEKSComputePolicy", "AmazonEKSBlockStoragePolicy", "AmazonEKSLoadBalancingPolicy",
		"AmazonEKSNetworkingPolicy", "AmazonEKSVPCResourceController", "AmazonEKSWorkerNodePolicy", "AmazonEKSWorkerNodeMinimalPolicy",
		"AmazonEKS_CNI_Policy", "AmazonEKSFargatePodExecutionRolePolicy", "AmazonEC2ContainerRegistryReadOnly",
		"AmazonEC2ContainerRegistryPullOnly", "AmazonSSMManagedInstanceCore", "AdministratorAccess", "PowerUserAccess",
		"ReadOnlyAccess", "SecurityAudit", "job-function/ViewOnlyAccess",
	}
}

// attachment reads RoleName and PolicyArn.
func attachment(acct *account, p *wire.Params) (*Role, string, error) {
	arn := p.Get("PolicyArn")
	r, err := named(acct, p)
	if err != nil {
		return nil, "", err
	}
	name, ok := strings.CutPrefix(arn, managed)
	switch {
	case !ok:
		return nil, "", noPolicy("Policy " + arn + " does not exist or is not attachable.")
	case !slices.Contains(attachable(), name):
		return nil, "", wire.Unsupported("the managed policy " + name)
	}
	return r, arn, nil
}

func noPolicy(message string) error {
	return wire.Refuse(http.StatusNotFound, "NoSuchEntity", message)
}

func attachRolePolicy(acct *account, p *wire.Params) (any, error) {
	r, arn, err := attachment(acct, p)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(r.attached, arn) {
		r.attached = append(r.attached, arn)
	}
	return nil, nil
}

func detachRolePolicy(acct *account, p *wire.Params) (any, error) {
	r, arn, err := attachment(acct, p)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(r.attached, arn) {
		return nil, noPolicy("Policy " + arn + " was not found.")
	}
	r.attached = slices.DeleteFunc(r.attached, func(a string) bool { return a == arn })
	return nil, nil
}

func listAttachedRolePolicies(acct *account, p *wire.Params) (any, error) {
	r, err := named(acct, p)
	if err != nil {
		return nil, err
	}
	type policyXML struct{ PolicyName, PolicyArn string }
	var result struct {
		Policies []policyXML `xml:"AttachedPolicies>member"`
		more
	}
	for _, arn := range r.attached {
		result.Policies = append(result.Policies, policyXML{arn[strings.LastIndex(arn, "/")+1:], arn})
	}
	return result, nil
}

// listRolePolicies has nothing to list: inline policies can't be made here.
func listRolePolicies(acct *account, p *wire.Params) (any, error) {
	if _, err := named(acct, p); err != nil {
		return nil, err
	}
	return struct {
		PolicyNames []string `xml:"PolicyNames>member"`
		more
	}{}, nil
}

// maxTags: https://docs.aws.amazon.com/IAM/latest/APIReference/API_TagRole.html
const maxTags = 50

// tagRole adds tags, and replaces the values of those that are there. Keys
// differ in more than case.
func tagRole(acct *account, p *wire.Params) (any, error) {
	tags := p.Pairs("Tags")
	r, err := named(acct, p)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(r.Path, ServicePath) {
		return nil, wire.Refuse(http.StatusBadRequest, "UnmodifiableEntity", "Cannot perform the operation on the protected role '"+r.Name+"' - this role is only modifiable by AWS")
	}
	all := slices.Clone(r.tags)
	for _, t := range tags {
		if len(t[0]) == 0 || len(t[0]) > 128 || len(t[1]) > 256 || strings.HasPrefix(strings.ToLower(t[0]), "aws:") {
			return nil, wire.Refuse(http.StatusBadRequest, "InvalidInput", "The tag "+t[0]+" isn't valid") // the lab's own text
		}
		all = slices.DeleteFunc(all, func(old [2]string) bool { return strings.EqualFold(old[0], t[0]) })
		all = append(all, t)
	}
	if len(all) > maxTags {
		return nil, wire.Refuse(http.StatusConflict, "LimitExceeded", "The number of tags exceeds the limit") // the lab's own text
	}
	r.tags = all
	return nil, nil
}
