package bridge

import "slices"

// Dissolution gives the steps that are left until the bridge of the snapshot is
// dissolved: its addresses, routes and MAC are on the port, and no port is in
// it. now is what is there, for all interfaces of the snapshot.
//
// The port has every address before the bridge loses it. Nothing comes through
// from when the port is out of the bridge until its addresses are off the
// bridge and the routes are on the port, so these follow on each other.
func (s Snapshot) Dissolution(now Snapshot, port string) []Step {
	d := &way{snapshot: s, now: now}
	d.prepare(port)
	for _, address := range giving(s.Bridge.Addresses) {
		d.give(port, address.on(s.Bridge.Name, port))
	}
	d.leave(port)
	for _, address := range taking(s.Bridge.Addresses) {
		d.take(s.Bridge.Name, address)
	}
	for _, route := range byReach(s.Bridge.Routes) {
		d.lead(route, s.Bridge.Name, port)
	}
	for _, other := range now.Ports {
		if other.Name != port {
			d.leave(other.Name)
		}
	}
	return d.steps
}

// way collects steps from what is there to what shall be.
type way struct {
	snapshot, now Snapshot
	steps         []Step
	given         []Address // by the steps so far
}

func (w *way) add(step Step) {
	step.Bridge = w.snapshot.Bridge.Name
	w.steps = append(w.steps, step)
}

// prepare makes the port able to carry the bridge's addresses.
func (w *way) prepare(port string) {
	there, from := w.now.Find(port), w.snapshot.Bridge
	if there == nil {
		return
	}
	if !from.MAC.IsZero() && there.MAC != from.MAC {
		w.add(Step{Action: SetMAC, Interface: port, Link: &Link{MAC: from.MAC}})
	}
	if !there.Up {
		w.add(Step{Action: BringUp, Interface: port})
	}
	if there.IPv6Off && slices.ContainsFunc(from.Addresses, Address.ipv6) {
		w.add(Step{Action: SetIPv6, Interface: port, Link: &Link{}})
	}
}

func (w *way) leave(port string) {
	if there := w.now.Find(port); there != nil && there.Master == w.snapshot.Bridge.Name {
		w.add(Step{Action: Leave, Interface: port})
	}
}

func (w *way) give(name string, address Address) {
	if there, found := w.now.Find(name).address(address); found && address.fits(there) {
		return
	}
	w.given = append(w.given, address)
	w.add(Step{Action: GiveAddress, Interface: name, Address: &address})
}

func (w *way) take(name string, address Address) {
	if w.now.Find(name).hasAddress(address) {
		w.add(Step{Action: TakeAddress, Interface: name, Address: &address})
	}
}

// lead moves a route from one interface to another. One that the kernel makes
// for an address comes and goes with it.
func (w *way) lead(route Route, from, to string) {
	give, take := route.on(from, to), route
	there, old := w.now.Find(to).hasRoute(give), w.now.Find(from).hasRoute(take)
	if !there && give.comesWith(w.given) || there && !old {
		return
	}
	step := Step{Action: MoveRoute, Interface: to}
	if !there {
		step.Give = &give
	}
	if old {
		step.Take = &take
	}
	if step.Give == nil {
		step.Interface = from
	}
	w.add(step)
}
