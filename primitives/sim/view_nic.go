package sim

import (
	"context"
	"slices"
	"strings"

	"ctys/primitives"
	"ctys/primitives/nic"
)

// NICs reads and arms the network interfaces of one machine.
type NICs struct{ view *View }

// NIC gives the machine's power over its interfaces.
func (v *View) NIC() *NICs { return &NICs{v} }

// List gives all interfaces, in the order of the description.
func (p *NICs) List(ctx context.Context) ([]nic.Interface, error) {
	var all []nic.Interface
	err := p.read(ctx, "list", "", func(call) (err error) {
		all = p.all()
		return nil
	})
	return all, err
}

// Get gives one interface; Invalid where there is none of that name.
func (p *NICs) Get(ctx context.Context, name string) (nic.Interface, error) {
	var found nic.Interface
	err := p.read(ctx, "get", name, func(c call) (err error) {
		found, err = p.one(c, name)
		return err
	})
	return found, err
}

// Default gives the interface of the default route, else the first physical
// one; Unsupported where there is neither.
func (p *NICs) Default(ctx context.Context) (nic.Interface, error) {
	var found nic.Interface
	err := p.read(ctx, "default", "", func(c call) error {
		all := p.all()
		place := slices.IndexFunc(all, func(i nic.Interface) bool { return i.DefaultRoute })
		if place < 0 {
			place = slices.IndexFunc(all, func(i nic.Interface) bool { return i.Kind == "physical" })
		}
		if place < 0 {
			return c.errorf(primitives.Unsupported, "there is no physical interface")
		}
		found = all[place]
		return nil
	})
	return found, err
}

// Descend gives the physical interfaces that one stands on; Invalid where
// there is none of that name, Unsupported where nothing physical is below.
func (p *NICs) Descend(ctx context.Context, name string) ([]string, error) {
	var found []string
	err := p.read(ctx, "descend", name, func(c call) error {
		top, err := p.one(c, name)
		if err != nil {
			return err
		}
		found = p.below(top, p.all(), 0)
		if len(found) == 0 {
			return c.errorf(primitives.Unsupported, "nothing physical is below")
		}
		return nil
	})
	return found, err
}

func (p *NICs) read(ctx context.Context, verb, name string, look func(call) error) error {
	c := call{power: "nic", verb: verb, object: name, about: p.view.about("")}
	return p.view.do(ctx, c, func() (string, error) { return "ok", look(c) })
}

func (p *NICs) one(c call, name string) (nic.Interface, error) {
	for _, i := range p.all() {
		if i.Name == name {
			return i, nil
		}
	}
	return nic.Interface{}, p.unknown(c)
}

func (p *NICs) unknown(c call) error {
	var names []string
	for _, i := range p.all() {
		names = append(names, i.Name)
	}
	return c.errorf(primitives.Invalid, "there is no such interface on this host: it has %s", strings.Join(names, ", "))
}

// deepest bounds the descent through interfaces described as standing on
// themselves.
const deepest = 8

func (p *NICs) below(top nic.Interface, all []nic.Interface, depth int) []string {
	if top.Kind == "physical" {
		return []string{top.Name}
	}
	if depth == deepest {
		return nil
	}
	var found []string
	for _, i := range all {
		if top.ActiveSlave != "" && i.Name == top.ActiveSlave || top.ActiveSlave == "" && slices.Contains(top.Lower, i.Name) {
			found = append(found, p.below(i, all, depth+1)...)
		}
	}
	return found
}

// all gives the interfaces of the machine; the desk has one.
func (p *NICs) all() []nic.Interface {
	if p.view.machine == nil {
		return []nic.Interface{{Name: "eth0", Index: 2, Kind: "physical", Driver: "e1000e", Up: true, Carrier: true, MTU: 1500, DefaultRoute: true}}
	}
	var all []nic.Interface
	for i, n := range p.view.machine.NICs {
		all = append(all, p.describe(n, i+2))
	}
	for i := range all {
		all[i].Lower = p.lower(all[i])
	}
	return all
}

func (p *NICs) describe(n NIC, index int) nic.Interface {
	described := nic.Interface{
		Name: n.Name, Index: index, Kind: n.Kind, Driver: n.Driver, MAC: n.MAC,
		Up: true, Carrier: true, MTU: 1500, Addresses: slices.Clone(n.Addresses),
		Master: n.Master, Lower: slices.Clone(n.Lower), ActiveSlave: n.ActiveSlave, DefaultRoute: n.DefaultRoute,
		Wake: nic.Wake{Supported: n.WakeSupported, Set: n.WakeSet, Device: n.WakeDevice},
	}
	if n.Kind == "physical" {
		described.PermanentMAC = n.MAC
	}
	if n.WakeSupported == "" {
		described.Wake.Cause = "operation not supported"
	}
	if described.Wake.Magic() {
		described.Wake.Beyond = nic.Beyond
	}
	return described
}

// lower adds the ports that name the interface as their master.
func (p *NICs) lower(top nic.Interface) []string {
	lower := slices.Clone(top.Lower)
	for _, n := range p.view.machine.NICs {
		if n.Master == top.Name && !slices.Contains(lower, n.Name) {
			lower = append(lower, n.Name)
		}
	}
	return lower
}
