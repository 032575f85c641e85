package pace_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast/holdfast/internal/pace"
)

// took is how long n requests took to be let through.
func took(t *testing.T, p *pace.Pace, n int) time.Duration {
	t.Helper()
	began := time.Now()
	for range n {
		if err := p.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return time.Since(began)
}

func TestASecondsWorthAtOnceAndThenTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pace.New(10)
		for range 2 {
			if got := took(t, p, 31); got != 2*time.Second {
				t.Errorf("31 requests at 10/s took %s", got)
			}
			time.Sleep(time.Hour) // earns no more than a second's worth
		}
	})
}

func TestARefusalSlowsAndAnswersHeal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pace.New(10)
		for range 20 {
			p.Slower() // one burst of refusals
		}
		took(t, p, 1)
		if got := took(t, p, 5); got < 900*time.Millisecond || got > 1100*time.Millisecond {
			t.Errorf("5 requests at half of 10/s took %s", got)
		}
		for range 10 {
			time.Sleep(time.Second)
			p.Slower()
		}
		took(t, p, 1)
		if got := took(t, p, 1); got > 900*time.Millisecond {
			t.Errorf("it never gets slower than an eighth: %s", got)
		}
		for range 100 {
			p.Well()
		}
		took(t, p, 1)
		if got := took(t, p, 10); got != time.Second {
			t.Errorf("it creeps back: %s", got)
		}
	})
}

func TestWaitingEndsWithItsContext(t *testing.T) {
	p := pace.New(0.01)
	took(t, p, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if p.Wait(ctx) == nil {
		t.Error("it went on")
	}
}
