package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/finding"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/view"
)

func gateCommand(p app.Process) *cobra.Command {
	var req app.GateRequest
	var who identityFlags
	var output string
	cmd := &cobra.Command{
		Use:   "gate [flags] PLAN",
		Short: "judges a plan before it is applied",
		Long: `Says which access entries an apply of PLAN would leave bound to a dead role,
which other principals it would break, what it would destroy because an earlier
run left it tainted, and which credentials would end before it does. PLAN is the
JSON of "show -json", a saved plan file, or - for JSON on standard input.

With --live the clusters of the region are asked which entries they hold for the
roles that the plan moves, those of node groups and Fargate profiles included,
which no state knows. The identity and the cluster blocks of holdfast.hcl say
who asks, and where (docs/ACCESS.md).

docs/RULES.md explains the rules, HF201 and up. A waive block in holdfast.hcl
takes a finding out for a while, with a reason. The exit code is 0 if nothing is
wrong, 2 with findings (notes don't count), 4 if there are none but the plan
doesn't show everything (INCONCLUSIVE: made with -target, errored, deferred), or
can't be read.`,
		Example: `  tofu plan -out plan.out && holdfast gate plan.out && tofu apply plan.out
  tofu show -json plan.out | holdfast gate --output markdown -
  holdfast gate --live --region eu-west-1 plan.out`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := fromEnvironment(cmd, precedence.NewEnv(p.Environ)); err != nil {
				return err
			}
			if err := checkFormat(cmd, output); err != nil {
				return err
			}
			if err := who.apply(&req.Access.Request); err != nil {
				return usage(cmd, err)
			}
			req.Plan = args[0]
			found, err := app.Gate(cmd.Context(), req, p)
			if err != nil {
				return err
			}
			return showFindings(p, output, found)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&req.Engine, "engine", "", "`PROGRAM` that shows a saved plan: tofu, terraform or a path")
	bindFormat(cmd, &output)
	f.BoolVar(&req.Live, "live", false, "ask the clusters which entries they hold")
	f.StringSliceVar(&req.Access.Regions, "regions", nil, "with --live: `REGION`s to look in, apart by commas (default --region, AWS_REGION, or all)")
	f.StringVar(&req.Access.Role, "account-role", "", "with --live: role `ARN` to assume in each account, with {account} for its number")
	f.StringSliceVar(&req.Access.Accounts, "account", nil, "with --live: `NUMBER`s of the accounts, apart by commas")
	who.bind(f, &req.Access.Request)
	return cmd
}

func bindFormat(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", "text", strings.Join(view.Formats(), ", ")+" (docs/JSON.md)")
}

func checkFormat(cmd *cobra.Command, output string) error {
	if !slices.Contains(view.Formats(), output) {
		return usage(cmd, fmt.Errorf("--output %q: %s", output, strings.Join(view.Formats(), ", ")))
	}
	return nil
}

// showFindings writes a report and settles the exit code.
func showFindings(p app.Process, output string, found finding.Report) error {
	if err := view.Findings(p.Stdout, output, found); err != nil {
		return err
	}
	if class := app.Judged(found); class != 0 {
		return &exit{code: int(class)}
	}
	return nil
}
