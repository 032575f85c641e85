package supervise

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Born tells one process from a later one with the same number: its start, from
// sysctl kern.proc.pid. Empty if there is no such process.
func Born(pid int) string {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil {
		return ""
	}
	return fmt.Sprint(info.Proc.P_starttime.Sec, ".", info.Proc.P_starttime.Usec)
}
