package cli

import (
	"github.com/spf13/cobra"

	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/view"
)

func policyCommand(p app.Process) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "iam-policy",
		Short:   "print the least privilege that a command needs",
		Long:    "Prints the least privilege that a command of holdfast needs, as JSON.",
		Example: "  holdfast iam-policy run --identity deploy",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var ledger string
	for _, one := range []struct {
		*cobra.Command
		of func(app.Request, []string) (app.Policy, error)
	}{
		{runPolicy(), func(req app.Request, _ []string) (app.Policy, error) { return app.RunPolicy(req, p) }},
		{rescuePolicy(), func(req app.Request, dir []string) (app.Policy, error) {
			return app.RescuePolicy(req, append(dir, ".")[0], p)
		}},
		{keepsLedger(scanPolicy(), &ledger), func(req app.Request, _ []string) (app.Policy, error) { return app.AccessPolicy(req, false, ledger, p) }},
		{keepsLedger(repairPolicy(), &ledger), func(req app.Request, _ []string) (app.Policy, error) { return app.AccessPolicy(req, true, ledger, p) }},
	} {
		cmd.AddCommand(printsPolicy(p, one.Command, one.of))
	}
	return cmd
}

// printsPolicy gives a command its flags, and has it print what of gives.
func printsPolicy(p app.Process, cmd *cobra.Command, of func(app.Request, []string) (app.Policy, error)) *cobra.Command {
	var req app.Request
	var who identityFlags
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := fromEnvironment(cmd, precedence.NewEnv(p.Environ)); err != nil {
			return err
		}
		if err := who.apply(&req); err != nil {
			return usage(cmd, err)
		}
		policy, err := of(req, args)
		if err != nil {
			return err
		}
		return view.JSON(p.Stdout, policy)
	}
	cmd.Flags().SortFlags = false
	who.bind(cmd.Flags(), &req)
	return cmd
}

// keepsLedger gives a command --ledger. One in S3 needs permissions of its own.
func keepsLedger(cmd *cobra.Command, place *string) *cobra.Command {
	cmd.Flags().StringVar(place, "ledger", "", ledgerFlag)
	return cmd
}

func runPolicy() *cobra.Command {
	return &cobra.Command{
		Use:   "run [flags]",
		Short: "what each hop of a chain must be allowed",
		Long: `Prints what each hop of a chain must be allowed so that run can become it: the
trust policy of each role, the policy of whoever assumes it, and the role's
maximum session length where a longer one than an hour is asked for. What the
command in run needs beside is its own affair.

Nobody is asked. What only AWS or a CI system knows stands there in capitals, to
be filled in (docs/JSON.md has the form).`,
		Example: `  holdfast iam-policy run --identity deploy
  holdfast iam-policy run --role-arn arn:aws:iam::222222222222:role/deploy`,
		Args: cobra.NoArgs,
	}
}

func rescuePolicy() *cobra.Command {
	return &cobra.Command{
		Use:   "rescue [flags] [DIR]",
		Short: "what state rescue and unlock need in a directory",
		Long: `Prints what state rescue and state unlock must be allowed for the state of DIR,
as far as init wrote down where it lies. Terraform itself needs no more of it for
the push. Nobody is asked; what isn't known stands there in capitals.`,
		Example: "  holdfast iam-policy rescue live/payments/rds",
		Args:    cobra.MaximumNArgs(1),
	}
}

func scanPolicy() *cobra.Command {
	return &cobra.Command{
		Use:   "scan [flags]",
		Short: "what judging access entries needs",
		Long: `Prints what access scan, explain, map, verify and backup need in each account. In a
cluster whose authentication mode is API_AND_CONFIG_MAP they also read the
ConfigMap aws-auth, for which the cluster itself must let them: an access entry
with AmazonEKSAdminViewPolicy will do, and without it --ignore-aws-auth. A ledger
in S3 is the affair of whoever scans, not of a role in each account.`,
		Example: `  holdfast iam-policy scan --identity ops
  holdfast iam-policy scan --identity ops --ledger s3://acme-ledger`,
		Args: cobra.NoArgs,
	}
}

func repairPolicy() *cobra.Command {
	return &cobra.Command{
		Use:   "repair [flags]",
		Short: "what repairing access entries needs",
		Long: `Prints what access repair and restore need in each account: what scan needs, and
to delete, create and associate.`,
		Example: "  holdfast iam-policy repair --identity ops",
		Args:    cobra.NoArgs,
	}
}
