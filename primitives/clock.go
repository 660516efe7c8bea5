package primitives

import (
	"context"
	"time"
)

// Clock is the time a power lives in: the system's, or a simulated world's.
// Nothing in luabind or primitives reads the time or waits except through it.
type Clock interface {
	// Now is the current time.
	Now() time.Time
	// Sleep waits for d, or until ctx ends and then returns its error. It is
	// the only place where a simulated world may let time pass. A duration of
	// zero or less still gives the other tasks of a simulated world their turn.
	Sleep(ctx context.Context, d time.Duration) error
	// WithDeadline is context.WithDeadline on this clock: the context ends
	// with context.DeadlineExceeded when Now reaches deadline.
	WithDeadline(ctx context.Context, deadline time.Time) (context.Context, context.CancelFunc)
	// AfterFunc calls f once, d from now, on a goroutine of the clock. A
	// simulated world calls it serialised with its other events. The function
	// it returns prevents the call where it has not begun.
	AfterFunc(d time.Duration, f func()) (stop func())
}

// WithTimeout is Clock.WithDeadline, d from now.
func WithTimeout(ctx context.Context, clock Clock, d time.Duration) (context.Context, context.CancelFunc) {
	return clock.WithDeadline(ctx, clock.Now().Add(d))
}

// SystemClock is the time of the machine that ctys runs on.
type SystemClock struct{}

// Now is time.Now.
func (SystemClock) Now() time.Time { return time.Now() }

// Sleep waits for d of real time.
func (SystemClock) Sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// WithDeadline is context.WithDeadline.
func (SystemClock) WithDeadline(ctx context.Context, deadline time.Time) (context.Context, context.CancelFunc) {
	return context.WithDeadline(ctx, deadline)
}

// AfterFunc is time.AfterFunc.
func (SystemClock) AfterFunc(d time.Duration, f func()) (stop func()) {
	timer := time.AfterFunc(d, f)
	return func() { timer.Stop() }
}
