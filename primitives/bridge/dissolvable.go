package bridge

import (
	"fmt"
	"slices"
	"strings"

	"ctys/primitives"
)

// Dissolvable tells why a bridge cannot be dissolved onto a port without
// cutting the host off: nil where it can. above are the interfaces that stand
// on the bridge. Errors: Invalid for what is no port, else Unsupported.
func (s Snapshot) Dissolvable(now Snapshot, port string, above []string) error {
	const op = "bridge.dissolve"
	name := s.Bridge.Name
	refuse := func(kind primitives.Kind, format string, args ...any) error {
		return primitives.Errorf(kind, op, name, format, args...)
	}
	wanted := s.Find(port)
	switch {
	case wanted == nil || port == name:
		return refuse(primitives.Invalid, "%s is no port of it (%s)", port, s)
	case now.Find(port) == nil:
		return refuse(primitives.Invalid, "the port %s is gone", port)
	case s.Bridge.Master != "":
		return refuse(primitives.Unsupported, "it is itself a port of %s, which would lose it; take it out there first", s.Bridge.Master)
	case len(above) > 0:
		return refuse(primitives.Unsupported, "%s stands on it and would be cut off from the network; move its addresses to a VLAN or macvlan of %s first", strings.Join(above, ", "), port)
	}
	if reason := tagged(s.Bridge, *wanted); reason != "" {
		return refuse(primitives.Unsupported, "%s; a card by itself would send the same without a tag and not be heard", reason)
	}
	return nil
}

// tagged tells why what the host itself sends leaves the port other than
// without a tag, or not at all; empty where it is without one, and so can go on
// over the bare card.
func tagged(bridge, port Link) string {
	if bridge.Settings[vlanFiltering] != "1" || len(bridge.Addresses) == 0 {
		return ""
	}
	own := slices.IndexFunc(bridge.VLANs, func(v VLAN) bool { return v.PVID })
	if own < 0 {
		return fmt.Sprintf("%s has no VLAN of its own (PVID) that leaves through %s", bridge.Name, port.Name)
	}
	id := bridge.VLANs[own].First
	place := slices.IndexFunc(port.VLANs, func(v VLAN) bool { return v.First <= id && id <= v.Last })
	switch {
	case place < 0:
		return fmt.Sprintf("VLAN %d of %s does not leave through %s", id, bridge.Name, port.Name)
	case !port.VLANs[place].Untagged || !port.VLANs[place].PVID:
		return fmt.Sprintf("VLAN %d of %s leaves %s with a tag", id, bridge.Name, port.Name)
	}
	return ""
}
