package main

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

func list(values []attr.Value) []string {
	out := make([]string, 0, len(values))
	for _, v := range values {
		if s, ok := v.(types.String); ok {
			out = append(out, s.ValueString())
		}
	}
	return out
}

func texts(m types.Map) map[string]string {
	out := map[string]string{}
	for k, v := range m.Elements() {
		if s, ok := v.(types.String); ok {
			out[k] = s.ValueString()
		}
	}
	return out
}

// setTags leaves a map that isn't configured null.
func setTags(ctx context.Context, into *types.Map, tags map[string]string) error {
	if len(tags) == 0 {
		*into = types.MapNull(types.StringType)
		return nil
	}
	var problems diag.Diagnostics
	*into, problems = types.MapValueFrom(ctx, types.StringType, tags)
	return diagError(problems)
}

func diagError(problems diag.Diagnostics) error {
	for _, p := range problems.Errors() {
		return errors.New(p.Summary() + ": " + p.Detail())
	}
	return nil
}

// retag changes tags in place: https://docs.aws.amazon.com/eks/latest/APIReference/API_TagResource.html
func retag(ctx context.Context, c *clients, arn string, was, is map[string]string) error {
	var dropped []string
	for k := range was {
		if _, kept := is[k]; !kept {
			dropped = append(dropped, k)
		}
	}
	if len(dropped) > 0 {
		if _, err := c.eks.UntagResource(ctx, &eks.UntagResourceInput{ResourceArn: &arn, TagKeys: dropped}); err != nil {
			return err
		}
	}
	if len(is) == 0 {
		return nil
	}
	_, err := c.eks.TagResource(ctx, &eks.TagResourceInput{ResourceArn: &arn, Tags: is})
	return err
}
