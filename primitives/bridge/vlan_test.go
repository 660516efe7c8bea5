package bridge_test

import (
	"testing"

	"ctys/primitives"
	"ctys/primitives/bridge"
	"ctys/tests/netns"
	"ctys/tests/testneed"
)

// filtered is full with VLANs: each port has some, untagged and tagged, and the
// host's own is that of the card.
var filtered = append([]string{
	"ip link set br0 type bridge vlan_filtering 1",
	"bridge vlan add vid 7 dev eth0 pvid untagged", "bridge vlan del vid 1 dev eth0", "bridge vlan add vid 10-20 dev eth0",
	"bridge vlan add vid 30 dev vif1 pvid", "bridge vlan add vid 12 dev vif1 untagged",
	"bridge vlan add vid 7 dev br0 self pvid untagged", "bridge vlan add vid 11 dev br0 self", "bridge vlan del vid 1 dev br0 self",
	"bridge fdb add 02:00:5e:00:53:78 dev vif1 master static vlan 12",
}, full...)

var filteredNetworks = map[string][]string{
	"full": filtered,
	"a default PVID of its own": {
		"ip link set br0 type bridge vlan_default_pvid 7", "ip link set br0 type bridge vlan_filtering 1 vlan_stats_enabled 1",
		"ip addr add 192.0.2.5/24 dev br0",
	},
	"no default PVID, service tags": {
		"ip link set br0 type bridge vlan_default_pvid 0", "ip link set br0 type bridge vlan_protocol 802.1ad vlan_filtering 1",
		"bridge vlan add vid 4094 dev eth0 pvid untagged", "bridge vlan add vid 4094 dev br0 self pvid untagged",
		"ip addr add 192.0.2.5/24 dev br0",
	},
	"a port without any": {
		"ip link set br0 type bridge vlan_filtering 1", "bridge vlan del vid 1 dev vif1", "bridge vlan add vid 2-4094 dev eth0", "ip addr add 192.0.2.5/24 dev br0",
	},
	"VLANs that are not filtered": {"bridge vlan add vid 30 dev vif1 pvid untagged", "ip addr add 192.0.2.5/24 dev br0"},
}

// needFiltering skips the test where the kernel cannot filter VLANs.
func needFiltering(t *testing.T) {
	t.Helper()
	netns.Need(t)
	if out, err := netns.Try(t, "ip link add try0 type bridge vlan_filtering 1"); err != nil {
		testneed.Skip(t, t.Name(), "kernel without VLAN filtering in bridges: "+out, "use a kernel with CONFIG_BRIDGE_VLAN_FILTERING")
	}
	netns.Run(t, "ip link del try0")
}

func TestVLANsThereAndBack(t *testing.T) {
	needFiltering(t)
	for name, lines := range filteredNetworks {
		t.Run(name, func(t *testing.T) { thereAndBack(t, lines) })
	}
}

func TestVLANsAndKilledAtEachStep(t *testing.T) {
	needFiltering(t)
	killedAtEachStep(t, filtered)
}

// What the host sends would leave the bare card without the tag.
func TestTaggedHostIsNotDissolved(t *testing.T) {
	needFiltering(t)
	build(t, "ip link set br0 type bridge vlan_filtering 1", "bridge vlan add vid 9 dev br0 self pvid untagged", "bridge vlan add vid 9 dev eth0", "ip addr add 192.0.2.5/24 dev br0")
	if _, err := bridge.New(bridge.Options{}).Dissolution(t.Context(), snapshot(t), "eth0"); primitives.KindOf(err) != primitives.Unsupported {
		t.Errorf("got %v", err)
	}
}

// A VLAN on the bridge has the host's address, and would be cut off.
func TestAVLANOnTheBridgeIsNotCutOff(t *testing.T) {
	build(t)
	if _, err := netns.Try(t, "ip link add link br0 name br0.5 type vlan id 5"); err != nil { // a kernel without 802.1q
		netns.Run(t, "ip link add link br0 name br0.5 type macvlan")
	}
	if _, err := bridge.New(bridge.Options{}).Dissolution(t.Context(), snapshot(t), "eth0"); primitives.KindOf(err) != primitives.Unsupported {
		t.Errorf("got %v", err)
	}
}
