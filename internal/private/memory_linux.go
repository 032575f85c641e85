package private

import "golang.org/x/sys/unix"

// Memory takes this process's memory out of core files and out of reach of
// debuggers and /proc/PID/mem of the same user. An exec resets it, so children
// are as they would be without us; resource limits aren't touched.
func Memory() error { return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }
