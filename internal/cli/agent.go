package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/event"
	"github.com/holdfast/holdfast/internal/precedence"
	"github.com/holdfast/holdfast/internal/report"
	"github.com/holdfast/holdfast/internal/view"
)

func agentCommand(p app.Process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "keep credentials for a whole CI job, pod or host",
		Long: `The keeper of holdfast run without a command: it goes on in the background, and
every step of a job finds its endpoint. A small parent holds the listening
socket and starts the worker again if it dies, on the same port with the same
token.`,
		Example: `  eval "$(holdfast agent start --identity deploy)"`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(agentStart(p), agentStop(p), agentStatus(p), agentServe(p), agentWorker(p))
	return cmd
}

func agentStart(p app.Process) *cobra.Command {
	var req app.Request
	var flags identityFlags
	var github bool
	cmd := &cobra.Command{
		Use:   "start [flags]",
		Short: "start an agent and print the variables that lead to it",
		Long: `Starts an agent and returns when its identity has a credential. It prints the
variables that lead to it, as lines for eval; with --github-env it writes them to
the file that GITHUB_ENV names, for all later steps of the job, and masks the
token. Variables that would win over it are blanked, because nothing can be
taken out there.`,
		Example: `  # In a shell
  eval "$(holdfast agent start --role-arn arn:aws:iam::222222222222:role/deploy)"

  # In a step of GitHub Actions, for the steps after it
  holdfast agent start --identity deploy --github-env`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			env := precedence.NewEnv(p.Environ)
			if err := fromEnvironment(cmd, env); err != nil {
				return err
			}
			if err := flags.apply(&req); err != nil {
				return usage(cmd, err)
			}
			if github && env["GITHUB_ENV"] == "" {
				return usage(cmd, errors.New("--github-env: GITHUB_ENV isn't set; this is no step of GitHub Actions"))
			}
			lead, notes, err := app.StartAgent(cmd.Context(), given(cmd, "github-env"), p)
			if err != nil {
				return err
			}
			for _, note := range notes {
				fmt.Fprintln(p.Stderr, "holdfast: "+note)
			}
			if github {
				return writeGitHubEnv(env["GITHUB_ENV"], lead, p.Stdout)
			}
			return writeExports(p.Stdout, lead)
		},
	}
	flags.bind(cmd.Flags(), &req)
	bindEndpoint(cmd, &req)
	cmd.Flags().BoolVar(&github, "github-env", false, "write the variables to GITHUB_ENV")
	return cmd
}

func bindEndpoint(cmd *cobra.Command, req *app.Request) {
	cmd.Flags().StringVar(&req.Listen, "listen", "", "`ADDRESS` of the endpoint, on 127.0.0.1 (default: a free port)")
	cmd.Flags().StringVar(&req.TokenCopy, "token-copy", "", "`FILE` for a copy of the token that its directory's group may read")
	cmd.Flags().VarP(uids{&req.AllowUIDs}, "allow-uid", "", "another user who may ask the endpoint (its `UID`); repeat it for more")
}

// uids is a flag that collects numbers of users.
type uids struct{ all *[]uint32 }

func (u uids) String() string {
	if u.all == nil {
		return ""
	}
	var words []string
	for _, uid := range *u.all {
		words = append(words, strconv.FormatUint(uint64(uid), 10))
	}
	return strings.Join(words, " ")
}

func (u uids) Set(text string) error {
	uid, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return errors.New("the number of a user")
	}
	*u.all = append(*u.all, uint32(uid))
	return nil
}

func (u uids) Type() string { return "UID" }

// given are the flags of a command line as they were given, but for one, for
// another holdfast's.
func given(cmd *cobra.Command, but string) []string {
	var args []string
	for _, name := range []string{"identity", "web-identity-token-file", "profile", "session-name", "external-id", "duration", "region", "listen", "token-copy"} {
		if f := cmd.Flags().Lookup(name); f != nil && f.Changed && name != but {
			args = append(args, "--"+name+"="+f.Value.String())
		}
	}
	if f := cmd.Flags().Lookup("allow-uid"); f != nil && f.Changed {
		for _, uid := range strings.Fields(f.Value.String()) {
			args = append(args, "--allow-uid="+uid)
		}
	}
	roles, err := cmd.Flags().GetStringArray("role-arn")
	if err != nil {
		return args
	}
	for _, role := range roles {
		args = append(args, "--role-arn="+role)
	}
	return args
}

func sortedNames(env precedence.Env) []string {
	var names []string
	for name := range env {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// writeExports writes lines for a POSIX shell's eval.
func writeExports(w io.Writer, env precedence.Env) error {
	for _, name := range sortedNames(env) {
		if _, err := fmt.Fprintf(w, "export %s='%s'\n", name, strings.ReplaceAll(env[name], "'", `'\''`)); err != nil {
			return err
		}
	}
	return nil
}

// writeGitHubEnv adds the variables to GitHub's file, and masks the token in the
// job's log.
func writeGitHubEnv(path string, env precedence.Env, log io.Writer) error {
	fmt.Fprintln(log, "::add-mask::"+env["AWS_CONTAINER_AUTHORIZATION_TOKEN"])
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, name := range sortedNames(env) {
		fmt.Fprintf(&b, "%s=%s\n", name, env[name])
	}
	_, err = f.WriteString(b.String())
	return errors.Join(err, f.Close())
}

func agentStop(p app.Process) *cobra.Command {
	return &cobra.Command{
		Use:     "stop",
		Short:   "end the agent, once no Terraform needs it",
		Example: "  holdfast agent stop",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return app.StopAgent(cmd.Context(), p) },
	}
}

func agentStatus(p app.Process) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "say what the agent serves",
		Example: "  holdfast agent status --output json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := app.StatusOfAgent(cmd.Context(), p)
			if err != nil {
				return err
			}
			switch output {
			case "text":
				_, err := fmt.Fprintf(p.Stdout, "agent %d serves %s at %s, %v left\n", s.PID, s.Identity, s.URL, time.Duration(s.LeftSeconds*float64(time.Second)).Truncate(time.Second))
				return err
			case "json":
				return view.JSON(p.Stdout, s)
			}
			return usage(cmd, fmt.Errorf("--output %q: text or json", output))
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

// agentServe and agentWorker are the agent's own processes; nobody types them.
func agentServe(p app.Process) *cobra.Command {
	return agentPart(p, "serve", func(cmd *cobra.Command, req app.Request, dir string) error {
		return app.ServeAgent(req, given(cmd, "listen"), dir, p)
	})
}

func agentWorker(p app.Process) *cobra.Command {
	return agentPart(p, "worker", func(cmd *cobra.Command, req app.Request, dir string) error {
		return app.WorkAgent(cmd.Context(), req, dir, p, app.Voice{
			Event:   func(e event.Event) { view.Event(p.Stderr, e) },
			Started: func(i report.Identity) { view.Started(p.Stderr, i) },
		})
	})
}

func agentPart(p app.Process, name string, do func(*cobra.Command, app.Request, string) error) *cobra.Command {
	var req app.Request
	var flags identityFlags
	var dir string
	cmd := &cobra.Command{
		Use: name, Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := fromEnvironment(cmd, precedence.NewEnv(p.Environ)); err != nil {
				return err
			}
			if err := flags.apply(&req); err != nil {
				return usage(cmd, err)
			}
			return do(cmd, req, dir)
		},
	}
	flags.bind(cmd.Flags(), &req)
	bindEndpoint(cmd, &req)
	cmd.Flags().StringVar(&dir, "dir", "", "the agent's private directory")
	return cmd
}
