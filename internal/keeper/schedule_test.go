package keeper

import (
	"testing"
	"time"

	"github.com/holdfast/holdfast/internal/cred"
)

func lasting(life time.Duration) cred.Set {
	s := cred.New("ASIA", "s", "t")
	s.Issued = time.Unix(1_800_000_000, 0)
	s.Expires = s.Issued.Add(life)
	return s
}

func TestRenewAt(t *testing.T) {
	for _, c := range []struct {
		life, earliest, latest time.Duration
	}{
		{6 * time.Second, 2700 * time.Millisecond, 3300 * time.Millisecond},
		{15 * time.Minute, 405 * time.Second, 495 * time.Second},
		{30 * time.Minute, 13*time.Minute + 30*time.Second, 16*time.Minute + 30*time.Second},
		{31 * time.Minute, 837 * time.Second, 16 * time.Minute}, // 15 minutes before the end
		{time.Hour, 27 * time.Minute, 33 * time.Minute},
		{12 * time.Hour, 5*time.Hour + 24*time.Minute, 6*time.Hour + 36*time.Minute},
	} {
		for _, j := range []struct {
			jitter float64
			want   time.Duration
		}{{0, c.earliest}, {1, c.latest}} {
			s := lasting(c.life)
			at, ok := renewAt(s, j.jitter)
			got := at.Sub(s.Issued)
			if diff := got - j.want; !ok || diff > time.Millisecond || diff < -time.Millisecond {
				t.Errorf("life %v, jitter %v: renewed after %v, want %v", c.life, j.jitter, got, j.want)
			}
		}
	}
	s := lasting(0)
	s.Expires = time.Time{}
	if _, ok := renewAt(s, 0.5); ok {
		t.Error("a set without an end is to be renewed")
	}
}

func TestRetryAfterScalesWithTheLifetime(t *testing.T) {
	for _, c := range []struct {
		failures  int
		life      time.Duration
		permanent bool
		most      time.Duration
	}{
		{1, time.Hour, false, time.Second},
		{2, time.Hour, false, 2 * time.Second},
		{6, time.Hour, false, 30 * time.Second},
		{1000, time.Hour, false, 30 * time.Second},
		{1, time.Hour, true, 30 * time.Second},
		{9, time.Hour, true, 5 * time.Minute},
		{1, 0, false, time.Second},
		{9, 6 * time.Second, false, 50 * time.Millisecond},
		{9, 6 * time.Second, true, 500 * time.Millisecond},
	} {
		if got := retryAfter(c.failures, c.life, c.permanent, 1); got != c.most {
			t.Errorf("%d failures, life %v, permanent %v: at most %v, want %v", c.failures, c.life, c.permanent, got, c.most)
		}
		if got := retryAfter(c.failures, c.life, c.permanent, 0); got < 5*time.Millisecond || got < c.most/10 {
			t.Errorf("%d failures, life %v, permanent %v: at least %v, a busy loop", c.failures, c.life, c.permanent, got)
		}
	}
}

func TestPatience(t *testing.T) {
	for life, want := range map[time.Duration]time.Duration{
		0: 10 * time.Second, time.Hour: 10 * time.Second, 20 * time.Minute: 5 * time.Second, 6 * time.Second: 400 * time.Millisecond,
	} {
		if got := patience(life); got != want {
			t.Errorf("life %v: patience %v, want %v", life, got, want)
		}
	}
}
