//go:build unix

package main

import (
	"os"
	"runtime"
	"syscall"
)

// largest is the most memory that a process had, in bytes; 0 if nobody knows.
func largest(state *os.ProcessState) int64 {
	usage, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return usage.Maxrss // getrusage(2) counts bytes there, kilobytes elsewhere
	}
	return usage.Maxrss * 1024
}
