package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"
)

// TestFiveHundredCallers: without a keeper, any number of `holdfast credentials`
// at once cause one exchange; with one, none.
func TestFiveHundredCallers(t *testing.T) {
	t.Parallel()
	const callers = 500
	w := newWorld(t, time.Hour)
	env := w.pod(w.env["HOLDFAST_LAB_ROLE_DEPLOY"])
	var wg sync.WaitGroup
	room := make(chan struct{}, 50) // as many processes at once as two cores bear
	for range callers {
		wg.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			cmd := w.command(env, "holdfast", "credentials")
			var out, errs bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &errs
			if err := cmd.Run(); err != nil {
				t.Errorf("%v: %s", err, errs.String())
				return
			}
			var got struct {
				Version     int
				AccessKeyID string `json:"AccessKeyId"`
				Expiration  time.Time
			}
			if err := json.Unmarshal(out.Bytes(), &got); err != nil || got.Version != 1 || got.AccessKeyID == "" || time.Until(got.Expiration) < 50*time.Minute || time.Until(got.Expiration) > 55*time.Minute {
				t.Errorf("%s: %v", out.String(), err)
			}
		})
	}
	wg.Wait()
	if n := w.count("AssumeRoleWithWebIdentity"); n != 1 {
		t.Errorf("%d exchanges of the token for %d callers", n, callers)
	}
	if n := w.count("AssumeRole"); n != 1 {
		t.Errorf("%d exchanges of the role for %d callers", n, callers)
	}

	w.succeed(env, "holdfast", "run", "-q", "--", "sh", "-c", fmt.Sprintf("for i in $(seq %d); do holdfast credentials >/dev/null & done; wait", callers/10))
	if a, b := w.count("AssumeRoleWithWebIdentity"), w.count("AssumeRole"); a != 2 || b != 2 {
		t.Errorf("%d and %d exchanges; a keeper makes one of each for itself, and its callers none", a, b)
	}
}

func (w *world) count(operation string) (n int) {
	for _, c := range w.lab.Calls() {
		if c.Operation == operation {
			n++
		}
	}
	return n
}
