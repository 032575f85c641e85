package supervise

import (
	"os"
	"strconv"
	"strings"
)

// Born tells one process from a later one with the same number: its start in
// clock ticks since boot (proc(5), /proc/PID/stat). Empty if there is no such
// process, or it has ended and only waits for its parent.
func Born(pid int) string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return ""
	}
	// The second field is the program's name in parentheses and may hold
	// spaces and parentheses itself. Behind it: field 3 is the state, 22 the
	// start.
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" {
		return ""
	}
	return fields[19]
}
