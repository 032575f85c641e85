package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast/holdfast/internal/lab"
)

// env is everything that the commands take from outside.
type env struct {
	getenv         func(string) string
	stdout, stderr io.Writer
	client         *http.Client
}

func (e env) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "holdfast-lab",
		Short:         "AWS on loopback, as far as holdfast needs it",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetOut(e.stdout)
	root.SetErr(e.stderr)
	root.AddCommand(e.serveCommand(), e.assumeCommand(), e.recreateCommand(), e.entryCommand(), e.tokenCommand(), e.callsCommand(), e.faultCommand(), e.joinCommand())
	return root
}

func (e env) serveCommand() *cobra.Command {
	var o lab.Options
	var world, envFile string
	limits := map[string]string{}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve until SIGINT or SIGTERM",
		Example: `  holdfast-lab serve --session 6s --env-file lab.env &
  set -a; . ./lab.env; set +a
  aws sts get-caller-identity`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if world != "" {
				w, err := lab.LoadWorld(world)
				if err != nil {
					return err
				}
				o.World = w
			}
			for _, service := range slices.Sorted(maps.Keys(limits)) {
				rate, err := strconv.ParseFloat(limits[service], 64)
				if err != nil {
					return fmt.Errorf("--limit %s=%s: give calls per second", service, limits[service])
				}
				o.Limits = append(o.Limits, lab.Limit{Service: service, Rate: rate})
			}
			return e.serve(cmd.Context(), o, envFile)
		},
	}
	f := cmd.Flags()
	f.StringVar(&world, "world", "", "HCL `file` with accounts, roles, buckets, tables and clusters")
	f.StringVar(&o.Listen, "listen", "127.0.0.1:0", "loopback `address`; port 0 takes a free one")
	f.DurationVar(&o.Session, "session", 0, "life of a session whose request names none (AWS: 1h)")
	f.DurationVar(&o.Latency, "latency", 0, "wait before each answer")
	f.DurationVar(&o.IAMLag, "iam-lag", 0, "how long EKS takes to see a change of a role or user")
	f.DurationVar(&o.Settle, "settle", 0, "how long CREATING, UPDATING and DELETING last (default 50ms)")
	f.DurationVar(&o.HealthDelay, "health-delay", 0, "how long nodes fail to join before a node group says so (default 15m)")
	f.BoolVar(&o.UpdateRebinds, "update-rebinds", false, "let UpdateAccessEntry bind the entry to the role of now")
	f.BoolVar(&o.StrictSTSHost, "strict-sts-host", false, "refuse cluster tokens that are signed for the lab's own address")
	f.StringToStringVar(&limits, "limit", nil, "calls per second for each account and region, `service=rate`; repeatable")
	f.StringVar(&envFile, "env-file", "", "write the environment to this `file` once the lab listens")
	return cmd
}

func (e env) serve(ctx context.Context, o lab.Options, envFile string) error {
	s, err := lab.Start(o)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }() // ends with the process; the error of the way here counts
	if envFile != "" {
		if err := writeFile(envFile, strings.Join(s.Env(), "\n")+"\n"); err != nil {
			return err
		}
	}
	fmt.Fprintln(e.stderr, "holdfast-lab: listening at", s.URL())
	<-ctx.Done()
	return s.Close()
}

// writeFile puts a whole file in its place: who waits for it never reads half
// of it. It holds a secret, so only the owner may read it.
func writeFile(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".holdfast-lab-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone after the rename
	if _, err := f.WriteString(text); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
