package main

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/listplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/setplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// entry: cluster_name, principal_arn and type force a new resource;
// kubernetes_groups and user_name are optional and computed; created_at has
// whole seconds; the ID is cluster:principal:
// https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/eks_access_entry
// and internal/service/eks/access_entry.go. Nothing in it is the role's ID, so
// reading a stale entry shows no difference.
type entry struct {
	ID        types.String `tfsdk:"id"`
	Cluster   types.String `tfsdk:"cluster_name"`
	Principal types.String `tfsdk:"principal_arn"`
	Type      types.String `tfsdk:"type"`
	Username  types.String `tfsdk:"user_name"`
	Groups    types.Set    `tfsdk:"kubernetes_groups"`
	Tags      types.Map    `tfsdk:"tags"`
	ARN       types.String `tfsdk:"access_entry_arn"`
	Created   types.String `tfsdk:"created_at"`
	Modified  types.String `tfsdk:"modified_at"`
}

func newEntry() resource.Resource {
	return &kind[entry]{
		name: "aws_eks_access_entry",
		schema: schema.Schema{Attributes: map[string]schema.Attribute{
			"id": computed(), "cluster_name": fixed(), "principal_arn": fixed(), "type": fixedWith("STANDARD"), "user_name": open(),
			"kubernetes_groups": schema.SetAttribute{Optional: true, Computed: true, ElementType: types.StringType, PlanModifiers: []planmodifier.Set{setplanmodifier.UseStateForUnknown()}},
			"tags":              schema.MapAttribute{Optional: true, ElementType: types.StringType},
			"access_entry_arn":  computed(), "created_at": computed(), "modified_at": schema.StringAttribute{Computed: true},
		}},
		create: createEntry, read: readEntry, update: updateEntry,
		remove: func(ctx context.Context, c *clients, m *entry) error {
			_, err := c.eks.DeleteAccessEntry(ctx, &eks.DeleteAccessEntryInput{ClusterName: m.Cluster.ValueStringPointer(), PrincipalArn: m.Principal.ValueStringPointer()})
			return err
		},
		adopt: func(id string) map[string]string {
			cluster, principal, _ := strings.Cut(id, ":")
			return map[string]string{"id": id, "cluster_name": cluster, "principal_arn": principal}
		},
	}
}

// createEntry tries again while the principal isn't known to EKS.
func createEntry(ctx context.Context, c *clients, m *entry) error {
	in := &eks.CreateAccessEntryInput{ClusterName: m.Cluster.ValueStringPointer(), PrincipalArn: m.Principal.ValueStringPointer(), Tags: texts(m.Tags)}
	if m.Type.ValueString() != "" {
		in.Type = m.Type.ValueStringPointer()
	}
	if m.Username.ValueString() != "" {
		in.Username = m.Username.ValueStringPointer()
	}
	if !m.Groups.IsUnknown() {
		in.KubernetesGroups = list(m.Groups.Elements())
	}
	var out *eks.CreateAccessEntryOutput
	err := retry(ctx, "The specified principalArn is invalid: invalid principal", func() (err error) {
		in.ClientRequestToken = nil
		out, err = c.eks.CreateAccessEntry(ctx, in)
		return err
	})
	if err != nil {
		return err
	}
	return m.fill(ctx, out.AccessEntry)
}

func readEntry(ctx context.Context, c *clients, m *entry) error {
	out, err := c.eks.DescribeAccessEntry(ctx, &eks.DescribeAccessEntryInput{ClusterName: m.Cluster.ValueStringPointer(), PrincipalArn: m.Principal.ValueStringPointer()})
	if err != nil {
		return goneIf(err)
	}
	return m.fill(ctx, out.AccessEntry)
}

// updateEntry sends the user name along even if only groups differ, as the real
// one does, which is why it fails for types other than STANDARD.
func updateEntry(ctx context.Context, c *clients, was, is *entry) error {
	if was.Groups.Equal(is.Groups) && was.Username.Equal(is.Username) {
		if err := retag(ctx, c, is.ARN.ValueString(), texts(was.Tags), texts(is.Tags)); err != nil {
			return err
		}
		return readEntry(ctx, c, is)
	}
	out, err := c.eks.UpdateAccessEntry(ctx, &eks.UpdateAccessEntryInput{ClusterName: is.Cluster.ValueStringPointer(), PrincipalArn: is.Principal.ValueStringPointer(),
		Username: is.Username.ValueStringPointer(), KubernetesGroups: list(is.Groups.Elements())})
	if err != nil {
		return err
	}
	return is.fill(ctx, out.AccessEntry)
}

