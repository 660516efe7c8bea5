package sim

import (
	"context"
	"sync"
	"time"

	"ctys/primitives"
)

// timeline is what a World needs of its clock. On a virtual clock the world's
// events are ordered by their keys; on any other they come as they come.
type timeline interface {
	primitives.Clock
	At(t time.Time, key Key, f func()) (stop func())
	Cancelled()
	waiter(ctx context.Context) waiter
}

// waiter is one wait for something other than time.
type waiter interface {
	Wait() error
	Wake()
}

func timelineOf(clock primitives.Clock) timeline {
	if virtual, ok := clock.(*Clock); ok {
		return virtual
	}
	return plainTimeline{clock}
}

func (c *Clock) waiter(ctx context.Context) waiter { return c.NewWaiter(ctx) }

// plainTimeline is any other clock, the system's above all.
type plainTimeline struct{ primitives.Clock }

func (p plainTimeline) At(t time.Time, _ Key, f func()) (stop func()) {
	return p.AfterFunc(t.Sub(p.Now()), f)
}

func (plainTimeline) Cancelled() {}

func (plainTimeline) waiter(ctx context.Context) waiter {
	return &plainWaiter{ctx: ctx, woken: make(chan struct{})}
}

type plainWaiter struct {
	ctx   context.Context
	once  sync.Once
	woken chan struct{}
}

func (w *plainWaiter) Wake() { w.once.Do(func() { close(w.woken) }) }

func (w *plainWaiter) Wait() error {
	select {
	case <-w.woken:
		return nil
	case <-w.ctx.Done():
		return w.ctx.Err()
	}
}
