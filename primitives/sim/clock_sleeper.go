package sim

import "context"

// sleeper is one goroutine that the clock holds.
type sleeper struct {
	event  event
	ctx    context.Context
	node   *deadlineNode // nearest deadline of this clock above ctx, if any
	wake   chan struct{}
	parked bool
	err    error // what it returns when released
}

func (c *Clock) newSleeper(ctx context.Context) *sleeper {
	s := &sleeper{ctx: ctx, wake: make(chan struct{})}
	s.event = event{class: classWake, key: KeyOf(ctx), sleeper: s}
	return s
}

// park is called with the lock held and gives it back.
func (c *Clock) park(s *sleeper) error {
	s.parked = true
	c.parked++
	c.number(&s.event)
	unwatch := c.watch(s)
	c.count(-1)
	c.drive()
	c.mu.Unlock()
	<-s.wake
	unwatch()
	return s.err
}

// watch sees to it that the sleeper is released when its context ends. A
// deadline of this clock keeps its own sleepers; any other context calls back.
func (c *Clock) watch(s *sleeper) (unwatch func()) {
	if s.ctx.Done() == nil {
		return func() {}
	}
	c.sleepers[s] = struct{}{}
	node, same := c.nodeAbove(s.ctx)
	if node != nil {
		s.node = node
		node.sleepers.add(s)
	}
	c.endSleeper(s) // its context may have ended since the caller looked
	if same {
		return func() {}
	}
	stop := context.AfterFunc(s.ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.endSleeper(s)
		c.drive()
	})
	return func() { stop() }
}

// endSleeper gives a sleeper whose context has ended its turn within the
// present instant.
func (c *Clock) endSleeper(s *sleeper) {
	if !s.parked || s.err != nil {
		return
	}
	if s.err = s.ctx.Err(); s.err == nil {
		return
	}
	c.unschedule(&s.event)
	c.schedule(&s.event, c.now)
}

func (c *Clock) release(s *sleeper) {
	s.parked = false
	c.parked--
	delete(c.sleepers, s)
	if s.node != nil {
		s.node.sleepers.remove(s)
	}
	c.count(+1)
	close(s.wake)
}

// Waiter lets one goroutine wait for something other than time, without
// losing its place in the order of the clock.
type Waiter struct {
	clock   *Clock
	sleeper *sleeper
	woken   bool // Wake came
}

// NewWaiter makes a Waiter for one call of Wait with ctx.
func (c *Clock) NewWaiter(ctx context.Context) *Waiter {
	return &Waiter{clock: c, sleeper: c.newSleeper(ctx)}
}

// Wait blocks until Wake was called, before or after, or until ctx ends and
// then returns its error. The caller must be counted, as for Sleep.
func (w *Waiter) Wait() error {
	if err := w.sleeper.ctx.Err(); err != nil {
		return err
	}
	w.clock.mu.Lock()
	if w.woken {
		w.clock.schedule(&w.sleeper.event, w.clock.now)
	}
	return w.clock.park(w.sleeper)
}

// Wake releases the waiter within the present instant, at its turn. Further
// calls do nothing.
func (w *Waiter) Wake() {
	w.clock.mu.Lock()
	defer w.clock.mu.Unlock()
	if w.woken {
		return
	}
	w.woken = true
	if w.sleeper.parked && w.sleeper.event.index == 0 {
		w.clock.schedule(&w.sleeper.event, w.clock.now)
		w.clock.drive()
	}
}
