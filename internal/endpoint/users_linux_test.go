package endpoint

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast/holdfast/internal/cred"
)

type fixed struct{}

func (fixed) Get(context.Context) (cred.Set, error) {
	s := cred.New("ASIAEXAMPLE", "secret", "token")
	s.Issued = time.Now()
	s.Expires = s.Issued.Add(time.Hour)
	return s, nil
}

func onlyFixed(name string) (Getter, bool) { return fixed{}, name == "deploy" }

// TestMain lets this test binary play a client that runs as another user.
func TestMain(m *testing.M) {
	if url := os.Getenv("ENDPOINT_TEST_CLIENT_URL"); url != "" {
		r, _ := http.NewRequest(http.MethodGet, url, nil)
		r.Header.Set("Authorization", os.Getenv("ENDPOINT_TEST_CLIENT_TOKEN"))
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(resp.StatusCode)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// asUser asks s from a process that runs as uid.
func asUser(t *testing.T, s *Server, uid uint32, token string) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The binary lies in a directory that another user can't enter; an open
	// descriptor of it can be run all the same.
	f, err := os.Open(exe)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command("/proc/self/fd/3")
	cmd.ExtraFiles = []*os.File{f}
	cmd.Dir = "/"
	cmd.Env = []string{"ENDPOINT_TEST_CLIENT_URL=" + s.URL("deploy"), "ENDPOINT_TEST_CLIENT_TOKEN=" + token, "GORACE=atexit_sleep_ms=0"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("client as user %d: %v: %s", uid, err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestAnotherUserWithTheTokenIsRefused(t *testing.T) {
	if os.Getuid() != 0 {
		t.Log("not root: can't become another user, so only our own user is looked up here")
	}
	token := NewToken()
	for _, row := range []struct {
		name  string
		uid   uint32
		allow []uint32
		want  string
	}{
		{"our own", uint32(os.Getuid()), nil, "200"},
		{"another", 4711, nil, "403"},
		{"another that is allowed", 4711, []uint32{4711}, "200"},
		{"another than is allowed", 4712, []uint32{4711}, "403"},
	} {
		if os.Getuid() != 0 && row.uid != uint32(os.Getuid()) {
			continue
		}
		s, err := Listen(token, onlyFixed, Options{AllowUIDs: row.allow})
		if err != nil {
			t.Fatal(err)
		}
		if got := asUser(t, s, row.uid, token); got != row.want {
			t.Errorf("%s user: %s, want %s", row.name, got, row.want)
		}
		if n := s.Stats().UnseenUsers; n != 0 {
			t.Errorf("%s user: the kernel didn't tell", row.name)
		}
		s.Close()
	}
}

func TestUserOfAConnectionThatIsGone(t *testing.T) {
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if uid, err := peerUID(conn); err != nil || uid != uint32(os.Getuid()) {
		t.Fatalf("an open connection's user: %d, %v", uid, err)
	}
	client.Close()
	if _, err := bufio.NewReader(conn).ReadByte(); err != io.EOF {
		t.Fatal(err)
	}
	if uid, err := peerUID(conn); err == nil || err == errUnseen {
		t.Errorf("a closed connection's user: %d, %v; it must not count as root's or as unseen", uid, err)
	}
}

func TestUidOfReadsOnlyWhatIsThere(t *testing.T) {
	for _, b := range [][]byte{nil, {1}, make([]byte, 16), make([]byte, 88)} {
		if _, err := uidOf(b); err == nil {
			t.Errorf("%d bytes of nothing gave a user", len(b))
		}
	}
}

func FuzzUidOf(f *testing.F) {
	f.Add(make([]byte, 100))
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = uidOf(b) })
}
