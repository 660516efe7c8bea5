package ipmi

import (
	"context"
	"sync"

	"github.com/bougou/go-ipmi/pkg/types"

	"ctys/primitives"
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
		known = &bmc{turn: make(chan struct{}, 1)}
		r.bmcs[address] = known
	}
	return known
}

// bmc is one BMC: the queue of those who want to speak to it, and the cipher
// suite that it took, which only the one whose turn it is may touch.
type bmc struct {
	turn   chan struct{}
	suite  types.CipherSuiteID
	proven bool
}

// lock waits until nobody else has a session with this BMC.
func (b *bmc) lock(ctx context.Context) error {
	select {
	case b.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return failed(primitives.KindOf(ctx.Err()), "another call in this process had its session with this BMC open all the time; nothing was sent", nil)
	}
}

func (b *bmc) unlock() { <-b.turn }

func (b *bmc) remember(suite types.CipherSuiteID) { b.suite, b.proven = suite, true }

func (b *bmc) forget() { b.proven = false }
