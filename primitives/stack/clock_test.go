package stack

import (
	"context"
	"time"

	"ctys/primitives"
)

// FastClock is a clock on which time passes ten times as fast.
type FastClock struct {
	primitives.SystemClock
	Start time.Time
}

const haste = 10

// Now is the time since Start, stretched.
func (c FastClock) Now() time.Time { return c.Start.Add(time.Since(c.Start) * haste) }

// Sleep waits a tenth of d.
func (c FastClock) Sleep(ctx context.Context, d time.Duration) error {
	return c.SystemClock.Sleep(ctx, d/haste)
}

// WithDeadline ends the context when Now reaches deadline.
func (c FastClock) WithDeadline(ctx context.Context, deadline time.Time) (context.Context, context.CancelFunc) {
	return context.WithDeadline(ctx, c.Start.Add(deadline.Sub(c.Start)/haste))
}
