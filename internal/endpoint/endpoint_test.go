package endpoint_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/endpoint"
)

type getter func(context.Context) (cred.Set, error)

func (g getter) Get(ctx context.Context) (cred.Set, error) { return g(ctx) }

func valid(context.Context) (cred.Set, error) {
	s := cred.New("ASIAEXAMPLE", "secret", "token")
	s.Issued = time.Now()
	s.Expires = s.Issued.Add(time.Hour)
	return s, nil
}

func only(name string, g getter) endpoint.Identities {
	return func(asked string) (endpoint.Getter, bool) { return g, asked == name }
}

func listen(t *testing.T, g getter) (s *endpoint.Server, token string) {
	t.Helper()
	token = endpoint.NewToken()
	s, err := endpoint.Listen(token, only("deploy", g), endpoint.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, token
}

func do(t *testing.T, method, url string, change func(*http.Request)) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(b)
}

func TestAnswerHasAllFourFieldsAndTheExactType(t *testing.T) {
	for name, g := range map[string]getter{
		"session": valid,
		"long-lived keys": func(context.Context) (cred.Set, error) {
			return cred.New("AKIAEXAMPLE", "secret", ""), nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, token := listen(t, g)
			status, header, body := do(t, http.MethodGet, s.URL("deploy"), func(r *http.Request) { r.Header.Set("Authorization", token) })
			if status != 200 || header.Get("Content-Type") != "application/json" {
				t.Fatalf("%d %v", status, header)
			}
			var got map[string]string
			if err := json.Unmarshal([]byte(body), &got); err != nil {
				t.Fatal(err)
			}
			for _, field := range []string{"AccessKeyId", "SecretAccessKey", "Token", "Expiration"} {
				if _, ok := got[field]; !ok {
					t.Errorf("no %s in the answer", field)
				}
			}
			at, err := time.Parse(time.RFC3339, got["Expiration"])
			if err != nil || time.Until(at) < 59*time.Minute || at.Location() != time.UTC {
				t.Errorf("Expiration %q: %v", got["Expiration"], err)
			}
		})
	}
}

func TestWhoIsAsking(t *testing.T) {
	s, token := listen(t, valid)
	authorised := func(more ...string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Authorization", token)
			for i := 0; i+1 < len(more); i += 2 {
				r.Header.Set(more[i], more[i+1])
			}
		}
	}
	rows := []struct {
		name, method, path string
		change             func(*http.Request)
		status             int
		reason             string
	}{
		{"no token", "GET", "deploy", nil, 403, "token"},
		{"empty token", "GET", "deploy", authorised("Authorization", ""), 403, "token"},
		{"part of the token", "GET", "deploy", authorised("Authorization", token[:63]), 403, "token"},
		{"token with a scheme", "GET", "deploy", authorised("Authorization", "Bearer "+token), 403, "token"},
		{"another token", "GET", "deploy", authorised("Authorization", endpoint.NewToken()), 403, "token"},
		{"another host", "GET", "deploy", func(r *http.Request) { authorised()(r); r.Host = "rebound.example" }, 403, "host"},
		{"localhost by name", "GET", "deploy", func(r *http.Request) {
			authorised()(r)
			r.Host = strings.Replace(r.URL.Host, "127.0.0.1", "localhost", 1)
		}, 403, "host"},
		{"host without port", "GET", "deploy", func(r *http.Request) { authorised()(r); r.Host = "127.0.0.1" }, 403, "host"},
		{"POST", "POST", "deploy", authorised(), 405, "method"},
		{"HEAD", "HEAD", "deploy", authorised(), 405, "method"},
		{"another identity", "GET", "admin", authorised(), 404, "path"},
		{"outside of the path", "GET", "../deploy", authorised(), 404, "path"},
		{"right", "GET", "deploy", authorised(), 200, ""},
	}
	for _, name := range []string{"Origin", "Referer", "X-Forwarded-For", "Forwarded", "Via", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest"} {
		rows = append(rows, struct {
			name, method, path string
			change             func(*http.Request)
			status             int
			reason             string
		}{name, "GET", "deploy", authorised(name, ""), 403, "browser_or_proxy"})
	}
	want := map[string]int64{}
	for _, row := range rows {
		status, _, body := do(t, row.method, s.URL(row.path), row.change)
		if status != row.status {
			t.Errorf("%s: %d %s, want %d", row.name, status, body, row.status)
		}
		if status != 200 && (strings.Contains(body, "ASIA") || strings.Contains(body, "secret")) {
			t.Errorf("%s: a refusal shows a credential: %s", row.name, body)
		}
		if row.reason != "" {
			want[row.reason]++
		}
	}
	for reason, n := range want {
		if got := s.Stats().Refused[reason]; got != n {
			t.Errorf("%d refusals for %s, want %d", got, reason, n)
		}
	}
	if n := s.Stats().Requests; n != 1 {
		t.Errorf("%d answers, want 1", n)
	}
}

func TestWithoutACredentialItWaitsThenSaysNothingOfWhy(t *testing.T) {
	s, token := listen(t, func(ctx context.Context) (cred.Set, error) {
		<-ctx.Done()
		return cred.Set{}, errors.New("arn:aws:iam::222222222222:role/secret-name refused")
	})
	began := time.Now()
	status, header, body := do(t, http.MethodGet, s.URL("deploy"), func(r *http.Request) { r.Header.Set("Authorization", token) })
	if took := time.Since(began); took < 800*time.Millisecond || took > 2*time.Second {
		t.Errorf("it waited %v: the JavaScript SDK gives up after one second", took)
	}
	if status != http.StatusServiceUnavailable || strings.Contains(body, "arn:") || header.Get("Content-Type") != "application/json" {
		t.Errorf("%d %s", status, body)
	}
}

func TestOnlyLoopback(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0", "example.org:80", "nonsense"} {
		if s, err := endpoint.Listen("t", nil, endpoint.Options{Listen: address}); err == nil {
			s.Close()
			t.Errorf("it listens on %s", address)
		}
	}
}

func TestPortThatIsTaken(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if s, err := endpoint.Listen("t", nil, endpoint.Options{Listen: l.Addr().String()}); err == nil {
		s.Close()
		t.Error("two listeners on one port")
	}
}
