package link_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast/holdfast/internal/link"
)

// graves plays the kernel: a process is gone when its grave is closed.
type graves struct {
	mu sync.Mutex
	m  map[int]chan struct{}
}

func (g *graves) of(pid int) chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.m == nil {
		g.m = map[int]chan struct{}{}
	}
	if g.m[pid] == nil {
		g.m[pid] = make(chan struct{})
	}
	return g.m[pid]
}

func (g *graves) gone(ctx context.Context, pid int, _ string) error {
	select {
	case <-g.of(pid):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func serve(t *testing.T) (*link.Server, string, *graves) {
	t.Helper()
	dir, err := os.MkdirTemp("", "link") // t.TempDir is too long for a socket on some systems
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path, g := filepath.Join(dir, "s"), &graves{}
	s, err := link.Listen(path, func(_ context.Context, a link.Ask) (link.Welcome, error) {
		if a.Identity != "" && a.Identity != "deploy" {
			return link.Welcome{}, errors.New("there is no identity " + a.Identity)
		}
		return link.Welcome{Identity: "deploy", URL: "http://127.0.0.1:1/v1/deploy", Token: "t"}, nil
	}, nil, g.gone)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	return s, path, g
}

func dial(t *testing.T, path string) *link.Client {
	t.Helper()
	c, err := link.Dial(path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func busy(t *testing.T, s *link.Server) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	return s.Idle(ctx) != nil
}

func TestConversation(t *testing.T) {
	s, path, g := serve(t)
	c := dial(t, path)
	defer c.Close()
	if _, err := c.Ask(link.Ask{Identity: "admin"}); err == nil || !strings.Contains(err.Error(), "there is no identity admin") {
		t.Errorf("another identity: %v", err)
	}
	welcome, err := c.Ask(link.Ask{})
	if err != nil || welcome.Identity != "deploy" || welcome.URL == "" || welcome.Token != "t" {
		t.Fatalf("%+v, %v", welcome, err)
	}
	if busy(t, s) {
		t.Error("busy before anything is registered")
	}
	if err := c.Register(link.Process{PID: 7, Born: "x", Engine: "tofu", Dir: "/d"}); err != nil {
		t.Fatal(err)
	}
	if !busy(t, s) {
		t.Error("idle while a process runs")
	}
	if err := c.Register(link.Process{PID: 8, Born: "y", Engine: "tofu", Dir: "/d"}); err != nil {
		t.Fatal(err)
	}
	close(g.of(7)) // who started it may go
	if !busy(t, s) {
		t.Error("idle while the process that was started runs")
	}
	if err := c.Register(link.Process{PID: 9}); err == nil {
		t.Error("one conversation registered a third process")
	}
	if err := c.End(link.End{ExitCode: 1, Resources: []link.Resource{{Address: "a.b", Action: "create", Seconds: 2}}}); err != nil {
		t.Fatal(err)
	}
	if busy(t, s) {
		t.Error("busy after the end")
	}
	e := s.Entries()
	if len(e) != 1 || e[0].Process.PID != 8 || e[0].End == nil || e[0].End.ExitCode != 1 || len(e[0].End.Resources) != 1 {
		t.Errorf("%+v", e)
	}
}

func TestSupervisorThatDiesLeavesItsProcessOnTheList(t *testing.T) {
	s, path, g := serve(t)
	c := dial(t, path)
	if err := c.Register(link.Process{PID: 7, Born: "x"}); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if !busy(t, s) {
		t.Error("the process left the list with its supervisor")
	}
	close(g.of(7))
	if err := s.Idle(t.Context()); err != nil {
		t.Error(err)
	}
	if e := s.Entries(); e[0].End != nil {
		t.Error("an end was told by nobody")
	}
}

func TestManyAtOnce(t *testing.T) {
	s, path, _ := serve(t)
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			c, err := link.Dial(path)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			if err := c.Register(link.Process{PID: 1000 + i}); err != nil {
				t.Error(err)
			}
			if err := c.End(link.End{ExitCode: i}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := len(s.Entries()); n != 100 || busy(t, s) {
		t.Errorf("%d entries", n)
	}
}

func TestWhatIsNotAConversation(t *testing.T) {
	_, path, _ := serve(t)
	for _, line := range []string{"GET / HTTP/1.1", `{"version":99,"ask":{}}`, `{"version":1}`, `{"version":1,"end":{}}`} {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(conn, line)
		answer, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil || !strings.Contains(answer, `"problem"`) || strings.Contains(answer, "token") {
			t.Errorf("%s: %s, %v", line, answer, err)
		}
		conn.Close()
	}
}

func TestKeeperThatIsGone(t *testing.T) {
	if _, err := link.Dial(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("spoke to nobody")
	}
}
