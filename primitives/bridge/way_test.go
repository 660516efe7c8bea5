package bridge_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"ctys/primitives/bridge"
	"ctys/tests/netns"
)

// networks are bridges of many kinds; each goes there and back, and comes back
// also where somebody has removed the empty bridge meanwhile.
var networks = map[string][]string{
	"full":    full,
	"nothing": nil,
	"MAC of a port, its own MTU, timers": {
		"ip link set br0 mtu 1400 type bridge forward_delay 300 hello_time 100 max_age 1000 ageing_time 12000 priority 4096 mcast_snooping 0",
		"ip addr add 192.0.2.5/24 dev br0",
	},
	"MTU of its ports": {"ip link set eth0 mtu 1450", "ip link set vif1 mtu 1450", "ip addr add 192.0.2.5/24 dev br0"},
	"spanning tree":    {"ip link set br0 type bridge forward_delay 200 hello_time 100 max_age 600 stp_state 1", "ip addr add 192.0.2.5/24 dev br0"},
	"attributes of addresses": {
		"ip addr add 192.0.2.5/24 dev br0 scope link", "ip addr add 192.0.2.6 peer 192.0.2.7/32 dev br0",
		"ip addr add 198.51.100.9/24 broadcast 198.51.100.254 dev br0 noprefixroute metric 300",
		"ip addr add 2001:db8::9/64 dev br0 metric 77 home", "ip addr add 2001:db8::7 peer 2001:db8:7::1/128 dev br0",
		"ip addr add fe80::1/64 dev br0 nodad", "ip addr add 2001:db8::10/64 dev br0 noprefixroute mngtmpaddr",
	},
	"secondary addresses that would be promoted": {
		"/proc/sys/net/ipv4/conf/all/promote_secondaries = 1",
		"ip addr add 192.0.2.5/24 dev br0", "ip addr add 192.0.2.6/24 dev br0", "ip addr add 192.0.2.7/24 dev br0", "ip addr add 198.51.100.1/24 dev br0",
	},
	"routes by the network manager's hand": {
		"ip addr add 192.0.2.5/24 dev br0 noprefixroute", "ip route add 192.0.2.0/24 dev br0 proto kernel scope link src 192.0.2.5 metric 425",
		"ip route add default via 192.0.2.1 dev br0 proto dhcp src 192.0.2.5 metric 425",
	},
	"a route of the kernel that somebody has removed": {
		"ip addr add 192.0.2.5/24 dev br0", "ip route del 192.0.2.0/24 dev br0", "ip route add 192.0.2.0/24 dev br0 table 7 scope link", "ip rule add lookup 7 priority 70",
	},
	"routes that need others": {
		"ip addr add 192.0.2.5/32 dev br0", "ip route add 198.51.100.1/32 dev br0 scope link", "ip route add default via 198.51.100.1 dev br0",
		"ip route add 203.0.113.0/25 via 10.9.9.9 dev br0 onlink", "ip -6 route add 2001:db8:5::/64 via 2001:db8:9::1 dev br0 onlink",
		"ip route add 203.0.113.128/25 via 198.51.100.1 dev br0 mtu lock 1300 advmss 1200 initcwnd 20 rto_min 50ms congctl reno realm 5 proto 99",
	},
	"several ways out": {
		"ip addr add 192.0.2.5/24 dev br0", "ip addr add 2001:db8::5/64 dev br0 nodad",
		"ip route add 203.0.113.0/24 nexthop via 192.0.2.1 dev br0 weight 3 nexthop via 192.0.2.2 dev br0",
		"ip addr add 198.51.100.5/24 dev far1", "ip route add 203.0.114.0/24 nexthop via 192.0.2.1 dev br0 nexthop via 198.51.100.1 dev far1 weight 7",
		"ip -6 route add 2001:db8:4::/48 nexthop via 2001:db8::1 dev br0 nexthop via 2001:db8::2 dev br0 weight 2",
		"ip route add 203.0.115.0/24 via inet6 fe80::9 dev br0",
		"ip -6 route add 2001:db8:3::/48 from 2001:db8:8::/64 via 2001:db8::1 dev br0 pref high",
	},
	"routes over others that leave with its address": {
		"ip addr add 192.0.2.5/24 dev br0", "ip addr add 198.51.100.5/24 dev far1", "ip route add 203.0.113.0/24 via 198.51.100.1 dev far1 src 192.0.2.5",
		"ip addr add 2001:db8::5/64 dev br0 nodad", "ip addr add 2001:db8:6::5/64 dev far1 nodad", "ip -6 route add 2001:db8:7::/64 via 2001:db8:6::1 dev far1 src 2001:db8::5",
	},
	"sources of IPv6": {
		"ip addr add 2001:db8::5/64 dev br0 nodad", "ip addr add 2001:db8::6/64 dev br0 nodad",
		"ip -6 route add default via 2001:db8::1 dev br0 src 2001:db8::6 metric 100", "ip -6 route add 2001:db8:9::/64 dev br0 src 2001:db8::5 expires 3000",
	},
	"IPv6 off on the port": {
		"/proc/sys/net/ipv6/conf/eth0/disable_ipv6 = 1", "ip addr add 2001:db8::5/64 dev br0 nodad", "ip addr add 192.0.2.5/24 dev br0", "ip -6 route add default via 2001:db8::1 dev br0",
	},
	"a port with addresses of its own": {
		"ip addr add 198.51.100.5/24 dev eth0", "ip route add 203.0.113.0/24 via 198.51.100.1 dev eth0", "ip addr add 192.0.2.5/24 dev br0", "ip route add default via 192.0.2.1 dev br0",
	},
	"rules": {
		"ip addr add 192.0.2.5/24 dev br0", "ip rule add not from 192.0.2.5 fwmark 0x10/0xff ipproto 6 dport 80-90 lookup 9 priority 90",
		"ip rule add oif br0 uidrange 0-10 goto 32766 priority 91", "ip rule add to 192.0.2.0/24 lookup main suppress_prefixlength 0 priority 92",
	},
}

