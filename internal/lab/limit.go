package lab

import (
	"fmt"
	"sync"
	"time"
)

// Limit is how many requests a second a service takes from one account in one
// region before it throttles. AWS publishes few of its own.
type Limit struct {
	Service string  // as signatures name it
	Rate    float64 // requests a second
	Burst   int     // 0: as many as Rate, at least one
}

// Check says what is wrong with a limit.
func (l Limit) Check() error {
	if l.Service == "" || l.Rate <= 0 || l.Burst < 0 {
		return fmt.Errorf("limit %q: give a service, a rate above 0 and no negative burst", l.Service)
	}
	return nil
}

// bucket is the token bucket of one account, region and service.
type bucket struct {
	tokens float64
	at     time.Time
}

type limiter struct {
	limits map[string]Limit

	mu      sync.Mutex
	buckets map[[3]string]*bucket
}

func newLimiter(limits []Limit) (*limiter, error) {
	l := &limiter{limits: map[string]Limit{}, buckets: map[[3]string]*bucket{}}
	for _, limit := range limits {
		if err := limit.Check(); err != nil {
			return nil, err
		}
		if limit.Burst == 0 {
			limit.Burst = max(1, int(limit.Rate))
		}
		l.limits[limit.Service] = limit
	}
	return l, nil
}

// take says whether one more request fits.
func (l *limiter) take(account, region, service string, now time.Time) bool {
	limit, limited := l.limits[service]
	if !limited {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	key := [3]string{account, region, service}
	b := l.buckets[key]
	if b == nil {
		b = &bucket{tokens: float64(limit.Burst), at: now}
		l.buckets[key] = b
	}
	if passed := now.Sub(b.at).Seconds(); passed > 0 {
		b.tokens = min(float64(limit.Burst), b.tokens+passed*limit.Rate)
		b.at = now
	}
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
