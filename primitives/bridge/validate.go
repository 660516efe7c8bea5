package bridge

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// The most that a snapshot has; a host with more is not one whose bridge ctys
// dissolves.
const (
	maxName   = 15 // IFNAMSIZ without the zero
	maxPorts  = 1024
	maxPerOne = 20000 // addresses, routes, … of one interface
	maxAttr   = 4096  // bytes of what is kept as the kernel gave it
)

// UnmarshalJSON reads a snapshot and checks all of it: names become paths and
// values go to the kernel. What is not as Snapshot writes it is refused as a
// whole, and s stays as it was.
func (s *Snapshot) UnmarshalJSON(data []byte) error {
	type plain Snapshot // without this method
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	var read plain
	if err := decoder.Decode(&read); err != nil {
		return fmt.Errorf("no snapshot of a bridge: %w", err)
	}
	if err := Snapshot(read).check(); err != nil {
		return fmt.Errorf("no snapshot of a bridge: %w", err)
	}
	*s = Snapshot(read)
	return nil
}

func (s Snapshot) check() error {
	if s.Version != SnapshotVersion {
		return fmt.Errorf("it has version %d, and this is %d", s.Version, SnapshotVersion)
	}
	if s.BootID == "" || len(s.BootID) > 64 {
		return errors.New("it does not say of which boot it is")
	}
	if len(s.Ports) > maxPorts || len(s.Rules) > maxPerOne {
		return fmt.Errorf("it has %d ports and %d rules, more than can be kept", len(s.Ports), len(s.Rules))
	}
	if err := s.Bridge.check(BridgeSettings); err != nil {
		return err
	}
	seen := []string{s.Bridge.Name}
	for _, port := range s.Ports {
		if err := port.check(PortSettings); err != nil {
			return err
		}
		if port.Master != s.Bridge.Name || slices.Contains(seen, port.Name) {
			return fmt.Errorf("%s is no port of %s", port.Name, s.Bridge.Name)
		}
		seen = append(seen, port.Name)
	}
	for _, rule := range s.Rules {
		if err := checkHex(rule.Message, 12); err != nil {
			return fmt.Errorf("rule %s: %w", rule, err)
		}
	}
	return nil
}

func (l Link) check(settings []string) error {
	if err := checkName(l.Name); err != nil {
		return err
	}
	if l.Index <= 0 {
		return fmt.Errorf("%s has no index", l.Name)
	}
	if l.MTU < 0 || l.MTU > 1<<20 {
		return fmt.Errorf("%s has the MTU %d", l.Name, l.MTU)
	}
	if max(len(l.Addresses), len(l.Routes), len(l.VLANs), len(l.FDB)) > maxPerOne {
		return fmt.Errorf("%s has %d addresses and %d routes, more than can be kept", l.Name, len(l.Addresses), len(l.Routes))
	}
	for name, value := range l.Settings {
		if !slices.Contains(settings, name) || !settingValue.MatchString(value) {
			return fmt.Errorf("%s has the unknown setting %q = %q", l.Name, name, value)
		}
	}
	if err := checkVLANs(l.VLANs); err != nil {
		return fmt.Errorf("%s: %w", l.Name, err)
	}
	for _, entry := range l.FDB {
		if entry.VLAN > maxVLAN {
			return fmt.Errorf("%s has a static MAC address in VLAN %d", l.Name, entry.VLAN)
		}
	}
	return l.checkLayer3()
}

func (l Link) checkLayer3() error {
	for _, address := range l.Addresses {
		if err := address.check(); err != nil {
			return fmt.Errorf("address %s of %s: %w", address, l.Name, err)
		}
	}
	for _, route := range l.Routes {
		if err := route.check(); err != nil {
			return fmt.Errorf("route %s of %s: %w", route, l.Name, err)
		}
	}
	return nil
}

var settingValue = regexp.MustCompile(`^(0x)?[0-9a-f]{1,20}$`)

// checkName takes what Linux takes for the name of an interface (dev_valid_name
// in net/core/dev.c).
func checkName(name string) error {
	if name == "" || len(name) > maxName || name == "." || name == ".." || strings.ContainsAny(name, "/:\x00 \t\n\v\f\r") {
		return fmt.Errorf("%q is no name of an interface", name)
	}
	return nil
}

const maxVLAN = 4094

func checkVLANs(vlans []VLAN) error {
	previous := uint16(0)
	pvids := 0
	for _, vlan := range vlans {
		if vlan.First <= previous || vlan.Last < vlan.First || vlan.Last > maxVLAN || vlan.PVID && vlan.First != vlan.Last {
			return fmt.Errorf("VLANs %s", vlan)
		}
		previous = vlan.Last
		if vlan.PVID {
			pvids++
		}
	}
	if pvids > 1 {
		return errors.New("more than one PVID")
	}
	return nil
}

func (a Address) check() error {
	local := a.Prefix.Addr()
	switch {
	case !a.Prefix.IsValid() || local.Is4In6() || local.Zone() != "":
		return errors.New("no address with the length of its network")
	case a.Peer.IsValid() && a.Peer.BitLen() != local.BitLen(), a.Broadcast.IsValid() && !(a.Broadcast.Is4() && local.Is4()):
		return errors.New("its peer or broadcast address is of another family")
	case a.Peer.Zone() != "":
		return errors.New("its peer has a zone")
	case len(a.Label) > maxName || strings.ContainsAny(a.Label, "/\x00 \n"):
		return fmt.Errorf("its label is %q", a.Label)
	}
	return nil
}

func (r Route) check() error {
	destination := r.Destination
	switch {
	case !destination.IsValid() || destination.Masked() != destination || destination.Addr().Is4In6():
		return errors.New("its destination is no network")
	case r.Source.IsValid() && (r.Source.Masked() != r.Source || r.Source.Addr().BitLen() != destination.Addr().BitLen()):
		return errors.New("its source is no network of its family")
	case r.PreferredSource.IsValid() && (r.PreferredSource.BitLen() != destination.Addr().BitLen() || r.PreferredSource.Zone() != ""):
		return errors.New("its preferred source is no address of its family")
	case r.Table == 0 || r.Type == 0:
		return errors.New("it has no table or no type")
	case len(r.Hops) == 0 || len(r.Hops) > maxPorts:
		return fmt.Errorf("it has %d ways out", len(r.Hops))
	}
	if r.Metrics != "" {
		if err := checkHex(r.Metrics, 4); err != nil {
			return err
		}
	}
	for _, hop := range r.Hops {
		if err := hop.check(); err != nil {
			return err
		}
	}
	return nil
}

func (h Hop) check() error {
	if h.Gateway.Zone() != "" || h.Gateway.Is4In6() || h.Weight > 256 {
		return fmt.Errorf("its gateway is %s with weight %d", h.Gateway, h.Weight)
	}
	if h.Encap != "" {
		if err := checkHex(h.Encap, 4); err != nil {
			return err
		}
	}
	return checkName(h.Interface)
}

// checkHex takes the hexadecimal form of at least so many bytes.
func checkHex(text string, least int) error {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) < least || len(raw) > maxAttr {
		return fmt.Errorf("%d digits that are no message of the kernel", len(text))
	}
	return nil
}
