package sim

import (
	"container/heap"
	"context"
	"fmt"
	"sync"
	"time"

	"ctys/primitives"
)

var _ primitives.Clock = (*Clock)(nil)

// Clock is a virtual clock: time stands still while anything can act, and
// jumps to the next event when nothing can.
//
// It knows who can act by counting. Every goroutine that lives on the clock is
// counted: Add(+1) before it starts, Add(-1) when it ends or blocks on another
// counted goroutine, and Add(+1) by whoever lets it go on. A goroutine inside
// Sleep, or inside Wait of a Waiter, is taken off the count by the clock and
// put back when it is released. Go does the counting for a plain goroutine. A
// goroutine that was never counted and sleeps would make the count negative:
// that is a fault of the program, and the clock panics.
//
// When the count is zero, exactly one event is taken from one heap, ordered by
// time, then what it is (the world's events, then goroutines that wake, then
// deadlines and AfterFunc), then the key of the waiter, then the order of
// arrival. The next is taken only when the count is zero again. So whatever
// goroutines do after a Sleep, they do one at a time and in an order that only
// depends on their keys and durations.
//
// When nobody sleeps and no deadline is set, time stands still and the world's
// events stay where they are: there is nobody to see them.
//
// A context that a sleeper waits with ends in one of three ways. A deadline of
// this clock, or the CancelFunc that came with it, releases the sleepers at the
// present instant, in the order of their keys. So does Cancelled, which is to
// be called after any other context was cancelled. Without that call the
// sleeper is released too, but at whatever instant the clock has reached when
// the cancellation arrives.
type Clock struct {
	start time.Time

	mu        sync.Mutex
	now       time.Time
	active    int // who can act
	parked    int // who sleeps or waits
	pending   int // deadlines and AfterFuncs that have not come
	driving   bool
	sequence  uint64
	events    eventHeap
	sleepers  map[*sleeper]struct{}      // whose context can end
	outsiders map[*deadlineNode]struct{} // whose parent is cancelled without the clock's knowledge
}

// NewClock gives a clock that shows start. Nothing is counted yet.
func NewClock(start time.Time) *Clock {
	return &Clock{
		start:     start,
		now:       start,
		sleepers:  map[*sleeper]struct{}{},
		outsiders: map[*deadlineNode]struct{}{},
	}
}

// Now is the virtual time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Elapsed is how far the clock has come since it was made.
func (c *Clock) Elapsed() time.Duration { return c.Now().Sub(c.start) }

// Add changes the count of goroutines that can act: +1 before one starts or is
// let go on, -1 when it ends or blocks on another. When the count falls to
// zero, time goes on, and world events and AfterFuncs may run inside this
// call: the caller must hold no lock that they need. A count below zero panics.
func (c *Clock) Add(delta int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count(delta)
	c.drive()
}

// Go runs fn on a counted goroutine whose waits have the given key.
func (c *Clock) Go(ctx context.Context, key Key, fn func(ctx context.Context)) {
	c.Add(+1)
	go func() {
		defer c.Add(-1)
		fn(WithKey(ctx, key))
	}()
}

// Sleep waits until d of virtual time has passed, or until ctx ends and then
// returns its error. A duration of zero or less waits for the turn of the
// caller within the present instant.
func (c *Clock) Sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	s := c.newSleeper(ctx)
	c.schedule(&s.event, c.now.Add(max(d, 0)))
	return c.park(s)
}

// AfterFunc calls f once, d from now, while nothing else acts. It is what
// deadlines are made of: it comes after everything else of its instant. The
// function that it returns prevents the call where it has not begun.
func (c *Clock) AfterFunc(d time.Duration, f func()) (stop func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := &event{class: classDeadline, run: f}
	c.pending++
	c.schedule(e, c.now.Add(max(d, 0)))
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.unschedule(e) {
			c.pending--
		}
	}
}

// At calls f once at t, or within the present instant where t is past, before
// any goroutine of that instant wakes and while nothing else acts. It is for
// the world itself: it does not make time go on where nobody waits. Events of
// one instant come in the order of their keys. The function that it returns
// prevents the call where it has not begun.
func (c *Clock) At(t time.Time, key Key, f func()) (stop func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := &event{class: classWorld, key: key, run: f}
	c.schedule(e, t)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.unschedule(e)
	}
}

// Cancelled tells the clock that contexts were cancelled: whoever sleeps with
// one that has ended is released within the present instant, one at a time, in
// the order of their keys. One call serves any number of contexts.
func (c *Clock) Cancelled() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for node := range c.outsiders {
		if err := node.parent.Err(); err != nil {
			c.end(node, err)
		}
	}
	for s := range c.sleepers {
		c.endSleeper(s)
	}
	c.drive()
}

// count is called with the lock held, as are all below.
func (c *Clock) count(delta int) {
	c.active += delta
	if c.active < 0 {
		panic(fmt.Sprintf("sim.Clock: %d goroutines sleep or ended that were not counted by Add(+1)", -c.active))
	}
}

// drive takes events until somebody can act. One caller at a time does it; a
// call from within an event leaves the work to that one.
func (c *Clock) drive() {
	if c.driving {
		return
	}
	c.driving = true
	defer func() { c.driving = false }()
	for c.active == 0 && c.parked+c.pending > 0 && len(c.events) > 0 {
		c.take(heap.Pop(&c.events).(*event))
	}
}

func (c *Clock) take(e *event) {
	if e.at.After(c.now) {
		c.now = e.at
	}
	if e.class == classDeadline {
		c.pending--
	}
	switch {
	case e.sleeper != nil:
		c.release(e.sleeper)
	case e.deadline != nil:
		c.end(e.deadline, context.DeadlineExceeded)
	default:
		c.mu.Unlock()
		defer c.mu.Lock()
		e.run()
	}
}

func (c *Clock) schedule(e *event, at time.Time) {
	if at.Before(c.now) {
		at = c.now
	}
	c.number(e)
	e.at = at
	heap.Push(&c.events, e)
}

// number gives an event its place in the order of arrival. It keeps it when it
// is moved to another time.
func (c *Clock) number(e *event) {
	if e.sequence == 0 {
		c.sequence++
		e.sequence = c.sequence
	}
}

// unschedule tells whether the event was still to come.
func (c *Clock) unschedule(e *event) bool {
	if e.index <= 0 {
		return false
	}
	heap.Remove(&c.events, e.index-1)
	return true
}
