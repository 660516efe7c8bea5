package ipmi

import (
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
	suite   types.CipherSuiteID
	proven  bool
	owed    *session // whose Close Session was never answered
}

func (b *bmc) remember(suite types.CipherSuiteID) { b.suite, b.proven = suite, true }

func (b *bmc) forget() { b.proven = false }
