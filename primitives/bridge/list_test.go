package bridge_test

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ctys/primitives"
	"ctys/primitives/bridge"
	"ctys/tests/netns"
)

func link(t *testing.T, name, arguments string) {
	t.Helper()
	netns.Run(t, "ip link add "+name+" "+arguments)
	t.Cleanup(func() { netns.Run(t, "ip link del "+name) })
}

func TestList(t *testing.T) {
	netns.Need(t)
	list := func() []bridge.Bridge {
		t.Helper()
		all, err := bridge.New(bridge.Options{}).List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	if all := list(); len(all) != 0 {
		t.Fatalf("a new namespace has %+v", all)
	}

	link(t, "xenbr0", "address 02:00:5e:00:53:10 type bridge")
	link(t, "empty1", "address 02:00:5e:00:53:11 type bridge stp_state 1")
	for _, port := range []string{"vif2.0", "vif10.0", "peth0"} {
		netns.Veth(t, port, port+"-far", "02:00:5e:00:53:20")
		netns.Run(t, "ip link set "+port+" master xenbr0")
	}
	netns.Run(t, "ip link set xenbr0 address 02:00:5e:00:53:10")
	netns.Run(t, "ip link set xenbr0 up")

	want := []bridge.Bridge{
		{Name: "xenbr0", MAC: primitives.MAC{2, 0, 0x5e, 0, 0x53, 0x10}, Ports: []string{"peth0", "vif10.0", "vif2.0"}, Up: true},
		{Name: "empty1", MAC: primitives.MAC{2, 0, 0x5e, 0, 0x53, 0x11}, STP: true},
	}
	if diff := cmp.Diff(want, list()); diff != "" {
		t.Errorf("bridges (-want +got):\n%s", diff)
	}

	netns.Run(t, "ip link set peth0 nomaster")
	if ports := list()[0].Ports; !slices.Equal(ports, []string{"vif10.0", "vif2.0"}) {
		t.Errorf("after a port was taken out: %v", ports)
	}
}

func TestListEndsWithItsContext(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := bridge.New(bridge.Options{}).List(canceled); primitives.KindOf(err) != primitives.Canceled {
		t.Errorf("got %v, want kind canceled", err)
	}
}
