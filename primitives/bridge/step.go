package bridge

import (
	"fmt"
	"slices"
	"strings"

	"ctys/primitives"
)

// Action is what a Step does.
type Action string

// The actions. Each looks first, and does nothing where it is done already.
const (
	Create       Action = "create"       // the bridge
	Configure    Action = "configure"    // Link.Settings of the bridge or a port
	SetVLANs     Action = "vlans"        // Link.VLANs of the bridge or a port
	SetFDB       Action = "fdb"          // Link.FDB of a port
	SetMAC       Action = "mac"          // Link.MAC
	SetMTU       Action = "mtu"          // Link.MTU
	SetIPv6      Action = "ipv6"         // Link.IPv6Off
	BringUp      Action = "up"           //
	Join         Action = "join"         // the bridge, as a port
	Leave        Action = "leave"        // the bridge
	GiveAddress  Action = "give address" // Address
	TakeAddress  Action = "take address" // Address
	MoveRoute    Action = "move route"   // Take away, Give; one of them may be missing
	RestoreRule  Action = "rule"         // Rule
	unknownSteps        = "an unknown step"
)

// Step is one change on the way from or to a bridge, idempotent: done twice it
// is done once. Its name is String.
type Step struct {
	Action    Action
	Bridge    string // the bridge that is dissolved or restored
	Interface string // on which it is done

	Link    *Link // what it shall be, as far as the action says
	Address *Address
	Give    *Route
	Take    *Route
	Rule    *Rule
}

// String says what the step does, on one line: "take eth0 out of br0".
func (s Step) String() string {
	switch s.Action {
	case Create:
		return "make bridge " + s.Bridge
	case BringUp:
		return "bring " + s.Interface + " up"
	case Join:
		return "put " + s.Interface + " into " + s.Bridge
	case Leave:
		return "take " + s.Interface + " out of " + s.Bridge
	case GiveAddress:
		return "give " + s.Address.String() + " to " + s.Interface
	case TakeAddress:
		return "take " + s.Address.String() + " from " + s.Interface
	case MoveRoute:
		return s.routeName()
	case RestoreRule:
		return "add rule " + s.Rule.String()
	}
	return s.linkName()
}

func (s Step) linkName() string {
	switch s.Action {
	case Configure:
		return "set " + settingsText(s.Link.Settings) + " of " + s.Interface
	case SetVLANs:
		return "set the VLANs of " + s.Interface + " to " + vlansText(s.Link.VLANs)
	case SetFDB:
		return fmt.Sprintf("add %d static MAC addresses to %s", len(s.Link.FDB), s.Interface)
	case SetMAC:
		return "set the MAC address of " + s.Interface + " to " + s.Link.MAC.String()
	case SetMTU:
		return fmt.Sprintf("set the MTU of %s to %d", s.Interface, s.Link.MTU)
	case SetIPv6:
		if s.Link.IPv6Off {
			return "disable IPv6 on " + s.Interface
		}
		return "enable IPv6 on " + s.Interface
	}
	return unknownSteps
}

func (s Step) routeName() string {
	switch {
	case s.Take == nil:
		return "give route " + s.Give.String() + " to " + s.Interface
	case s.Give == nil:
		return "take route " + s.Take.String() + " from " + s.Interface
	}
	return "move route " + s.Give.String() + " from " + s.Take.Hops[0].Interface + " to " + s.Interface
}

func settingsText(settings map[string]string) string {
	var words []string
	for name, value := range settings {
		words = append(words, name+" "+value)
	}
	slices.Sort(words)
	if len(words) > 3 {
		return fmt.Sprintf("%d settings (%s, …)", len(words), strings.Join(words[:2], ", "))
	}
	return strings.Join(words, ", ")
}

func vlansText(vlans []VLAN) string {
	words := make([]string, 0, len(vlans))
	for _, vlan := range vlans {
		words = append(words, vlan.String())
	}
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}

// String is as bridge(8) prints it: "10-20 untagged".
func (v VLAN) String() string {
	text := fmt.Sprint(v.First)
	if v.Last != v.First {
		text += fmt.Sprintf("-%d", v.Last)
	}
	if v.PVID {
		text += " PVID"
	}
	if v.Untagged {
		text += " untagged"
	}
	return text
}

// String is the address with the length of its network, "10.0.0.5/24".
func (a Address) String() string {
	if a.Peer.IsValid() {
		return fmt.Sprintf("%s peer %s/%d", a.Prefix.Addr(), a.Peer, a.Prefix.Bits())
	}
	return a.Prefix.String()
}

// String is as ip-route(8) prints it, without the interface of a single hop:
// "default via 10.0.0.1 table 100".
func (r Route) String() string {
	text := r.Destination.String()
	if r.Destination.Bits() == 0 {
		text = "default"
	}
	for _, hop := range r.Hops {
		if len(r.Hops) > 1 {
			text += " nexthop dev " + hop.Interface
		}
		if hop.Gateway.IsValid() {
			text += " via " + hop.Gateway.String()
		}
	}
	if r.Table != mainTable {
		text += fmt.Sprintf(" table %d", r.Table)
	}
	if r.Metric != 0 {
		text += fmt.Sprintf(" metric %d", r.Metric)
	}
	return text
}

// String is the rule's priority and what it says.
func (r Rule) String() string { return fmt.Sprintf("%d: %s", r.Priority, r.Text) }

// wrap names the step that failed.
func (s Step) wrap(cause error) error {
	if cause == nil {
		return nil
	}
	if primitives.KindOf(cause) == primitives.Denied {
		return &primitives.Error{Kind: primitives.Denied, Op: "bridge.step", Host: s.Bridge, Message: s.String() + ": this needs root (CAP_NET_ADMIN)", Cause: cause}
	}
	return primitives.Wrap("bridge.step", s.Bridge, s.String(), cause)
}
