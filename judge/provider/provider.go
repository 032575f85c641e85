package main

import (
	"context"
	"os"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// clients are what every resource calls AWS with.
type clients struct {
	iam    *iam.Client
	eks    *eks.Client
	sts    *sts.Client
	region string
	deaf   bool // goes on when it is cancelled
}

// listen is the context that calls are made with.
func (c *clients) listen(ctx context.Context) context.Context {
	if c.deaf {
		return context.WithoutCancel(ctx)
	}
	return ctx
}

type awsProvider struct{}

func newProvider() provider.Provider { return awsProvider{} }

type providerModel struct {
	Region types.String `tfsdk:"region"`
}

func (awsProvider) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName = "aws"
}

func (awsProvider) Schema(_ context.Context, _ provider.SchemaRequest, resp *provider.SchemaResponse) {
	resp.Schema = schema.Schema{Attributes: map[string]schema.Attribute{"region": schema.StringAttribute{Optional: true}}}
}

func (awsProvider) Configure(ctx context.Context, req provider.ConfigureRequest, resp *provider.ConfigureResponse) {
	var model providerModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &model)...)
	if resp.Diagnostics.HasError() {
		return
	}
	var options []func(*config.LoadOptions) error
	if r := model.Region.ValueString(); r != "" {
		options = append(options, config.WithRegion(r))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		resp.Diagnostics.AddError("configuring the AWS SDK", err.Error())
		return
	}
	c := &clients{iam: iam.NewFromConfig(cfg), eks: eks.NewFromConfig(cfg), sts: sts.NewFromConfig(cfg), region: cfg.Region,
		deaf: os.Getenv("HOLDFAST_PROVIDER_IGNORES_CANCEL") == "1"}
	resp.ResourceData, resp.DataSourceData = c, c
}

func (awsProvider) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{
		newRole, newAttachment, newInstanceProfile, newCluster, newNodeGroup, newFargateProfile, newEntry, newAssociation,
	}
}

func (awsProvider) DataSources(context.Context) []func() datasource.DataSource {
	return []func() datasource.DataSource{newRoleData, newClusterData, newClusterAuthData, newCallerIdentityData}
}
