package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/view"
)

func alertCommand(p app.Process) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "alert",
		Short:   "try the alerts of holdfast.hcl",
		Long:    "Tries what the alert blocks of holdfast.hcl name (docs/ALERTS.md).",
		Example: "  holdfast alert test",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(alertTestCommand(p))
	return cmd
}

func alertTestCommand(p app.Process) *cobra.Command {
	var req app.Request
	var who identityFlags
	var output string
	cmd := &cobra.Command{
		Use:   "test [flags] [NAME]",
		Short: "send a test to each place, or to the one of that name",
		Long: `Sends a test to each place that an alert block of holdfast.hcl names, whatever
its rules are, or to the one of that name. The exit code is 1 if one of them
couldn't be told.`,
		Example: "  holdfast alert test\n  holdfast alert test oncall",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := fromEnvironment(cmd, precedence.NewEnv(p.Environ)); err != nil {
				return err
			}
			if err := errors.Join(who.apply(&req), oneOf(output, "text", "json")); err != nil {
				return usage(cmd, err)
			}
			results, err := app.TestAlerts(cmd.Context(), req, append(args, "")[0], p)
			if err != nil {
				return err
			}
			if output == "json" {
				err = view.JSON(p.Stdout, results)
			} else {
				view.Alerts(p.Stdout, results)
			}
			if err != nil {
				return err
			}
			for _, r := range results.Alerts {
				if r.Err != "" {
					return &exit{code: int(cure.Failed)}
				}
			}
			return nil
		},
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json (docs/JSON.md)")
	who.bind(cmd.Flags(), &req)
	return cmd
}

// oneOf is an error if --output is none of the words.
func oneOf(output string, words ...string) error {
	for _, word := range words {
		if output == word {
			return nil
		}
	}
	return fmt.Errorf("--output %q: one of %v", output, words)
}
