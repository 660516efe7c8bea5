package bridge_test

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"

	"ctys/tests/netns"
)

// advertise sends a router's advertisement (RFC 4861, 4.2) from the far end of
// eth0's cable: it is the default router for 1800 s, and hosts may make
// themselves addresses in 2001:db8:a::/64.
func advertise(t *testing.T) {
	t.Helper()
	card, err := net.InterfaceByName("far0")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := packet.Listen(card, packet.Raw, unix.ETH_P_IPV6, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	prefix := netip.MustParseAddr("2001:db8:a::").As16()
	router, hosts := netip.MustParseAddr("fe80::99").As16(), netip.MustParseAddr("ff02::1").As16()
	const lifetimes = "\x00\x00\x0f\xa0\x00\x00\x0b\xb8\x00\x00\x00\x00" // valid 4000, preferred 3000
	message := []byte("\x86\x00\x00\x00\x40\x00\x07\x08\x00\x00\x00\x00\x00\x00\x00\x00" + "\x03\x04\x40\xc0" + lifetimes + string(prefix[:]))
	binary.BigEndian.PutUint16(message[2:], checksum(router, hosts, message))
	everybody := net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1}
	header := []byte{0x60, 0, 0, 0, 0, byte(len(message)), unix.IPPROTO_ICMPV6, 255}
	frame := bytes.Join([][]byte{everybody, {2, 0, 0x5e, 0, 0x53, 0x99}, {0x86, 0xdd}, header, router[:], hosts[:], message}, nil)
	if _, err := conn.WriteTo(frame, &packet.Addr{HardwareAddr: everybody}); err != nil {
		t.Fatal(err)
	}
}

// checksum is that of ICMPv6 (RFC 4443, 2.3).
func checksum(from, to [16]byte, message []byte) uint16 {
	all := bytes.Join([][]byte{from[:], to[:], {0, 0, 0, byte(len(message)), 0, 0, 0, unix.IPPROTO_ICMPV6}, message}, nil)
	sum := uint32(0)
	for i := 0; i < len(all); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(all[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// until waits for words in what a program prints.
func until(t *testing.T, line, words string) {
	t.Helper()
	var out string
	for end := time.Now().Add(settled); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if out, _ = netns.Try(t, line); strings.Contains(out, words) && !unusable.MatchString(out) {
			return
		}
	}
	t.Fatalf("%s has no %q:\n%s", line, words, out)
}

// Addresses and routes that a router gave go along, are renewed on the port, and
// come back to the bridge alone.
func TestWhatARouterAdvertised(t *testing.T) {
	build(t, "/proc/sys/net/ipv6/conf/br0/accept_ra = 1", "/proc/sys/net/ipv6/conf/eth0/accept_ra = 1")
	advertise(t)
	until(t, "ip -6 addr show dev br0", "2001:db8:a:")
	until(t, "ip -6 route show dev br0", "default via fe80::99 proto ra")
	before, snap := picture(t), snapshot(t)
	dissolve(t, snap)
	until(t, "ip -6 addr show dev eth0", "2001:db8:a:")
	until(t, "ip -6 route show dev eth0", "default via fe80::99 proto ra")
	advertise(t)
	until(t, "ip -6 addr show dev eth0", "2001:db8:a::5eff:fe00:5320") // by the router's word, from the port's MAC
	restore(t, snap)
	unchanged(t, before)
}
