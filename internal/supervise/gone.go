package supervise

import (
	"context"
	"time"
)

// Gone returns when the process that was born then (see Born) has ended, or
// ctx has.
func Gone(ctx context.Context, pid int, born string) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for born != "" && Born(pid) == born {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}
