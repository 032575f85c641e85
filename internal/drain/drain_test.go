package drain_test

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast/holdfast/internal/drain"
)

func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

func TestMargin(t *testing.T) {
	for _, c := range []struct {
		lifetime, slowest, want time.Duration
	}{
		{time.Hour, 0, 3 * time.Minute},
		{12 * time.Hour, time.Second, 3 * time.Minute},
		{15 * time.Minute, 0, 150 * time.Second},
		{12 * time.Second, 0, 2 * time.Second},
		{time.Hour, 4 * time.Minute, 8 * time.Minute},
		{time.Hour, time.Hour, 30 * time.Minute}, // the next renewal stands before it
		{0, 0, 3 * time.Minute},
	} {
		if got := drain.Margin(c.lifetime, c.slowest); got != c.want {
			t.Errorf("lifetime %s, slowest %s: %s, want %s", c.lifetime, c.slowest, got, c.want)
		}
	}
}

func TestDecide(t *testing.T) {
	hour := drain.Credential{Expires: noon().Add(time.Hour), Lifetime: time.Hour, Problem: "AccessDenied"}
	for name, c := range map[string]struct {
		after time.Duration // noon
		facts drain.Facts
		want  drain.Action
		why   string
		again time.Duration // after noon; -1: no time
	}{
		"long before":                {after: 56 * time.Minute, facts: drain.Facts{Credential: hour, Policy: drain.Interrupt}, want: drain.None, again: 57 * time.Minute},
		"at the margin":              {after: 57 * time.Minute, facts: drain.Facts{Credential: hour, Policy: drain.Interrupt}, want: drain.Stop, why: "AccessDenied", again: -1},
		"once":                       {after: 58 * time.Minute, facts: drain.Facts{Credential: hour, Policy: drain.Interrupt, Stopped: true}, want: drain.None, again: -1},
		"a slow state":               {after: 50 * time.Minute, facts: drain.Facts{Credential: hour, Policy: drain.Interrupt, Slowest: 5 * time.Minute}, want: drain.Stop, why: "renewed", again: -1},
		"only words":                 {after: 2 * time.Hour, facts: drain.Facts{Credential: hour, Policy: drain.Warn}, want: drain.None, again: -1},
		"words, and a timeout":       {after: 2 * time.Hour, facts: drain.Facts{Credential: hour, Policy: drain.Warn, Timeout: time.Hour}, want: drain.Stop, why: "run.timeout", again: -1},
		"kill waits for the end":     {after: 59 * time.Minute, facts: drain.Facts{Credential: hour, Policy: drain.Kill}, want: drain.None, again: 60 * time.Minute},
		"kill":                       {after: time.Hour, facts: drain.Facts{Credential: hour, Policy: drain.Kill}, want: drain.End, why: "ended", again: -1},
		"no end":                     {after: 99 * time.Hour, facts: drain.Facts{Policy: drain.Interrupt}, want: drain.None, again: -1},
		"the timeout comes first":    {after: time.Minute, facts: drain.Facts{Credential: hour, Policy: drain.Interrupt, Timeout: 10 * time.Minute}, want: drain.None, again: 10 * time.Minute},
		"the credential comes first": {after: time.Minute, facts: drain.Facts{Credential: hour, Policy: drain.Interrupt, Timeout: 10 * time.Hour}, want: drain.None, again: 57 * time.Minute},
		"timed out and stopped":      {after: 11 * time.Minute, facts: drain.Facts{Credential: hour, Policy: drain.Interrupt, Timeout: 10 * time.Minute, Stopped: true}, want: drain.None, again: 57 * time.Minute},
	} {
		c.facts.Began, c.facts.Now = noon(), noon().Add(c.after)
		got := drain.Decide(c.facts)
		want := time.Time{}
		if c.again >= 0 {
			want = noon().Add(c.again)
		}
		if got.Action != c.want || !strings.Contains(got.Why, c.why) || !got.Again.Equal(want) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// Renewed at half of its life, a credential never comes near its margin.
func TestRenewedIsNeverStopped(t *testing.T) {
	for lifetime := time.Second; lifetime <= 12*time.Hour; lifetime = lifetime * 3 / 2 {
		for part := range 100 {
			now := noon().Add(lifetime / 2 * time.Duration(part) / 100) // of the half before the renewal
			f := drain.Facts{Now: now, Began: noon(), Policy: drain.Interrupt, Slowest: time.Hour, Credential: drain.Credential{Expires: noon().Add(lifetime), Lifetime: lifetime}}
			if d := drain.Decide(f); d.Action != drain.None {
				t.Fatalf("lifetime %s, after %s: %+v", lifetime, now.Sub(noon()), d)
			}
		}
	}
}

func TestMayStart(t *testing.T) {
	c := drain.Credential{Expires: noon().Add(time.Hour), Lifetime: time.Hour}
	if why, ok := drain.MayStart(noon().Add(59*time.Minute), c); !ok {
		t.Error("renewal works, and yet:", why)
	}
	c.Problem = "AccessDenied"
	if why, ok := drain.MayStart(noon().Add(53*time.Minute), c); !ok {
		t.Error("seven minutes are left, and yet:", why)
	}
	if why, ok := drain.MayStart(noon().Add(55*time.Minute), c); ok || !strings.Contains(why, "AccessDenied") {
		t.Error("it may start with five minutes left:", why)
	}
}
