package cli

import (
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/report"
	"github.com/holdfast/holdfast/internal/view"
)

func stateCommand(p app.Process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "state",
		Short: "settle what a failed run left: its state, its lock",
		Long: `Settles what a Terraform leaves behind that couldn't write its state: the file
errored.tfstate, a digest in DynamoDB that isn't the object's, a lock that
stayed. holdfast run does it by itself when a process ends; these commands do it
at any later time, and say why when they don't.`,
		Example: "  holdfast state inspect live/payments/rds\n  holdfast state rescue live",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(inspectCommand(p), pruneCommand(p), rescueCommand(p), unlockCommand(p))
	return cmd
}

// settle is what rescue, inspect and unlock have in common.
type settle struct {
	p      app.Process
	req    app.StateRequest
	who    identityFlags
	output string
}

func (s *settle) bind(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&s.req.Engine, "engine", "", "`NAME` or path of the Terraform that works there (default: found out)")
	f.StringVarP(&s.output, "output", "o", "text", "text or json (docs/JSON.md)")
	s.who.bind(f, &s.req.Request)
}

func (s *settle) run(cmd *cobra.Command, args []string) error {
	if err := fromEnvironment(cmd, precedence.NewEnv(s.p.Environ)); err != nil {
		return err
	}
	if err := s.who.apply(&s.req.Request); err != nil {
		return usage(cmd, err)
	}
	if s.output != "text" && s.output != "json" {
		return usage(cmd, fmt.Errorf("--output %q: text or json", s.output))
	}
	s.req.Dirs = args
	if s.output == "text" {
		var mu sync.Mutex
		s.req.Told = func(r report.Rescue) {
			mu.Lock()
			defer mu.Unlock()
			view.Rescue(s.p.Stdout, r, s.req.Look)
		}
	}
	all, err := app.State(cmd.Context(), s.req, s.p)
	if err != nil {
		return err
	}
	if s.output == "json" {
		if err := view.JSON(s.p.Stdout, all); err != nil {
			return err
		}
	}
	if s.output == "text" && len(all.Directories) == 0 {
		view.NothingToRescue(s.p.Stdout, args)
	}
	if code := verdict(all, s.req.Look); code != 0 {
		return &exit{code: int(code)}
	}
	return nil
}

// verdict is the class of the worst directory: something failed, something
// couldn't be looked at, something is left to a person.
func verdict(all report.Rescues, look bool) cure.Class {
	worst := cure.Class(0)
	rank := map[cure.Class]int{0: 0, cure.Findings: 1, cure.Refused: 2, cure.Incomplete: 3, cure.Failed: 4}
	for _, r := range all.Directories {
		class := cure.Class(0)
		switch {
		case r.Blind:
			class = cure.Incomplete
		case r.Problem != "":
			class = cure.Failed
		case !r.Settled():
			class = cure.Refused
		case look && !r.Quiet():
			class = cure.Findings
		}
		if rank[class] > rank[worst] {
			worst = class
		}
	}
	return worst
}

func rescueCommand(p app.Process) *cobra.Command {
	s := &settle{p: p}
	cmd := &cobra.Command{
		Use:   "rescue [flags] [DIR...]",
		Short: "push states that couldn't be uploaded",
		Long: `Looks for errored.tfstate in each DIR and below it, Terragrunt's cache included,
and settles each: keeps a copy, compares it with the backend, pushes it with the
directory's own Terraform, reads it back, repairs a digest that is provably
behind, and releases the lock if it is provably the one of that run. It can be
killed at any point and run again.

It never forces, never pushes over a newer serial or another lineage, and never
releases somebody else's lock. What it doesn't settle it explains, with the
command that a person would run next, and the exit code is 5; 4 if something
couldn't be looked at, 1 if a step failed.`,
		Example: `  holdfast state rescue
  holdfast state rescue --identity deploy live
  holdfast state rescue --lock-id 0d7a4c2e-... live/payments/rds`,
		RunE: s.run,
	}
	cmd.Flags().StringVar(&s.req.Word.LockID, "lock-id", "", "your word that the lock with this `ID` is nobody's any more")
	cmd.Flags().StringVar(&s.req.Word.Digest, "digest", "", "your word that the object with this `MD5` is the right state")
	s.bind(cmd)
	return cmd
}

func inspectCommand(p app.Process) *cobra.Command {
	s := &settle{p: p, req: app.StateRequest{Look: true}}
	cmd := &cobra.Command{
		Use:   "inspect [flags] [DIR...]",
		Short: "show both states and what rescue would do",
		Long: `Shows the state that was found, the one in the backend, its digest and its lock
side by side, and what rescue would do with them. It changes nothing.

The exit code is 0 if there is nothing to do, 2 if rescue would do something, 5
if it would leave something to a person, 4 if something couldn't be looked at.`,
		Example: "  holdfast state inspect live/payments/rds",
		RunE:    s.run,
	}
	s.bind(cmd)
	return cmd
}

func unlockCommand(p app.Process) *cobra.Command {
	s := &settle{p: p, req: app.StateRequest{Lock: true}}
	cmd := &cobra.Command{
		Use:   "unlock [flags] [DIR...]",
		Short: "release a lock of ours, explain one that isn't",
		Long: `Releases the lock of a directory's state if a record of holdfast's proves that it
is the one of a run that ended, and otherwise says whose it is and what speaks
for it. With --lock-id it is released on your word, while it still has that ID.
States that weren't uploaded are kept and not pushed: see rescue.`,
		Example: "  holdfast state unlock live/payments/rds\n  holdfast state unlock --lock-id 0d7a4c2e-... live/payments/rds",
		RunE:    s.run,
	}
	cmd.Flags().StringVar(&s.req.Word.LockID, "lock-id", "", "your word that the lock with this `ID` is nobody's any more")
	s.bind(cmd)
	return cmd
}

func pruneCommand(p app.Process) *cobra.Command {
	var age time.Duration
	var dry bool
	cmd := &cobra.Command{
		Use:   "prune [flags]",
		Short: "remove kept states whose push was verified long ago",
		Long: `Removes copies of states that rescue kept, if their push was verified longer ago
than --older-than. What was left to a person stays until they settle it.`,
		Example: "  holdfast state prune --dry-run",
		Args:    cobra.NoArgs,
		RunE: func(_ *cobra.Command, _ []string) error {
			gone, err := app.Prune(p, age, dry)
			view.Pruned(p.Stdout, gone, dry)
			return err
		},
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().DurationVar(&age, "older-than", 30*24*time.Hour, "`AGE` of the verified push")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "show what would be removed")
	return cmd
}
