// Command holdfast-lab is AWS as far as holdfast needs it, on loopback: the
// server, and small clients for its call log, faults and tokens. See package
// lab for what it promises and what it doesn't.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	e := env{
		getenv: os.Getenv, stdout: os.Stdout, stderr: os.Stderr,
		client: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{}},
	}
	cmd := e.root()
	cmd.SetArgs(os.Args[1:])
	if err := cmd.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "holdfast-lab:", err)
		stop()
		os.Exit(1)
	}
}
