//go:build unix

package credcache_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/credcache"
)

func fresh(s cred.Set) bool { return s.Valid(time.Now()) }

func issue(calls *atomic.Int32) func(context.Context) (cred.Set, error) {
	return func(context.Context) (cred.Set, error) {
		calls.Add(1)
		time.Sleep(50 * time.Millisecond)
		s := cred.New("ASIA", "secret", "token")
		s.Issued = time.Now()
		s.Expires = s.Issued.Add(time.Hour)
		return s, nil
	}
}

func TestOneFetchForAnyNumber(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	var calls atomic.Int32
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			s, err := credcache.Get(t.Context(), dir, "a", fresh, issue(&calls))
			if err != nil || s.AccessKeyID() != "ASIA" || s.Secret() != "secret" || s.Token() != "token" || !s.Valid(time.Now()) {
				t.Error(s, err)
			}
		})
	}
	wg.Wait()
	if calls.Load() != 1 {
		t.Errorf("%d fetches", calls.Load())
	}
	for path, want := range map[string]os.FileMode{dir: 0o700 | os.ModeDir, filepath.Join(dir, "a.json"): 0o600, filepath.Join(dir, "a.json.lock"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}

func TestWhatIsInTheFileIsNotTrusted(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.json")
	for name, spoil := range map[string]func(){
		"garbage": func() { os.WriteFile(path, []byte("{"), 0o600) },
		"empty":   func() { os.WriteFile(path, nil, 0o600) },
		"another version": func() {
			os.WriteFile(path, []byte(`{"version":99,"access_key_id":"X","expires":"2099-01-01T00:00:00Z"}`), 0o600)
		},
		"expired": func() {
			os.WriteFile(path, []byte(`{"version":1,"access_key_id":"X","expires":"2001-01-01T00:00:00Z","issued":"2000-01-01T00:00:00Z"}`), 0o600)
		},
		"open to others": func() {
			os.WriteFile(path, []byte(`{"version":1,"access_key_id":"X","expires":"2099-01-01T00:00:00Z","issued":"2026-01-01T00:00:00Z"}`), 0o600)
			os.Chmod(path, 0o644)
		},
		"a directory": func() { os.Remove(path); os.Mkdir(path, 0o700) },
	} {
		var calls atomic.Int32
		spoil()
		s, err := credcache.Get(t.Context(), dir, "a", fresh, issue(&calls))
		if name == "a directory" {
			if err == nil {
				t.Error("nothing could be kept, and nobody says so")
			}
			continue
		}
		if err != nil || s.AccessKeyID() != "ASIA" || calls.Load() != 1 {
			t.Errorf("%s: %v, %v, %d fetches", name, s, err, calls.Load())
		}
	}
}

func TestFetchThatFailsLeavesNothingBehind(t *testing.T) {
	dir, no := t.TempDir(), errors.New("no")
	_, err := credcache.Get(t.Context(), dir, "a", fresh, func(context.Context) (cred.Set, error) { return cred.Set{}, no })
	if !errors.Is(err, no) {
		t.Error(err)
	}
	var calls atomic.Int32
	if _, err := credcache.Get(t.Context(), dir, "a", fresh, issue(&calls)); err != nil || calls.Load() != 1 {
		t.Error(err)
	}
}

func TestWaitingEndsWithItsContext(t *testing.T) {
	dir := t.TempDir()
	began, done := make(chan struct{}), make(chan struct{})
	go func() {
		_, _ = credcache.Get(context.Background(), dir, "a", fresh, func(context.Context) (cred.Set, error) {
			close(began)
			<-done
			return cred.Set{}, errors.New("never mind")
		})
	}()
	<-began
	defer close(done)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := credcache.Get(ctx, dir, "a", fresh, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
