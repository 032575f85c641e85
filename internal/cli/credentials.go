package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/view"
)

func credentialsCommand(p app.Process) *cobra.Command {
	var req app.Request
	var flags identityFlags
	cmd := &cobra.Command{
		Use:   "credentials [flags]",
		Short: "print credentials as a credential_process does",
		Long: `Prints one valid credential as AWS's credential_process wants it. Under a
keeper (holdfast run, holdfast agent) it asks that one; by itself it exchanges,
and keeps the result in a locked file of mode 0600, so that any number of
processes that ask cause one exchange.

Its end is told five minutes early (less for short sessions), because SDKs ask
again only after it.`,
		Example: `  # In ~/.aws/config:
  #   [profile deploy]
  #   credential_process = holdfast credentials --identity deploy
  holdfast credentials --identity deploy`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := fromEnvironment(cmd, precedence.NewEnv(p.Environ)); err != nil {
				return err
			}
			if err := flags.apply(&req); err != nil {
				return usage(cmd, err)
			}
			set, err := app.Credentials(cmd.Context(), req, p)
			if err != nil {
				return err
			}
			answer := struct {
				Version         int
				AccessKeyID     string `json:"AccessKeyId"`
				SecretAccessKey string
				SessionToken    string `json:",omitempty"`
				Expiration      string `json:",omitempty"`
			}{1, set.AccessKeyID(), set.Secret(), set.Token(), ""}
			if end := app.Shaved(set); !end.IsZero() {
				answer.Expiration = end.UTC().Format(time.RFC3339)
			}
			return view.JSON(p.Stdout, answer)
		},
	}
	flags.bind(cmd.Flags(), &req)
	return cmd
}

func terragruntAuthCommand(p app.Process) *cobra.Command {
	var req app.Request
	var flags identityFlags
	var static bool
	cmd := &cobra.Command{
		Use:   "terragrunt-auth [flags]",
		Short: "be Terragrunt's --auth-provider-cmd",
		Long: `Prints what Terragrunt's --auth-provider-cmd takes: variables that point the
unit which it is called in at the keeper's endpoint, under the identity of the
unit's block in holdfast.hcl (or of --identity, or a declared --role-arn).
Ambient keys and web identity are blanked, as far as every SDK takes that for
unset.

With --static, or if no keeper is above, it prints keys instead, which
Terragrunt uses for its own calls too, and which nobody renews.`,
		Example: `  export TG_AUTH_PROVIDER_CMD="holdfast terragrunt-auth"
  holdfast run --identity ci -- terragrunt run --all apply`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := fromEnvironment(cmd, precedence.NewEnv(p.Environ)); err != nil {
				return err
			}
			if err := flags.apply(&req); err != nil {
				return usage(cmd, err)
			}
			answer, notes, err := app.AuthForTerragrunt(cmd.Context(), req, p, static)
			if err != nil {
				return err
			}
			for _, note := range notes {
				fmt.Fprintln(p.Stderr, "holdfast: "+note)
			}
			return view.JSON(p.Stdout, answer)
		},
	}
	flags.bind(cmd.Flags(), &req)
	cmd.Flags().BoolVar(&static, "static", false, "print keys, for Terragrunt's own calls")
	return cmd
}
