package keeper_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast/holdfast/internal/cred"
	"github.com/holdfast/holdfast/internal/event"
	"github.com/holdfast/holdfast/internal/keeper"
)

// issuer plays what is behind a keeper: it issues sets of a lifetime, one after
// another, and fails when told to.
type issuer struct {
	life time.Duration
	fail func(n int) error // nil for success; n counts attempts from 1
	wall func() time.Time  // what is issued lasts its life by this clock too; may be nil

	mu      sync.Mutex
	at      []time.Time
	took    atomic.Int64 // nanoseconds that an exchange takes
	flying  atomic.Int32
	version atomic.Int32
}

type denied struct{}

func (denied) Error() string   { return "AccessDenied" }
func (denied) Permanent() bool { return true }

func (i *issuer) Version() string { return fmt.Sprint(i.version.Load()) }

func (i *issuer) Fetch(ctx context.Context) (cred.Set, error) {
	if i.flying.Add(1) > 1 {
		panic("two flights at once")
	}
	defer i.flying.Add(-1)
	i.mu.Lock()
	i.at = append(i.at, time.Now())
	n := len(i.at)
	i.mu.Unlock()
	select {
	case <-time.After(time.Duration(i.took.Load())):
	case <-ctx.Done():
		return cred.Set{}, ctx.Err()
	}
	if i.fail != nil {
		if err := i.fail(n); err != nil {
			return cred.Set{}, err
		}
	}
	s := cred.New(fmt.Sprintf("ASIA%08d", n), "s", "t")
	s.Issued = time.Now()
	if i.life > 0 {
		s.Expires = s.Issued.Add(i.life)
	}
	if i.wall != nil && i.wall().After(s.Issued) {
		s.Expires = i.wall().Add(i.life)
	}
	return s, nil
}

func (i *issuer) attempts() []time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]time.Time(nil), i.at...)
}

type recorder struct {
	mu     sync.Mutex
	events []event.Event
}

func (r *recorder) emit(e event.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

func (r *recorder) count(kind string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// start runs a keeper until the end of the test's bubble.
func start(t *testing.T, i *issuer, wall func() time.Time) (*keeper.Keeper, *recorder) {
	t.Helper()
	var r recorder
	k := keeper.New(i, keeper.Options{Name: "deploy", Emit: r.emit, Wall: wall, Jitter: func() float64 { return 0.5 }})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := k.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return k, &r
}

func get(t *testing.T, k *keeper.Keeper) cred.Set {
	t.Helper()
	s, err := k.Get(t.Context())
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	return s
}

func TestTwelveHoursOfOneHourSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{life: time.Hour}
		i.took.Store(int64(time.Second))
		k, _ := start(t, i, nil)
		last := get(t, k)
		for range 12 * 60 {
			time.Sleep(time.Minute)
			s := get(t, k)
			if s.Left(time.Now()) < 25*time.Minute {
				t.Fatalf("served with %v left", s.Left(time.Now()))
			}
			if s.Issued.Before(last.Issued) {
				t.Fatal("served an older set than before")
			}
			last = s
		}
		if n := len(i.attempts()); n < 23 || n > 25 {
			t.Errorf("%d exchanges in 12 hours, want one in half an hour", n)
		}
	})
}

func TestOneFlightWhoeverAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{life: 6 * time.Second}
		i.took.Store(int64(300 * time.Millisecond))
		k, _ := start(t, i, nil)
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				for range 100 {
					if _, err := k.Get(t.Context()); err != nil {
						t.Error(err)
					}
					time.Sleep(180 * time.Millisecond)
				}
			})
		}
		wg.Wait()
		if n := len(i.attempts()); n > 7 { // 18 s, one renewal in 3.3 s, and the first
			t.Errorf("64 clients caused %d exchanges", n)
		}
	})
}

func TestServesWhatIsValidWhileTheSourceFails(t *testing.T) {
	for name, trouble := range map[string]error{"transient": errors.New("503"), "denied": denied{}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var broken atomic.Bool
				i := &issuer{life: time.Hour, fail: func(int) error {
					if broken.Load() {
						return trouble
					}
					return nil
				}}
				k, r := start(t, i, nil)
				first := get(t, k)
				broken.Store(true)
				for range 59 {
					time.Sleep(time.Minute)
					before := time.Now()
					if s := get(t, k); s.AccessKeyID() != first.AccessKeyID() {
						t.Fatal("another set though the source fails")
					}
					if time.Since(before) > 0 {
						t.Fatal("an answer from memory took time")
					}
				}
				if n := r.count(keeper.RenewFailed); n < 3 {
					t.Errorf("%d failures told", n)
				}
				time.Sleep(2 * time.Minute) // past the end
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if s, err := k.Get(ctx); err == nil {
					t.Fatalf("served %v after its end", s)
				} else if !errors.Is(err, trouble) {
					t.Errorf("the error doesn't say why: %v", err)
				}
				if n := r.count(keeper.Expired); n != 1 {
					t.Errorf("the end was told %d times", n)
				}
				broken.Store(false)
				time.Sleep(6 * time.Minute)
				get(t, k)
				if r.count(keeper.Recovered) != 1 {
					t.Error("the recovery wasn't told")
				}
			})
		})
	}
}

