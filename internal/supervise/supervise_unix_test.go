//go:build unix

package supervise_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/holdfast/holdfast/internal/supervise"
)

// TestMain lets the test binary play the child.
func TestMain(m *testing.M) {
	if play := os.Getenv("SUPERVISE_TEST_CHILD"); play != "" {
		os.Exit(child(play))
	}
	supervise.OutlivePipes()
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGINT} {
		if signal.Ignored(s) { // whoever runs the tests is in the background, and children would inherit that
			signal.Notify(make(chan os.Signal, 1), s)
		}
	}
	os.Exit(m.Run())
}

// child plays a part and tells what it received on its standard output.
func child(play string) int {
	word, arg, _ := strings.Cut(play, " ")
	switch word {
	case "exit":
		var n int
		fmt.Sscan(arg, &n)
		return n
	case "die":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "print":
		for i := range 2000 {
			fmt.Printf("line %d\n", i)
			fmt.Fprintf(os.Stderr, "error %d\n", i)
		}
		return 0
	case "slowly": // prints on and on; its output tells whether its pipe broke
		for i := range 20 {
			if _, err := fmt.Printf("line %d\n", i); err != nil {
				return 9
			}
			time.Sleep(20 * time.Millisecond)
		}
		return 0
	case "session":
		sid, _ := unix.Getsid(0)
		fmt.Printf("%v", sid == os.Getpid())
		return 0
	default: // "count": says ready, then counts signals for a while
		signals := make(chan os.Signal, 10)
		signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
		fmt.Println("ready")
		var got []string
		quiet := time.NewTimer(10 * time.Second)
		for {
			select {
			case s := <-signals:
				got = append(got, s.String())
				quiet.Reset(700 * time.Millisecond)
			case <-quiet.C:
				fmt.Printf("got %s\n", strings.Join(got, ","))
				return 0
			}
		}
	}
}

func command(t *testing.T, play string, out *os.File) supervise.Command {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	return supervise.Command{
		Path: exe, Env: append(os.Environ(), "SUPERVISE_TEST_CHILD="+play, "GORACE=atexit_sleep_ms=0"),
		Stdout: out, Stderr: out, OwnSession: true,
		Spool: func(name string) (*os.File, error) {
			return os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_EXCL|os.O_APPEND|os.O_WRONLY, 0o600)
		},
	}
}

// collect gives a pipe and a function that returns all that was written to it.
func collect(t *testing.T) (*os.File, func() string) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	done := make(chan struct{})
	go func() { defer close(done); _, _ = io.Copy(&b, r) }()
	return w, func() string { w.Close(); <-done; r.Close(); return b.String() }
}

func TestExitCodes(t *testing.T) {
	for play, want := range map[string]int{"exit 0": 0, "exit 3": 3, "exit 125": 125, "die": 137} {
		for _, own := range []bool{true, false} {
			w, all := collect(t)
			c := command(t, play, w)
			c.OwnSession = own
			ended, err := supervise.Run(c, supervise.Hooks{})
			all()
			if err != nil || ended.Code != want {
				t.Errorf("%s (own session %v): %d, %v; want %d", play, own, ended.Code, err, want)
			}
			if (ended.Signal == syscall.SIGKILL) != (want == 137) {
				t.Errorf("%s: signal %v", play, ended.Signal)
			}
		}
	}
}

func TestOutputIsPassedOnByteForByteAndInOrder(t *testing.T) {
	w, all := collect(t)
	var seen bytes.Buffer
	if _, err := supervise.Run(command(t, "print", w), supervise.Hooks{Output: func(b []byte) { seen.Write(b) }}); err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&want, "line %d\nerror %d\n", i, i)
	}
	if got := all(); got != want.String() {
		t.Errorf("%d bytes came out, want %d, or in another order", len(got), want.Len())
	}
	if seen.String() != want.String() {
		t.Error("the hook saw something else than was passed on")
	}
}

func TestReaderOfOutputThatDies(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	r.Close() // nobody will ever read
	var notices []string
	ended, err := supervise.Run(command(t, "slowly", w), supervise.Hooks{Notice: func(s string) { notices = append(notices, s) }})
	if err != nil || ended.Code != 0 {
		t.Errorf("the child felt it: %d, %v", ended.Code, err)
	}
	if len(notices) != 1 || !strings.Contains(notices[0], "nobody reads") {
		t.Errorf("told: %q", notices)
	}
}

func TestChildHasASessionOfItsOwn(t *testing.T) {
	for _, own := range []bool{true, false} {
		w, all := collect(t)
		c := command(t, "session", w)
		c.OwnSession = own
		if _, err := supervise.Run(c, supervise.Hooks{}); err != nil {
			t.Fatal(err)
		}
		if got := all(); got != fmt.Sprint(own) {
			t.Errorf("own session %v: the child says %s", own, got)
		}
	}
}

