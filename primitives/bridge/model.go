package bridge

import (
	"maps"
	"slices"
	"strings"
)

// After gives what is there when a step was done, where s is what is there: for
// plans and for worlds in memory. What the kernel does of itself, such as the
// routes that go with an address, is not in it.
func (s Snapshot) After(step Step) Snapshot {
	s = s.clone()
	link := s.slot(step.Interface)
	switch step.Action {
	case Create:
		link.Index, link.Kind = s.freeIndex(), "bridge"
	case Configure:
		if link.Settings == nil {
			link.Settings = map[string]string{}
		}
		maps.Copy(link.Settings, step.Link.Settings)
	case SetVLANs:
		link.VLANs = step.Link.VLANs
	case SetFDB:
		link.FDB = append(link.FDB, step.Link.FDB...)
	case SetMAC:
		link.MAC, link.MACSet = step.Link.MAC, link.Kind == "bridge"
	case SetMTU:
		link.MTU = step.Link.MTU
	case SetIPv6:
		link.setIPv6(step.Link.IPv6Off)
	case BringUp:
		link.Up = true
	case Join:
		link.Master = step.Bridge
	case Leave:
		link.Master, link.Settings, link.VLANs, link.FDB = "", nil, nil, nil
	case GiveAddress:
		link.giveAddress(*step.Address)
	case TakeAddress:
		link.Addresses = slices.DeleteFunc(link.Addresses, step.Address.same)
	case MoveRoute:
		s.moveRoute(step)
	case RestoreRule:
		s.Rules = append(s.Rules, *step.Rule)
	}
	return s
}

func (s Snapshot) clone() Snapshot {
	s.Bridge = s.Bridge.clone()
	s.Ports = slices.Clone(s.Ports)
	for i := range s.Ports {
		s.Ports[i] = s.Ports[i].clone()
	}
	s.Rules = slices.Clone(s.Rules)
	return s
}

func (l Link) clone() Link {
	l.Settings = maps.Clone(l.Settings)
	l.Addresses, l.Routes = slices.Clone(l.Addresses), slices.Clone(l.Routes)
	l.VLANs, l.FDB = slices.Clone(l.VLANs), slices.Clone(l.FDB)
	return l
}

// slot is the link of that name, whether it is there or not; one that the
// snapshot does not know takes what is done to it and is forgotten.
func (s *Snapshot) slot(name string) *Link {
	if s.Bridge.Name == name {
		return &s.Bridge
	}
	for i := range s.Ports {
		if s.Ports[i].Name == name {
			return &s.Ports[i]
		}
	}
	return &Link{}
}

func (s *Snapshot) freeIndex() int {
	highest := s.Bridge.Index
	for _, port := range s.Ports {
		highest = max(highest, port.Index)
	}
	return highest + 1
}

// giveAddress puts an address where the kernel does.
func (l *Link) giveAddress(address Address) {
	l.Addresses = slices.DeleteFunc(l.Addresses, address.same)
	place := len(l.Addresses)
	if first := slices.IndexFunc(l.Addresses, Address.ipv6); first >= 0 {
		place = first
	}
	l.Addresses = slices.Insert(l.Addresses, place, address)
}

func (l *Link) setIPv6(off bool) {
	l.IPv6Off = off
	if off {
		l.Addresses = slices.DeleteFunc(l.Addresses, Address.ipv6)
		l.Routes = slices.DeleteFunc(l.Routes, func(r Route) bool { return r.Destination.Addr().Is6() })
	}
}

func (s *Snapshot) moveRoute(step Step) {
	if step.Take != nil {
		for _, hop := range step.Take.Hops {
			link := s.slot(hop.Interface)
			link.Routes = slices.DeleteFunc(link.Routes, step.Take.same)
		}
	}
	if step.Give != nil {
		for _, hop := range step.Give.Hops {
			if link := s.slot(hop.Interface); !link.hasRoute(*step.Give) {
				link.Routes = append(link.Routes, *step.Give)
			}
		}
	}
}

// PortNames are the interfaces that are in the bridge, sorted.
func (s Snapshot) PortNames() []string {
	var names []string
	for _, port := range s.Ports {
		if port.Master == s.Bridge.Name && port.Index != 0 {
			names = append(names, port.Name)
		}
	}
	slices.Sort(names)
	return names
}

// String names the bridge and its ports.
func (s Snapshot) String() string {
	names := s.PortNames()
	if len(names) == 0 {
		return s.Bridge.Name + " without ports"
	}
	return s.Bridge.Name + " with " + strings.Join(names, ", ")
}
