package supervise

import (
	"context"
	"os"
	"os/signal"
)

// UntilAsked is ctx until a signal asks us to end.
func UntilAsked(ctx context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(ctx, endings()...)
}

// Hold keeps the signals that ask a program to end from ending us, and tells
// notice of each, until release is called.
func Hold(notice func(os.Signal)) (release func()) {
	signals, stop, done := make(chan os.Signal, 4), make(chan struct{}), make(chan struct{})
	signal.Notify(signals, endings()...)
	go func() {
		defer close(done)
		for {
			select {
			case s := <-signals:
				notice(s)
			case <-stop:
				return
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(stop)
		<-done
	}
}
