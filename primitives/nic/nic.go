// Package nic reads the host's network interfaces: what they are, what carries
// them, and which Wake-on modes they support and have set; and it arms them, so
// that a magic packet wakes the host.
package nic

import (
	"net/netip"

	"ctys/primitives"
)

// The kinds of interface that ctys tells apart; any other is the kernel's own
// word (ip-link(8), "type").
const (
	KindPhysical = "physical" // it has a device: a network card, also a virtual machine's
	KindLoopback = "loopback"
	KindBridge   = "bridge"
	KindBond     = "bond"
	KindTeam     = "team"
	KindVLAN     = "vlan"
	KindVirtual  = "virtual" // neither a device nor a kind: Xen's vif and netloop
)

// Interface is one network interface as the kernel shows it.
type Interface struct {
	Name         string
	Index        int
	Kind         string // "physical", "loopback", "bridge", "bond", "vlan", "team", "veth", "tun", or the kernel's word
	Driver       string // "e1000e"; empty for what has no device
	Bus          string // PCI or other bus address; empty for what has no device
	MAC          primitives.MAC
	PermanentMAC primitives.MAC // zero where the driver does not tell
	Up, Carrier  bool
	MTU          int
	Addresses    []netip.Prefix
	Master       string   // bridge or bond that this is a port of
	Lower        []string // for a bridge, bond or VLAN: what it stands on
	ActiveSlave  string   // bond: the slave in use, where there is one
	DefaultRoute bool     // a default route leaves through it

	Wake Wake
}

// Wake is an interface's Wake-on settings in ethtool's letters (p u m b a g s f d).
type Wake struct {
	Supported string // "pumbg"; empty where the driver has none
	Set       string // "g"; "d" where all are off
	Device    string // the device's power/wakeup: "enabled", "disabled", or empty
	Cause     string // why Supported is empty: "operation not supported", …
	Beyond    string // what decides beside these and cannot be seen from here; empty where Supported has no g
}

// Beyond is what no program of the host can see. That an interface is armed
// therefore promises a wake-up only where it was tried once.
const Beyond = "the firmware's settings (Wake-on-LAN or power-on by PCIe on; ErP, EuP and deep sleep off), and whether the card has standby power while the machine is off"

// beyondDevice is added where a card has g and its device no power/wakeup.
const beyondDevice = "its device has no power/wakeup: neither its bus nor the firmware's tables tell the kernel that it can wake the machine"

// Magic tells whether the driver can wake on a magic packet.
func (w Wake) Magic() bool {
	for _, letter := range w.Supported {
		if letter == 'g' {
			return true
		}
	}
	return false
}
