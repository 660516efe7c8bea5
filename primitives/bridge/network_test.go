package bridge_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ctys/primitives/bridge"
	"ctys/tests/netns"
)

func TestMain(m *testing.M) {
	if order := os.Getenv(childVariable); order != "" {
		os.Exit(child(order))
	}
	os.Exit(netns.Main(m))
}

// build makes a bridge br0 with the ports eth0, whose far end is far0, and
// vif1, gives it what the lines say, and removes all of it at the end.
func build(t *testing.T, lines ...string) {
	t.Helper()
	netns.Need(t)
	netns.Run(t, "ip link add br0 type bridge")
	t.Cleanup(func() {
		_, _ = netns.Try(t, "ip link del br0")
		for _, line := range lines {
			if rule, found := strings.CutPrefix(line, "ip rule add "); found {
				_, _ = netns.Try(t, "ip rule del "+rule)
			}
			if rule, found := strings.CutPrefix(line, "ip -6 rule add "); found {
				_, _ = netns.Try(t, "ip -6 rule del "+rule)
			}
		}
	})
	netns.Veth(t, "eth0", "far0", "02:00:5e:00:53:20")
	netns.Veth(t, "vif1", "far1", "02:00:5e:00:53:30")
	for _, line := range slices.Concat(quick, []string{"ip link set eth0 master br0", "ip link set vif1 master br0", "ip link set br0 up"}, lines) {
		enter(t, line)
	}
	settle(t)
}

// quick has the kernel look for an address that is twice on the network as it
// does, and for a shorter time.
var quick = []string{
	"/proc/sys/net/ipv6/neigh/br0/retrans_time_ms = 20",
	"/proc/sys/net/ipv6/conf/br0/router_solicitation_delay = 0",
}

// enter runs one line; "FILE = VALUE" writes a file of /sys or /proc.
func enter(t *testing.T, line string) {
	t.Helper()
	if file, value, found := strings.Cut(line, " = "); found {
		if err := os.WriteFile(file, []byte(value), 0); err != nil {
			t.Fatal(err)
		}
		return
	}
	netns.Run(t, line)
}

// full is a bridge with a bit of all.
var full = []string{
	"ip link set br0 down", "ip link set br0 address 02:00:5e:00:53:10", "ip link set br0 up",
	"bridge link set dev vif1 hairpin on guard on learning off isolated on cost 77 priority 5",
	"bridge fdb add 02:00:5e:00:53:77 dev vif1 master static",
	"ip addr add 192.0.2.5/25 broadcast + dev br0 label br0:1", "ip addr add 192.0.2.6/25 dev br0",
	"ip addr add 2001:db8::5/64 dev br0 nodad", "ip addr add 2001:db8::6/64 dev br0 valid_lft 4000 preferred_lft 3000",
	"ip route add default via 192.0.2.1 dev br0 mtu 1400", "ip route add 203.0.113.0/24 via 192.0.2.2 dev br0 src 192.0.2.6 metric 50 table 100",
	"ip -6 route add default via 2001:db8::1 dev br0 metric 512", "ip -6 route add 2001:db8:1::/48 via fe80::1 dev br0 table 100",
	"ip rule add from 192.0.2.6 lookup 100 priority 1000", "ip -6 rule add iif br0 lookup 100 priority 1001",
}

// passing is what iproute2 tells and no restoration gives back: indexes,
// lifetimes, timers, the numbers that ports have in the order of their joining,
// whether the kernel still looks for the link-local addresses that it makes, and
// how quickly a spanning tree that changes forgets.
var passing = regexp.MustCompile(`(?m)^\d+: |(\w+_timer|topology_change\w*|port_id|port_no|designated_port) +\S+|\d+sec|ageing_time \d+ (stp_state 1)|(inet6 fe80:.*) tentative`)

