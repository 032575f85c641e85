//go:build !unix

package supervise

import (
	"io/fs"
	"os"
	"syscall"
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
	notice  func(string)
	taken   int
}

func (f *forwarder) take(os.Signal) { f.taken++ }

func outcome(state *os.ProcessState) (int, syscall.Signal) { return state.ExitCode(), 0 }
