package main

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/listplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/setplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// nodeGroup: cluster_name, node_group_name, node_role_arn, subnet_ids and
// ami_type force a new resource; the ID is cluster:name; creating waits for
// ACTIVE: https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/eks_node_group
// It owns no access entry: EKS makes one, and no state knows it.
type nodeGroup struct {
	ID      types.String `tfsdk:"id"`
	Cluster types.String `tfsdk:"cluster_name"`
	Name    types.String `tfsdk:"node_group_name"`
	Role    types.String `tfsdk:"node_role_arn"`
	Subnets types.Set    `tfsdk:"subnet_ids"`
	AMI     types.String `tfsdk:"ami_type"`
	ARN     types.String `tfsdk:"arn"`
	Status  types.String `tfsdk:"status"`
	Scaling []scaling    `tfsdk:"scaling_config"`
}

type scaling struct {
	Desired types.Int32 `tfsdk:"desired_size"`
	Max     types.Int32 `tfsdk:"max_size"`
	Min     types.Int32 `tfsdk:"min_size"`
}

func fixedSet() schema.SetAttribute {
	return schema.SetAttribute{Required: true, ElementType: types.StringType, PlanModifiers: []planmodifier.Set{setplanmodifier.RequiresReplace()}}
}

func newNodeGroup() resource.Resource {
	number := schema.Int32Attribute{Required: true}
	return &kind[nodeGroup]{
		name: "aws_eks_node_group",
		schema: schema.Schema{
			Attributes: map[string]schema.Attribute{
				"id": computed(), "cluster_name": fixed(), "node_group_name": fixed(), "node_role_arn": fixed(), "subnet_ids": fixedSet(),
				"ami_type": fixedOr(), "arn": computed(), "status": computed(),
			},
			// The real one changes sizes in place; the lab knows no UpdateNodegroupConfig.
			Blocks: map[string]schema.Block{"scaling_config": schema.ListNestedBlock{PlanModifiers: []planmodifier.List{listplanmodifier.RequiresReplace()},
				NestedObject: schema.NestedBlockObject{Attributes: map[string]schema.Attribute{"desired_size": number, "max_size": number, "min_size": number}}}},
		},
		create: createNodeGroup, read: readNodeGroup,
		remove: func(ctx context.Context, c *clients, m *nodeGroup) error {
			if _, err := c.eks.DeleteNodegroup(ctx, &eks.DeleteNodegroupInput{ClusterName: m.Cluster.ValueStringPointer(), NodegroupName: m.Name.ValueStringPointer()}); err != nil {
				return err
			}
			return awaitGone(ctx, func() error { return readNodeGroup(ctx, c, m) })
		},
		adopt: func(id string) map[string]string { return split(id, "node_group_name") },
	}
}

func createNodeGroup(ctx context.Context, c *clients, m *nodeGroup) error {
	in := &eks.CreateNodegroupInput{ClusterName: m.Cluster.ValueStringPointer(), NodegroupName: m.Name.ValueStringPointer(),
		NodeRole: m.Role.ValueStringPointer(), Subnets: list(m.Subnets.Elements()), AmiType: ekstypes.AMITypes(m.AMI.ValueString())}
	for _, s := range m.Scaling {
		in.ScalingConfig = &ekstypes.NodegroupScalingConfig{DesiredSize: s.Desired.ValueInt32Pointer(), MaxSize: s.Max.ValueInt32Pointer(), MinSize: s.Min.ValueInt32Pointer()}
	}
	err := retry(ctx, "cannot be found", func() error {
		in.ClientRequestToken = nil
		_, err := c.eks.CreateNodegroup(ctx, in)
		return err
	})
	if err != nil {
		return err
	}
	m.ID = types.StringValue(m.Cluster.ValueString() + ":" + m.Name.ValueString())
	return await(ctx, func() (bool, error) {
		if err := readNodeGroup(ctx, c, m); err != nil {
			return false, err
		}
		if m.Status.ValueString() == string(ekstypes.NodegroupStatusCreateFailed) {
			return false, fmt.Errorf("waiting for EKS Node Group (%s) create: unexpected state 'CREATE_FAILED', wanted target 'ACTIVE'", m.ID.ValueString())
		}
		return m.Status.ValueString() == string(ekstypes.NodegroupStatusActive), nil
	})
}