// TestOneInterruptOnly sends sequences of signals to the supervisor, which here
// is this very test process.
func TestOneInterruptOnly(t *testing.T) {
	for _, row := range []struct {
		send []syscall.Signal
		own  bool
		want string
	}{
		{[]syscall.Signal{syscall.SIGINT}, true, "interrupt"},
		{[]syscall.Signal{syscall.SIGTERM}, true, "interrupt"},
		{[]syscall.Signal{syscall.SIGHUP}, true, "interrupt"},
		{[]syscall.Signal{syscall.SIGINT, syscall.SIGINT}, true, "interrupt"},
		{[]syscall.Signal{syscall.SIGINT, syscall.SIGTERM}, true, "interrupt"},
		{[]syscall.Signal{syscall.SIGHUP, syscall.SIGTERM, syscall.SIGINT, syscall.SIGINT}, true, "interrupt"},
		{[]syscall.Signal{syscall.SIGTSTP, syscall.SIGPIPE, syscall.SIGINT}, true, "interrupt"},
		{[]syscall.Signal{syscall.SIGTERM}, false, "terminated"},
		{[]syscall.Signal{syscall.SIGINT, syscall.SIGTERM}, false, "interrupt,terminated"},
	} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		lines := make(chan string)
		go func() {
			b := make([]byte, 100)
			for {
				n, err := r.Read(b)
				if err != nil {
					close(lines)
					return
				}
				lines <- string(b[:n])
			}
		}()
		c := command(t, "count", w)
		c.OwnSession = row.own
		done := make(chan supervise.Ended)
		go func() {
			ended, err := supervise.Run(c, supervise.Hooks{})
			if err != nil {
				t.Error(err)
			}
			done <- ended
		}()
		if got := <-lines; got != "ready\n" {
			t.Fatalf("the child said %q", got)
		}
		for _, s := range row.send {
			if err := syscall.Kill(os.Getpid(), s); err != nil {
				t.Fatal(err)
			}
			time.Sleep(50 * time.Millisecond) // signals of one number that arrive together merge
		}
		if got := <-lines; got != "got "+row.want+"\n" {
			t.Errorf("%v sent (own session %v): the child %q, want %s", row.send, row.own, got, row.want)
		}
		<-done
		w.Close()
		for range lines {
		}
		r.Close()
	}
}

func TestFind(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	for name, mode := range map[string]os.FileMode{"plain": 0o600, "tool": 0o700} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	path := strings.Join([]string{other, "", dir}, string(os.PathListSeparator))
	if got, err := supervise.Find("tool", path); err != nil || got != filepath.Join(dir, "tool") {
		t.Errorf("%s, %v", got, err)
	}
	for name, want := range map[string]int{
		"plain": 126, "none": 127, filepath.Join(dir, "none"): 127, filepath.Join(dir, "plain"): 126, dir: 126,
		filepath.Join(dir, "tool", "x"): 127,
	} {
		_, err := supervise.Find(name, path)
		var start *supervise.StartError
		if !errors.As(err, &start) || start.Code != want {
			t.Errorf("%s: %v, want code %d", name, err, want)
		}
	}
}

func TestNotAProgram(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tofu")
	if err := os.WriteFile(file, []byte("neither ELF nor script"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := supervise.Run(supervise.Command{Path: file}, supervise.Hooks{})
	var start *supervise.StartError
	if !errors.As(err, &start) || start.Code != 126 {
		t.Errorf("%v", err)
	}
}

func TestEngine(t *testing.T) {
	for name, want := range map[string]string{
		"tofu": "tofu", "/usr/bin/terraform": "terraform", "terraform1.5": "terraform", "tofu-1.12": "tofu", "terraform_1.5.7": "terraform",
		"terraform-bin": "terraform", "tofu-v1.12.6": "tofu", "terragrunt": "", "terraform-docs": "", "mytofu": "", "terraform-1.x": "", "": "",
	} {
		if got := supervise.Engine(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func TestGone(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	born := supervise.Born(cmd.Process.Pid)
	if born == "" {
		t.Fatal("a process that runs has no birth")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
	defer cancel()
	if err := supervise.Gone(ctx, cmd.Process.Pid, born); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a running process counts as gone: %v", err)
	}
	if err := supervise.Gone(t.Context(), cmd.Process.Pid, born+"0"); err != nil {
		t.Errorf("another process of that number isn't the one: %v", err)
	}
	_ = cmd.Process.Kill()
	if err := supervise.Gone(t.Context(), cmd.Process.Pid, born); err != nil { // a zombie until Wait
		t.Error(err)
	}
	_ = cmd.Wait()
}