func TestDenialIsNotHammered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{life: time.Hour, fail: func(n int) error {
			if n > 1 {
				return denied{}
			}
			return nil
		}}
		k, _ := start(t, i, nil)
		get(t, k)
		time.Sleep(time.Hour)
		if n := len(i.attempts()); n > 20 {
			t.Errorf("%d attempts in half an hour of AccessDenied", n)
		}
	})
}

func TestPermanentErrorAtTheStartIsToldAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{life: time.Hour, fail: func(int) error { return denied{} }}
		k, _ := start(t, i, nil)
		before := time.Now()
		if _, err := k.Get(t.Context()); !errors.Is(err, denied{}) {
			t.Errorf("got %v", err)
		}
		if time.Since(before) > time.Second {
			t.Errorf("it took %v", time.Since(before))
		}
	})
}

func TestTransientErrorAtTheStartIsWaitedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{life: time.Hour, fail: func(n int) error {
			if n < 4 {
				return errors.New("503")
			}
			return nil
		}}
		k, _ := start(t, i, nil)
		get(t, k)
		if n := len(i.attempts()); n != 4 {
			t.Errorf("%d attempts", n)
		}
	})
}

func TestSourceThatHangsDoesNotEatTheLifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{life: 6 * time.Second}
		k, _ := start(t, i, nil)
		get(t, k)
		i.took.Store(int64(time.Hour))
		for range 50 {
			time.Sleep(100 * time.Millisecond)
			before := time.Now()
			get(t, k)
			if time.Since(before) > 0 {
				t.Fatal("an answer waited for a source that hangs")
			}
		}
		if n := len(i.attempts()); n < 4 {
			t.Errorf("%d attempts in three seconds: a hanging one wasn't given up", n)
		}
		i.took.Store(0)
		time.Sleep(time.Second)
		get(t, k)
	})
}

func TestClockThatJumpsIsNoticed(t *testing.T) {
	for _, by := range []time.Duration{2 * time.Hour, 20 * time.Minute, -2 * time.Hour} {
		t.Run(by.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var offset atomic.Int64
				wall := func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
				i := &issuer{life: time.Hour, wall: wall}
				k, r := start(t, i, wall)
				get(t, k)
				time.Sleep(time.Minute)
				offset.Store(int64(by))
				time.Sleep(5 * time.Second)
				synctest.Wait()
				if r.count(keeper.ClockJumped) != 1 || len(i.attempts()) != 2 {
					t.Errorf("told %d times, %d exchanges", r.count(keeper.ClockJumped), len(i.attempts()))
				}
			})
		})
	}
}

func TestReplacedTokenIsTriedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var good atomic.Bool
		i := &issuer{life: time.Hour, fail: func(int) error {
			if good.Load() {
				return nil
			}
			return denied{}
		}}
		k, _ := start(t, i, nil)
		_, _ = k.Get(t.Context())
		good.Store(true)
		i.version.Add(1)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		get(t, k)
	})
}

func TestSourceThatHasNothingNewer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := time.Now().Add(time.Hour)
		calls := 0
		src := sourceFunc(func(context.Context) (cred.Set, error) {
			calls++
			s := cred.New("ASIACACHED", "s", "t")
			s.Issued, s.Expires = time.Now(), end
			return s, nil
		})
		k := keeper.New(src, keeper.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- k.Run(ctx) }()
		time.Sleep(50 * time.Minute)
		get(t, k)
		cancel()
		<-done
		if calls > 6 {
			t.Errorf("asked %d times in 50 minutes for what the source has cached", calls)
		}
		if s := k.Stats(); s.Fetches != 1 || s.Failures != 0 {
			t.Errorf("%+v: the same credential again is neither a renewal nor a failure", s)
		}
	})
}

func TestLongLivedKeysAreNotRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{}
		k, _ := start(t, i, nil)
		time.Sleep(24 * time.Hour)
		get(t, k)
		if n := len(i.attempts()); n != 1 {
			t.Errorf("%d exchanges", n)
		}
	})
}

type sourceFunc func(context.Context) (cred.Set, error)

func (f sourceFunc) Fetch(ctx context.Context) (cred.Set, error) { return f(ctx) }

// endless is a source whose credential comes at once and has no end, so that
// nothing comes after it.
type endless struct{}

func (endless) Fetch(context.Context) (cred.Set, error) {
	s := cred.New("AKIA", "secret", "")
	s.Issued = time.Now()
	return s, nil
}

// TestGetDoesntMissTheOnlyOutcome: whoever comes while the first credential
// lands gets it, and doesn't wait for a second one.
func TestGetDoesntMissTheOnlyOutcome(t *testing.T) {
	for n := range 10000 {
		k := keeper.New(endless{}, keeper.Options{Name: "a"})
		ctx, cancel := context.WithCancel(t.Context())
		var work sync.WaitGroup
		work.Go(func() { _ = k.Run(ctx) })
		for range n % 7 { // come a little later each time
			runtime.Gosched()
		}
		limited, done := context.WithTimeout(ctx, 5*time.Second)
		_, err := k.Get(limited)
		done()
		cancel()
		work.Wait()
		if err != nil {
			t.Fatalf("keeper %d: %v", n, err)
		}
	}
}
