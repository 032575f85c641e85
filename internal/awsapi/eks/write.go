package eks

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/holdfast/holdfast/internal/access"
	"github.com/holdfast/holdfast/internal/report"
)

// Delete deletes an entry, and with it its associations.
func (p *Place) Delete(ctx context.Context, cluster, principal string) error {
	_, err := p.eks.DeleteAccessEntry(ctx, &eks.DeleteAccessEntryInput{ClusterName: &cluster, PrincipalArn: &principal})
	if err != nil {
		return refusal("eks", "DeleteAccessEntry", err)
	}
	return nil
}

// Create makes an entry as it is given; what is empty isn't sent. Token makes a
// repeated request the same one.
func (p *Place) Create(ctx context.Context, e access.Entry, token string) (access.Entry, error) {
	in := &eks.CreateAccessEntryInput{ClusterName: &e.Cluster, PrincipalArn: &e.Principal, ClientRequestToken: &token, Tags: e.Tags, KubernetesGroups: e.Groups}
	if e.Type != "" {
		in.Type = &e.Type
	}
	if e.Username != "" {
		in.Username = &e.Username
	}
	out, err := p.eks.CreateAccessEntry(ctx, in)
	if err != nil {
		return access.Entry{}, refusal("eks", "CreateAccessEntry", err)
	}
	return entry(out.AccessEntry), nil
}

// Associate gives an entry a policy, or changes the scope of one that it has.
func (p *Place) Associate(ctx context.Context, cluster, principal string, policy report.AccessPolicy) error {
	_, err := p.eks.AssociateAccessPolicy(ctx, &eks.AssociateAccessPolicyInput{ClusterName: &cluster, PrincipalArn: &principal,
		PolicyArn: aws.String(policy.ARN), AccessScope: &types.AccessScope{Type: types.AccessScopeType(policy.Scope), Namespaces: policy.Namespaces}})
	if err != nil {
		return refusal("eks", "AssociateAccessPolicy", err)
	}
	return nil
}

// Update sets an entry's groups and user name.
func (p *Place) Update(ctx context.Context, e access.Entry, token string) error {
	groups := e.Groups
	if groups == nil {
		groups = []string{} // none, where nil would leave them as they are
	}
	_, err := p.eks.UpdateAccessEntry(ctx, &eks.UpdateAccessEntryInput{ClusterName: &e.Cluster, PrincipalArn: &e.Principal, KubernetesGroups: groups, Username: &e.Username, ClientRequestToken: &token})
	if err != nil {
		return refusal("eks", "UpdateAccessEntry", err)
	}
	return nil
}

// Tag adds tags to an entry.
func (p *Place) Tag(ctx context.Context, e access.Entry) error {
	_, err := p.eks.TagResource(ctx, &eks.TagResourceInput{ResourceArn: &e.ARN, Tags: e.Tags})
	if err != nil {
		return refusal("eks", "TagResource", err)
	}
	return nil
}