func TestThereAndBack(t *testing.T) {
	for name, lines := range networks {
		t.Run(name, func(t *testing.T) { thereAndBack(t, lines) })
	}
}

func thereAndBack(t *testing.T, lines []string) {
	build(t, lines...)
	before, snap := picture(t), throughJSON(t, snapshot(t))
	if left := restoration(t, snap); len(left) != 0 {
		t.Fatalf("to be done on an untouched bridge: %v", left)
	}
	dissolve(t, snap)
	apart(t, snap)
	restore(t, snap)
	unchanged(t, before)

	dissolve(t, snap)
	netns.Run(t, "ip link del br0")
	restore(t, snap)
	unchanged(t, before)
}

// throughJSON is how a snapshot goes to those that guard it.
func throughJSON(t *testing.T, snap bridge.Snapshot) bridge.Snapshot {
	t.Helper()
	text, err := json.Marshal(snap)
	if err != nil {
		t.Fatal(err)
	}
	var read bridge.Snapshot
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return read
}

// apart checks that the port carries on alone.
func apart(t *testing.T, snap bridge.Snapshot) {
	t.Helper()
	now := observed(t)
	if ports := now.PortNames(); len(ports) != 0 {
		t.Errorf("%v are in the bridge still", ports)
	}
	if left := now.Bridge.Addresses; len(left) != 0 {
		t.Errorf("the bridge has %v still", left)
	}
	card := links(t)["eth0"]
	if card != snap.Bridge.MAC.String() {
		t.Errorf("the port has the MAC %s, not %s", card, snap.Bridge.MAC)
	}
	addresses, err := netns.Try(t, "ip addr show dev eth0")
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range snap.Bridge.Addresses {
		if !strings.Contains(addresses, " "+address.Prefix.Addr().String()) || strings.Contains(addresses, "global tentative") {
			t.Errorf("the port has not %s:\n%s", address, addresses)
		}
	}
	for _, line := range tables(picture(t)) {
		if strings.Contains(line, "dev br0") && !strings.Contains(line, "fe80::/64") && !strings.Contains(line, "ff00::/8") && !strings.Contains(line, "local fe80") {
			t.Errorf("still through the bridge: %s", line)
		}
	}
}

// observed is the bridge as it is now, without the port that carries on.
func observed(t *testing.T) bridge.Snapshot {
	t.Helper()
	return snapshot(t)
}

// links are the MAC addresses of the interfaces, by name.
func links(t *testing.T) map[string]string {
	t.Helper()
	out, err := netns.Try(t, "ip -br link")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, line := range strings.Split(out, "\n") {
		words := strings.Fields(line)
		name, _, _ := strings.Cut(words[0], "@")
		found[name] = words[2]
	}
	return found
}

// What was done once is not done again, in both directions.
func TestTwiceIsOnce(t *testing.T) {
	build(t, full...)
	before, snap := picture(t), snapshot(t)
	first := dissolution(t, snap)
	apply(t, first)
	once := picture(t)
	apply(t, first)
	dissolve(t, snap)
	unchanged(t, once)
	back := restoration(t, snap)
	apply(t, back)
	apply(t, back)
	restore(t, snap)
	restore(t, snap)
	unchanged(t, before)
}

// A guest's port that is gone is left out, and one that came stays.
func TestPortsThatGoAndCome(t *testing.T) {
	build(t, full...)
	snap := snapshot(t)
	dissolve(t, snap)
	netns.Run(t, "ip link del vif1")
	netns.Veth(t, "vif2", "far2", "02:00:5e:00:53:40")
	netns.Run(t, "ip link set vif2 master br0")
	restore(t, snap)
	if ports := snapshot(t).PortNames(); !slices.Equal(ports, []string{"eth0", "vif2"}) {
		t.Errorf("ports %v", ports)
	}
	netns.Run(t, "ip link add vif1 type veth peer name far1") // for the end of the test
}
