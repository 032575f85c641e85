package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/spf13/cobra"
)

// assumeCommand does once what scripts and Terragrunt do today: exchange the
// token, assume the next role, and print keys that nobody will renew.
func (e env) assumeCommand() *cobra.Command {
	var roles []string
	var file, name string
	cmd := &cobra.Command{
		Use:   "assume",
		Short: "Assume a chain of roles once and print the static keys",
		Example: `  export $(holdfast-lab assume --web-identity-token-file token \
    --role-arn $HOLDFAST_LAB_ROLE_CI --role-arn $HOLDFAST_LAB_ROLE_DEPLOY)`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(roles) == 0 {
				return fmt.Errorf("there is no role to assume: --role-arn ARN")
			}
			keys, err := e.assume(cmd.Context(), file, name, roles)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(e.stdout, "AWS_ACCESS_KEY_ID=%s\nAWS_SECRET_ACCESS_KEY=%s\nAWS_SESSION_TOKEN=%s\n", *keys.AccessKeyId, *keys.SecretAccessKey, *keys.SessionToken)
			return err
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&roles, "role-arn", nil, "`role` to assume; repeat it for a chain")
	f.StringVar(&file, "web-identity-token-file", "token", "`file` with the token for the first role")
	f.StringVar(&name, "session-name", "static", "`name` of the sessions")
	return cmd
}

func (e env) assume(ctx context.Context, file, name string, roles []string) (*types.Credentials, error) {
	token, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	cfg := aws.Config{Region: e.getenv("AWS_REGION"), BaseEndpoint: aws.String(e.getenv("AWS_ENDPOINT_URL")), HTTPClient: e.client}
	first, err := sts.NewFromConfig(cfg).AssumeRoleWithWebIdentity(ctx, &sts.AssumeRoleWithWebIdentityInput{
		RoleArn: &roles[0], RoleSessionName: &name, WebIdentityToken: aws.String(strings.TrimSpace(string(token))),
	})
	if err != nil {
		return nil, err
	}
	keys := first.Credentials
	for _, role := range roles[1:] {
		held := aws.Credentials{AccessKeyID: *keys.AccessKeyId, SecretAccessKey: *keys.SecretAccessKey, SessionToken: *keys.SessionToken}
		cfg.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return held, nil })
		next, err := sts.NewFromConfig(cfg).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: &name})
		if err != nil {
			return nil, err
		}
		keys = next.Credentials
	}
	return keys, nil
}
