package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/view"
)

func accessBackupCommand(p app.Process) *cobra.Command {
	var flags accessFlags
	cmd := &cobra.Command{
		Use:   "backup [flags] CLUSTER...",
		Short: "every entry of a cluster in one file",
		Long: `Prints every access entry of clusters, with groups, user names, tags and policies,
as JSON that can be reviewed, kept and restored. What can't be read whole is an
error: there is no half of a backup.`,
		Example: "  holdfast access backup payments-prod >payments-prod.json",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.ready(cmd, p, "json", "text", "json"); err != nil {
				return err
			}
			flags.req.Clusters = args
			backup, err := app.AccessBackup(cmd.Context(), flags.req, p)
			if err != nil {
				return err
			}
			return view.JSON(p.Stdout, backup)
		},
	}
	flags.bind(cmd.Flags())
	return cmd
}

func accessRestoreCommand(p app.Process) *cobra.Command {
	var flags accessFlags
	var req app.RestoreRequest
	var output string
	cmd := &cobra.Command{
		Use:   "restore [flags] FILE",
		Short: "make what a backup has and a cluster hasn't",
		Long: `Compares a backup with what is there, shows what would be done, and does it with
--yes: creates entries that are missing, sets groups and user names, adds tags
and policies. It takes nothing away: what the backup doesn't know stays, and is
told. Made a second time, or after an interruption, it does what is left.

A restored entry is bound to whoever has the name today. The exit code is 0 if
nothing is left to do, 2 if a dry run found something, 4 if something is left
that it can't do, 1 if a change failed.`,
		Example: "  holdfast access restore payments-prod.json\n  holdfast access restore --yes payments-prod.json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.ready(cmd, p, output, "text", "json"); err != nil {
				return err
			}
			req.AccessRequest, req.File = flags.req, args[0]
			req.Tell = func(text string) { view.Note(p.Stderr, text) }
			done, err := app.AccessRestore(cmd.Context(), req, p)
			if err != nil {
				return err
			}
			if output == "json" {
				err = view.JSON(p.Stdout, done)
			} else {
				view.Restore(p.Stdout, done)
			}
			switch {
			case err != nil:
				return err
			case done.Failed != "":
				return errors.New(done.Failed)
			case done.DryRun && len(done.Changes) > 0:
				return &exit{code: int(cure.Findings)}
			case done.Lacks():
				return &exit{code: int(cure.Incomplete)}
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVarP(&output, "output", "o", "text", "text or json (docs/JSON.md)")
	f.BoolVar(&req.Yes, "yes", false, "do it")
	flags.bind(f)
	return cmd
}
