package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/view"
)

func accessExplainCommand(p app.Process) *cobra.Command {
	var flags accessFlags
	var output string
	var probe bool
	cmd := &cobra.Command{
		Use:   "explain [flags] CLUSTER PRINCIPAL",
		Short: "the story of one entry, and what to do",
		Long: `Tells the story of one entry: its verdict with all the evidence that can be had,
a timeline of the role, the entry, the ledger and the authenticator's log, and
what a person should do. With --probe holdfast assumes the role itself and asks
the cluster who it is, which settles what nothing else can; entries for machines
can't be tried that way.

The exit code is 0 if the entry is live, 2 if it is stale, orphaned or masked, 4
if that couldn't be looked at or decided.`,
		Example: "  holdfast access explain payments-prod role/ng-blue --region eu-west-1",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.ready(cmd, p, output, "text", "json"); err != nil {
				return err
			}
			story, err := app.AccessExplain(cmd.Context(), flags.req, args[0], args[1], probe, p)
			if err != nil {
				return err
			}
			if output == "json" {
				err = view.JSON(p.Stdout, story)
			} else {
				view.AccessStory(p.Stdout, story)
			}
			if err != nil {
				return err
			}
			return verdictExit(story.Entry.Verdict)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&output, "output", "o", "text", "text or json (docs/JSON.md)")
	f.BoolVar(&probe, "probe", false, "assume the role, and ask the cluster who it is")
	flags.bind(f)
	return cmd
}

func accessMapCommand(p app.Process) *cobra.Command {
	var flags accessFlags
	var output string
	cmd := &cobra.Command{
		Use:   "map [flags] [CLUSTER...]",
		Short: "who may enter where, and through which entry",
		Long: `Prints who may enter which cluster: the principal, what its entry is worth, its
type, groups and policies, and the node groups that use it. Everything is read
anew. As Markdown it has a Mermaid diagram for each cluster, to be kept with
other documentation.

The exit code is 0, or 4 if something couldn't be looked at.`,
		Example: "  holdfast access map --output markdown >docs/access.md",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.ready(cmd, p, output, "text", "markdown", "json"); err != nil {
				return err
			}
			flags.req.Clusters, flags.req.Full = args, true
			ctx, stop := interruptible(cmd)
			defer stop()
			found, err := app.AccessScan(ctx, flags.req, p)
			if err != nil {
				return err
			}
			switch output {
			case "json":
				err = view.AccessJSON(p.Stdout, found)
			case "markdown":
				view.AccessMarkdown(p.Stdout, found)
			default:
				view.AccessMap(p.Stdout, found)
			}
			if err != nil {
				return err
			}
			return unseenExit(found)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&output, "output", "o", "text", "text, markdown or json (docs/JSON.md)")
	flags.bind(f)
	return cmd
}

func accessVerifyCommand(p app.Process) *cobra.Command {
	var flags accessFlags
	var output string
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "verify [flags] CLUSTER...",
		Short: "a pipeline's check: does every entry let its principal in",
		Long: `Checks the entries of clusters, for a pipeline: every entry must be live, and the
node groups that use them well. With --wait it looks again until that is so, or
the time is over.

The exit code is 0 if so, 2 if an entry is stale, orphaned or masked, 4 if
something couldn't be looked at or decided.`,
		Example: "  holdfast access verify --wait 5m payments-prod",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.ready(cmd, p, output, "text", "json"); err != nil {
				return err
			}
			flags.req.Clusters, flags.req.Full = args, true
			ctx, stop := interruptible(cmd)
			defer stop()
			found, err := app.AccessVerify(ctx, flags.req, wait, p, func(text string) { view.Note(p.Stderr, text) })
			if err != nil && len(found.Clusters) == 0 {
				return err
			}
			if len(found.Clusters) == 0 && len(found.Unseen) == 0 {
				return errors.New("none of these clusters was found: name their region and account")
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
	f.DurationVar(&wait, "wait", 0, "how long to look again until all is well")
	flags.bind(f)
	return cmd
}

// outputIs says whether an output format is one that a command has.
func outputIs(output string, formats []string) error {
	if slices.Contains(formats, output) {
		return nil
	}
	last := len(formats) - 1
	return fmt.Errorf("--output %q: %s or %s", output, strings.Join(formats[:last], ", "), formats[last])
}
