package bridge

import "slices"

// Dissolution gives the steps that are left until the bridge of the snapshot is
// dissolved: its addresses, routes and MAC are on the port, and no port is in
// it. now is what is there, for all interfaces of the snapshot.
//
// What looks at names of interfaces, as rules of a firewall, sees the traffic on
// the port then.
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
