package cli

import (
	"github.com/spf13/cobra"

	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/view"
)

func setupCommand(p app.Process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "write what other tools need to find holdfast",
		Long:  "Writes what other tools need to find holdfast, and takes it out again.",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },

		Example: "  holdfast setup profile deploy --identity deploy",
	}
	cmd.AddCommand(setupProfileCommand(p))
	return cmd
}

func setupProfileCommand(p app.Process) *cobra.Command {
	var s app.Setup
	cmd := &cobra.Command{
		Use:   "profile NAME [flags]",
		Short: "write a profile that asks holdfast into an AWS config file",
		Long: `Writes a profile whose credential_process is holdfast credentials into an AWS
config file, for tools that take a profile and nothing else.

It changes no other byte of the file, and --remove leaves the file as it was
before. A profile of that name that holdfast didn't write is left alone, with
exit code 5. A file that isn't there is made with mode 0600; a symlink stays one.`,
		Example: `  holdfast setup profile deploy --identity deploy
  AWS_PROFILE=deploy aws sts get-caller-identity
  holdfast setup profile deploy --remove`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			s.Profile = args[0]
			path, err := app.SetupProfile(s, p)
			if err != nil {
				return err
			}
			view.Setup(p.Stdout, s, path)
			return nil
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&s.Identity, "identity", "", "the identity `NAME` of holdfast.hcl (default: what run would take)")
	f.BoolVar(&s.Remove, "remove", false, "take the profile out again")
	f.StringVar(&s.File, "config", "", "the `FILE` to change (default: AWS_CONFIG_FILE, or ~/.aws/config)")
	return cmd
}
