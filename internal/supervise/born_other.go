//go:build !linux && !darwin

package supervise

import (
	"os"
	"syscall"
)

// Born is the same for every process that exists: nothing is promised here.
func Born(pid int) string {
	p, err := os.FindProcess(pid)
	if err != nil || p.Signal(syscall.Signal(0)) != nil {
		return ""
	}
	return "unknown"
}
