package cli

import (
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/report"
	"github.com/holdfast/holdfast/internal/view"
)

func accessRepairCommand(p app.Process) *cobra.Command {
	var flags accessFlags
	var req app.RepairRequest
	var output string
	cmd := &cobra.Command{
		Use:   "repair [flags] [CLUSTER...]",
		Short: "make stale entries anew, with all that they had",
		Long: `Shows what would be done to every stale entry, and does it with --yes: the entry
with its policies, groups, user name and tags goes into a journal, is looked at
again, deleted, created anew and given its policies back. Only entries that are
STALE by proof or near proof are touched. One entry at a time is missing in a
cluster.

A repair that was interrupted anywhere is finished with --resume, or with --undo
ended where it has changed nothing yet. Where the last
hop is a role that holdfast assumes, the delete runs under a session policy for
this one entry, so that AWS itself refuses if somebody made it anew meanwhile.

The exit code is 0 if all was repaired or nothing is stale, 2 if a dry run found
something to do, 5 if a safety rule refused an entry, 1 if a repair failed, 4 if
something couldn't be looked at.`,
		Example: `  holdfast access repair --region eu-west-1 payments-prod
  holdfast access repair --yes --entry role/ng-blue payments-prod
  holdfast access repair --resume`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.ready(cmd, p, output, "text", "json"); err != nil {
				return err
			}
			req.AccessRequest = flags.req
			req.Clusters = args
			req.Tell = func(text string) { view.Note(p.Stderr, text) }
			ctx, stop := interruptible(cmd)
			defer stop()
			done, err := app.AccessRepair(ctx, req, p)
			if err != nil {
				return err
			}
			if output == "json" {
				err = view.JSON(p.Stdout, done)
			} else {
				view.Repair(p.Stdout, done)
			}
			if err != nil {
				return err
			}
			return repairExit(done)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&output, "output", "o", "text", "text or json (docs/JSON.md)")
	f.BoolVar(&req.Yes, "yes", false, "do it")
	f.BoolVar(&req.Resume, "resume", false, "finish what an earlier repair has begun")
	f.BoolVar(&req.Undo, "undo", false, "end what an earlier repair has begun, and finish it where the entry is gone already")
	f.StringSliceVar(&req.Entries, "entry", nil, "only the entries of these `PRINCIPAL`s: an ARN, or as in role/NAME")
	f.BoolVar(&req.RequireGuard, "require-guard", false, "refuse where AWS itself can't keep the delete from a newer entry")
	f.DurationVar(&req.Wait, "wait", 0*time.Second, "how long to wait for a sign that the repaired entry lets in")
	f.StringVar(&req.ForceSelf, "force-own-entry", "", "repair the entry of whoever runs this; `WORDS` say why")
	f.StringVar(&req.ForceAdmin, "force-last-admin", "", "repair the last administrator's entry; `WORDS` say why")
	flags.bind(f)
	return cmd
}

func repairExit(r report.Repair) error {
	is := func(outcome string) bool {
		return slices.ContainsFunc(r.Entries, func(e report.RepairedEntry) bool { return e.Outcome == outcome })
	}
	switch {
	case is(report.Failed):
		return &exit{code: int(cure.Failed)}
	case is(report.Refused):
		return &exit{code: int(cure.Refused)}
	case len(r.Unseen) > 0 || r.Scan[report.Unknown]+r.Scan[report.Suspect] > 0:
		return &exit{code: int(cure.Incomplete)}
	case is(report.Planned):
		return &exit{code: int(cure.Findings)}
	}
	return nil
}
