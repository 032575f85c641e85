package alert_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast/holdfast/internal/alert"
	"github.com/holdfast/holdfast/internal/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sink fails as often as it is told to, and remembers what it got and when.
type sink struct {
	mu    sync.Mutex
	fail  int
	hang  bool
	got   []event.Event
	times []time.Time
}

func (s *sink) Send(ctx context.Context, e event.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.times = append(s.times, time.Now())
	if s.hang {
		<-ctx.Done()
		return ctx.Err()
	}
	if s.fail > 0 {
		s.fail--
		return errors.New("no")
	}
	s.got = append(s.got, e)
	return nil
}

func lost(message string) event.Event {
	return event.Event{Time: time.Now(), Kind: "state.left", Severity: event.Loss, Subject: "live/rds", Message: message}
}

func TestRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, warnings, states, none := &sink{}, &sink{}, &sink{}, &sink{}
		r := alert.New(t.Context(), []alert.Rule{
			{Name: "all", Sink: all}, {Name: "warnings", Sink: warnings, Least: event.Warning},
			{Name: "states", Sink: states, Kinds: []string{"state.*"}}, {Name: "none", Sink: none, Kinds: []string{"state"}},
		})
		r.Take(lost("a"))
		r.Take(event.Event{Time: time.Now(), Kind: "run.noted", Severity: event.Notice, Message: "b"})
		if err := r.Close(time.Minute); err != nil {
			t.Error(err)
		}
		if len(all.got) != 2 || len(warnings.got) != 1 || len(states.got) != 1 || len(none.got) != 0 {
			t.Error(len(all.got), len(warnings.got), len(states.got), len(none.got))
		}
		r.Take(lost("after the end")) // no panic
	})
}

func TestToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		r := alert.New(t.Context(), []alert.Rule{{Name: "s", Sink: s}})
		for range 3 {
			r.Take(lost("a"))
			r.Take(lost("b"))
			time.Sleep(4 * time.Minute)
		}
		if err := r.Close(time.Minute); err != nil || len(s.got) != 2 {
			t.Errorf("%d, %v", len(s.got), err)
		}
	})
}

func TestTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{fail: 2}
		began := time.Now()
		if err := alert.Send(t.Context(), s, lost("a")); err != nil || len(s.got) != 1 {
			t.Error(err)
		}
		if s.times[1].Sub(began) != time.Second || s.times[2].Sub(began) != 5*time.Second {
			t.Error(s.times)
		}
		s = &sink{fail: 9}
		if err := alert.Send(t.Context(), s, lost("a")); err == nil || len(s.times) != 3 {
			t.Error(err, len(s.times))
		}
	})
}

// A sink that hangs delays nothing: not the one who tells, and the end only for
// as long as was said.
func TestSinkThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{hang: true}
		r := alert.New(t.Context(), []alert.Rule{{Name: "ops", Sink: s}})
		began := time.Now()
		for i := range 200 {
			r.Take(lost(fmt.Sprint(i)))
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("telling took %s", took)
		}
		err := r.Close(2 * time.Second)
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("the end took %s", took)
		}
		if err == nil || !strings.Contains(err.Error(), `alert "ops"`) || !strings.Contains(err.Error(), "dropped") {
			t.Error(err)
		}
	})
}

type request struct {
	header http.Header
	body   []byte
}

func listen(t *testing.T, status int) (url string, got func() []request, client *http.Client) {
	t.Helper()
	var mu sync.Mutex
	var all []request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		all = append(all, request{r.Header, body})
		mu.Unlock()
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return server.URL + "/T000/hunter2", func() []request { mu.Lock(); defer mu.Unlock(); return all }, &http.Client{Transport: transport}
}

func TestWebhook(t *testing.T) {
	url, got, client := listen(t, http.StatusNoContent)
	hook := alert.Webhook{URL: url, Secret: "shared", Client: client, Now: func() time.Time { return time.Unix(1795000000, 0) }}
	if err := hook.Send(t.Context(), lost("the state\nisn't there")); err != nil {
		t.Fatal(err)
	}
	r := got()[0]
	var body struct {
		SchemaVersion           int `json:"schema_version"`
		Kind, Severity, Message string
	}
	if err := json.Unmarshal(r.body, &body); err != nil || body.SchemaVersion != 1 || body.Kind != "state.left" || body.Severity != "loss" || body.Message == "" {
		t.Errorf("%s, %v", r.body, err)
	}
	if at := r.header.Get("X-Holdfast-Timestamp"); at != "1795000000" || r.header.Get("X-Holdfast-Signature") != alert.Sign("shared", at, r.body) {
		t.Error(r.header)
	}
	// printf '1.{}' | openssl dgst -sha256 -hmac shared
	if got := alert.Sign("shared", "1", []byte("{}")); got != "sha256=4df96c9d351831861e0eecb4322c5cdf1db41aa13137d5ed7718562ee2bab403" {
		t.Error(got)
	}
}

func TestSlack(t *testing.T) {
	url, got, client := listen(t, http.StatusOK)
	if err := (alert.Slack{URL: url, Client: client}).Send(t.Context(), lost("a <b> & c\n  holdfast state rescue")); err != nil {
		t.Fatal(err)
	}
	var body map[string]string
	if err := json.Unmarshal(got()[0].body, &body); err != nil {
		t.Fatal(err)
	}
	if want := "*loss* live/rds: a &lt;b&gt; &amp; c\n```  holdfast state rescue```"; body["text"] != want {
		t.Errorf("%q", body["text"])
	}
}

// The address of a sink is a secret, and what it says for good isn't asked again.
func TestErrorsOfSinks(t *testing.T) {
	for status, tries := range map[int]int{http.StatusForbidden: 1, http.StatusNotFound: 1} {
		url, got, client := listen(t, status)
		err := alert.Send(t.Context(), alert.Slack{URL: url, Client: client}, lost("a"))
		if err == nil || strings.Contains(err.Error(), "hunter2") || len(got()) != tries {
			t.Errorf("%d: %v, %d tries", status, err, len(got()))
		}
	}
	for _, url := range []string{"http://127.0.0.1:1/hunter2", "://hunter2"} {
		err := (alert.Slack{URL: url, Client: &http.Client{Transport: &http.Transport{}}}).Send(t.Context(), lost("a"))
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Error(err)
		}
	}
}

func TestGitHub(t *testing.T) {
	var out strings.Builder
	summary := filepath.Join(t.TempDir(), "summary.md")
	g := alert.GitHub{Commands: &out, Summary: summary}
	e := lost("100% gone\n  holdfast state rescue live, now")
	e.Subject = "live: a,b"
	if err := g.Send(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if want := "::error title=holdfast%3A live%3A a%2Cb::100%25 gone%0A  holdfast state rescue live, now\n"; out.String() != want {
		t.Errorf("%q", out.String())
	}
	b, err := os.ReadFile(summary)
	if err != nil || !strings.Contains(string(b), "**loss** live: a,b") || !strings.Contains(string(b), "100% gone\n") {
		t.Errorf("%s, %v", b, err)
	}
}
