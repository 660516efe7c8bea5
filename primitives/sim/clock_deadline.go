package sim

import (
	"context"
	"sync"
	"time"
)

// deadlineNode is the root of a context with a deadline of this clock. It only
// serves as the parent of one standard context, which ends with the node's
// error, at once and with all of its children, when the node says so. The
// clock keeps the nodes below a node in a tree of its own, because a standard
// context tells a foreign child of its end only from another goroutine.
type deadlineNode struct {
	clock    *Clock
	parent   context.Context
	deadline time.Time       // its own or that of a node above, whichever is first
	standard context.Context // what ends with it
	free     context.CancelFunc

	event    event
	above    *deadlineNode
	unwatch  func() bool // of a parent whose end the clock is not told
	sleepers set[*sleeper]
	below    set[*deadlineNode]
	ended    bool

	mu   sync.Mutex // guards what follows; nothing is locked under it
	err  error
	done chan struct{}
	call func()
}

// deadlineContext is what callers of WithDeadline hold.
type deadlineContext struct {
	context.Context // standard child of the node
	node            *deadlineNode
}

type nodeOfContext struct{}

// WithDeadline gives a context that ends with context.DeadlineExceeded when
// the clock reaches deadline. The clock knows when its CancelFunc is called:
// no call of Cancelled is needed after it.
func (c *Clock) WithDeadline(parent context.Context, deadline time.Time) (context.Context, context.CancelFunc) {
	node := &deadlineNode{clock: c, parent: parent, deadline: deadline, done: make(chan struct{})}
	node.standard, node.free = context.WithCancel(node)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.join(node)
	switch {
	case parent.Err() != nil:
		c.end(node, parent.Err())
	case !deadline.After(c.now):
		c.end(node, context.DeadlineExceeded)
	default:
		node.event = event{class: classDeadline, key: KeyOf(parent), deadline: node}
		c.pending++
		c.schedule(&node.event, deadline)
	}
	return &deadlineContext{Context: node.standard, node: node}, func() { c.cancel(node) }
}

// Deadline is on the virtual clock.
func (d *deadlineContext) Deadline() (time.Time, bool) { return d.node.deadline, true }

func (d *deadlineContext) Value(key any) any {
	if key == (nodeOfContext{}) {
		return d.node
	}
	return d.Context.Value(key)
}

func (c *Clock) cancel(node *deadlineNode) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end(node, context.Canceled)
	c.drive()
}

// nodeAbove is the nearest node of this clock that ctx was made from, and
// whether ctx ends exactly when that node does.
func (c *Clock) nodeAbove(ctx context.Context) (node *deadlineNode, same bool) {
	node, _ = ctx.Value(nodeOfContext{}).(*deadlineNode)
	if node == nil || node.clock != c {
		return nil, false
	}
	return node, ctx.Done() == node.standard.Done()
}

// join puts the node where the end of its parent reaches it.
func (c *Clock) join(node *deadlineNode) {
	if node.parent.Done() == nil {
		return
	}
	above, same := c.nodeAbove(node.parent)
	if above != nil {
		node.above = above
		above.below.add(node)
		if above.deadline.Before(node.deadline) {
			node.deadline = above.deadline
		}
	}
	if same {
		return
	}
	c.outsiders[node] = struct{}{}
	node.unwatch = context.AfterFunc(node.parent, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.end(node, node.parent.Err())
		c.drive()
	})
}

// end ends the node, the contexts made from it and the sleepers under it. What
// only looks as if it were under it (context.WithoutCancel) is left alone.
func (c *Clock) end(node *deadlineNode, err error) {
	if node.ended {
		return
	}
	node.ended = true
	c.leave(node)
	node.finish(err)
	for below := range node.below {
		if err := below.parent.Err(); err != nil {
			c.end(below, err)
		}
	}
	for s := range node.sleepers {
		c.endSleeper(s)
	}
}

// leave takes the node out of everything that holds it.
func (c *Clock) leave(node *deadlineNode) {
	if c.unschedule(&node.event) {
		c.pending--
	}
	if node.above != nil {
		node.above.below.remove(node)
	}
	if node.unwatch != nil {
		node.unwatch()
		delete(c.outsiders, node)
	}
}

// finish ends the standard context. The clock's lock may be held: what is
// called are the standard library's own contexts, which start a goroutine for
// every function of somebody else.
func (n *deadlineNode) finish(err error) {
	n.mu.Lock()
	n.err = err
	close(n.done)
	call := n.call
	n.call = nil
	n.mu.Unlock()
	if call != nil {
		call()
	}
	n.free()
}

// AfterFunc is how the standard child asks to be ended without a goroutine of
// its own (see context.AfterFunc).
func (n *deadlineNode) AfterFunc(f func()) (stop func() bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.call = f // the node is new: it has one child and has not ended
	return func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		stopped := n.call != nil
		n.call = nil
		return stopped
	}
}

// Deadline, Done, Err and Value make the node a context for its child.
func (n *deadlineNode) Deadline() (time.Time, bool) { return n.deadline, true }

// Done is closed when the node has ended.
func (n *deadlineNode) Done() <-chan struct{} { return n.done }

// Err is why the node has ended.
func (n *deadlineNode) Err() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.err
}

// Value is that of the parent.
func (n *deadlineNode) Value(key any) any { return n.parent.Value(key) }

type set[T comparable] map[T]struct{}

func (s *set[T]) add(item T) {
	if *s == nil {
		*s = set[T]{}
	}
	(*s)[item] = struct{}{}
}

func (s *set[T]) remove(item T) { delete(*s, item) }