// picture is all that shall be as it was, in the words of iproute2.
func picture(t *testing.T) []string {
	t.Helper()
	var lines []string
	for _, line := range []string{
		"ip -d addr show dev br0", "ip -d addr show dev eth0", "ip -d link show dev vif1",
		"ip route show table all", "ip -6 route show table all", "ip rule", "ip -6 rule",
		"bridge -d link", "bridge vlan show dev br0", "bridge vlan show dev eth0", "bridge vlan show dev vif1", "bridge fdb show dev vif1 state static",
	} {
		out, err := netns.Try(t, line)
		if err != nil {
			out = err.Error() + " " + out
		}
		lines = append(append(lines, "$ "+line), strings.Split(passing.ReplaceAllString(out, "$2$3"), "\n")...)
	}
	return lines
}

// settled is how long a spanning tree and the search for an address that is
// twice on the network may last.
const settled = 20 * time.Second

// ofKernel are the routes that the kernel makes of itself for each interface
// and address, some of them a little later.
var ofKernel = regexp.MustCompile(`^(local|anycast|broadcast|multicast) .* proto kernel|^fe80:`)

// unchanged compares with a picture of before, until it is the same or for too
// long. The order of routes and MAC addresses in the kernel's tables means
// nothing, so their lines are compared sorted.
func unchanged(t *testing.T, before []string) {
	t.Helper()
	var diff string
	for end := time.Now().Add(settled); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		after := picture(t)
		if diff = cmp.Diff(ordered(before), ordered(after)) + cmp.Diff(tables(before), tables(after)); diff == "" {
			return
		}
	}
	t.Fatalf("before and after (-/+):\n%s", diff)
}

// settle waits until the bridge carries and every address but the kernel's own
// can be used.
func settle(t *testing.T) {
	t.Helper()
	var out string
	for end := time.Now().Add(settled); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		out, _ = netns.Try(t, "ip addr show dev br0")
		if strings.Contains(out, " state UP ") && !unusable.MatchString(out) {
			return
		}
	}
	t.Fatalf("the bridge is not ready:\n%s", out)
}

var unusable = regexp.MustCompile(`scope global.* tentative`)

func tables(picture []string) []string { return slices.Sorted(slices.Values(parted(picture, true))) }

func ordered(picture []string) []string { return parted(picture, false) }

func parted(picture []string, tables bool) []string {
	var lines []string
	inside := false
	for _, line := range picture {
		if strings.HasPrefix(line, "$ ") {
			inside = strings.Contains(line, " route ") || strings.Contains(line, " fdb ")
		}
		if inside == tables && !ofKernel.MatchString(line) {
			lines = append(lines, line)
		}
	}
	return lines
}

func snapshot(t *testing.T) bridge.Snapshot {
	t.Helper()
	taken, err := bridge.New(bridge.Options{}).Snapshot(t.Context(), "br0")
	if err != nil {
		t.Fatal(err)
	}
	return taken
}

func dissolution(t *testing.T, snap bridge.Snapshot) []bridge.Step {
	t.Helper()
	steps, err := bridge.New(bridge.Options{}).Dissolution(t.Context(), snap, "eth0")
	if err != nil {
		t.Fatal(err)
	}
	return steps
}

func restoration(t *testing.T, snap bridge.Snapshot) []bridge.Step {
	t.Helper()
	steps, err := bridge.New(bridge.Options{}).Restoration(t.Context(), snap)
	if err != nil {
		t.Fatal(err)
	}
	return steps
}

func apply(t *testing.T, steps []bridge.Step) {
	t.Helper()
	for _, step := range steps {
		if err := bridge.New(bridge.Options{}).Apply(t.Context(), step); err != nil {
			t.Fatal(err)
		}
	}
}

// dissolve takes br0 apart; there is nothing left to do then.
func dissolve(t *testing.T, snap bridge.Snapshot) {
	t.Helper()
	for range 3 {
		steps := dissolution(t, snap)
		if len(steps) == 0 {
			return
		}
		apply(t, steps)
	}
	t.Fatalf("the dissolution does not end: %v", dissolution(t, snap))
}

func restore(t *testing.T, snap bridge.Snapshot) {
	t.Helper()
	if err := bridge.New(bridge.Options{}).Restore(t.Context(), snap); err != nil {
		t.Fatal(err)
	}
	if left := restoration(t, snap); len(left) != 0 {
		t.Fatalf("left after it was restored: %v", left)
	}
}
