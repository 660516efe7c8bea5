package sim

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// Key orders waiters that wake at the same instant, like the parts of a path:
// (1) before (1, 1) before (1, 2) before (2). A nested runtime appends to the
// key of the task it runs in.
type Key []uint32

type keyOfContext struct{}

// WithKey gives the waits of a context their place among those of the same
// instant. Without a key they come first, in the order in which they began.
func WithKey(ctx context.Context, key Key) context.Context {
	return context.WithValue(ctx, keyOfContext{}, slices.Clone(key))
}

// KeyOf is the key that WithKey has set, or nil.
func KeyOf(ctx context.Context) Key {
	key, _ := ctx.Value(keyOfContext{}).(Key)
	return key
}

// Keyed is WithKey for callers that do not import this package.
func (c *Clock) Keyed(ctx context.Context, key []uint32) context.Context {
	return WithKey(ctx, key)
}

// class orders what happens at the same instant. The world goes first, so that
// who wakes sees its state of that instant. Deadlines go last: what is done at
// its deadline is done in time.
type class int

const (
	classWorld class = iota
	classWake
	classDeadline
)

// event is one entry of the heap: a sleeper that wakes, a deadline, or a call.
type event struct {
	at       time.Time
	class    class
	key      Key
	sequence uint64

	sleeper  *sleeper
	deadline *deadlineNode
	run      func()

	index int // place in the heap plus one; 0 when not in it
}

func (e *event) compare(other *event) int {
	if order := e.at.Compare(other.at); order != 0 {
		return order
	}
	if order := cmp.Compare(e.class, other.class); order != 0 {
		return order
	}
	if order := slices.Compare(e.key, other.key); order != 0 {
		return order
	}
	return cmp.Compare(e.sequence, other.sequence)
}

type eventHeap []*event

func (h eventHeap) Len() int           { return len(h) }
func (h eventHeap) Less(i, j int) bool { return h[i].compare(h[j]) < 0 }

func (h eventHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i+1, j+1
}

func (h *eventHeap) Push(x any) {
	e := x.(*event)
	*h = append(*h, e)
	e.index = len(*h)
}

func (h *eventHeap) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	e.index = 0
	return e
}
