//go:build unix

package supervise

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// OutlivePipes keeps a write to a broken standard output or error from ending
// us, which is what Go does with the SIGPIPE that comes of it, until the end of
// this process. The signal isn't ignored: a child would inherit that.
func OutlivePipes() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

// caught are the signals that are taken here instead of ending us. A Terraform
// takes SIGINT and SIGTERM even where they were ignored (makeShutdownCh in
// cmd/tofu/commands.go), so that they have to come past us. SIGTSTP is among them
// because Ctrl-Z would stop the renewal while a Terraform in a session of its own
// goes on.
func caught(ownSession bool) []os.Signal {
	if !ownSession {
		return endings()
	}
	return append(heeded(syscall.SIGHUP), syscall.SIGINT, syscall.SIGTERM, syscall.SIGTSTP)
}

func endings() []os.Signal { return append(heeded(syscall.SIGINT, syscall.SIGHUP), syscall.SIGTERM) }

// heeded are those of signals that whoever started us doesn't want ignored: a
// child inherits what is ignored, and nohup or a job in the background means it.
func heeded(signals ...os.Signal) []os.Signal {
	return slices.DeleteFunc(signals, signal.Ignored)
}

func terminate(p *os.Process) { _ = p.Signal(syscall.SIGTERM) }

func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

func executable(info fs.FileInfo) bool { return info.Mode()&0o111 != 0 }

// forwarder decides what a signal that reached us means for the child.
type forwarder struct {
	process *os.Process
	command Command
	hooks   Hooks
	now     func() time.Time
	taken   int

	recent  []time.Time // of the last Ctrl-Cs
	asking  bool        // whether a person is asked right now
	abandon chan bool   // whether they typed the word
}

// insistence is how quickly a person presses Ctrl-C three times who means it.
const insistence = 3 * time.Second

func (f *forwarder) take(s os.Signal) {
	switch s {
	case syscall.SIGTSTP:
		f.hooks.Notice("Ctrl-Z would stop the renewal of credentials under a running child; ignored")
		return
	}
	if !f.command.OwnSession {
		// On a terminal the kernel gave Ctrl-C to the child as well, which is
		// in our process group; a second copy would count as a second one.
		if s != syscall.SIGINT || !foreground(f.command.Stdin, f.command.Stdout, f.command.Stderr) {
			_ = f.process.Signal(s)
			if f.hooks.Signalled != nil {
				f.hooks.Signalled(s)
			}
		}
		f.taken++
		return
	}
	if f.taken == 0 {
		f.recent = append(f.recent, f.now())
		f.interrupt()
		return
	}
	f.taken++
	if s == syscall.SIGINT && f.insists() {
		f.ask()
		return
	}
	f.hooks.Notice("not passed on: a second interrupt would make Terraform leave without writing its state")
}

// interrupt sends the one interrupt, if it wasn't sent yet.
func (f *forwarder) interrupt() {
	if f.taken > 0 {
		return
	}
	f.taken++
	_ = f.process.Signal(syscall.SIGINT)
	if f.hooks.Interrupted != nil {
		f.hooks.Interrupted()
	}
	f.hooks.Notice("interrupt passed on once; Terraform stops what is in flight and writes its state")
}

// insists reports the third Ctrl-C in a row at a terminal.
func (f *forwarder) insists() bool {
	f.recent = append(f.recent, f.now())
	n := len(f.recent)
	return !f.asking && n >= 3 && f.recent[n-1].Sub(f.recent[n-3]) <= insistence && foreground(f.command.Stdin, f.command.Stdout, f.command.Stderr)
}

// ask asks on the terminal itself, because the child reads standard input. It
// doesn't wait.
func (f *forwarder) ask() {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		f.hooks.Notice("not passed on: a second interrupt would make Terraform leave without writing its state")
		return
	}
	f.asking = true
	fmt.Fprint(tty, "\nholdfast: Terraform is still writing its state. To end it without, type abandon: ")
	go func() {
		defer tty.Close()
		line, _ := bufio.NewReader(io.LimitReader(tty, 64)).ReadString('\n') // an error is another word
		f.abandon <- strings.TrimSpace(line) == "abandon"
	}()
}

// answered sends the second interrupt, on a person's word.
func (f *forwarder) answered(abandon bool) {
	f.asking, f.recent = false, nil // whoever means it still says so three times again
	if !abandon {
		f.hooks.Notice("waiting for Terraform to write its state")
		return
	}
	f.hooks.Notice("abandoned on your word: a second interrupt was passed on, and Terraform leaves without writing its state")
	_ = f.process.Signal(syscall.SIGINT)
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

// Interrupt sends SIGINT to the process that was born then (see Born). The
// error says that it is another one by now.
func Interrupt(pid int, born string) error { return send(pid, born, syscall.SIGINT) }

// End is Interrupt with SIGKILL.
func End(pid int, born string) error { return send(pid, born, syscall.SIGKILL) }

func send(pid int, born string, s syscall.Signal) error {
	if born == "" || Born(pid) != born {
		return fmt.Errorf("process %d has ended", pid)
	}
	return syscall.Kill(pid, s)
}
