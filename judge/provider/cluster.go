package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/listplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/setplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// clusterModel: name and role_arn force a new resource, the authentication mode
// is changed in place, arn, endpoint, status and created_at are computed:
// https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/eks_cluster
// Creating waits for ACTIVE, deleting until it is gone: internal/service/eks/cluster.go.
type clusterModel struct {
	ID       types.String   `tfsdk:"id"`
	Name     types.String   `tfsdk:"name"`
	Role     types.String   `tfsdk:"role_arn"`
	Version  types.String   `tfsdk:"version"`
	ARN      types.String   `tfsdk:"arn"`
	Endpoint types.String   `tfsdk:"endpoint"`
	Status   types.String   `tfsdk:"status"`
	Created  types.String   `tfsdk:"created_at"`
	Logs     types.Set      `tfsdk:"enabled_cluster_log_types"`
	Access   []accessConfig `tfsdk:"access_config"`
	VPC      []vpcConfig    `tfsdk:"vpc_config"`
}

type accessConfig struct {
	Mode      types.String `tfsdk:"authentication_mode"`
	Bootstrap types.Bool   `tfsdk:"bootstrap_cluster_creator_admin_permissions"`
}

type vpcConfig struct {
	Subnets types.Set `tfsdk:"subnet_ids"`
}

func newCluster() resource.Resource {
	return &kind[clusterModel]{
		name: "aws_eks_cluster",
		schema: schema.Schema{
			Attributes: map[string]schema.Attribute{
				"id": computed(), "name": fixed(), "role_arn": fixed(), "version": fixedOr(), "arn": computed(), "endpoint": computed(),
				"status": computed(), "created_at": computed(),
				"enabled_cluster_log_types": schema.SetAttribute{Optional: true, ElementType: types.StringType, PlanModifiers: []planmodifier.Set{setplanmodifier.RequiresReplace()}},
			},
			Blocks: map[string]schema.Block{
				"access_config": schema.ListNestedBlock{NestedObject: schema.NestedBlockObject{Attributes: map[string]schema.Attribute{
					"authentication_mode":                         schema.StringAttribute{Optional: true},
					"bootstrap_cluster_creator_admin_permissions": schema.BoolAttribute{Optional: true},
				}}},
				"vpc_config": schema.ListNestedBlock{PlanModifiers: []planmodifier.List{listplanmodifier.RequiresReplace()}, NestedObject: schema.NestedBlockObject{Attributes: map[string]schema.Attribute{
					"subnet_ids": schema.SetAttribute{Required: true, ElementType: types.StringType},
				}}},
			},
		},
		create: createCluster, read: readCluster,
		update: func(ctx context.Context, c *clients, was, is *clusterModel) error {
			if len(is.Access) == 1 && (len(was.Access) == 0 || !was.Access[0].Mode.Equal(is.Access[0].Mode)) {
				if _, err := c.eks.UpdateClusterConfig(ctx, &eks.UpdateClusterConfigInput{Name: is.Name.ValueStringPointer(),
					AccessConfig: &ekstypes.UpdateAccessConfigRequest{AuthenticationMode: ekstypes.AuthenticationMode(is.Access[0].Mode.ValueString())}}); err != nil {
					return err
				}
			}
			return awaitCluster(ctx, c, is)
		},
		remove: removeCluster,
		adopt:  func(id string) map[string]string { return map[string]string{"id": id, "name": id} },
	}
}

func createCluster(ctx context.Context, c *clients, m *clusterModel) error {
	in := &eks.CreateClusterInput{Name: m.Name.ValueStringPointer(), RoleArn: m.Role.ValueStringPointer(), ResourcesVpcConfig: &ekstypes.VpcConfigRequest{}}
	if m.Version.ValueString() != "" {
		in.Version = m.Version.ValueStringPointer()
	}
	for _, v := range m.VPC {
		in.ResourcesVpcConfig.SubnetIds = list(v.Subnets.Elements())
	}
	for _, a := range m.Access {
		in.AccessConfig = &ekstypes.CreateAccessConfigRequest{AuthenticationMode: ekstypes.AuthenticationMode(a.Mode.ValueString()), BootstrapClusterCreatorAdminPermissions: a.Bootstrap.ValueBoolPointer()}
	}
	if logs := list(m.Logs.Elements()); len(logs) > 0 {
		setup := ekstypes.LogSetup{Enabled: aws.Bool(true)}
		for _, l := range logs {
			setup.Types = append(setup.Types, ekstypes.LogType(l))
		}
		in.Logging = &ekstypes.Logging{ClusterLogging: []ekstypes.LogSetup{setup}}
	}
	// The real one tries again while the role isn't there for EKS.
	err := retry(ctx, "cannot be found", func() error {
		in.ClientRequestToken = nil
		_, err := c.eks.CreateCluster(ctx, in)
		return err
	})
	if err != nil {
		return err
	}
	return awaitCluster(ctx, c, m)
}

func awaitCluster(ctx context.Context, c *clients, m *clusterModel) error {
	m.ID = m.Name
	return await(ctx, func() (bool, error) {
		err := readCluster(ctx, c, m)
		return m.Status.ValueString() == string(ekstypes.ClusterStatusActive), err
	})
}

func readCluster(ctx context.Context, c *clients, m *clusterModel) error {
	out, err := c.eks.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: m.ID.ValueStringPointer()})
	if err != nil {
		return goneIf(err)
	}
	k := out.Cluster
	m.Name, m.Role, m.Version, m.ARN = types.StringPointerValue(k.Name), types.StringPointerValue(k.RoleArn), types.StringPointerValue(k.Version), types.StringPointerValue(k.Arn)
	m.Endpoint, m.Status = types.StringValue(aws.ToString(k.Endpoint)), types.StringValue(string(k.Status))
	m.Created = types.StringValue(k.CreatedAt.UTC().Format(time.RFC3339))
	for i := range m.Access {
		m.Access[i].Mode = types.StringValue(string(k.AccessConfig.AuthenticationMode))
	}
	return nil
}

func removeCluster(ctx context.Context, c *clients, m *clusterModel) error {
	if _, err := c.eks.DeleteCluster(ctx, &eks.DeleteClusterInput{Name: m.Name.ValueStringPointer()}); err != nil {
		return err
	}
	return awaitGone(ctx, func() error { return readCluster(ctx, c, m) })
}

func awaitGone(ctx context.Context, read func() error) error {
	return await(ctx, func() (bool, error) {
		err := read()
		if errors.Is(err, errGone) {
			return true, nil
		}
		return false, err
	})
}

// split takes the ID of a node group or a Fargate profile apart.
func split(id, name string) map[string]string {
	cluster, rest, _ := strings.Cut(id, ":")
	return map[string]string{"id": id, "cluster_name": cluster, name: rest}
}
