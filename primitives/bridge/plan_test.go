package bridge

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ctys/primitives"
)

// all does steps in memory until none is left.
func all(t *testing.T, now Snapshot, next func(Snapshot) []Step) Snapshot {
	t.Helper()
	for range rounds {
		steps := next(now)
		if len(steps) == 0 {
			return now
		}
		for _, step := range steps {
			now = now.After(step)
		}
	}
	t.Fatalf("there is no end: %v", next(now))
	return now
}

func TestStepsAreReadable(t *testing.T) {
	snap := sampled(t)
	want := []string{
		"set the MAC address of eth0 to 02:00:5e:00:53:10",
		"give 192.0.2.5/24 to eth0", "give 192.0.2.6/24 to eth0", "give 192.0.2.9 peer 192.0.2.10/32 to eth0", "give 2001:db8::5/64 to eth0",
		"take eth0 out of br0",
		"take 2001:db8::5/64 from br0", "take 192.0.2.9 peer 192.0.2.10/32 from br0", "take 192.0.2.6/24 from br0", "take 192.0.2.5/24 from br0",
		"move route default via 192.0.2.1 from br0 to eth0",
		"move route 198.51.100.0/24 nexthop dev eth0 via 192.0.2.1 nexthop dev lan9 from br0 to eth0",
		"move route 2001:db8:1::/48 via fe80::1 table 100 from br0 to eth0",
		"take vif1 out of br0",
	}
	if diff := cmp.Diff(want, names(snap.Dissolution(snap, "eth0"))); diff != "" {
		t.Errorf("there (-want +got):\n%s", diff)
	}
	apart := all(t, snap, func(now Snapshot) []Step { return snap.Dissolution(now, "eth0") })
	want = []string{
		"put vif1 into br0",
		"give 192.0.2.5/24 to br0", "give 192.0.2.6/24 to br0", "give 192.0.2.9 peer 192.0.2.10/32 to br0", "give 2001:db8::5/64 to br0",
		"set the MAC address of eth0 to 02:00:5e:00:53:20", "put eth0 into br0",
		"set hairpin_mode 0 of eth0", "set the VLANs of eth0 to 1 PVID untagged, 10-20", "add 1 static MAC addresses to eth0",
		"take 2001:db8::5/64 from eth0", "take 192.0.2.9 peer 192.0.2.10/32 from eth0", "take 192.0.2.6/24 from eth0", "take 192.0.2.5/24 from eth0",
		"move route default via 192.0.2.1 from eth0 to br0",
		"move route 198.51.100.0/24 nexthop dev br0 via 192.0.2.1 nexthop dev lan9 from eth0 to br0",
		"move route 2001:db8:1::/48 via fe80::1 table 100 from eth0 to br0",
	}
	if diff := cmp.Diff(want, names(snap.Restoration(apart))); diff != "" {
		t.Errorf("back (-want +got):\n%s", diff)
	}
}

func names(steps []Step) []string {
	var words []string
	for _, step := range steps {
		words = append(words, step.String())
	}
	return words
}

// From whatever place of a dissolution, and of a restoration from any of these,
// all comes back.
func TestBackFromEveryPlace(t *testing.T) {
	snap := sampled(t)
	place := snap
	for _, step := range append(snap.Dissolution(snap, "eth0"), Step{}) {
		half := place
		for _, back := range append(snap.Restoration(place), Step{}) {
			restored := all(t, half, snap.Restoration)
			if diff := cmp.Diff(snap, restored, alike); diff != "" {
				t.Fatalf("before %q there and %q back:\n%s", step, back, diff)
			}
			half = half.After(back)
		}
		place = place.After(step)
	}
}

func TestABridgeThatSomebodyRemoved(t *testing.T) {
	snap := sampled(t)
	apart := all(t, snap, func(now Snapshot) []Step { return snap.Dissolution(now, "eth0") })
	apart.Bridge = Link{Name: "br0"}
	restored := all(t, apart, snap.Restoration)
	restored.Bridge.Index = snap.Bridge.Index
	if diff := cmp.Diff(snap, restored, alike); diff != "" {
		t.Error(diff)
	}
}

