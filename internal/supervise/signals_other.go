//go:build !unix

package supervise

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// OutlivePipes does nothing here: a write to a broken pipe is an error only.
func OutlivePipes() {}

func caught(bool) []os.Signal { return endings() }

func endings() []os.Signal { return []os.Signal{os.Interrupt} }

func terminate(p *os.Process) { _ = p.Kill() }

func ownSession() *syscall.SysProcAttr { return nil }

func executable(fs.FileInfo) bool { return true }

// forwarder counts: a console gives an interrupt to every process that is
// attached to it, so there is nothing to pass on.
type forwarder struct {
	process *os.Process
	command Command
	hooks   Hooks
	now     func() time.Time
	taken   int
	abandon chan bool
}

func (f *forwarder) take(os.Signal) { f.taken++ }

func (f *forwarder) interrupt() { f.hooks.Notice("a process can't be interrupted on this system") }

func (f *forwarder) answered(bool) {}

// Interrupt isn't possible here.
func Interrupt(int, string) error { return errors.New("a process can't be interrupted on this system") }

// End ends the process.
func End(pid int, _ string) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return p.Kill()
}

func outcome(state *os.ProcessState) (int, syscall.Signal) { return state.ExitCode(), 0 }
