package nic_test

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"ctys/primitives"
	"ctys/primitives/nic"
	"ctys/tests/netns"
	"ctys/tests/testneed"
)

func TestMain(m *testing.M) { os.Exit(netns.Main(m)) }

// link makes an interface, or skips the test where the kernel has no such kind.
func link(t *testing.T, name, arguments string) {
	t.Helper()
	out, err := netns.Try(t, "ip link add "+arguments)
	if err != nil {
		testneed.Skip(t, t.Name(), "this kernel refuses: ip link add "+arguments+": "+strings.ReplaceAll(out, "\n", " "),
			"load the kernel module of that kind")
	}
	t.Cleanup(func() { netns.Run(t, "ip link del "+name) })
}

func get(t *testing.T, name string) nic.Interface {
	t.Helper()
	found, err := nic.New().Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestKernelBridgeAndVeth(t *testing.T) {
	netns.Need(t)
	netns.Veth(t, "port0", "far0", "02:00:5e:00:53:01")
	netns.Veth(t, "port1", "far1", "02:00:5e:00:53:02")
	link(t, "br0", "br0 type bridge")
	netns.Run(t, "ip link set port0 master br0")
	netns.Run(t, "ip link set port1 master br0")
	netns.Run(t, "ip link set br0 mtu 1400 up")
	netns.Run(t, "ip addr add 192.0.2.1/25 dev br0")

	bridge := get(t, "br0")
	if bridge.Kind != nic.KindBridge || !slices.Equal(bridge.Lower, []string{"port0", "port1"}) && !slices.Equal(bridge.Lower, []string{"port1", "port0"}) {
		t.Errorf("bridge: %+v", bridge)
	}
	if !bridge.Up || bridge.MTU != 1400 || !slices.Contains(bridge.Addresses, netip.MustParsePrefix("192.0.2.1/25")) {
		t.Errorf("bridge: %+v", bridge)
	}
	if bridge.Wake.Supported != "" || bridge.Wake.Cause == "" {
		t.Errorf("a bridge has no Wake-on modes: %+v", bridge.Wake)
	}
	port := get(t, "port0")
	want := primitives.MAC{2, 0, 0x5e, 0, 0x53, 1}
	if port.Kind != "veth" || port.Master != "br0" || port.MAC != want || !port.Carrier || len(port.Lower) != 0 {
		t.Errorf("port: %+v", port)
	}
	_, err := nic.New().Descend(t.Context(), "br0")
	if primitives.KindOf(err) != primitives.Unsupported || !strings.Contains(err.Error(), "port0 (veth)") {
		t.Errorf("nothing physical is below: got %v", err)
	}

	netns.Run(t, "ip link set far0 down")
	if get(t, "port0").Carrier {
		t.Error("a pulled cable still has a carrier")
	}
}

func TestKernelUnknownName(t *testing.T) {
	netns.Need(t)
	netns.Veth(t, "port0", "far0", "02:00:5e:00:53:01")
	for _, name := range []string{"eth7", "", "a name longer than fifteen bytes"} {
		_, err := nic.New().Get(t.Context(), name)
		if primitives.KindOf(err) != primitives.Invalid || !strings.Contains(err.Error(), "port0") {
			t.Errorf("%q: got %v, want kind invalid that names port0", name, err)
		}
	}
}

func TestKernelDefault(t *testing.T) {
	netns.Need(t)
	netns.Veth(t, "port0", "far0", "02:00:5e:00:53:01")
	netns.Veth(t, "port1", "far1", "02:00:5e:00:53:02")
	if found, err := nic.New().Default(t.Context()); primitives.KindOf(err) != primitives.Unsupported {
		t.Errorf("no card, no route: got %s, %v; want kind unsupported", found.Name, err)
	}
	netns.Run(t, "ip addr add 192.0.2.1/24 dev port0")
	netns.Run(t, "ip addr add 198.51.100.1/24 dev port1")
	netns.Run(t, "ip route add default via 192.0.2.2 metric 200")
	netns.Run(t, "ip route add default via 198.51.100.2 metric 100")
	found, err := nic.New().Default(t.Context())
	if err != nil || found.Name != "port1" || !found.DefaultRoute {
		t.Errorf("got %+v, %v; want port1, whose metric is lower", found, err)
	}
	if !get(t, "port0").DefaultRoute || get(t, "far0").DefaultRoute {
		t.Error("port0 has a default route, far0 has none")
	}
}

func TestKernelMacvlan(t *testing.T) {
	netns.Need(t)
	netns.Veth(t, "port0", "far0", "02:00:5e:00:53:01")
	link(t, "mv0", "mv0 link port0 type macvlan")
	if found := get(t, "mv0"); found.Kind != "macvlan" || !slices.Equal(found.Lower, []string{"port0"}) {
		t.Errorf("%+v", found)
	}
}

func TestKernelVLAN(t *testing.T) {
	netns.Need(t)
	netns.Veth(t, "port0", "far0", "02:00:5e:00:53:01")
	link(t, "port0.5", "port0.5 link port0 type vlan id 5")
	if found := get(t, "port0.5"); found.Kind != nic.KindVLAN || !slices.Equal(found.Lower, []string{"port0"}) {
		t.Errorf("%+v", found)
	}
}

func TestKernelBond(t *testing.T) {
	netns.Need(t)
	link(t, "bond7", "bond7 type bond mode active-backup") // the module makes a bond0 of its own
	netns.Veth(t, "port0", "far0", "02:00:5e:00:53:01")
	netns.Run(t, "ip link set port0 down")
	netns.Run(t, "ip link set port0 master bond7")
	netns.Run(t, "ip link set bond7 up")
	found := get(t, "bond7")
	if found.Kind != nic.KindBond || !slices.Equal(found.Lower, []string{"port0"}) || found.ActiveSlave != "port0" {
		t.Errorf("%+v", found)
	}
}

// The kernel has Wake-on modes of a card alone; a namespace has none.
func TestKernelRefusesToArm(t *testing.T) {
	netns.Need(t)
	netns.Veth(t, "port0", "far0", "02:00:5e:00:53:01")
	link(t, "br0", "br0 type bridge")
	netns.Run(t, "ip link set port0 master br0")
	for name, says := range map[string][]string{
		"br0":   {"br0", "bridge", "operation not supported", "BMC"},
		"port0": {"port0", "veth", "a port of bridge br0", "operation not supported", "BMC"},
	} {
		_, armed := nic.New().Arm(t.Context(), nic.Arming{Name: name})
		_, disarmed := nic.New().Disarm(t.Context(), name)
		for _, err := range []error{armed, disarmed} {
			if primitives.KindOf(err) != primitives.Unsupported {
				t.Fatalf("%s: got %v, want kind unsupported", name, err)
			}
			for _, words := range says {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("%v: it does not say %q", err, words)
				}
			}
		}
	}
	if _, err := nic.New().Arm(t.Context(), nic.Arming{Name: "eth7"}); primitives.KindOf(err) != primitives.Invalid || !strings.Contains(err.Error(), "port0") {
		t.Errorf("eth7: got %v, want kind invalid that names port0", err)
	}
	if _, err := nic.New().Arm(t.Context(), nic.Arming{Name: "port0", Password: []byte{1, 2, 3, 4}}); primitives.KindOf(err) != primitives.Invalid {
		t.Errorf("a password of four bytes: got %v, want kind invalid", err)
	}
}
