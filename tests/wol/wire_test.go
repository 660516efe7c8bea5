//go:build linux

package wol

import (
	"encoding/binary"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"github.com/mdlayher/packet"

	"ctys/tests/netns"
)

// The cable of every test: what is sent on one end is captured on the other.
const (
	nearEnd = "wake0"
	farEnd  = "wake1"
	nearMAC = "02:00:5e:00:53:01"
)

// tap captures the frames that arrive at the far end of the cable.
type tap struct {
	t    testing.TB
	conn *packet.Conn
}

// cable makes the pair of interfaces with addresses and neighbours, so that a
// datagram to 192.0.2.2 or 2001:db8::2 leaves without anybody answering, and
// taps its far end. There is no default route.
func cable(t testing.TB) *tap {
	t.Helper()
	netns.Need(t)
	netns.Veth(t, nearEnd, farEnd, nearMAC)
	netns.Run(t, "ip addr add 192.0.2.1/24 broadcast 192.0.2.255 dev "+nearEnd)
	netns.Run(t, "ip neigh add 192.0.2.2 lladdr 02:00:5e:00:53:02 dev "+nearEnd)
	// A kernel without IPv6 refuses these two; the tests that need them look.
	netns.Try(t, "ip addr add 2001:db8::1/64 nodad dev "+nearEnd)
	netns.Try(t, "ip neigh add 2001:db8::2 lladdr 02:00:5e:00:53:02 dev "+nearEnd)
	return openTap(t)
}

const everyType = 0x0003 // ETH_P_ALL of linux/if_ether.h

func openTap(t testing.TB) *tap {
	t.Helper()
	device, err := net.InterfaceByName(farEnd)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := packet.Listen(device, packet.Raw, everyType, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &tap{t: t, conn: conn}
}

// next gives the next frame that can be a magic packet: a raw one or UDP. The
// kernel's own (neighbour discovery, multicast reports) pass by.
func (c *tap) next() []byte {
	c.t.Helper()
	for {
		frame, err := c.read(10 * time.Second)
		if err != nil {
			c.t.Fatalf("no packet arrived at %s: %v", farEnd, err)
		}
		if relevant(frame) {
			return frame
		}
	}
}

// quiet fails the test if one more magic packet arrives.
func (c *tap) quiet() {
	c.t.Helper()
	for {
		frame, err := c.read(50 * time.Millisecond)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		if err != nil {
			c.t.Fatal(err)
		}
		if relevant(frame) {
			c.t.Fatalf("a second packet arrived at %s: %x", farEnd, frame)
		}
	}
}

func (c *tap) read(patience time.Duration) ([]byte, error) {
	if err := c.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	buffer := make([]byte, 2048)
	n, _, err := c.conn.ReadFrom(buffer)
	return buffer[:n], err
}

// Offsets in a frame: Ethernet header 14 bytes, IPv4 without options 20 (RFC
// 791), IPv6 40 (RFC 8200), UDP 8 (RFC 768).
const (
	ethernetHeader = 14
	ipv4Header     = 20
	ipv6Header     = 40
)

func etherType(frame []byte) uint16 { return binary.BigEndian.Uint16(frame[12:14]) }

func relevant(frame []byte) bool {
	if len(frame) < ethernetHeader+ipv6Header {
		return false
	}
	switch etherType(frame) {
	case 0x0842:
		return true
	case 0x0800:
		return frame[ethernetHeader+9] == 17
	case 0x86dd:
		return frame[ethernetHeader+6] == 17
	}
	return false
}

// settled gives a copy of the frame without what the kernel chooses anew for
// every IPv4 datagram: identification, source port and the checksums of both.
// Raw frames have nothing of the kind.
func settled(frame []byte) []byte {
	frame = append([]byte(nil), frame...)
	if etherType(frame) != 0x0800 {
		return frame
	}
	ip, udp := frame[ethernetHeader:], frame[ethernetHeader+ipv4Header:]
	clear(ip[4:6])
	clear(ip[10:12])
	clear(udp[0:2])
	clear(udp[6:8])
	return frame
}
