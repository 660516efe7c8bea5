package agent

import (
	"context"
	"io"

	"ctys/luabind"
	"ctys/luabind/journal"
	"ctys/primitives"
)

// Host is the machine that an agent runs on, as the program around it sees it.
type Host struct {
	Version string // must be the desk's
	// Capabilities gives the powers of this machine for an order, with the
	// power to take it down only where the order has MayDown. IPMI is used for
	// BMCs that the inventory reaches via this machine only; Relocate and
	// Remote are the agent's own. The function it returns gives them back.
	Capabilities func(ctx context.Context, order luabind.Order) (luabind.Capabilities, func(), error)

	// What is nil below is that of the system.
	Clock    primitives.Clock
	StateDir func() (string, error) // folder of the jobs
	// Lease keeps other runs away from this machine until it is closed;
	// primitives.Busy where another has it.
	Lease func(ctx context.Context, job string) (io.Closer, error)
	// Life ends when the machine loses its power, which only a simulated one
	// survives to tell: a job then ends without a word.
	Life context.Context
}

func (h Host) withDefaults() Host {
	if h.Clock == nil {
		h.Clock = primitives.SystemClock{}
	}
	if h.StateDir == nil {
		h.StateDir = journal.StateDir
	}
	if h.Lease == nil {
		h.Lease = h.takeLease
	}
	if h.Life == nil {
		h.Life = context.Background()
	}
	return h
}

// ThisMachine is the name under which a run takes the lease of the machine
// that it runs on: desks may call one machine by several names.
const ThisMachine = "this-machine"

func (h Host) takeLease(ctx context.Context, job string) (io.Closer, error) {
	dir, _, err := journal.LeaseDir()
	if err != nil {
		return nil, err
	}
	return journal.Acquire(ctx, h.Clock, dir, ThisMachine, job)
}
