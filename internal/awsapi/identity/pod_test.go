package identity_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast/holdfast/internal/awsapi/identity"
	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/source"
)

// agent stands in for the EKS Pod Identity agent: it keeps what it was shown.
type agent struct {
	mu    sync.Mutex
	shown []string
}

func (a *agent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.shown = append(a.shown, r.Header.Get("Authorization"))
	w.Header().Set("Content-Type", "application/json")
	if r.Header.Get("Authorization") == "old" {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"code":"ExpiredTokenException","message":"Token is expired"}`)
		return
	}
	fmt.Fprintf(w, `{"AccessKeyId":"ASIA%d","SecretAccessKey":"s","Token":"t","AccountId":"111111111111","Expiration":"2099-01-01T00:00:00Z"}`, len(a.shown))
}

// TestPodTokenIsReadAnew: by ours, and by the SDK's default chain, which `auto`
// would take in a pod.
func TestPodTokenIsReadAnew(t *testing.T) {
	for _, name := range []string{"ours", "the default chain"} {
		a := &agent{}
		s := httptest.NewServer(a)
		file := filepath.Join(t.TempDir(), "eks-pod-identity-token")
		var first interface {
			Fetch(context.Context) (cred.Set, error)
		} = &identity.Pod{URL: s.URL + "/v1/credentials", TokenFile: file}
		if name != "ours" {
			clean(t)
			t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", s.URL+"/v1/credentials")
			t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file)
			write(t, file, "one")
			aws, err := identity.Load(t.Context(), identity.Options{Region: "eu-west-1"})
			if err != nil {
				t.Fatal(err)
			}
			first = &identity.Default{AWS: aws}
		}
		for _, token := range []string{"one", "two", "three"} {
			write(t, file, token)
			if set, err := first.Fetch(t.Context()); err != nil || set.IsZero() || set.Expires.IsZero() {
				t.Errorf("%s: %v, %v", name, set, err)
			}
		}
		if !slices.Equal(a.shown, []string{"one", "two", "three"}) {
			t.Errorf("%s showed %q", name, a.shown)
		}
		s.Close()
	}
}

func TestPodThatCannotBeAsked(t *testing.T) {
	s := httptest.NewServer(&agent{})
	defer s.Close()
	dir := t.TempDir()
	old, empty := filepath.Join(dir, "old"), filepath.Join(dir, "empty")
	write(t, old, "old")
	write(t, empty, "\n")
	for _, row := range []struct{ url, file, want string }{
		{s.URL, old, "ExpiredTokenException"}, {s.URL, empty, "no token"}, {s.URL, dir + "/none", "no such file"},
		{"http://example.com/v1", old, "isn't the address"}, {"::", old, "isn't the address"},
	} {
		_, err := (&identity.Pod{URL: row.url, TokenFile: row.file}).Fetch(t.Context())
		var token *source.TokenError
		var refusal *source.Refusal
		if !errors.As(err, &token) && !errors.As(err, &refusal) || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%+v: %v", row, err)
		}
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
