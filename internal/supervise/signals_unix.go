//go:build unix

package supervise

import (
	"io/fs"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// OutlivePipes keeps a write to a broken standard output or error from ending
// us, which is what Go does with the SIGPIPE that comes of it, until the end of
// this process. The signal isn't ignored: a child would inherit that.
func OutlivePipes() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

// caught are the signals that are taken here instead of ending us. SIGTSTP is
// among them because Ctrl-Z would stop the renewal while a Terraform in a
// session of its own goes on.
func caught(ownSession bool) []os.Signal {
	signals := endings()
	if ownSession {
		signals = append(signals, syscall.SIGTSTP)
	}
	return signals
}

func endings() []os.Signal { return []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} }

func terminate(p *os.Process) { _ = p.Signal(syscall.SIGTERM) }

func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

func executable(info fs.FileInfo) bool { return info.Mode()&0o111 != 0 }

// forwarder decides what a signal that reached us means for the child.
type forwarder struct {
	process *os.Process
	command Command
	notice  func(string)
	taken   int
}

func (f *forwarder) take(s os.Signal) {
	switch s {
	case syscall.SIGTSTP:
		f.notice("Ctrl-Z would stop the renewal of credentials under a running child; ignored")
		return
	}
	if !f.command.OwnSession {
		// On a terminal the kernel gave Ctrl-C to the child as well, which is
		// in our process group; a second copy would count as a second one.
		if s != syscall.SIGINT || !foreground(f.command.Stdin, f.command.Stdout, f.command.Stderr) {
			_ = f.process.Signal(s)
		}
		f.taken++
		return
	}
	f.taken++
	if f.taken == 1 {
		_ = f.process.Signal(syscall.SIGINT)
		f.notice("interrupt passed on once; Terraform stops what is in flight and writes its state")
		return
	}
	f.notice("not passed on: a second interrupt would make Terraform leave without writing its state")
}

// foreground reports whether our process group is the one that the terminal
// behind the first of the files that has one sends its signals to.
func foreground(files ...*os.File) bool {
	for _, f := range files {
		if f == nil {
			continue
		}
		if group, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPGRP); err == nil {
			return group == unix.Getpgrp()
		}
	}
	return false
}

// outcome is an end as a shell would tell it.
func outcome(state *os.ProcessState) (int, syscall.Signal) {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), status.Signal()
	}
	return state.ExitCode(), 0
}