func readNodeGroup(ctx context.Context, c *clients, m *nodeGroup) error {
	out, err := c.eks.DescribeNodegroup(ctx, &eks.DescribeNodegroupInput{ClusterName: m.Cluster.ValueStringPointer(), NodegroupName: m.Name.ValueStringPointer()})
	if err != nil {
		return goneIf(err)
	}
	g := out.Nodegroup
	m.Role, m.ARN, m.AMI, m.Status = types.StringPointerValue(g.NodeRole), types.StringPointerValue(g.NodegroupArn), types.StringValue(string(g.AmiType)), types.StringValue(string(g.Status))
	return nil
}

// fargateProfile: everything forces a new resource; the ID is cluster:name:
// https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/eks_fargate_profile
type fargateProfile struct {
	ID       types.String `tfsdk:"id"`
	Cluster  types.String `tfsdk:"cluster_name"`
	Name     types.String `tfsdk:"fargate_profile_name"`
	Role     types.String `tfsdk:"pod_execution_role_arn"`
	Subnets  types.Set    `tfsdk:"subnet_ids"`
	ARN      types.String `tfsdk:"arn"`
	Status   types.String `tfsdk:"status"`
	Selector []selector   `tfsdk:"selector"`
}

type selector struct {
	Namespace types.String `tfsdk:"namespace"`
}

func newFargateProfile() resource.Resource {
	subnets := fixedSet()
	subnets.Required, subnets.Optional = false, true
	return &kind[fargateProfile]{
		name: "aws_eks_fargate_profile",
		schema: schema.Schema{
			Attributes: map[string]schema.Attribute{
				"id": computed(), "cluster_name": fixed(), "fargate_profile_name": fixed(), "pod_execution_role_arn": fixed(),
				"subnet_ids": subnets, "arn": computed(), "status": computed(),
			},
			Blocks: map[string]schema.Block{"selector": schema.ListNestedBlock{PlanModifiers: []planmodifier.List{listplanmodifier.RequiresReplace()},
				NestedObject: schema.NestedBlockObject{Attributes: map[string]schema.Attribute{"namespace": fixed()}}}},
		},
		create: func(ctx context.Context, c *clients, m *fargateProfile) error {
			in := &eks.CreateFargateProfileInput{ClusterName: m.Cluster.ValueStringPointer(), FargateProfileName: m.Name.ValueStringPointer(),
				PodExecutionRoleArn: m.Role.ValueStringPointer(), Subnets: list(m.Subnets.Elements())}
			for _, s := range m.Selector {
				in.Selectors = append(in.Selectors, ekstypes.FargateProfileSelector{Namespace: s.Namespace.ValueStringPointer()})
			}
			if _, err := c.eks.CreateFargateProfile(ctx, in); err != nil {
				return err
			}
			m.ID = types.StringValue(m.Cluster.ValueString() + ":" + m.Name.ValueString())
			return await(ctx, func() (bool, error) {
				err := readFargateProfile(ctx, c, m)
				return m.Status.ValueString() == string(ekstypes.FargateProfileStatusActive), err
			})
		},
		read: readFargateProfile,
		remove: func(ctx context.Context, c *clients, m *fargateProfile) error {
			if _, err := c.eks.DeleteFargateProfile(ctx, &eks.DeleteFargateProfileInput{ClusterName: m.Cluster.ValueStringPointer(), FargateProfileName: m.Name.ValueStringPointer()}); err != nil {
				return err
			}
			return awaitGone(ctx, func() error { return readFargateProfile(ctx, c, m) })
		},
		adopt: func(id string) map[string]string { return split(id, "fargate_profile_name") },
	}
}

func readFargateProfile(ctx context.Context, c *clients, m *fargateProfile) error {
	out, err := c.eks.DescribeFargateProfile(ctx, &eks.DescribeFargateProfileInput{ClusterName: m.Cluster.ValueStringPointer(), FargateProfileName: m.Name.ValueStringPointer()})
	if err != nil {
		return goneIf(err)
	}
	m.Role, m.ARN = types.StringPointerValue(out.FargateProfile.PodExecutionRoleArn), types.StringPointerValue(out.FargateProfile.FargateProfileArn)
	m.Status = types.StringValue(string(out.FargateProfile.Status))
	return nil
}
