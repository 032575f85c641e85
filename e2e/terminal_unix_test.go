//go:build linux || darwin

package e2e

import (
	"os"
	"os/exec"
	"syscall"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// startOnTerminal starts a command on a pseudo-terminal of its own. What is on
// its way to the screen when Ctrl-C comes isn't thrown away there, as a kernel
// does otherwise: it may be the answer to it.
func startOnTerminal(cmd *exec.Cmd) (*os.File, error) {
	master, slave, err := pty.Open()
	if err != nil {
		return nil, err
	}
	defer slave.Close()
	settings, err := unix.IoctlGetTermios(int(slave.Fd()), getTerminal)
	if err == nil {
		settings.Lflag |= unix.NOFLSH
		err = unix.IoctlSetTermios(int(slave.Fd()), setTerminal, settings)
	}
	if err == nil {
		cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
		err = cmd.Start()
	}
	if err != nil {
		master.Close()
	}
	return master, err
}
