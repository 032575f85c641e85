// Package cli (words in) is the command line: flags to a request, an outcome to
// words and an exit code. A command file binds flags, makes one call, and shows
// what came back.
//
// It is the only package that reads the process's environment and arguments,
// and the only one that knows numbers of exit codes.
package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/cure"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/private"
	"github.com/holdfast/holdfast/internal/view"
)

// Main runs the command line of this process and returns its exit code.
func Main() int {
	_ = private.Memory() // where the kernel says no, nothing is lost but a safeguard that SECURITY.md explains
	dir, err := os.Getwd()
	if err != nil {
		view.Error(os.Stderr, err)
		return int(cure.Failed)
	}
	p := thisProcess(dir)
	if name := filepath.Base(os.Args[0]); app.IsLink(name, p) {
		return link(name, os.Args[1:], p)
	}
	return Run(os.Args[1:], p)
}

func thisProcess(dir string) app.Process {
	home, _ := os.UserHomeDir() // an empty one means that there are no files there
	host, _ := os.Hostname()    // only for the session's name
	return app.Process{
		Environ: os.Environ(), Dir: dir, Home: home, Host: host, User: user(),
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	}
}

// user is who we are, for a session's name.
func user() string {
	for _, name := range []string{"USER", "LOGNAME"} {
		if value := os.Getenv(name); value != "" {
			return value
		}
	}
	return "uid" + strconv.Itoa(os.Getuid())
}

// exit is an exit code that was settled by a command, with what went wrong, if
// anything did.
type exit struct {
	code int
	err  error
}

func (e *exit) Error() string {
	if e.err == nil {
		return "exit " + strconv.Itoa(e.code)
	}
	return e.err.Error()
}

// Unwrap returns the cause.
func (e *exit) Unwrap() error { return e.err }

// Run runs one command line and returns the exit code.
func Run(args []string, p app.Process) int {
	root := Commands(p)
	root.SetArgs(args)
	root.SetIn(p.Stdin)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	err := root.Execute()
	var settled *exit
	switch {
	case err == nil:
		return 0
	case errors.As(err, &settled):
		if settled.err != nil {
			view.Error(p.Stderr, settled.err)
		}
		return settled.code
	default:
		view.Error(p.Stderr, err)
		return int(cure.ClassOf(err))
	}
}

// Commands is the tree of commands, for Run and for the generated docs.
func Commands(p app.Process) *cobra.Command {
	root := &cobra.Command{
		Use:   "holdfast",
		Short: "keeps AWS identity intact for the whole life of an infrastructure change",
		Long: `holdfast keeps AWS identity intact for the whole life of an infrastructure
change: it runs Terraform, OpenTofu or any other command under credentials that
renew while the command runs.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetUsageFunc(printUsage)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usage(cmd, err) })
	root.AddCommand(runCommand(p), accessCommand(p), agentCommand(p), alertCommand(p), credentialsCommand(p), doctorCommand(p), eksTokenCommand(p),
		gateCommand(p), lintCommand(p), policyCommand(p), setupCommand(p), stateCommand(p), terragruntAuthCommand(p), versionCommand(p))
	checkArguments(root)
	return root
}

// checkArguments makes what cobra says of a command's arguments an error of
// usage, for every command of a tree.
func checkArguments(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return usage(cmd, err)
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		checkArguments(sub)
	}
}

// printUsage is cobra's own usage with flags that fit 80 columns. A template
// would do it too, and link text/template for it.
func printUsage(cmd *cobra.Command) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage:\n  %s\n", cmd.UseLine())
	if cmd.HasExample() {
		fmt.Fprintf(&b, "\nExamples:\n%s\n", cmd.Example)
	}
	if cmd.HasAvailableSubCommands() {
		b.WriteString("\nCommands:\n")
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() {
				fmt.Fprintf(&b, "  %-*s %s\n", cmd.NamePadding(), sub.Name(), sub.Short)
			}
		}
	}
	fmt.Fprintf(&b, "\nFlags:\n%s", cmd.LocalFlags().FlagUsagesWrapped(80))
	_, err := fmt.Fprint(cmd.OutOrStderr(), b.String())
	return err
}

// usage is a command line that can't be understood. Under `run` it is an error
// of holdfast's own, with an exit code that no child of its has to share.
func usage(cmd *cobra.Command, err error) error {
	e := &cure.Error{What: err.Error(), Cure: cmd.CommandPath() + " --help", Class: cure.Usage, Err: err}
	if cmd.CommandPath() == "holdfast run" {
		return &exit{app.ExitOwn, e}
	}
	return e
}

// fromEnvironment sets every flag that wasn't given from its variable:
// --role-arn from HOLDFAST_ROLE_ARN, several values apart by spaces.
func fromEnvironment(cmd *cobra.Command, env precedence.Env) error {
	var failed error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		name := "HOLDFAST_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, ok := env[name]
		if f.Changed || !ok || value == "" || failed != nil {
			return
		}
		values := []string{value}
		if _, many := f.Value.(pflag.SliceValue); many {
			values = strings.Fields(value)
		}
		for _, v := range values {
			if err := cmd.Flags().Set(f.Name, v); err != nil {
				failed = usage(cmd, errors.New(name+": "+err.Error()))
			}
		}
	})
	return failed
}
