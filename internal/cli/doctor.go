package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/view"
)

func doctorCommand(p app.Process) *cobra.Command {
	var req app.Request
	var who identityFlags
	var output string
	cmd := &cobra.Command{
		Use:   "doctor [flags] [-- COMMAND [ARGUMENT...]]",
		Short: "how long can a run last here, and what would end it",
		Long: `Says how long COMMAND could last here as it is, without holdfast, and what would
end it; then the chain hop by hop, what is wrong with the evidence and the cure,
and what each AWS SDK would take.

Each hop is exchanged once, as a run would do; nothing is started or changed.
The exit code is 0 if nothing is wrong, 2 with problems (notes don't count), 4
if there are none but something couldn't be looked at.`,
		Example: `  holdfast doctor -- terragrunt apply
  holdfast doctor --output json -- tofu apply plan.out`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := fromEnvironment(cmd, precedence.NewEnv(p.Environ)); err != nil {
				return err
			}
			if err := who.apply(&req); err != nil {
				return usage(cmd, err)
			}
			if output != "text" && output != "json" {
				return usage(cmd, fmt.Errorf("--output %q: text or json", output))
			}
			req.Command = args
			found, err := app.Doctor(cmd.Context(), req, p)
			if err != nil {
				return err
			}
			if output == "json" {
				err = view.JSON(p.Stdout, found)
			} else {
				view.Doctor(p.Stdout, found)
			}
			switch {
			case err != nil:
				return err
			case found.Problems() > 0:
				return &exit{code: int(cure.Findings)}
			case len(found.Unknown) > 0:
				return &exit{code: int(cure.Incomplete)}
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.SetInterspersed(false)
	f.SortFlags = false
	who.bind(f, &req)
	f.StringVarP(&output, "output", "o", "text", "text or json (docs/JSON.md)")
	return cmd
}
