package ipmi

import (
	"context"
	"net/netip"
	"slices"
	"sync"
)

// queues are the queues of this process: whichever Client a call comes by, and
// whichever of its names or addresses it has, a BMC has one session at a time.
var queues turns

// turns holds the queue of each address that somebody speaks to or waits for.
type turns struct {
	mu    sync.Mutex
	turns map[netip.AddrPort]*turn
}

type turn struct {
	free    chan struct{} // holds one while somebody has his turn
	members int
}

// hold waits until nobody else in this process has a session with a BMC behind
// one of these addresses. All of a name's are held, since another call may know
// the same BMC by another one of them; in one order, so that no two calls wait
// for each other.
func (q *turns) hold(ctx context.Context, addresses []netip.AddrPort) (release func(), err error) {
	all := addresses
	if len(all) > 1 {
		all = slices.Clone(all)
		slices.SortFunc(all, netip.AddrPort.Compare)
		all = slices.Compact(all)
	}
	held := make([]*turn, 0, len(all))
	release = func() {
		for i, t := range held {
			<-t.free
			q.leave(all[i], t)
		}
	}
	for _, address := range all {
		t := q.join(address)
		select {
		case t.free <- struct{}{}:
			held = append(held, t)
		case <-ctx.Done():
			q.leave(address, t)
			release()
			return nil, ended(ctx, "another call in this process had its session with this BMC open all the time; nothing was sent")
		}
	}
	return release, nil
}

func (q *turns) join(address netip.AddrPort) *turn {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.turns == nil {
		q.turns = map[netip.AddrPort]*turn{}
	}
	t, ok := q.turns[address]
	if !ok {
		t = &turn{free: make(chan struct{}, 1)}
		q.turns[address] = t
	}
	t.members++
	return t
}

func (q *turns) leave(address netip.AddrPort, t *turn) {
	q.mu.Lock()
	defer q.mu.Unlock()
	t.members--
	if t.members == 0 {
		delete(q.turns, address)
	}
}
