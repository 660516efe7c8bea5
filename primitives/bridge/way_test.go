package bridge_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ctys/primitives/bridge"
	"ctys/tests/netns"
)

// network makes a bridge with two ports and what stands on it, each end of
// which is up.
func network(t *testing.T) {
	t.Helper()
	netns.Run(t, "ip link add br0 address 02:00:5e:00:53:10 type bridge forward_delay 200 ageing_time 12345")
	t.Cleanup(func() { _, _ = netns.Try(t, "ip link del br0") })
	netns.Veth(t, "eth0", "far0", "02:00:5e:00:53:20")
	netns.Veth(t, "vif1", "far1", "02:00:5e:00:53:30")
	for _, line := range []string{
		"ip link set eth0 master br0", "ip link set vif1 master br0",
		"ip link set br0 address 02:00:5e:00:53:10", "ip link set br0 up",
		"bridge link set dev vif1 hairpin on guard on learning off isolated on cost 77 priority 5",
		"ip addr add 192.0.2.5/25 broadcast + dev br0 label br0:1", "ip addr add 192.0.2.6/25 dev br0",
		"ip addr add 198.51.100.9/24 dev br0 noprefixroute metric 300",
		"ip addr add 2001:db8::5/64 dev br0 nodad", "ip addr add 2001:db8::6/64 dev br0 nodad valid_lft 4000 preferred_lft 3000",
		"ip route add default via 192.0.2.1 dev br0 mtu 1400", "ip route add 203.0.113.0/24 via 192.0.2.2 dev br0 src 192.0.2.6 metric 50 table 100",
		"ip route add 198.51.100.0/24 dev br0 scope link proto kernel metric 300",
		"ip -6 route add default via 2001:db8::1 dev br0 metric 512", "ip -6 route add 2001:db8:1::/48 via fe80::1 dev br0 table 100",
		"ip route add 203.0.113.128/25 via 10.9.9.9 dev br0 onlink",
		"ip rule add from 192.0.2.6 lookup 100 priority 1000", "ip -6 rule add iif br0 lookup 100 priority 1001",
	} {
		netns.Run(t, line)
	}
	t.Cleanup(func() {
		_, _ = netns.Try(t, "ip rule del priority 1000")
		_, _ = netns.Try(t, "ip -6 rule del priority 1001")
	})
}

// passing is what iproute2 tells and no restoration gives back: indexes,
// lifetimes, timers, and the numbers that ports have in the order of their
// joining.
var passing = regexp.MustCompile(`(?m)^\d+: |(\w+_timer|port_id|port_no|designated_port) +\S+|\d+sec`)

// picture is all that shall be as it was, in the words of iproute2.
func picture(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, line := range []string{
		"ip -d addr show dev br0", "ip -d addr show dev eth0", "ip -d link show dev vif1",
		"ip route show table all dev br0", "ip route show table all dev eth0",
		"ip -6 route show table all dev br0", "ip -6 route show table all dev eth0",
		"ip rule", "ip -6 rule", "bridge -d link", "bridge vlan",
	} {
		out, err := netns.Try(t, line)
		if err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
		b.WriteString("$ " + line + "\n" + out + "\n")
	}
	return passing.ReplaceAllString(b.String(), "")
}

func snapshot(t *testing.T, c *bridge.Client) bridge.Snapshot {
	t.Helper()
	taken, err := c.Snapshot(t.Context(), "br0")
	if err != nil {
		t.Fatal(err)
	}
	return taken
}

func dissolve(t *testing.T, c *bridge.Client, snap bridge.Snapshot) {
	t.Helper()
	for range 3 {
		steps, err := c.Dissolution(t.Context(), snap, "eth0")
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range steps {
			t.Log(step)
			if err := c.Apply(t.Context(), step); err != nil {
				t.Fatal(err)
			}
		}
		if len(steps) == 0 {
			return
		}
	}
	t.Fatal("the dissolution has no end")
}

func TestThereAndBack(t *testing.T) {
	netns.Need(t)
	network(t)
	c := bridge.New(bridge.Options{})
	before := picture(t)
	snap := snapshot(t, c)
	dissolve(t, c, snap)
	if err := c.Restore(t.Context(), snap); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(before, "\n"), strings.Split(picture(t), "\n")); diff != "" {
		t.Errorf("before and after (-/+):\n%s", diff)
	}
}
