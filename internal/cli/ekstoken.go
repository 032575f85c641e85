package cli

import (
	"github.com/spf13/cobra"

	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/view"
)

func eksTokenCommand(p app.Process) *cobra.Command {
	var req app.Request
	var who identityFlags
	cmd := &cobra.Command{
		Use:   "eks-token CLUSTER [flags]",
		Short: "print a token for an EKS cluster",
		Long: `Prints an ExecCredential with a fresh token for an EKS cluster, for the exec
block of a kubeconfig or of the kubernetes and helm providers. A client runs it
again when the token ends after 14 minutes; data "aws_eks_cluster_auth" in code
can't do that.

Under holdfast run or agent the credential comes from the keeper; elsewhere it
is got as run would, and kept for the next call. The token is always signed for
AWS's own STS in the region: a cluster refuses one for the address that
AWS_ENDPOINT_URL names.`,
		Example: `  # kubeconfig
  users:
    - name: payments
      user:
        exec:
          apiVersion: client.authentication.k8s.io/v1
          command: holdfast
          args: [eks-token, payments, --region, eu-west-1]

  # provider "kubernetes"
  exec {
    api_version = "client.authentication.k8s.io/v1"
    command     = "holdfast"
    args        = ["eks-token", "payments"]
  }`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := fromEnvironment(cmd, precedence.NewEnv(p.Environ)); err != nil {
				return err
			}
			if err := who.apply(&req); err != nil {
				return usage(cmd, err)
			}
			token, err := app.EKSToken(cmd.Context(), req, p, args[0])
			if err != nil {
				return err
			}
			return view.JSON(p.Stdout, token)
		},
	}
	cmd.Flags().SortFlags = false
	who.bind(cmd.Flags(), &req)
	return cmd
}
