package oidc_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/holdfast/holdfast/internal/oidc"
	"github.com/holdfast/holdfast/internal/source"
)

const secret = "request-token-nobody-may-see"

func jwt(n int) string {
	return "e30." + base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"aud":"x","jti":"%d"}`, n)) + ".sIgNaTuRe"
}

func TestGitHubMintsForEveryExchange(t *testing.T) {
	asked := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if got := r.Header.Get("Authorization"); got != "bearer "+secret {
			t.Errorf("Authorization %q", got)
		}
		if q := r.URL.Query(); q.Get("audience") != "sts.amazonaws.com" || q.Get("api-version") != "2.0" || r.URL.Path != "/a/b" {
			t.Errorf("asked %s", r.URL)
		}
		fmt.Fprintf(w, `{"count":1,"value":%q}`, jwt(asked))
	}))
	defer s.Close()
	g := oidc.GitHub{URL: s.URL + "/a/b?api-version=2.0", Token: secret, Audience: "sts.amazonaws.com"}
	for n := 1; n <= 3; n++ {
		if token, err := g.WebIdentityToken(t.Context()); err != nil || token != jwt(n) {
			t.Errorf("%d: %v", n, err)
		}
	}
}

func TestGitHubThatDoesNotGiveOne(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed, with the secret") }))
	defer elsewhere.Close()
	for _, row := range []struct {
		name    string
		answer  http.HandlerFunc
		want    string
		passing bool
	}{
		{"5xx", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, "503 Service Unavailable", true},
		{"429", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) }, "429", true},
		{"403", func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, r.Header.Get("Authorization"), http.StatusForbidden)
		}, "403 Forbidden", false},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		}, "307", false},
		{"html", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }, "6 bytes holds no token", false},
		{"empty", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"value":""}`) }, "holds no token", false},
		{"not a JWT", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"value":"sIgNaTuRe"}`) }, "isn't a JWT", false},
		{"dropped", func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }, "EOF", true},
	} {
		s := httptest.NewServer(row.answer)
		_, err := oidc.GitHub{URL: s.URL + "/?a=b", Token: secret}.WebIdentityToken(t.Context())
		var bad *source.TokenError
		if !errors.As(err, &bad) || bad.Passing != row.passing || bad.Cure == "" || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q, passing %v", row.name, err, row.want, row.passing)
		}
		if strings.Contains(fmt.Sprint(err, bad.Cure), secret) || strings.Contains(err.Error(), "sIgNaTuRe") {
			t.Errorf("%s: a secret in %v", row.name, err)
		}
		s.Close()
	}
}

func TestGitHubThatHangs(t *testing.T) {
	hang := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	}))
	defer s.Close()
	defer close(hang)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := oidc.GitHub{URL: s.URL, Token: secret}.WebIdentityToken(ctx)
	var bad *source.TokenError
	if !errors.As(err, &bad) || !bad.Passing || !strings.Contains(err.Error(), "no answer in time") {
		t.Errorf("%v", err)
	}
}

func TestGitHubOverHTTPSOnly(t *testing.T) {
	for _, address := range []string{"http://github.example/x", "ftp://127.0.0.1.example/", "", "::", "https://"} {
		_, err := oidc.GitHub{URL: address, Token: secret}.WebIdentityToken(t.Context())
		var bad *source.TokenError
		if !errors.As(err, &bad) || bad.Passing || !strings.Contains(err.Error(), "ACTIONS_ID_TOKEN_REQUEST_URL") {
			t.Errorf("%q: %v", address, err)
		}
	}
}