// The host must not be cut off from its network.
func TestWhatIsNotDissolved(t *testing.T) {
	vlans := func(change func(bridge, port *Link)) func(*Snapshot) {
		return func(s *Snapshot) { change(&s.Bridge, &s.Ports[0]) }
	}
	for name, test := range map[string]struct {
		change func(*Snapshot)
		port   string
		above  []string
		kind   primitives.Kind
		says   string
	}{
		"no port":          {port: "eth9", kind: primitives.Invalid, says: "eth9 is no port of it (br0 with eth0, vif1)"},
		"itself":           {port: "br0", kind: primitives.Invalid, says: "no port of it"},
		"a VLAN on it":     {port: "eth0", above: []string{"br0.5"}, kind: primitives.Unsupported, says: "br0.5 stands on it"},
		"a port of a VRF":  {port: "eth0", change: func(s *Snapshot) { s.Bridge.Master = "vrf1" }, kind: primitives.Unsupported, says: "a port of vrf1"},
		"no PVID":          {port: "eth0", change: vlans(func(b, _ *Link) { b.VLANs = nil }), kind: primitives.Unsupported, says: "no VLAN of its own"},
		"another VLAN":     {port: "eth0", change: vlans(func(b, _ *Link) { b.VLANs[0].First, b.VLANs[0].Last = 30, 30 }), kind: primitives.Unsupported, says: "VLAN 30 of br0 does not leave through eth0"},
		"with a tag":       {port: "eth0", change: vlans(func(b, _ *Link) { b.VLANs[0].First, b.VLANs[0].Last = 15, 15 }), kind: primitives.Unsupported, says: "VLAN 15 of br0 leaves eth0 with a tag"},
		"comes in another": {port: "eth0", change: vlans(func(_, p *Link) { p.VLANs[0].PVID = false }), kind: primitives.Unsupported, says: "VLAN 1 of br0 leaves eth0 with a tag"},
		"not filtered":     {port: "eth0", change: vlans(func(b, _ *Link) { b.VLANs, b.Settings["vlan_filtering"] = nil, "0" })},
		"no address":       {port: "eth0", change: vlans(func(b, _ *Link) { b.VLANs, b.Addresses = nil, nil })},
		"as it is":         {port: "eth0"},
	} {
		snap := sampled(t)
		if test.change != nil {
			test.change(&snap)
		}
		err := snap.Dissolvable(snap, test.port, test.above)
		if test.kind == "" && err == nil {
			continue
		}
		if primitives.KindOf(err) != test.kind || err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	snap, gone := sampled(t), sampled(t)
	gone.Ports[0].Index = 0
	if err := snap.Dissolvable(gone, "eth0", nil); primitives.KindOf(err) != primitives.Invalid || !strings.Contains(err.Error(), "gone") {
		t.Errorf("a port that is gone: %v", err)
	}
}

// What a router or its lease gave the port while it was out of the bridge goes
// again; what was the port's own, and what somebody has added, stays.
func TestWhatAPortCaughtOutside(t *testing.T) {
	snap := sampled(t)
	own, caught, added := snap.Bridge.Addresses[3], snap.Bridge.Addresses[3], snap.Bridge.Addresses[0]
	own.Prefix, caught.Prefix, added.Prefix = prefix("2001:db8:8::1/64"), prefix("2001:db8:9::1/64"), prefix("198.51.100.7/24")
	caught.Valid, caught.Preferred = 3600, 1800
	snap.Ports[0].Addresses = []Address{own}
	now := snap.clone()
	now.Ports[0].Master = ""
	now.Ports[0].Addresses = []Address{added, own, caught}
	advertised := Route{Destination: prefix("::/0"), Table: 254, Type: 1, Protocol: protocolRouterAd, Metric: 1024, Hops: []Hop{{Interface: "eth0"}}}
	now.Ports[0].Routes = []Route{advertised}
	restored := all(t, now, snap.Restoration)
	port := restored.Find("eth0")
	if !slices.EqualFunc(port.Addresses, []Address{added, own}, Address.same) || len(port.Routes) != 0 {
		t.Errorf("left: %v, %v", port.Addresses, port.Routes)
	}
}

func prefix(text string) netip.Prefix { return netip.MustParsePrefix(text) }
