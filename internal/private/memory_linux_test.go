package private_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/holdfast/holdfast/internal/private"
)

func TestMemoryIsClosedAndAChildsIsNot(t *testing.T) {
	if err := private.Memory(); err != nil {
		t.Fatal(err)
	}
	if dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil || dumpable != 0 {
		t.Errorf("this process can be dumped (%d, %v)", dumpable, err)
	}
	// What a process that can't be dumped owns in /proc is root's; the child's
	// is its user's again.
	out, err := exec.Command("sh", "-c", "grep -c . /proc/self/environ; stat -c %u /proc/self").Output()
	if err != nil {
		t.Fatal(err)
	}
	if uid := strings.Fields(string(out)); uid[len(uid)-1] != strings.TrimSpace(mustOutput(t, "id", "-u")) {
		t.Errorf("the child: %s", out)
	}
	var core unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &core); err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(mustOutput(t, "sh", "-c", "ulimit -c")); (got == "0") != (core.Cur == 0) {
		t.Errorf("the child's limit for core files is %s, ours %d", got, core.Cur)
	}
}

func mustOutput(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = os.Environ()
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
