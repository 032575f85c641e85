package eks

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/holdfast/holdfast/internal/access"
	"github.com/holdfast/holdfast/internal/report"
)

// Clusters implements access.Reader.
func (p *Place) Clusters(ctx context.Context) ([]string, error) {
	var all []string
	for pages := eks.NewListClustersPaginator(p.eks, &eks.ListClustersInput{}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, refusal("eks", "ListClusters", err)
		}
		all = append(all, page.Clusters...)
	}
	return all, nil
}

// Cluster implements access.Reader.
func (p *Place) Cluster(ctx context.Context, name string) (access.Cluster, error) {
	out, err := p.eks.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: &name})
	if err != nil {
		return access.Cluster{}, refusal("eks", "DescribeCluster", err)
	}
	c := access.Cluster{Place: p.at, Name: name, ARN: aws.ToString(out.Cluster.Arn), Endpoint: aws.ToString(out.Cluster.Endpoint)}
	// Clusters that are older than access entries say nothing, and have none.
	c.Mode = access.ModeConfigMap
	if a := out.Cluster.AccessConfig; a != nil && a.AuthenticationMode != "" {
		c.Mode = string(a.AuthenticationMode)
	}
	if l := out.Cluster.Logging; l != nil {
		for _, setup := range l.ClusterLogging {
			c.Logged = c.Logged || aws.ToBool(setup.Enabled) && slices.Contains(setup.Types, types.LogTypeAuthenticator)
		}
	}
	if ca := out.Cluster.CertificateAuthority; ca != nil {
		c.CA, _ = base64.StdEncoding.DecodeString(aws.ToString(ca.Data)) // without it, nobody is trusted
	}
	return c, nil
}

// Entries implements access.Reader.
func (p *Place) Entries(ctx context.Context, cluster string) ([]string, error) {
	var all []string
	for pages := eks.NewListAccessEntriesPaginator(p.eks, &eks.ListAccessEntriesInput{ClusterName: &cluster, MaxResults: aws.Int32(100)}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, refusal("eks", "ListAccessEntries", err)
		}
		all = append(all, page.AccessEntries...)
	}
	return all, nil
}

// Entry implements access.Reader.
func (p *Place) Entry(ctx context.Context, cluster, principal string) (access.Entry, error) {
	out, err := p.eks.DescribeAccessEntry(ctx, &eks.DescribeAccessEntryInput{ClusterName: &cluster, PrincipalArn: &principal})
	if err != nil {
		return access.Entry{}, refusal("eks", "DescribeAccessEntry", err)
	}
	return entry(out.AccessEntry), nil
}

func entry(e *types.AccessEntry) access.Entry {
	return access.Entry{
		Cluster: aws.ToString(e.ClusterName), Principal: aws.ToString(e.PrincipalArn), ARN: aws.ToString(e.AccessEntryArn),
		Type: aws.ToString(e.Type), Username: aws.ToString(e.Username), Groups: e.KubernetesGroups, Tags: e.Tags,
		Created: aws.ToTime(e.CreatedAt), Modified: aws.ToTime(e.ModifiedAt),
	}
}

// Policies implements access.Reader.
func (p *Place) Policies(ctx context.Context, cluster, principal string) ([]report.AccessPolicy, error) {
	all := []report.AccessPolicy{}
	in := &eks.ListAssociatedAccessPoliciesInput{ClusterName: &cluster, PrincipalArn: &principal}
	for pages := eks.NewListAssociatedAccessPoliciesPaginator(p.eks, in); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, refusal("eks", "ListAssociatedAccessPolicies", err)
		}
		for _, a := range page.AssociatedAccessPolicies {
			policy := report.AccessPolicy{ARN: aws.ToString(a.PolicyArn)}
			if a.AccessScope != nil {
				policy.Scope, policy.Namespaces = string(a.AccessScope.Type), a.AccessScope.Namespaces
			}
			all = append(all, policy)
		}
	}
	slices.SortFunc(all, func(a, b report.AccessPolicy) int { return strings.Compare(a.ARN, b.ARN) })
	return all, nil
}

// Users lists the node groups and Fargate profiles of a cluster.
func (p *Place) Users(ctx context.Context, cluster string) ([]access.User, error) {
	var all []access.User
	for pages := eks.NewListNodegroupsPaginator(p.eks, &eks.ListNodegroupsInput{ClusterName: &cluster}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return all, refusal("eks", "ListNodegroups", err)
		}
		for _, name := range page.Nodegroups {
			out, err := p.eks.DescribeNodegroup(ctx, &eks.DescribeNodegroupInput{ClusterName: &cluster, NodegroupName: &name})
			if err != nil {
				return all, refusal("eks", "DescribeNodegroup", err)
			}
			all = append(all, nodeGroup(out.Nodegroup))
		}
	}
	for pages := eks.NewListFargateProfilesPaginator(p.eks, &eks.ListFargateProfilesInput{ClusterName: &cluster}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return all, refusal("eks", "ListFargateProfiles", err)
		}
		for _, name := range page.FargateProfileNames {
			out, err := p.eks.DescribeFargateProfile(ctx, &eks.DescribeFargateProfileInput{ClusterName: &cluster, FargateProfileName: &name})
			if err != nil {
				return all, refusal("eks", "DescribeFargateProfile", err)
			}
			all = append(all, access.User{Kind: "Fargate profile", Name: name, Role: aws.ToString(out.FargateProfile.PodExecutionRoleArn),
				Type: "FARGATE_LINUX", Status: string(out.FargateProfile.Status)})
		}
	}
	return all, nil
}

// nodeGroup: which type of entry its nodes need goes by the family of its image
// (https://docs.aws.amazon.com/eks/latest/userguide/creating-access-entries.html).
func nodeGroup(g *types.Nodegroup) access.User {
	u := access.User{Kind: "node group", Name: aws.ToString(g.NodegroupName), Role: aws.ToString(g.NodeRole), Status: string(g.Status), Type: "EC2_LINUX"}
	switch {
	case strings.HasPrefix(string(g.AmiType), "WINDOWS"):
		u.Type = "EC2_WINDOWS"
	case g.AmiType == types.AMITypesCustom:
		u.Type = ""
	}
	if g.Health != nil {
		for _, issue := range g.Health.Issues {
			u.Issues = append(u.Issues, string(issue.Code)+": "+aws.ToString(issue.Message))
		}
	}
	return u
}
