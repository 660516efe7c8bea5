package bridge

import (
	"cmp"
	"net/netip"
	"reflect"
	"slices"
)

// Numbers of rtnetlink(7) that the comparison knows.
const (
	mainTable        = 254
	protocolKernel   = 2
	protocolRouterAd = 9
	flagNoPrefix     = 0x200 // IFA_F_NOPREFIXROUTE
	flagManageTemp   = 0x100 // IFA_F_MANAGETEMPADDR
)

// Find gives the bridge or the port of that name; nil where the snapshot has
// none, or where an observation found none.
func (s *Snapshot) Find(name string) *Link {
	if s.Bridge.Name == name {
		return present(&s.Bridge)
	}
	for i := range s.Ports {
		if s.Ports[i].Name == name {
			return present(&s.Ports[i])
		}
	}
	return nil
}

func present(link *Link) *Link {
	if link.Index == 0 {
		return nil
	}
	return link
}

// same tells whether two are one address to the kernel.
func (a Address) same(b Address) bool { return a.Prefix == b.Prefix && a.Peer == b.Peer }

func (a Address) ipv6() bool { return a.Prefix.Addr().Is6() }

// fits tells whether an address that is there is as it shall be. Those of IPv6
// can be changed in place; of others only the address itself is compared.
func (a Address) fits(there Address) bool { return !a.ipv6() || a.Flags == there.Flags }

func (l *Link) address(wanted Address) (Address, bool) {
	if l == nil {
		return Address{}, false
	}
	place := slices.IndexFunc(l.Addresses, wanted.same)
	if place < 0 {
		return Address{}, false
	}
	return l.Addresses[place], true
}

func (l *Link) hasAddress(wanted Address) bool {
	_, found := l.address(wanted)
	return found
}

// giving is the order in which addresses are given so that the kernel's list
// is as it was: of each IPv4 network the first is the primary one, while an
// IPv6 address goes before those that are there.
func giving(addresses []Address) []Address {
	var order, six []Address
	for _, address := range addresses {
		if address.ipv6() {
			six = append(six, address)
		} else {
			order = append(order, address)
		}
	}
	slices.Reverse(six)
	return append(order, six...)
}

// taking is the way back: a primary address would take its secondary ones
// along.
func taking(addresses []Address) []Address {
	order := giving(addresses)
	slices.Reverse(order)
	return order
}

// on is the address as it is on another interface: the label of an IPv4
// address begins with the name of its interface.
func (a Address) on(from, to string) Address {
	if len(a.Label) >= len(from) && a.Label[:len(from)] == from {
		a.Label = to + a.Label[len(from):]
		if len(a.Label) > maxName {
			a.Label = to
		}
	}
	return a
}

// on is the route with every hop through one interface led through another.
func (r Route) on(from, to string) Route {
	r.Hops = slices.Clone(r.Hops)
	for i := range r.Hops {
		if r.Hops[i].Interface == from {
			r.Hops[i].Interface = to
		}
	}
	return r
}

// same tells whether two are one route but for what passes.
func (r Route) same(other Route) bool {
	r.Expires, other.Expires = 0, 0
	return reflect.DeepEqual(r, other)
}

func (l *Link) hasRoute(wanted Route) bool {
	return l != nil && slices.ContainsFunc(l.Routes, wanted.same)
}

func (r Route) gateway() bool {
	return slices.ContainsFunc(r.Hops, func(hop Hop) bool { return hop.Gateway.IsValid() })
}

// byReach puts routes that gateways are reached by before those through
// gateways.
func byReach(routes []Route) []Route {
	ordered := slices.Clone(routes)
	slices.SortStableFunc(ordered, func(a, b Route) int { return cmp.Compare(rank(a), rank(b)) })
	return ordered
}

func rank(r Route) int {
	switch {
	case !r.gateway():
		return 0
	case r.Destination.Bits() == 0:
		return 1 // most of the world, so first
	}
	return 2
}

// comesWith tells whether the kernel makes the route for one of the addresses.
func (r Route) comesWith(addresses []Address) bool {
	if r.Protocol != protocolKernel || r.gateway() || r.Table != mainTable {
		return false
	}
	return slices.ContainsFunc(addresses, func(a Address) bool {
		return a.Flags&flagNoPrefix == 0 && a.network() == r.Destination
	})
}

// network is what the address makes reachable.
func (a Address) network() netip.Prefix {
	if a.Peer.IsValid() {
		return netip.PrefixFrom(a.Peer, a.Prefix.Bits()).Masked()
	}
	return a.Prefix.Masked()
}
