package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/durable"
	"github.com/holdfast/holdfast/internal/event"
	"github.com/holdfast/holdfast/internal/finding"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/report"
	"github.com/holdfast/holdfast/internal/view"
)

// runFlags are the flags of `run` that need a second look before they are a
// request.
type runFlags struct {
	identityFlags
	explain bool
	quiet   bool
	verify  []string // clusters whose access entries are looked at afterwards
}

func runCommand(p app.Process) *cobra.Command {
	var req app.Request
	var flags runFlags
	cmd := &cobra.Command{
		Use:   "run [flags] -- COMMAND [ARGUMENT...]",
		Short: "run a command under credentials that renew",
		Long: `Runs COMMAND under credentials that renew for as long as it runs.

Who it runs as is said by flags, by an identity of holdfast.hcl, or by the
environment: with AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN (as in a pod with
IRSA) and TG_IAM_ASSUME_ROLE it needs no flag. Every hop of the chain is renewed
at half of its life. A terraform or tofu finds the credentials at an address on
127.0.0.1; whatever would win over it is taken out of its environment (--explain
shows what, and why).

Any other command keeps its own environment, unless an identity is asked for;
each terraform or tofu that it starts by name is led through holdfast and gets
credentials that renew (docs/TERRAGRUNT.md).

A terraform or tofu gets a session of its own and one interrupt at the most,
whatever signals arrive. The exit code is COMMAND's own, 128+n if a signal ended
it; 125 if holdfast itself failed or refused, 126 if COMMAND can't be run and
127 if there is none.

With --verify-access the access entries of EKS clusters are looked at when
COMMAND has ended, and told; where a cluster block of holdfast.hcl says
repair_after_apply = true, dead ones of nodes and Fargate pods are made anew.
Neither changes the exit code.

Flags win over variables (HOLDFAST_ROLE_ARN for --role-arn, and so on), which
win over holdfast.hcl.`,
		Example: `  # In a pod with IRSA: the pod's role, then deploy, for as long as it takes
  holdfast run --role-arn arn:aws:iam::222222222222:role/deploy -- tofu apply

  # An identity of holdfast.hcl, with a report for the pipeline
  holdfast run --identity deploy --report run.json -- terraform apply plan.out

  # Look whether the nodes of a cluster can still join after the apply
  holdfast run --verify-access payments-prod -- tofu apply plan.out

  # What would be changed around the command, without starting it
  holdfast run --explain -- tofu plan`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := fromEnvironment(cmd, precedence.NewEnv(p.Environ)); err != nil {
				return err
			}
			if len(args) == 0 {
				return usage(cmd, errors.New("there is no command to run"))
			}
			req.Command = args
			if err := flags.apply(&req); err != nil {
				return usage(cmd, err)
			}
			if flags.explain {
				return explain(req, p)
			}
			return run(cmd.Context(), req, p, flags)
		},
	}
	flags.bind(cmd.Flags(), &req)
	return cmd
}

// bind says which flags there are. What stands behind the command is its own.
func (flags *runFlags) bind(f *pflag.FlagSet, req *app.Request) {
	f.SetInterspersed(false)
	f.SortFlags = false
	flags.identityFlags.bind(f, req)
	f.StringVar(&req.Listen, "listen", "", "`ADDRESS` of the endpoint, on 127.0.0.1 (default: a free port)")
	f.StringVar(&req.Deliver, "deliver", app.DeliverEndpoint, "`HOW` the command gets them: endpoint, process (a profile with credential_process) or env (static keys, which end)")
	f.Var(uids{&req.AllowUIDs}, "allow-uid", "another user who may ask the endpoint (a sidecar's `UID`); repeat it for more")
	f.BoolVar(&req.AllowOther, "allow-other-credentials", false, "go on where the code names credentials of its own")
	f.BoolVar(&req.Foreground, "foreground", false, "keep terraform or tofu in the terminal's process group (Ctrl-Z, /dev/tty)")
	f.BoolVar(&flags.explain, "explain", false, "show what would be changed around the command, and don't start it")
	f.StringVar(&req.ReportFile, "report", "", "`FILE` to write the report to, in JSON (docs/JSON.md)")
	f.StringSliceVar(&flags.verify, "verify-access", nil, "`CLUSTER`s whose access entries are looked at when COMMAND has ended (docs/ACCESS.md)")
	f.BoolVarP(&flags.quiet, "quiet", "q", false, "say nothing while all is well")
}

