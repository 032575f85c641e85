//go:build linux

package e2e

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestAgentUnderAServiceManager: systemd opens the sockets and hands them over as
// descriptors 3 and 4; there is no parent and no token yet.
func TestAgentUnderAServiceManager(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Hour)
	dir, err := os.MkdirTemp("", "hf")
	w.must(err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	tcp, err := net.Listen("tcp4", "127.0.0.1:0")
	w.must(err)
	defer tcp.Close()
	unix, err := net.Listen("unix", filepath.Join(dir, "control.sock"))
	w.must(err)
	defer unix.Close()
	a, err := tcp.(*net.TCPListener).File()
	w.must(err)
	b, err := unix.(*net.UnixListener).File()
	w.must(err)
	cmd := w.command(w.pod(""), "holdfast", "agent", "worker", "--dir", dir, "--role-arn", w.env["HOLDFAST_LAB_ROLE_DEPLOY"])
	cmd.ExtraFiles = []*os.File{a, b}
	w.must(cmd.Start())
	w.asks(t, "http://"+tcp.Addr().String()+"/v1/deploy", filepath.Join(dir, "token"), uint32(os.Getuid()), true)
	w.must(cmd.Process.Signal(syscall.SIGTERM))
	if err := cmd.Wait(); err != nil {
		t.Errorf("asked to end: %v", err)
	}
}

// TestSidecar: an agent of one user serves another user, and no third.
func TestSidecar(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Log("not root: can't become other users, so only our own asks")
	}
	w := newWorld(t, time.Hour)
	shared, err := os.MkdirTemp("", "hf")
	w.must(err)
	t.Cleanup(func() { os.RemoveAll(shared) })
	w.must(os.Chmod(shared, 0o755))
	private := filepath.Join(shared, "private")
	w.must(os.Mkdir(private, 0o700))
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	w.must(err)
	address := l.Addr().String()
	l.Close()
	copied := filepath.Join(shared, "token")
	env := w.pod("")
	cmd := w.command(env, "holdfast", "agent", "serve", "--dir", private, "--listen", address, "--role-arn", w.env["HOLDFAST_LAB_ROLE_DEPLOY"], "--allow-uid", "4711", "--token-copy", copied)
	w.must(cmd.Start())
	url := "http://" + address + "/v1/deploy"
	w.asks(t, url, copied, uint32(os.Getuid()), true)
	if info, err := os.Stat(copied); err != nil || info.Mode() != 0o640 {
		t.Errorf("the copy: %v, %v", info.Mode(), err)
	}
	if os.Getuid() == 0 {
		w.must(os.Chown(copied, -1, 4711)) // as a volume with fsGroup does
		w.asks(t, url, copied, 4711, true)
		w.must(os.Chmod(copied, 0o644))
		w.asks(t, url, copied, 4712, false)
	}
	env["HOLDFAST_CONTROL"] = filepath.Join(private, "control.sock")
	if out := w.succeed(env, "holdfast", "agent", "status"); !strings.Contains(out, "serves deploy at "+url) {
		t.Errorf("the probe says %s", out)
	}
	w.must(cmd.Process.Signal(syscall.SIGTERM))
	if err := cmd.Wait(); err != nil {
		t.Errorf("asked to end: %v", err)
	}
}

// asks has a user ask the endpoint with the token of a file, until it is up.
func (w *world) asks(t *testing.T, url, tokenFile string, uid uint32, welcome bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		out, err := askAs(uid, url, tokenFile)
		if err == nil && strings.Contains(out, "AccessKeyId") == welcome && (welcome || strings.Contains(out, "Forbidden")) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("user %d, welcome %v: %s, %v", uid, welcome, out, err)
		}
	}
}

// askAs runs this test binary as another user, to ask once.
func askAs(uid uint32, url, tokenFile string) (string, error) {
	exe, err := os.Open("/proc/self/exe")
	if err != nil {
		return "", err
	}
	defer exe.Close()
	cmd := exec.Command("/proc/self/fd/3", "ask", url, tokenFile)
	cmd.ExtraFiles, cmd.Dir, cmd.Env = []*os.File{exe}, "/", []string{"GORACE=atexit_sleep_ms=0"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	out, err := cmd.CombinedOutput()
	return string(out), err
}
