package agent

import (
	"context"

	"ctys/luabind"
	"ctys/primitives"
	"ctys/primitives/shutdown"
)

// What an agent may ask of its desk.
const (
	serviceSecret   = "secret"   // argument: its name in the shipped inventory
	serviceRun      = "run"      // luabind.Order for a guest of the asking machine
	serviceCarry    = "carry"    // names of such guests: which of them carry others?
	serviceShutDown = "shutdown" // downRequest for such a guest

	// At a BMC; the argument of each is a bmcRequest.
	serviceStatus      = "status"
	serviceControl     = "control"
	serviceIdentify    = "identify"
	serviceBoot        = "boot"
	serviceSetBoot     = "set_boot"
	serviceAddresses   = "addresses"
	serviceController  = "controller"
	serviceSensors     = "sensors"
	serviceEvents      = "events"
	serviceClearEvents = "clear_events"
	serviceRaw         = "raw"
)

type downRequest struct {
	Machine luabind.Machine  `json:"machine"`
	Request shutdown.Request `json:"request"`
}

// deskRelocator has the desk carry an order to a guest of this machine: the
// desk has the keys, this machine only passes the line on.
type deskRelocator struct{ hub *hub }

// Run is luabind.Relocator.
func (r deskRelocator) Run(ctx context.Context, order luabind.Order, events func(luabind.Event)) (any, error) {
	var value any
	err := r.hub.ask(ctx, serviceRun, order, &value, events)
	return value, err
}

// Carry is luabind.Relocator.
func (r deskRelocator) Carry(ctx context.Context, machines []string) (map[string]bool, error) {
	var seen map[string]bool
	err := r.hub.ask(ctx, serviceCarry, machines, &seen, nil)
	return seen, err
}

// ShutDown is luabind.Relocator.
func (r deskRelocator) ShutDown(ctx context.Context, machine luabind.Machine, request shutdown.Request) error {
	return r.hub.ask(ctx, serviceShutDown, downRequest{machine, request}, nil, nil)
}

// Login is luabind.Relocator.
func (r deskRelocator) Login(_ context.Context, machine luabind.Machine) error {
	return primitives.Errorf(primitives.Unsupported, "action.login", machine.Name, "only the desk has the operator's keys")
}

// Console is luabind.Relocator.
func (r deskRelocator) Console(_ context.Context, machine luabind.Machine) (int, error) {
	return 0, primitives.Errorf(primitives.Unsupported, "action.console", machine.Name, "only the desk has the operator's terminal")
}
