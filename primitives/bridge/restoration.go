package bridge

import (
	"maps"
	"slices"
)

// Restoration gives the steps that are left until all that the snapshot has is
// there again. now is what is there, for all interfaces of the snapshot. What
// follows from a step can make further ones necessary, as a route that goes
// with an address: who has done all steps asks again until none is left.
//
// A port that is gone (of a guest that has ended) is left out. What was changed
// meanwhile and has nothing to do with the dissolution stays as it is.
func (s Snapshot) Restoration(now Snapshot) []Step {
	r := &way{snapshot: s, now: now}
	r.bridge()
	carriers := r.carriers()
	for _, port := range s.Ports {
		if !slices.Contains(carriers, port.Name) {
			r.port(port)
		}
	}
	// Over a bridge that is up already the addresses come before the port goes.
	early := now.Find(s.Bridge.Name) != nil && now.Bridge.Up
	if early {
		r.giveAll(s.Bridge)
	}
	for _, name := range carriers {
		r.port(*s.Find(name))
	}
	r.up(s.Bridge)
	if !early {
		r.giveAll(s.Bridge)
	}
	for _, name := range carriers {
		r.unload(name)
	}
	for _, route := range byReach(s.Bridge.Routes) {
		r.leadHome(route)
	}
	r.surplus()
	for _, port := range s.Ports {
		r.own(port)
	}
	r.bridgeMTU()
	r.rules()
	return r.steps
}

// bridge makes the bridge and its settings.
func (w *way) bridge() {
	wanted, there := w.snapshot.Bridge, w.now.Find(w.snapshot.Bridge.Name)
	if there == nil {
		w.add(Step{Action: Create, Interface: wanted.Name, Link: &Link{Name: wanted.Name}})
		there = &Link{}
	}
	w.configure(wanted, *there)
	if wanted.MACSet && there.MAC != wanted.MAC {
		w.add(Step{Action: SetMAC, Interface: wanted.Name, Link: &Link{MAC: wanted.MAC}})
	}
	if wanted.IPv6Off != there.IPv6Off {
		w.add(Step{Action: SetIPv6, Interface: wanted.Name, Link: &Link{IPv6Off: wanted.IPv6Off}})
	}
}

// configure sets what the bridge or a port that is in it has of settings,
// VLANs and static MAC addresses.
func (w *way) configure(wanted, there Link) {
	if settings := differing(wanted.Settings, there.Settings); len(settings) > 0 {
		w.add(Step{Action: Configure, Interface: wanted.Name, Link: &Link{Settings: settings}})
	}
	if !slices.Equal(wanted.VLANs, there.VLANs) {
		w.add(Step{Action: SetVLANs, Interface: wanted.Name, Link: &Link{VLANs: wanted.VLANs}})
	}
	if missing := lacking(wanted.FDB, there.FDB); len(missing) > 0 {
		w.add(Step{Action: SetFDB, Interface: wanted.Name, Link: &Link{FDB: missing}})
	}
}

func differing(wanted, there map[string]string) map[string]string {
	found := maps.Clone(wanted)
	maps.DeleteFunc(found, func(name, value string) bool { return there[name] == value })
	return found
}

func lacking(wanted, there []FDB) []FDB {
	return slices.DeleteFunc(slices.Clone(wanted), func(entry FDB) bool { return slices.Contains(there, entry) })
}

// carriers are the ports that have something of the bridge's: addresses or a
// MAC that are not theirs.
func (w *way) carriers() []string {
	var names []string
	for _, port := range w.snapshot.Ports {
		there := w.now.Find(port.Name)
		if there == nil {
			continue
		}
		strange := func(address Address) bool { return w.stranger(port, address) }
		moved := func(route Route) bool { return there.hasRoute(route.on(w.snapshot.Bridge.Name, port.Name)) }
		if slices.ContainsFunc(there.Addresses, strange) || slices.ContainsFunc(w.snapshot.Bridge.Routes, moved) || there.MAC != port.MAC {
			names = append(names, port.Name)
		}
	}
	return names
}

