package agent

import (
	"context"

	"ctys/luabind"
	"ctys/luabind/inventory"
	"ctys/primitives"
	"ctys/primitives/ipmi"
	"ctys/primitives/shutdown"
)

// What an agent may ask of its desk.
const (
	serviceSecret   = "secret"   // argument: its name in the shipped inventory
	serviceRun      = "run"      // luabind.Order for a guest of the asking machine
	serviceCarry    = "carry"    // names of such guests: which of them carry others?
	serviceShutDown = "shutdown" // downRequest for such a guest
	serviceStatus   = "status"   // bmcRequest
	serviceControl  = "control"  // bmcRequest
)

type downRequest struct {
	Machine luabind.Machine  `json:"machine"`
	Request shutdown.Request `json:"request"`
}

// bmcRequest names a BMC; its password stays at the desk.
type bmcRequest struct {
	Host    string       `json:"host"`
	Port    int          `json:"port,omitempty"`
	User    string       `json:"user,omitempty"`
	Control ipmi.Control `json:"control,omitempty"`
}

type bmcAnswer struct {
	Power string `json:"power"`
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

// deskIPMI has the desk speak to BMCs, but for those that the inventory
// reaches through this machine.
type deskIPMI struct {
	hub       *hub
	inventory *inventory.Inventory
	self      string
	own       luabind.IPMI
}

// Status is luabind.IPMI.
func (d deskIPMI) Status(ctx context.Context, target ipmi.Target) (ipmi.Status, error) {
	if d.isOurs(target) {
		return d.own.Status(ctx, target)
	}
	var seen bmcAnswer
	if err := d.hub.ask(ctx, serviceStatus, requestFor(target, ""), &seen, nil); err != nil {
		return ipmi.Status{}, err
	}
	power, err := primitives.ParsePower(seen.Power)
	return ipmi.Status{Power: power, At: d.hub.clock.Now()}, err
}

// Control is luabind.IPMI.
func (d deskIPMI) Control(ctx context.Context, target ipmi.Target, control ipmi.Control) error {
	if d.isOurs(target) {
		return d.own.Control(ctx, target, control)
	}
	return d.hub.ask(ctx, serviceControl, requestFor(target, control), nil, nil)
}

func requestFor(target ipmi.Target, control ipmi.Control) bmcRequest {
	return bmcRequest{Host: target.Host, Port: target.Port, User: target.User, Control: control}
}

func (d deskIPMI) isOurs(target ipmi.Target) bool {
	if d.own == nil {
		return false
	}
	row := rowOfBMC(d.inventory, target.Host, target.Port)
	return row != nil && row.BMC.Via == d.self
}

// rowOfBMC finds the machine that a BMC belongs to.
func rowOfBMC(inv *inventory.Inventory, host string, port int) *inventory.Row {
	for _, row := range inv.Rows() {
		if row.BMC != nil && row.BMC.Host == host && portOr(row.BMC.Port) == portOr(port) {
			return row
		}
	}
	return nil
}

func portOr(port int) int {
	if port == 0 {
		return ipmi.DefaultPort
	}
	return port
}
