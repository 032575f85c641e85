package cli

import (
	"bufio"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/view"
)

func lintCommand(p app.Process) *cobra.Command {
	var req app.LintRequest
	var output string
	var fix, yes, undo bool
	cmd := &cobra.Command{
		Use:   "lint [flags] [DIR]",
		Short: "finds entries in code that won't follow their roles, and fixes it",
		Long: `Looks at Terraform, OpenTofu and Terragrunt code below DIR (the working
directory, if it is left out) for access entries that stay bound to a dead role,
node groups whose entry nobody owns, and credentials that freeze. It needs no
init, no provider and no network.

With --fix it changes what it is sure of, and nothing else; comments and form
stay. On a terminal it shows the changes first and asks. --undo puts back what
the newest fix changed.

docs/RULES.md explains the rules, HF110 to HF155. Findings are waived beside the
code, # holdfast:waive HF131 until=2026-12-31 reason="…", by a waive block in
holdfast.hcl, or by a baseline. The exit code is 0 if nothing is wrong, 2 with
findings (notes don't count), 4 if there are none but a file couldn't be read.`,
		Example: `  holdfast lint live
  holdfast lint --fix
  holdfast lint --baseline .holdfast-baseline.json --accept`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := fromEnvironment(cmd, precedence.NewEnv(p.Environ)); err != nil {
				return err
			}
			if err := checkFormat(cmd, output); err != nil {
				return err
			}
			if req.Accept && req.Baseline == "" {
				return usage(cmd, errors.New("--accept needs --baseline FILE"))
			}
			req.Dir = "."
			if len(args) > 0 {
				req.Dir = args[0]
			}
			if fix {
				req.Agree = func(changes []app.Change) bool { return agree(p, changes, yes) }
			}
			if undo {
				return undoLint(p)
			}
			return lintAndShow(p, req, output)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.BoolVar(&fix, "fix", false, "change what is certain; on a terminal, ask first")
	f.BoolVarP(&yes, "yes", "y", false, "with --fix: don't ask")
	f.BoolVar(&undo, "undo", false, "put back what the newest --fix changed")
	f.StringVar(&req.Baseline, "baseline", "", "`FILE` of findings that were there already and don't count")
	f.BoolVar(&req.Accept, "accept", false, "write what is found into the baseline")
	bindFormat(cmd, &output)
	return cmd
}

func lintAndShow(p app.Process, req app.LintRequest, output string) error {
	found, err := app.Lint(req, p)
	if err != nil {
		return err
	}
	for _, c := range found.Fixed {
		fmt.Fprintf(p.Stderr, "holdfast: fixed %s\n", strings.Join(c.Rules, ", "))
	}
	return showFindings(p, output, found.Report)
}

func undoLint(p app.Process) error {
	paths, err := app.UndoLint(p)
	for _, path := range paths {
		fmt.Fprintln(p.Stdout, "put back:", path)
	}
	return err
}

// agree shows the changes and, on a terminal, asks.
func agree(p app.Process, changes []app.Change, yes bool) bool {
	if !p.Asks() {
		return true
	}
	view.Changes(p.Stderr, changes)
	if yes {
		return true
	}
	fmt.Fprint(p.Stderr, "Write this? [y/N] ")
	answer, _ := bufio.NewReader(p.Stdin).ReadString('\n') // an end is a no
	return strings.EqualFold(strings.TrimSpace(answer), "y")
}
