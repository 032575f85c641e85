package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/holdfast/holdfast/internal/app"
	"github.com/holdfast/holdfast/internal/view"
)

// version is set by the linker (Makefile).
var version = ""

func versionCommand(p app.Process) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "print the version",
		Example: "  holdfast version --output json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := struct {
				SchemaVersion int    `json:"schema_version"`
				Version       string `json:"version"`
				Go            string `json:"go"`
				Platform      string `json:"platform"`
			}{1, ours(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
			switch output {
			case "text":
				_, err := fmt.Fprintf(p.Stdout, "holdfast %s (%s, %s)\n", v.Version, v.Go, v.Platform)
				return err
			case "json":
				return view.JSON(p.Stdout, v)
			}
			return usage(cmd, fmt.Errorf("--output %q: text or json", output))
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

func ours() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "devel"
}
