package bridge_test

import (
	"bytes"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"

	"ctys/primitives"
	"ctys/primitives/bridge"
)

// neighbour is another host on the network of eth0, at the far end of its cable.
type neighbour struct {
	t    *testing.T
	conn *packet.Conn
	mac  net.HardwareAddr
}

func newNeighbour(t *testing.T) *neighbour {
	t.Helper()
	card, err := net.InterfaceByName("far0")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := packet.Listen(card, packet.Raw, unix.ETH_P_ARP, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &neighbour{t: t, conn: conn, mac: card.HardwareAddr}
}

// ask asks by ARP (RFC 826) who has an address, and gives the MAC address that
// answers; it asks again for a while, as hosts do.
func (n *neighbour) ask(address string) primitives.MAC {
	n.t.Helper()
	asked := netip.MustParseAddr(address).As4()
	everybody := bytes.Repeat([]byte{0xff}, 6)
	frame := bytes.Join([][]byte{
		everybody, n.mac, {0x08, 0x06}, // Ethernet
		{0, 1, 8, 0, 6, 4, 0, 1}, n.mac, {192, 0, 2, 99}, make([]byte, 6), asked[:],
	}, nil)
	for range 10 {
		if _, err := n.conn.WriteTo(frame, &packet.Addr{HardwareAddr: everybody}); err != nil {
			n.t.Fatal(err)
		}
		if found, ok := n.answer(asked); ok {
			return found
		}
	}
	return primitives.MAC{}
}

func (n *neighbour) answer(asked [4]byte) (primitives.MAC, bool) {
	if err := n.conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
		n.t.Fatal(err)
	}
	frame := make([]byte, 128)
	for {
		length, _, err := n.conn.ReadFrom(frame)
		if err != nil {
			return primitives.MAC{}, false
		}
		if length >= 42 && frame[21] == 2 && bytes.Equal(frame[28:32], asked[:]) {
			return primitives.MAC(frame[22:28]), true
		}
	}
}

// After every step, there and back, the neighbours of the card find the host at
// its addresses, and in the end at the MAC that they have always known.
func TestItsNeighboursFindItAfterEveryStep(t *testing.T) {
	build(t, full...)
	snap, other := snapshot(t), newNeighbour(t)
	client := bridge.New(bridge.Options{})
	follow := func(steps []bridge.Step) {
		t.Helper()
		for _, step := range steps {
			if err := client.Apply(t.Context(), step); err != nil {
				t.Fatal(err)
			}
			for _, address := range []string{"192.0.2.5", "192.0.2.6"} {
				if found := other.ask(address); found.IsZero() {
					t.Errorf("after %q nobody answers for %s", step, address)
				}
			}
		}
		for _, address := range []string{"192.0.2.5", "192.0.2.6"} {
			if found := other.ask(address); found != snap.Bridge.MAC {
				t.Errorf("in the end %s answers for %s, and not %s", found, address, snap.Bridge.MAC)
			}
		}
	}
	follow(dissolution(t, snap))
	follow(restoration(t, snap))
}