func (flags *runFlags) apply(req *app.Request) error {
	if !slices.Contains([]string{app.DeliverEndpoint, app.DeliverProcess, app.DeliverEnv}, req.Deliver) {
		return fmt.Errorf("--deliver %q: endpoint, process or env", req.Deliver)
	}
	return flags.identityFlags.apply(req)
}

func run(ctx context.Context, req app.Request, p app.Process, flags runFlags) error {
	quiet := flags.quiet
	// Signals are app.Run's own affair; but one that comes when it has returned
	// mustn't take away what it returned.
	ctx = context.WithoutCancel(ctx)
	ran, stop := app.UntilAsked(ctx)
	defer stop()
	voice := app.Voice{
		Event: func(e event.Event) {
			if !quiet || e.Severity > event.Notice {
				view.Event(p.Stderr, e)
			}
		},
		Started: func(i report.Identity) {
			if !quiet {
				view.Started(p.Stderr, i)
			}
		},
	}
	result, err := app.Run(ctx, req, p, voice)
	if err == nil && !quiet {
		view.Summary(p.Stderr, result)
	}
	tell := func() {
		if req.ReportFile == "" {
			return
		}
		if failed := writeReport(req.ReportFile, result); failed != nil {
			view.Error(p.Stderr, failed)
		}
	}
	tell()
	if err == nil && len(flags.verify) > 0 {
		stopped := app.EndedEarly(result, ran.Err() != nil)
		verifyAccess(ctx, req, flags.verify, stopped, quiet, p, &result)
		tell()
	}
	if err == nil && result.ExitCode == 0 {
		return nil
	}
	return &exit{result.ExitCode, err}
}

// verifyAccess looks after the access entries of a run's clusters. From here on
// the first signal ends what is waited for, and none of them ends this process,
// whose exit code is the command's.
func verifyAccess(ctx context.Context, req app.Request, clusters []string, stopped string, quiet bool, p app.Process, result *report.Run) {
	ctx, stop := app.UntilAsked(ctx)
	defer stop()
	after := app.NewAfterRun(req, clusters)
	after.Stopped = stopped
	after.Found = func(found finding.Report) { view.AccessAfter(p.Stderr, found, quiet) }
	after.Tell = func(text string) { view.Note(p.Stderr, text) }
	view.AccessRepaired(p.Stderr, app.VerifyAccess(ctx, after, p, result))
}

// link is one of our links: a tofu or terraform that somebody else started. It
// says only what a person has to know, because its output is theirs.
func link(name string, args []string, p app.Process) int {
	result, err := app.Link(name, args, p, app.Voice{
		Event: func(e event.Event) {
			if e.Severity > event.Notice {
				view.Event(p.Stderr, e)
			}
		},
		Started: func(report.Identity) {},
	})
	if err != nil {
		view.Error(p.Stderr, err)
	}
	return result.ExitCode
}

// writeReport writes the report whole or not at all, for its owner alone.
func writeReport(path string, r report.Run) error {
	var b bytes.Buffer
	if err := view.JSON(&b, r); err != nil {
		return err
	}
	return durable.Swap(path, b.Bytes(), 0o600)
}

func explain(req app.Request, p app.Process) error {
	x, err := app.Explain(req, p)
	if err != nil {
		return &exit{app.ExitOwn, err}
	}
	view.Explain(p.Stdout, x)
	return nil
}
