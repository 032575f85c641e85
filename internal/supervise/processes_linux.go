package supervise

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Process is one that runs now.
type Process struct {
	PID  int
	Name string // of its program
}

// In are the processes whose current directory that is, as far as we may see
// them: those of other users aren't shown.
func In(dir string) ([]Process, error) {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var all []Process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if cwd, err := os.Readlink("/proc/" + e.Name() + "/cwd"); err != nil || cwd != dir {
			continue
		}
		if program, err := os.Readlink("/proc/" + e.Name() + "/exe"); err == nil {
			all = append(all, Process{pid, filepath.Base(program)})
		}
	}
	return all, nil
}

// Parent is the name of the program that started this one; empty if it isn't
// known.
func Parent() string {
	name, err := os.ReadFile("/proc/" + strconv.Itoa(os.Getppid()) + "/comm")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(name))
}
