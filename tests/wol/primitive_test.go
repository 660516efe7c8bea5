//go:build linux

package wol

import (
	"bytes"
	"encoding/binary"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ctys/primitives"
	"ctys/primitives/wol"
	"ctys/tests/netns"
)

func number(t testing.TB, text string) int {
	t.Helper()
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

var sleeperMAC = primitives.MAC{0x52, 0x54, 0x00, 0xab, 0xcd, 0x0f}

func TestLimitedBroadcastWithoutDefaultRoute(t *testing.T) {
	wire := cable(t)
	request := wol.Request{MAC: sleeperMAC, Address: "255.255.255.255"}

	_, err := wol.New().Send(t.Context(), request)
	if primitives.KindOf(err) != primitives.Unreachable || !strings.Contains(err.Error(), "name the interface") {
		t.Errorf("without an interface: got %v, want kind unreachable and the way out", err)
	}

	request.Interface = nearEnd
	sent, err := wol.New().Send(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	if sent.Destination != "255.255.255.255:9" || sent.Interface != nearEnd {
		t.Errorf("got %+v", sent)
	}
	checkDatagram(t, wire.next(), [4]byte{255, 255, 255, 255}, 9)
	wire.quiet()
}

// A magic packet leaves also before the host has an address at all.
func TestLimitedBroadcastOnAnInterfaceWithoutAddress(t *testing.T) {
	netns.Need(t)
	netns.Veth(t, nearEnd, farEnd, nearMAC)
	wire := openTap(t)
	if _, err := wol.New().Send(t.Context(), wol.Request{MAC: sleeperMAC, Address: "255.255.255.255", Interface: nearEnd, Port: 7}); err != nil {
		t.Fatal(err)
	}
	checkDatagram(t, wire.next(), [4]byte{255, 255, 255, 255}, 7)
}

func checkDatagram(t *testing.T, frame []byte, destination [4]byte, port uint16) {
	t.Helper()
	if !bytes.Equal(frame[:6], bytes.Repeat([]byte{0xff}, 6)) {
		t.Errorf("the frame goes to %x, not to the Ethernet broadcast", frame[:6])
	}
	ip := frame[ethernetHeader:]
	if !bytes.Equal(ip[16:20], destination[:]) {
		t.Errorf("the datagram goes to %v, want %v", ip[16:20], destination)
	}
	if got := binary.BigEndian.Uint16(ip[ipv4Header+2:]); got != port {
		t.Errorf("the datagram goes to port %d, want %d", got, port)
	}
	want, err := wol.Payload(sleeperMAC, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := ip[ipv4Header+8:]; !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
}

func TestIPv6(t *testing.T) {
	wire := cable(t)
	if out, err := netns.Try(t, "ip -6 addr show dev "+nearEnd+" scope global"); err != nil || out == "" {
		t.Skip("this kernel has no IPv6")
	}
	waitFor(t, "ip -6 route show table all type multicast dev "+nearEnd, "ff00::/8")
	for name, test := range map[string]struct {
		request wol.Request
		port    uint16
	}{
		"one host":                       {wol.Request{Address: "2001:db8::2", Port: 4711}, 4711},
		"all nodes, by zone":             {wol.Request{Address: "ff02::1%" + nearEnd}, 9},
		"all nodes, by interface":        {wol.Request{Address: "ff02::1", Interface: nearEnd}, 9},
		"one host, bound to a interface": {wol.Request{Address: "2001:db8::2", Interface: nearEnd}, 9},
	} {
		t.Run(name, func(t *testing.T) {
			wire := &tap{t: t, conn: wire.conn}
			test.request.MAC = sleeperMAC
			if _, err := wol.New().Send(t.Context(), test.request); err != nil {
				t.Fatal(err)
			}
			udp := wire.next()[ethernetHeader+ipv6Header:]
			want, _ := wol.Payload(sleeperMAC, nil)
			if got := binary.BigEndian.Uint16(udp[2:]); got != test.port || !bytes.Equal(udp[8:], want) {
				t.Errorf("port %d, %x", got, udp[8:])
			}
			wire.quiet()
		})
	}
}

// waitFor waits until the output of a program has text: the kernel follows a
// cable's coming up a little later.
func waitFor(t *testing.T, line, text string) {
	t.Helper()
	for range 100 {
		if out, _ := netns.Try(t, line); strings.Contains(out, text) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("%s never says %q", line, text)
}

func TestInterfacesThatCannotSend(t *testing.T) {
	cable(t)
	for _, way := range []wol.Request{{Interface: nearEnd}, {Interface: nearEnd, Address: "192.0.2.2"}} {
		way.MAC = sleeperMAC
		netns.Run(t, "ip link set "+nearEnd+" down")
		_, err := wol.New().Send(t.Context(), way)
		if primitives.KindOf(err) != primitives.Unreachable || !strings.Contains(err.Error(), "ip link set "+nearEnd+" up") {
			t.Errorf("down: got %v, want kind unreachable and the way out", err)
		}
		netns.Run(t, "ip link set "+nearEnd+" up")
		netns.Run(t, "ip link set "+farEnd+" down")
		_, err = wol.New().Send(t.Context(), way)
		if primitives.KindOf(err) != primitives.Unreachable || !strings.Contains(err.Error(), "carrier") {
			t.Errorf("no cable: got %v, want kind unreachable, no carrier", err)
		}
		netns.Run(t, "ip link set "+farEnd+" up")
	}
}

func TestNoRoute(t *testing.T) {
	cable(t)
	_, err := wol.New().Send(t.Context(), wol.Request{MAC: sleeperMAC, Address: "198.51.100.255"})
	if primitives.KindOf(err) != primitives.Unreachable || !strings.Contains(err.Error(), "no route") {
		t.Errorf("got %v, want kind unreachable", err)
	}
}

// A bridge is sent through as any interface is: the frame leaves by its port.
func TestThroughABridge(t *testing.T) {
	netns.Need(t)
	netns.Veth(t, nearEnd, farEnd, nearMAC)
	netns.Run(t, "ip link add bare0 type bridge forward_delay 0")
	t.Cleanup(func() { netns.Run(t, "ip link del bare0") })
	netns.Run(t, "ip link set "+nearEnd+" master bare0")
	netns.Run(t, "ip link set bare0 up")
	wire := openTap(t)
	if _, err := wol.New().Send(t.Context(), wol.Request{MAC: sleeperMAC, Interface: "bare0"}); err != nil {
		t.Fatal(err)
	}
	if got := wire.next(); etherType(got) != 0x0842 {
		t.Errorf("got %x", got)
	}
}

// unprivileged runs f on a thread without capabilities. The thread ends with
// the goroutine, which never unlocks it.
func unprivileged(t *testing.T, f func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		err := unix.Capset(&header, &none[0])
		if err == nil {
			f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(os.NewSyscallError("capset", err))
	}
}

func TestWithoutPrivilege(t *testing.T) {
	wire := cable(t)
	unprivileged(t, func() {
		_, err := wol.New().Send(t.Context(), wol.Request{MAC: sleeperMAC, Interface: nearEnd})
		if primitives.KindOf(err) != primitives.Denied || !strings.Contains(err.Error(), "setcap cap_net_raw+ep $(command -v ctys)") {
			t.Errorf("raw: got %v, want kind denied and the way out", err)
		}
		if _, err := wol.New().Send(t.Context(), wol.Request{MAC: sleeperMAC, Address: "255.255.255.255", Interface: nearEnd}); err != nil {
			t.Errorf("UDP on an interface: %v", err)
		}
	})
	checkDatagram(t, wire.next(), [4]byte{255, 255, 255, 255}, 9)
}
