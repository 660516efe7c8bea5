package ipmi

import (
	"context"
	"sync"

	"github.com/bougou/go-ipmi/pkg/types"
)

// registry holds what is remembered of each BMC, by address.
type registry struct {
	mu   sync.Mutex
	bmcs map[string]*bmc
}

// of finds the BMC of an address; the first call makes it.
func (r *registry) of(address string) *bmc {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bmcs == nil {
		r.bmcs = make(map[string]*bmc)
	}
	known, ok := r.bmcs[address]
	if !ok {
		known = &bmc{address: address}
		r.bmcs[address] = known
	}
	return known
}

// bmc is one BMC: the cipher suite that it took, and a session that it may
// still hold. Only the one whose turn it is may touch them.
type bmc struct {
	address string
	turn    *turn
	suite   types.CipherSuiteID
	proven  bool
	owed    *session // whose Close Session was never answered
}

func (b *bmc) remember(suite types.CipherSuiteID) { b.suite, b.proven = suite, true }

func (b *bmc) forget() { b.proven = false }

// lock waits until nobody else in this process has a session with this BMC.
func (b *bmc) lock(ctx context.Context) error {
	t := queues.join(b.address)
	select {
	case t.free <- struct{}{}:
		b.turn = t
		return nil
	case <-ctx.Done():
		queues.leave(b.address, t)
		return ended(ctx, "another call in this process had its session with this BMC open all the time; nothing was sent")
	}
}

func (b *bmc) unlock() {
	t := b.turn
	b.turn = nil
	<-t.free
	queues.leave(b.address, t)
}

// queues are the queues of this process: whichever Client a call comes by, a
// BMC has one session at a time.
var queues turns

// turns holds the queue of each BMC that somebody speaks to or waits for.
type turns struct {
	mu    sync.Mutex
	turns map[string]*turn
}

type turn struct {
	free    chan struct{} // holds one while somebody has his turn
	members int
}

func (q *turns) join(address string) *turn {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.turns == nil {
		q.turns = map[string]*turn{}
	}
	t, ok := q.turns[address]
	if !ok {
		t = &turn{free: make(chan struct{}, 1)}
		q.turns[address] = t
	}
	t.members++
	return t
}

func (q *turns) leave(address string, t *turn) {
	q.mu.Lock()
	defer q.mu.Unlock()
	t.members--
	if t.members == 0 {
		delete(q.turns, address)
	}
}
