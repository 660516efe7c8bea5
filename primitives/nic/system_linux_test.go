package nic

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/mdlayher/ethtool"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ctys/primitives"
)

func attrs(index int, name string, change ...func(*netlink.LinkAttrs)) netlink.LinkAttrs {
	a := netlink.NewLinkAttrs()
	a.Index, a.Name, a.MTU = index, name, 1500
	a.RawFlags = unix.IFF_UP | unix.IFF_LOWER_UP
	for _, f := range change {
		f(&a)
	}
	return a
}

func portOf(master int) func(*netlink.LinkAttrs) {
	return func(a *netlink.LinkAttrs) { a.MasterIndex = master }
}

func standsOn(parent int) func(*netlink.LinkAttrs) {
	return func(a *netlink.LinkAttrs) { a.ParentIndex = parent }
}

func elsewhere(a *netlink.LinkAttrs) { a.NetNsID = 0 }

func prefix(t *testing.T, text string) *net.IPNet {
	t.Helper()
	ip, network, err := net.ParseCIDR(text)
	if err != nil {
		t.Fatal(err)
	}
	network.IP = ip
	return network
}

// A bond of two cards in a bridge with a guest's port, a VLAN on the bridge:
// what this kernel may not have, told as another would.
func TestAssemble(t *testing.T) {
	tree := sysfs{t, t.TempDir()}
	tree.card("eth0", 2, "devices/pci0000:00/0000:00:01.0", "pci", "e1000e")
	tree.card("eth1", 3, "devices/pci0000:00/0000:00:02.0", "pci", "e1000e")
	permanent := net.HardwareAddr{0x52, 0x54, 0, 0x77, 0, 2}
	shared := net.HardwareAddr{0x52, 0x54, 0, 0x77, 0, 1}

	bond := netlink.NewLinkBond(attrs(4, "bond0", portOf(5)))
	bond.ActiveSlave = 3
	links := []netlink.Link{ // out of order, as after a rename
		&netlink.Bridge{LinkAttrs: attrs(5, "br0")},
		&netlink.Device{LinkAttrs: attrs(1, "lo", func(a *netlink.LinkAttrs) { a.RawFlags |= unix.IFF_LOOPBACK })},
		&netlink.Device{LinkAttrs: attrs(2, "eth0", portOf(4), func(a *netlink.LinkAttrs) { a.HardwareAddr, a.RawFlags = shared, unix.IFF_UP })},
		&netlink.Device{LinkAttrs: attrs(3, "eth1", portOf(4), func(a *netlink.LinkAttrs) { a.HardwareAddr, a.PermHWAddr = shared, permanent })},
		bond,
		&netlink.Vlan{LinkAttrs: attrs(6, "br0.5", standsOn(5))},
		&netlink.Veth{LinkAttrs: attrs(7, "v7", portOf(5), standsOn(8))},
		&netlink.Veth{LinkAttrs: attrs(8, "v8", standsOn(7))},
		&netlink.Macvlan{LinkAttrs: attrs(9, "mv0", standsOn(2), elsewhere)},
		&netlink.GenericLink{LinkAttrs: attrs(10, "team0"), LinkType: "team"},
		&netlink.Device{LinkAttrs: attrs(11, "vif0.0", func(a *netlink.LinkAttrs) { a.HardwareAddr = make(net.HardwareAddr, 20) })},
	}
	read := facts{
		links: links,
		addresses: []netlink.Addr{
			{IPNet: prefix(t, "10.0.0.5/24"), LinkIndex: 5},
			{IPNet: prefix(t, "fe80::1/64"), LinkIndex: 5},
			{IPNet: prefix(t, "10.5.0.5/16"), LinkIndex: 6},
		},
		routes: []netlink.Route{
			{LinkIndex: 5, Type: unix.RTN_UNICAST},
			{MultiPath: []*netlink.NexthopInfo{{LinkIndex: 6}, {LinkIndex: 5}, {LinkIndex: 99}}},
		},
		wake:    func(index int) Wake { return Wake{Set: fmt.Sprint(index)} },
		devices: devices{root: filepath.Join(tree.root, "class/net")},
	}
	theirs := primitives.MAC(shared)
	want := []Interface{
		{Name: "lo", Index: 1, Kind: KindLoopback, Up: true, Carrier: true},
		{Name: "eth0", Index: 2, Kind: KindPhysical, Driver: "e1000e", Bus: "0000:00:01.0", MAC: theirs, Up: true, Master: "bond0"},
		{Name: "eth1", Index: 3, Kind: KindPhysical, Driver: "e1000e", Bus: "0000:00:02.0", MAC: theirs, PermanentMAC: primitives.MAC(permanent), Up: true, Carrier: true, Master: "bond0"},
		{Name: "bond0", Index: 4, Kind: KindBond, Up: true, Carrier: true, Master: "br0", Lower: []string{"eth0", "eth1"}, ActiveSlave: "eth1"},
		{Name: "br0", Index: 5, Kind: KindBridge, Up: true, Carrier: true, Lower: []string{"bond0", "v7"}, DefaultRoute: true,
			Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.5/24"), netip.MustParsePrefix("fe80::1/64")}},
		{Name: "br0.5", Index: 6, Kind: KindVLAN, Up: true, Carrier: true, Lower: []string{"br0"}, DefaultRoute: true,
			Addresses: []netip.Prefix{netip.MustParsePrefix("10.5.0.5/16")}},
		{Name: "v7", Index: 7, Kind: "veth", Up: true, Carrier: true, Master: "br0"},
		{Name: "v8", Index: 8, Kind: "veth", Up: true, Carrier: true},
		{Name: "mv0", Index: 9, Kind: "macvlan", Up: true, Carrier: true},
		{Name: "team0", Index: 10, Kind: KindTeam, Up: true, Carrier: true},
		{Name: "vif0.0", Index: 11, Kind: KindVirtual, Up: true, Carrier: true},
	}
	for i := range want {
		want[i].MTU = 1500
		want[i].Wake = Wake{Set: fmt.Sprint(want[i].Index)}
	}
	got := read.assemble()
	if diff := cmp.Diff(want, got.all, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
		t.Errorf("interfaces (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"br0", "br0.5"}, got.defaults); diff != "" {
		t.Errorf("default routes (-want +got):\n%s", diff)
	}
}

// A card that has g on a slot that the firmware lets wake nothing is doubtful.
func TestMagicWithoutAWakingDevice(t *testing.T) {
	tree := sysfs{t, t.TempDir()}
	tree.card("eth0", 1, "devices/pci0000:00/0000:00:03.0", "pci", "e1000e")
	read := facts{
		links:   []netlink.Link{&netlink.Device{LinkAttrs: attrs(1, "eth0")}},
		wake:    func(int) Wake { return modes{supported: ethtool.Magic}.wake() },
		devices: devices{root: filepath.Join(tree.root, "class/net")},
	}
	if got := read.assemble().all[0].Wake.Beyond; got != Beyond+"; "+beyondDevice {
		t.Errorf("got %q", got)
	}
	tree.file("devices/pci0000:00/0000:00:03.0/power/wakeup", "enabled")
	if got := read.assemble().all[0].Wake.Beyond; got != Beyond {
		t.Errorf("got %q", got)
	}
}

func TestIsDefault(t *testing.T) {
	for _, test := range []struct {
		route netlink.Route
		want  bool
	}{
		{netlink.Route{Type: unix.RTN_UNICAST}, true},
		{netlink.Route{Type: unix.RTN_UNICAST, Dst: prefix(t, "0.0.0.0/0")}, true},
		{netlink.Route{Type: unix.RTN_UNICAST, Dst: prefix(t, "::/0")}, true},
		{netlink.Route{Type: unix.RTN_UNICAST, Dst: prefix(t, "0.0.0.0/1")}, false},
		{netlink.Route{Type: unix.RTN_UNICAST, Dst: prefix(t, "10.0.0.0/8")}, false},
		{netlink.Route{Type: unix.RTN_UNREACHABLE, Dst: prefix(t, "::/0")}, false},
		{netlink.Route{Type: unix.RTN_BLACKHOLE}, false},
	} {
		if got := isDefault(test.route); got != test.want {
			t.Errorf("%v: got %v", test.route, got)
		}
	}
}

func TestWholeRepeatsAnInterruptedDump(t *testing.T) {
	calls := 0
	got, err := whole(func() ([]int, error) {
		calls++
		if calls < 3 {
			return []int{0}, netlink.ErrDumpInterrupted
		}
		return []int{7}, nil
	})
	if err != nil || calls != 3 || len(got) != 1 || got[0] != 7 {
		t.Errorf("after %d calls: %v, %v", calls, got, err)
	}
	calls = 0
	got, err = whole(func() ([]int, error) { calls++; return []int{calls}, netlink.ErrDumpInterrupted })
	if err != nil || calls != 5 || got[0] != 5 {
		t.Errorf("changes without end, after %d calls: %v, %v", calls, got, err)
	}
	_, err = whole(func() ([]int, error) { return nil, unix.EPERM })
	if primitives.KindOf(err) != primitives.Denied {
		t.Errorf("got %v", err)
	}
}
