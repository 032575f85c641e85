//go:build !linux && !darwin

package e2e

import (
	"os"
	"os/exec"

	"github.com/creack/pty"
)

func startOnTerminal(cmd *exec.Cmd) (*os.File, error) { return pty.Start(cmd) }
