package sim

import (
	"context"
	"net/netip"
	"slices"

	"ctys/primitives"
	"ctys/primitives/bridge"
)

// Bridges reads, dissolves and restores the bridges of one machine.
type Bridges struct{ view *View }

// Bridge gives the machine's power over its bridges.
func (v *View) Bridge() *Bridges { return &Bridges{v} }

// List gives the bridges among the machine's interfaces.
func (p *Bridges) List(ctx context.Context) ([]bridge.Bridge, error) {
	var all []bridge.Bridge
	err := p.do(ctx, "list", "", func(call) (string, error) {
		for _, i := range p.view.NIC().all() {
			if i.Kind == "bridge" {
				ports := slices.Clone(i.Lower)
				slices.Sort(ports)
				all = append(all, bridge.Bridge{Name: i.Name, MAC: i.MAC, Ports: ports, Up: true})
			}
		}
		return "ok", nil
	})
	return all, err
}

// Snapshot takes down what a bridge is and carries; see bridge.Client.Snapshot.
func (p *Bridges) Snapshot(ctx context.Context, name string) (bridge.Snapshot, error) {
	var taken bridge.Snapshot
	err := p.do(ctx, "snapshot", name, func(c call) (string, error) {
		taken = p.observe(name, nil)
		taken.Version, taken.BootID = bridge.SnapshotVersion, p.boot()
		if taken.Bridge.Index == 0 {
			return "", c.errorf(primitives.Invalid, "there is no such bridge on this host")
		}
		return taken.String(), nil
	})
	return taken, err
}

// Dissolution gives the steps that are left until the bridge is dissolved; see
// bridge.Client.Dissolution.
func (p *Bridges) Dissolution(ctx context.Context, snapshot bridge.Snapshot, port string) ([]bridge.Step, error) {
	var steps []bridge.Step
	err := p.do(ctx, "dissolution", snapshot.Bridge.Name, func(c call) (string, error) {
		now, err := p.now(c, snapshot)
		if err == nil {
			err = snapshot.Dissolvable(now, port, nil)
		}
		if err != nil {
			return "", err
		}
		steps = snapshot.Dissolution(now, port)
		return "ok", nil
	})
	return steps, err
}

// Restoration gives the steps that are left until the bridge is as it was; see
// bridge.Client.Restoration.
func (p *Bridges) Restoration(ctx context.Context, snapshot bridge.Snapshot) ([]bridge.Step, error) {
	var steps []bridge.Step
	err := p.do(ctx, "restoration", snapshot.Bridge.Name, func(c call) (string, error) {
		now, err := p.now(c, snapshot)
		if err != nil {
			return "", err
		}
		steps = snapshot.Restoration(now)
		return "ok", nil
	})
	return steps, err
}

// Apply does one step. The machine's interfaces have masters, addresses, a MAC
// and the default route; what a step does beyond these leaves no trace.
func (p *Bridges) Apply(ctx context.Context, step bridge.Step) error {
	return p.do(ctx, "step", step.Bridge, func(c call) (string, error) {
		if p.view.machine == nil {
			return "", c.errorf(primitives.Denied, "the desk of a simulated world has no bridges")
		}
		p.write(p.observe(step.Bridge, p.names()).After(step))
		return step.String(), nil
	})
}

// Restore does all of Restoration; see bridge.Client.Restore.
func (p *Bridges) Restore(ctx context.Context, snapshot bridge.Snapshot) error {
	for {
		steps, err := p.Restoration(ctx, snapshot)
		if err != nil || len(steps) == 0 {
			return err
		}
		for _, step := range steps {
			if err := p.Apply(ctx, step); err != nil {
				return err
			}
		}
	}
}

// Managers gives those that the machine is described with.
func (p *Bridges) Managers(ctx context.Context, name string) ([]bridge.Manager, error) {
	var found []bridge.Manager
	err := p.do(ctx, "managers", name, func(call) (string, error) {
		if m := p.view.machine; m != nil {
			found = slices.Clone(m.BridgeManagers)
		}
		return "ok", nil
	})
	return found, err
}

func (p *Bridges) do(ctx context.Context, verb, object string, effect func(call) (string, error)) error {
	c := call{power: "bridge", verb: verb, object: object, about: p.view.about("")}
	return p.view.do(ctx, c, func() (string, error) { return effect(c) })
}

func (p *Bridges) boot() string {
	if p.view.machine == nil {
		return Desk
	}
	return p.view.world.bootID(p.view.machine)
}

func (p *Bridges) now(c call, snapshot bridge.Snapshot) (bridge.Snapshot, error) {
	if snapshot.BootID != p.boot() {
		return bridge.Snapshot{}, c.errorf(primitives.Invalid, "the snapshot is of an earlier boot; nothing is changed")
	}
	return p.observe(snapshot.Bridge.Name, p.names()), nil
}

func (p *Bridges) names() []string {
	var names []string
	for _, i := range p.view.NIC().all() {
		names = append(names, i.Name)
	}
	return names
}

// observe describes a bridge, its ports, and the others that are named.
func (p *Bridges) observe(name string, others []string) bridge.Snapshot {
	seen := bridge.Snapshot{Bridge: bridge.Link{Name: name}}
	for _, i := range p.view.NIC().all() {
		link := bridge.Link{Name: i.Name, Index: i.Index, Master: i.Master, MAC: i.MAC, MTU: i.MTU, Up: i.Up}
		for _, prefix := range i.Addresses {
			link.Addresses = append(link.Addresses, bridge.Address{Prefix: prefix, Valid: bridge.Forever, Preferred: bridge.Forever})
		}
		if i.DefaultRoute {
			link.Routes = []bridge.Route{defaultRoute(i.Name)}
		}
		switch {
		case i.Name == name && i.Kind == "bridge":
			link.Kind = "bridge"
			seen.Bridge = link
		case i.Name != name && (i.Master == name || slices.Contains(others, i.Name)):
			seen.Ports = append(seen.Ports, link)
		}
	}
	return seen
}

// defaultRoute is how a machine of the simulated world has one: without a
// gateway, in the main table, by hand.
func defaultRoute(name string) bridge.Route {
	return bridge.Route{
		Destination: netip.PrefixFrom(netip.IPv4Unspecified(), 0), Table: 254, Type: 1, Scope: 253, Protocol: 4,
		Hops: []bridge.Hop{{Interface: name}},
	}
}

// write gives the machine's interfaces what an observation says.
func (p *Bridges) write(seen bridge.Snapshot) {
	for _, link := range append([]bridge.Link{seen.Bridge}, seen.Ports...) {
		card := p.view.machine.nic(link.Name)
		if card == nil {
			continue
		}
		card.Master, card.MAC = link.Master, link.MAC
		card.DefaultRoute = len(link.Routes) > 0
		card.Addresses = nil
		for _, address := range link.Addresses {
			card.Addresses = append(card.Addresses, address.Prefix)
		}
	}
}

// Enslave makes an interface a port of a bridge, as a network manager does that
// does not know of what is going on.
func (w *World) Enslave(name, iface, bridge string) {
	w.locked(func() {
		if card := w.must(name).nic(iface); card != nil {
			card.Master = bridge
		}
	})
}
