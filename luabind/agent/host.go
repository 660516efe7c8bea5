package agent

import (
	"context"
	"io"
	"net/url"
	"strings"

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
	// Guard watches over the bridges of this machine for the job whose folder it
	// is given; nil: the one among the Capabilities does.
	Guard func(folder string) luabind.Guard

	// What is nil below is that of the system.
	Clock    primitives.Clock
	StateDir func() (string, error) // folder of the jobs
	// Lease keeps other runs away from this machine until it is closed;
	// primitives.Busy where another has it. It is taken when a job begins to
	// change this machine; warning is what the operator is told with that.
	Lease func(ctx context.Context, job string) (lease io.Closer, warning string, err error)
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

func (h Host) takeLease(ctx context.Context, job string) (lease io.Closer, warning string, err error) {
	dir, shared, err := journal.LeaseDir()
	if err != nil {
		return nil, "", err
	}
	if !shared {
		warning = "runs of other accounts on this machine are not seen: the leases are in " + dir
	}
	taken, err := journal.Acquire(ctx, h.Clock, dir, ThisMachine, job)
	return taken, warning, err
}

// ActsOn tells whether an event is the intent to change the machine whose run
// has told it, by the name that its events have: to take it down, to arm or
// undo its interfaces, or to do something to a guest of a hypervisor on it,
// whose URI then names no other host. A magic packet changes no sender.
func ActsOn(machine string, event luabind.Event) bool {
	if event.Kind != luabind.KindIntent || event.Host != machine {
		return false
	}
	power, _, _ := strings.Cut(event.Op, ".")
	switch power {
	case "shutdown", "nic", "bridge":
		return true
	case "stack":
		uri, _, _ := strings.Cut(event.Object, " ")
		parsed, err := url.Parse(uri)
		return err == nil && parsed.Host == ""
	}
	return false
}
