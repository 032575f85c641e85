package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/report"
	"github.com/holdfast/holdfast/internal/view"
)

func accessCommand(p app.Process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "access",
		Short: "EKS access entries: which are dead, and how they live again",
		Long: `Judges the access entries of EKS clusters. An entry keeps the unique ID of the
role or user that it was made for, shows it to nobody, and doesn't follow when
that role is deleted and made again under its name: everything looks right, and
no node can join.

docs/ACCESS.md explains verdicts, evidence and repair.`,
		Example: "  holdfast access scan\n  holdfast access explain payments-prod role/ng-blue",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(accessScanCommand(p), accessExplainCommand(p), accessMapCommand(p), accessVerifyCommand(p), accessRepairCommand(p),
		accessBackupCommand(p), accessRestoreCommand(p))
	return cmd
}

// ledgerFlag is what --ledger takes, wherever it stands.
const ledgerFlag = "`PLACE` of the ledger of bindings: a file, s3://BUCKET/KEY, or none"

// accessFlags say which clusters are meant; every access command has them.
type accessFlags struct {
	who identityFlags
	req app.AccessRequest
}

func (a *accessFlags) bind(f *pflag.FlagSet) {
	f.SortFlags = false
	f.StringSliceVar(&a.req.Regions, "regions", nil, "`REGION`s to look in, apart by commas (default --region, or all)")
	f.StringVar(&a.req.Role, "account-role", "", "role `ARN` to assume in each account, with {account} for its number")
	f.StringSliceVar(&a.req.Accounts, "account", nil, "`NUMBER`s of the accounts, apart by commas")
	f.StringVar(&a.req.ExternalID, "account-external-id", "", "external `ID` for --account-role")
	f.StringVar(&a.req.Ledger, "ledger", "", ledgerFlag+" (default $XDG_STATE_HOME/holdfast/bindings.jsonl)")
	f.BoolVar(&a.req.IgnoreAWSAuth, "ignore-aws-auth", false, "judge entries alone, where the ConfigMap aws-auth can't be read")
	f.DurationVar(&a.req.Propagation, "propagation", app.DefaultPropagation, "how long IAM may take to tell everybody of a change")
	f.Float64Var(&a.req.Rate, "rate", 10, "requests a second for each account, region and service, at most")
	f.DurationVar(&a.req.Timeout, "timeout", 10*time.Second, "how long to wait for an answer of AWS")
	a.who.bind(f, &a.req.Request)
}

// ready takes what variables and flags say.
func (a *accessFlags) ready(cmd *cobra.Command, p app.Process, output string, formats ...string) error {
	if err := fromEnvironment(cmd, precedence.NewEnv(p.Environ)); err != nil {
		return err
	}
	if err := a.who.apply(&a.req.Request); err != nil {
		return usage(cmd, err)
	}
	if err := outputIs(output, formats); err != nil {
		return usage(cmd, err)
	}
	switch {
	case a.req.Rate <= 0:
		return usage(cmd, fmt.Errorf("--rate %g: give more than 0", a.req.Rate))
	case a.req.Timeout <= 0:
		return usage(cmd, fmt.Errorf("--timeout %s: give more than 0", a.req.Timeout))
	case a.req.Propagation <= 0:
		return usage(cmd, fmt.Errorf("--propagation %s: give more than 0", a.req.Propagation))
	}
	return nil
}

// interruptible ends with the first interrupt, so that what was found until
// then is told; a second one ends the process.
func interruptible(cmd *cobra.Command) (ctx context.Context, stop func()) {
	ctx, stop = signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// accessExit is the exit code of what was found. What wasn't seen at all weighs
// more than what was found, because it may hold worse.
func accessExit(a report.Access) error {
	if err := unseenExit(a); err != nil {
		return err
	}
	for _, v := range report.Verdicts() { // the worst come first
		if a.Count(v) > 0 {
			return verdictExit(v)
		}
	}
	return nil
}

func unseenExit(a report.Access) error {
	if len(a.Unseen) > 0 || a.Interrupted {
		return &exit{code: int(cure.Incomplete)}
	}
	return nil
}

func verdictExit(v report.Verdict) error {
	switch v {
	case report.Stale, report.Orphan, report.Masked:
		return &exit{code: int(cure.Findings)}
	case report.Unknown, report.Suspect:
		return &exit{code: int(cure.Incomplete)}
	}
	return nil
}

func accessScanCommand(p app.Process) *cobra.Command {
	var flags accessFlags
	var output string
	cmd := &cobra.Command{
		Use:   "scan [flags] [CLUSTER...]",
		Short: "a verdict for every access entry, with its evidence",
		Long: `Judges every access entry of the clusters that flags, cluster blocks of
holdfast.hcl or names (globs) say; without any, of all clusters of the identity's
account in all regions. Nothing is changed but the ledger, which makes the next
scan need far fewer calls. A ledger in S3 is one for all who scan.

The exit code is 0 if every entry is live, 2 if one is stale, orphaned or
masked, 4 if something couldn't be looked at or decided.`,
		Example: `  holdfast access scan --region eu-west-1
  holdfast access scan --account-role arn:aws:iam::{account}:role/audit \
    --account 111111111111,222222222222 --ledger s3://acme-ledger 'prod-*'`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.ready(cmd, p, output, "text", "json"); err != nil {
				return err
			}
			flags.req.Clusters, flags.req.Beside = args, flags.req.Full
			// A scan of many clusters makes much garbage beside what it keeps, and
			// so does writing it; this process does nothing else.
			debug.SetGCPercent(25)
			ctx, stop := interruptible(cmd)
			defer stop()
			progress := view.NewProgress(p.Stderr)
			flags.req.Progress = progress.Access
			found, err := app.AccessScan(ctx, flags.req, p)
			progress.End()
			if err != nil && len(found.Clusters) == 0 {
				return err
			}
			if output == "json" {
				err = errors.Join(err, view.AccessJSON(p.Stdout, found))
			} else {
				view.Access(p.Stdout, found)
			}
			if err != nil {
				return err
			}
			return accessExit(found)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&output, "output", "o", "text", "text or json (docs/JSON.md)")
	f.BoolVar(&flags.req.Full, "full", false, "read every entry, its policies and what uses it, whatever the ledger knows, and what else broke with its principal")
	flags.bind(f)
	return cmd
}
