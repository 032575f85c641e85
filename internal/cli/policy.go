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
	cmd.AddCommand(rescuePolicyCommand(p), runPolicyCommand(p), accessPolicyCommand(p, "scan", "what judging access entries needs", `Prints what access scan, explain, map, verify and backup need in each account. In a
cluster whose authentication mode is API_AND_CONFIG_MAP they also read the
ConfigMap aws-auth, for which the cluster itself must let them: an access entry
with AmazonEKSAdminViewPolicy will do, and without it --ignore-aws-auth.`, false),
		accessPolicyCommand(p, "repair", "what repairing access entries needs", `Prints what access repair and restore need in each account: what scan needs, and
to delete, create and associate.`, true))
	return cmd
}

func accessPolicyCommand(p app.Process, name, short, long string, repair bool) *cobra.Command {
	var req app.Request
	var who identityFlags
	cmd := &cobra.Command{
		Use:     name + " [flags]",
		Short:   short,
		Long:    long,
		Example: "  holdfast iam-policy " + name + " --identity ops",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := fromEnvironment(cmd, precedence.NewEnv(p.Environ)); err != nil {
				return err
			}
			if err := who.apply(&req); err != nil {
				return usage(cmd, err)
			}
			policy, err := app.AccessPolicy(req, repair, p)
			if err != nil {
				return err
			}
			return view.JSON(p.Stdout, policy)
		},
	}
	cmd.Flags().SortFlags = false
	who.bind(cmd.Flags(), &req)
	return cmd
}

func runPolicyCommand(p app.Process) *cobra.Command {
	var req app.Request
	var who identityFlags
	cmd := &cobra.Command{
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
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := fromEnvironment(cmd, precedence.NewEnv(p.Environ)); err != nil {
				return err
			}
			if err := who.apply(&req); err != nil {
				return usage(cmd, err)
			}
			policy, err := app.RunPolicy(req, p)
			if err != nil {
				return err
			}
			return view.JSON(p.Stdout, policy)
		},
	}
	cmd.Flags().SortFlags = false
	who.bind(cmd.Flags(), &req)
	return cmd
}

func rescuePolicyCommand(p app.Process) *cobra.Command {
	var req app.Request
	var who identityFlags
	cmd := &cobra.Command{
		Use:   "rescue [flags] [DIR]",
		Short: "what state rescue and unlock need in a directory",
		Long: `Prints what state rescue and state unlock must be allowed for the state of DIR,
as far as init wrote down where it lies. Terraform itself needs no more of it for
the push. Nobody is asked; what isn't known stands there in capitals.`,
		Example: "  holdfast iam-policy rescue live/payments/rds",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := fromEnvironment(cmd, precedence.NewEnv(p.Environ)); err != nil {
				return err
			}
			if err := who.apply(&req); err != nil {
				return usage(cmd, err)
			}
			policy, err := app.RescuePolicy(req, append(args, ".")[0], p)
			if err != nil {
				return err
			}
			return view.JSON(p.Stdout, policy)
		},
	}
	cmd.Flags().SortFlags = false
	who.bind(cmd.Flags(), &req)
	return cmd
}