// stranger tells whether a port has an address only because it was out of the
// bridge: it is the bridge's, or a router gave it.
func (w *way) stranger(port Link, address Address) bool {
	if port.hasAddress(address) {
		return false
	}
	fromRouter := address.ipv6() && (address.Valid != Forever || address.Flags&flagManageTemp != 0)
	return w.snapshot.Bridge.hasAddress(address) || fromRouter
}

// port puts a port back into the bridge, as it was.
func (w *way) port(wanted Link) {
	there := w.now.Find(wanted.Name)
	if there == nil {
		return
	}
	if there.MAC != wanted.MAC && !wanted.MAC.IsZero() {
		w.add(Step{Action: SetMAC, Interface: wanted.Name, Link: &Link{MAC: wanted.MAC}})
	}
	w.up(wanted)
	in := *there
	if there.Master != w.snapshot.Bridge.Name || w.now.Find(w.snapshot.Bridge.Name) == nil {
		w.add(Step{Action: Join, Interface: wanted.Name})
		in = Link{}
	}
	w.configure(wanted, in)
}

func (w *way) up(wanted Link) {
	if there := w.now.Find(wanted.Name); wanted.Up && (there == nil || !there.Up) {
		w.add(Step{Action: BringUp, Interface: wanted.Name})
	}
}

func (w *way) giveAll(link Link) {
	for _, address := range giving(link.Addresses) {
		w.give(link.Name, address)
	}
}

// unload takes the addresses from a port that are not its own, and the routes
// that routers gave it.
func (w *way) unload(name string) {
	port, there := *w.snapshot.Find(name), w.now.Find(name)
	for _, address := range taking(there.Addresses) {
		if w.stranger(port, address) {
			w.take(name, address)
		}
	}
	for _, route := range there.Routes {
		if route.Protocol == protocolRouterAd && !port.hasRoute(route) {
			w.add(Step{Action: MoveRoute, Interface: name, Take: &route})
		}
	}
}

// leadHome moves a route back to the bridge, from whichever port has it.
func (w *way) leadHome(route Route) {
	bridge := w.snapshot.Bridge.Name
	for _, port := range w.snapshot.Ports {
		if away := route.on(bridge, port.Name); w.now.Find(port.Name).hasRoute(away) && !port.hasRoute(away) {
			w.lead(away, port.Name, bridge)
			return
		}
	}
	if !w.now.Find(bridge).hasRoute(route) && !route.comesWith(w.given) {
		w.add(Step{Action: MoveRoute, Interface: bridge, Give: &route})
	}
}

// surplus takes the routes that the kernel has made for an address of the
// bridge, where somebody had removed them before.
func (w *way) surplus() {
	for _, route := range w.now.Bridge.Routes {
		if route.comesWith(w.snapshot.Bridge.Addresses) && !w.snapshot.Bridge.hasRoute(route) {
			w.add(Step{Action: MoveRoute, Interface: w.snapshot.Bridge.Name, Take: &route})
		}
	}
}

// own gives a port what it had itself.
func (w *way) own(port Link) {
	there := w.now.Find(port.Name)
	if there == nil {
		return
	}
	w.giveAll(port)
	for _, route := range byReach(port.Routes) {
		if !there.hasRoute(route) && !route.comesWith(w.given) {
			w.add(Step{Action: MoveRoute, Interface: port.Name, Give: &route})
		}
	}
	if port.IPv6Off && !there.IPv6Off {
		w.add(Step{Action: SetIPv6, Interface: port.Name, Link: &Link{IPv6Off: true}})
	}
}

// bridgeMTU waits until the ports are back: the kernel gives a bridge the
// lowest MTU of its ports unless somebody has set it.
func (w *way) bridgeMTU() {
	wanted, there := w.snapshot.Bridge, w.now.Find(w.snapshot.Bridge.Name)
	if there == nil || len(w.steps) > 0 || there.MTU == wanted.MTU {
		return
	}
	w.add(Step{Action: SetMTU, Interface: wanted.Name, Link: &Link{MTU: wanted.MTU}})
}

func (w *way) rules() {
	for _, rule := range w.snapshot.Rules {
		same := func(there Rule) bool { return there.IPv6 == rule.IPv6 && there.Message == rule.Message }
		if !slices.ContainsFunc(w.now.Rules, same) {
			w.add(Step{Action: RestoreRule, Rule: &rule})
		}
	}
}
