//go:build unix

package main

import (
	"os"
	"runtime"
	"syscall"
)

// resident is the most memory that an ended process had resident, in bytes: Linux
// counts it in kilobytes, macOS in bytes.
func resident(s *os.ProcessState) float64 {
	usage, ok := s.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return float64(usage.Maxrss)
	}
	return float64(usage.Maxrss) * 1024
}