func (m *entry) fill(ctx context.Context, e *ekstypes.AccessEntry) error {
	m.ID = types.StringValue(aws.ToString(e.ClusterName) + ":" + aws.ToString(e.PrincipalArn))
	m.Cluster, m.Principal = types.StringPointerValue(e.ClusterName), types.StringPointerValue(e.PrincipalArn)
	m.Type, m.Username, m.ARN = types.StringPointerValue(e.Type), types.StringPointerValue(e.Username), types.StringPointerValue(e.AccessEntryArn)
	m.Created = types.StringValue(e.CreatedAt.UTC().Format(time.RFC3339))
	m.Modified = types.StringValue(e.ModifiedAt.UTC().Format(time.RFC3339))
	var problems diag.Diagnostics
	m.Groups, problems = types.SetValueFrom(ctx, types.StringType, e.KubernetesGroups)
	if problems.HasError() {
		return diagError(problems)
	}
	return setTags(ctx, &m.Tags, e.Tags)
}

// association: everything forces a new resource; the ID is
// cluster#principal#policy; creating it tries again while the entry isn't
// found:
// https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/eks_access_policy_association
// and internal/service/eks/access_policy_association.go
type association struct {
	ID        types.String `tfsdk:"id"`
	Cluster   types.String `tfsdk:"cluster_name"`
	Principal types.String `tfsdk:"principal_arn"`
	Policy    types.String `tfsdk:"policy_arn"`
	Scope     []scope      `tfsdk:"access_scope"`
	Since     types.String `tfsdk:"associated_at"`
	Modified  types.String `tfsdk:"modified_at"`
}

type scope struct {
	Type       types.String `tfsdk:"type"`
	Namespaces types.Set    `tfsdk:"namespaces"`
}

func newAssociation() resource.Resource {
	replaceList := []planmodifier.List{listplanmodifier.RequiresReplace()}
	return &kind[association]{
		name: "aws_eks_access_policy_association",
		schema: schema.Schema{
			Attributes: map[string]schema.Attribute{
				"id": computed(), "cluster_name": fixed(), "principal_arn": fixed(), "policy_arn": fixed(), "associated_at": computed(), "modified_at": computed(),
			},
			Blocks: map[string]schema.Block{"access_scope": schema.ListNestedBlock{PlanModifiers: replaceList, NestedObject: schema.NestedBlockObject{Attributes: map[string]schema.Attribute{
				"type": fixed(), "namespaces": schema.SetAttribute{Optional: true, ElementType: types.StringType, PlanModifiers: []planmodifier.Set{setplanmodifier.RequiresReplace()}},
			}}}},
		},
		create: func(ctx context.Context, c *clients, m *association) error {
			in := &eks.AssociateAccessPolicyInput{ClusterName: m.Cluster.ValueStringPointer(), PrincipalArn: m.Principal.ValueStringPointer(), PolicyArn: m.Policy.ValueStringPointer()}
			for _, s := range m.Scope {
				in.AccessScope = &ekstypes.AccessScope{Type: ekstypes.AccessScopeType(s.Type.ValueString()), Namespaces: list(s.Namespaces.Elements())}
			}
			m.ID = types.StringValue(*in.ClusterName + "#" + *in.PrincipalArn + "#" + *in.PolicyArn)
			return retry(ctx, "The specified principalArn could not be found", func() error {
				out, err := c.eks.AssociateAccessPolicy(ctx, in)
				if err == nil {
					m.Since = types.StringValue(out.AssociatedAccessPolicy.AssociatedAt.UTC().Format(time.RFC3339))
					m.Modified = types.StringValue(out.AssociatedAccessPolicy.ModifiedAt.UTC().Format(time.RFC3339))
				}
				return err
			})
		},
		read: readAssociation,
		remove: func(ctx context.Context, c *clients, m *association) error {
			_, err := c.eks.DisassociateAccessPolicy(ctx, &eks.DisassociateAccessPolicyInput{ClusterName: m.Cluster.ValueStringPointer(), PrincipalArn: m.Principal.ValueStringPointer(), PolicyArn: m.Policy.ValueStringPointer()})
			return err
		},
	}
}

func readAssociation(ctx context.Context, c *clients, m *association) error {
	pages := eks.NewListAssociatedAccessPoliciesPaginator(c.eks, &eks.ListAssociatedAccessPoliciesInput{ClusterName: m.Cluster.ValueStringPointer(), PrincipalArn: m.Principal.ValueStringPointer()})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return goneIf(err)
		}
		for _, a := range page.AssociatedAccessPolicies {
			if *a.PolicyArn == m.Policy.ValueString() {
				return nil
			}
		}
	}
	return errGone
}
