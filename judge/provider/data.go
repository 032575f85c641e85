package main

import (
	"context"
	"encoding/base64"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// source is a data source whose model is M.
type source[M any] struct {
	name    string
	schema  schema.Schema
	read    func(context.Context, *clients, *M) error
	clients *clients
}

func (s *source[M]) Metadata(_ context.Context, _ datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = s.name
}

func (s *source[M]) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	resp.Schema = s.schema
}

func (s *source[M]) Configure(_ context.Context, req datasource.ConfigureRequest, _ *datasource.ConfigureResponse) {
	if c, ok := req.ProviderData.(*clients); ok {
		s.clients = c
	}
}

func (s *source[M]) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var m M
	if resp.Diagnostics.Append(req.Config.Get(ctx, &m)...); resp.Diagnostics.HasError() {
		return
	}
	if err := s.read(s.clients.listen(ctx), s.clients, &m); err != nil {
		resp.Diagnostics.AddError("reading "+s.name, err.Error())
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, &m)...)
}

// texting makes a schema of text: asked is required, the rest is answered.
func texting(asked string, answered ...string) schema.Schema {
	s := schema.Schema{Attributes: map[string]schema.Attribute{}}
	if asked != "" {
		s.Attributes[asked] = schema.StringAttribute{Required: true}
	}
	for _, name := range answered {
		s.Attributes[name] = schema.StringAttribute{Computed: true, Sensitive: name == "token"}
	}
	return s
}

// https://registry.terraform.io/providers/hashicorp/aws/latest/docs/data-sources/iam_role
type roleData struct {
	ID       types.String `tfsdk:"id"`
	Name     types.String `tfsdk:"name"`
	ARN      types.String `tfsdk:"arn"`
	Path     types.String `tfsdk:"path"`
	UniqueID types.String `tfsdk:"unique_id"`
	Created  types.String `tfsdk:"create_date"`
}

func newRoleData() datasource.DataSource {
	return &source[roleData]{name: "aws_iam_role", schema: texting("name", "id", "arn", "path", "unique_id", "create_date"),
		read: func(ctx context.Context, c *clients, m *roleData) error {
			out, err := c.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: m.Name.ValueStringPointer()})
			if err != nil {
				return err
			}
			m.ID, m.ARN, m.Path, m.UniqueID = m.Name, types.StringPointerValue(out.Role.Arn), types.StringPointerValue(out.Role.Path), types.StringPointerValue(out.Role.RoleId)
			m.Created = types.StringValue(out.Role.CreateDate.UTC().Format(time.RFC3339))
			return nil
		}}
}

// https://registry.terraform.io/providers/hashicorp/aws/latest/docs/data-sources/eks_cluster
type clusterData struct {
	ID       types.String `tfsdk:"id"`
	Name     types.String `tfsdk:"name"`
	ARN      types.String `tfsdk:"arn"`
	Endpoint types.String `tfsdk:"endpoint"`
	Status   types.String `tfsdk:"status"`
	Version  types.String `tfsdk:"version"`
}

func newClusterData() datasource.DataSource {
	return &source[clusterData]{name: "aws_eks_cluster", schema: texting("name", "id", "arn", "endpoint", "status", "version"),
		read: func(ctx context.Context, c *clients, m *clusterData) error {
			out, err := c.eks.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: m.Name.ValueStringPointer()})
			if err != nil {
				return err
			}
			m.ID, m.ARN, m.Endpoint = m.Name, types.StringPointerValue(out.Cluster.Arn), types.StringValue(aws.ToString(out.Cluster.Endpoint))
			m.Status, m.Version = types.StringValue(string(out.Cluster.Status)), types.StringPointerValue(out.Cluster.Version)
			return nil
		}}
}

// https://registry.terraform.io/providers/hashicorp/aws/latest/docs/data-sources/eks_cluster_auth
type clusterAuthData struct {
	ID    types.String `tfsdk:"id"`
	Name  types.String `tfsdk:"name"`
	Token types.String `tfsdk:"token"`
}

func newClusterAuthData() datasource.DataSource {
	return &source[clusterAuthData]{name: "aws_eks_cluster_auth", schema: texting("name", "id", "token"),
		read: func(ctx context.Context, c *clients, m *clusterAuthData) error {
			signed, err := sts.NewPresignClient(c.sts).PresignGetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}, func(o *sts.PresignOptions) {
				o.ClientOptions = append(o.ClientOptions, sts.WithAPIOptions(
					smithyhttp.SetHeaderValue("x-k8s-aws-id", m.Name.ValueString()), smithyhttp.SetHeaderValue("X-Amz-Expires", "60")))
			})
			if err != nil {
				return err
			}
			m.ID, m.Token = m.Name, types.StringValue("k8s-aws-v1."+base64.RawURLEncoding.EncodeToString([]byte(signed.URL)))
			return nil
		}}
}

// https://registry.terraform.io/providers/hashicorp/aws/latest/docs/data-sources/caller_identity
type callerIdentityData struct {
	ID      types.String `tfsdk:"id"`
	Account types.String `tfsdk:"account_id"`
	ARN     types.String `tfsdk:"arn"`
	UserID  types.String `tfsdk:"user_id"`
}

func newCallerIdentityData() datasource.DataSource {
	return &source[callerIdentityData]{name: "aws_caller_identity", schema: texting("", "id", "account_id", "arn", "user_id"),
		read: func(ctx context.Context, c *clients, m *callerIdentityData) error {
			out, err := c.sts.GetCallerIdentity(ctx, nil)
			if err != nil {
				return err
			}
			m.ID, m.Account, m.ARN, m.UserID = types.StringPointerValue(out.Account), types.StringPointerValue(out.Account), types.StringPointerValue(out.Arn), types.StringPointerValue(out.UserId)
			return nil
		}}
}
