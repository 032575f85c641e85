package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/spf13/cobra"
)

// config is what an administrator of the lab's first account has.
func (e env) config() aws.Config {
	keys := aws.Credentials{AccessKeyID: e.getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: e.getenv("AWS_SECRET_ACCESS_KEY"), SessionToken: e.getenv("AWS_SESSION_TOKEN")}
	return aws.Config{Region: e.getenv("AWS_REGION"), BaseEndpoint: aws.String(e.getenv("AWS_ENDPOINT_URL")), HTTPClient: e.client,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return keys, nil })}
}

// recreateCommand does what a replacement in Terraform does to a node group, its
// role, or a role alone.
func (e env) recreateCommand() *cobra.Command {
	var cluster, group string
	var roles []string
	cmd := &cobra.Command{
		Use:   "recreate",
		Short: "Delete a node group or roles, and make them again under the same names",
		Example: `  holdfast-lab recreate --cluster prod --node-group workers --role node
  holdfast-lab recreate --role deploy`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			var again *eks.CreateNodegroupInput
			if group != "" {
				var err error
				if again, err = e.deleteGroup(ctx, cluster, group); err != nil {
					return err
				}
			}
			for _, role := range roles {
				if err := e.recreateRole(ctx, role); err != nil {
					return err
				}
			}
			if again == nil {
				return nil
			}
			_, err := eks.NewFromConfig(e.config()).CreateNodegroup(ctx, again)
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&cluster, "cluster", "", "`name` of the node group's cluster")
	f.StringVar(&group, "node-group", "", "`name` of the node group")
	f.StringSliceVar(&roles, "role", nil, "`names` of roles")
	return cmd
}

func (e env) deleteGroup(ctx context.Context, cluster, group string) (*eks.CreateNodegroupInput, error) {
	c := eks.NewFromConfig(e.config())
	was, err := c.DescribeNodegroup(ctx, &eks.DescribeNodegroupInput{ClusterName: &cluster, NodegroupName: &group})
	if err != nil {
		return nil, err
	}
	if _, err := c.DeleteNodegroup(ctx, &eks.DeleteNodegroupInput{ClusterName: &cluster, NodegroupName: &group}); err != nil {
		return nil, err
	}
	for {
		_, err := c.DescribeNodegroup(ctx, &eks.DescribeNodegroupInput{ClusterName: &cluster, NodegroupName: &group})
		var gone *types.ResourceNotFoundException
		if errors.As(err, &gone) {
			g := was.Nodegroup
			return &eks.CreateNodegroupInput{ClusterName: &cluster, NodegroupName: &group, NodeRole: g.NodeRole, Subnets: g.Subnets, AmiType: g.AmiType, Tags: g.Tags}, nil
		}
		if err != nil {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (e env) recreateRole(ctx context.Context, name string) error {
	c := iam.NewFromConfig(e.config())
	was, err := c.GetRole(ctx, &iam.GetRoleInput{RoleName: &name})
	if err != nil {
		return err
	}
	trust, err := url.QueryUnescape(aws.ToString(was.Role.AssumeRolePolicyDocument))
	if err != nil {
		return err
	}
	if _, err := c.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: &name}); err != nil {
		return err
	}
	now, err := c.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, Path: was.Role.Path, AssumeRolePolicyDocument: &trust})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "%s was %s, is %s\n", *now.Role.Arn, *was.Role.RoleId, *now.Role.RoleId)
	return err
}

// entryCommand shows what the API shows of an entry.
func (e env) entryCommand() *cobra.Command {
	var incarnation bool
	cmd := &cobra.Command{
		Use:     "entry CLUSTER PRINCIPAL",
		Short:   "Describe an access entry with its policies, as aws eks does",
		Example: "  holdfast-lab entry prod arn:aws:iam::111111111111:role/node",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			c := eks.NewFromConfig(e.config())
			entry, err := c.DescribeAccessEntry(cmd.Context(), &eks.DescribeAccessEntryInput{ClusterName: &args[0], PrincipalArn: &args[1]})
			if err != nil {
				return err
			}
			policies, err := c.ListAssociatedAccessPolicies(cmd.Context(), &eks.ListAssociatedAccessPoliciesInput{ClusterName: &args[0], PrincipalArn: &args[1]})
			if err != nil {
				return err
			}
			shown := map[string]any{"principalArn": entry.AccessEntry.PrincipalArn, "type": entry.AccessEntry.Type, "username": entry.AccessEntry.Username,
				"kubernetesGroups": entry.AccessEntry.KubernetesGroups, "tags": entry.AccessEntry.Tags}
			var given []string
			for _, p := range policies.AssociatedAccessPolicies {
				given = append(given, strings.TrimSpace((*p.PolicyArn)[strings.LastIndexByte(*p.PolicyArn, '/')+1:]+" "+string(p.AccessScope.Type)+" "+strings.Join(p.AccessScope.Namespaces, " ")))
			}
			shown["accessPolicies"] = given
			if incarnation {
				shown["accessEntryArn"], shown["createdAt"] = entry.AccessEntry.AccessEntryArn, entry.AccessEntry.CreatedAt
			}
			out := json.NewEncoder(e.stdout)
			out.SetIndent("", "  ")
			return out.Encode(shown)
		},
	}
	cmd.Flags().BoolVar(&incarnation, "incarnation", false, "with what is new in every incarnation: ARN and time")
	return cmd
}
