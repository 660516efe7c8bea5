package wol

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"ctys/primitives"
)

// recorder is a system that keeps the frames it was to send.
type recorder struct {
	system
	frames []string
}

func (r *recorder) sendFrame(_ context.Context, device string, destination primitives.MAC, payload []byte) error {
	r.frames = append(r.frames, fmt.Sprintf("%s %s %d", device, destination, len(payload)))
	return nil
}

func TestRawFrameGoesToTheBroadcastUnlessUnicast(t *testing.T) {
	for _, test := range []struct {
		request Request
		want    Sent
	}{
		{Request{MAC: someMAC, Interface: "eth7"}, Sent{"ethernet", "eth7", "ff:ff:ff:ff:ff:ff", 102}},
		{Request{MAC: someMAC, Interface: "eth7", Unicast: true}, Sent{"ethernet", "eth7", someMAC.String(), 102}},
		{Request{MAC: someMAC, Interface: "eth7", Password: make([]byte, 4)}, Sent{"ethernet", "eth7", "ff:ff:ff:ff:ff:ff", 106}},
		{Request{MAC: someMAC, Interface: "eth7", Password: make([]byte, 6)}, Sent{"ethernet", "eth7", "ff:ff:ff:ff:ff:ff", 108}},
	} {
		system := &recorder{}
		sent, err := (&Client{system: system}).Send(t.Context(), test.request)
		if err != nil || sent != test.want {
			t.Errorf("%+v: got %+v, %v; want %+v", test.request, sent, err, test.want)
		}
		want := fmt.Sprintf("%s %s %d", test.want.Interface, test.want.Destination, test.want.Bytes)
		if len(system.frames) != 1 || system.frames[0] != want {
			t.Errorf("%+v: one call sent %q, want %q", test.request, system.frames, want)
		}
	}
}

func TestRequestsThatContradictThemselves(t *testing.T) {
	for name, request := range map[string]Request{
		"nothing":               {},
		"no way":                {MAC: someMAC},
		"no MAC, raw":           {Interface: "lo"},
		"no MAC, UDP":           {Address: "127.0.0.1"},
		"port without address":  {MAC: someMAC, Interface: "lo", Port: 9},
		"unicast with address":  {MAC: someMAC, Address: "127.0.0.1", Unicast: true},
		"negative port":         {MAC: someMAC, Address: "127.0.0.1", Port: -1},
		"port too large":        {MAC: someMAC, Address: "127.0.0.1", Port: 65536},
		"password of 5 bytes":   {MAC: someMAC, Address: "127.0.0.1", Password: make([]byte, 5)},
		"port in the address":   {MAC: someMAC, Address: "127.0.0.1:9"},
		"brackets":              {MAC: someMAC, Address: "[::1]"},
		"subnet":                {MAC: someMAC, Address: "127.0.0.0/8"},
		"blank in the address":  {MAC: someMAC, Address: "local host"},
		"zone of no device":     {MAC: someMAC, Address: "fe80::1%no-such-if"},
		"no IPv6":               {MAC: someMAC, Address: "fe80:::1"},
		"unknown interface":     {MAC: someMAC, Interface: "no-such-if"},
		"UDP, no such device":   {MAC: someMAC, Address: "127.0.0.1", Interface: "no-such-if"},
		"interface of 300 byte": {MAC: someMAC, Interface: strings.Repeat("x", 300)},
		"loopback is no cable":  {MAC: someMAC, Interface: "lo"},
	} {
		if _, err := New().Send(t.Context(), request); primitives.KindOf(err) != primitives.Invalid {
			t.Errorf("%s: got %v, want kind invalid", name, err)
		}
	}
}

func TestUnknownInterfaceNamesTheKnownOnes(t *testing.T) {
	_, err := New().Send(t.Context(), Request{MAC: someMAC, Interface: "no-such-if"})
	if err == nil || !strings.Contains(err.Error(), "lo") || !strings.Contains(err.Error(), "no-such-if") {
		t.Fatalf("got %v", err)
	}
}

func TestSendEndsWithItsContext(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, request := range []Request{{MAC: someMAC, Address: "127.0.0.1"}, {MAC: someMAC, Interface: "lo"}} {
		if _, err := New().Send(canceled, request); primitives.KindOf(err) != primitives.Canceled {
			t.Errorf("%+v: got %v, want kind canceled", request, err)
		}
	}
}

func TestUnresolvableName(t *testing.T) {
	_, err := New().Send(t.Context(), Request{MAC: someMAC, Address: "no-such-host.invalid"})
	if kind := primitives.KindOf(err); kind != primitives.Unreachable && kind != primitives.Timeout {
		t.Fatalf("got %v, want kind unreachable", err)
	}
}

// listen opens a UDP socket on an address of this host, or skips the test
// where the host does not have it.
func listen(t *testing.T, address string) (*net.UDPConn, int) {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(address), 0)))
	if err != nil {
		t.Skipf("this host has no %s: %v", address, err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn, conn.LocalAddr().(*net.UDPAddr).Port
}

func receive(t *testing.T, conn *net.UDPConn) []byte {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 2048)
	n, err := conn.Read(buffer)
	if err != nil {
		t.Fatal(err)
	}
	return buffer[:n]
}

func TestUDP(t *testing.T) {
	for _, test := range []struct{ listen, address, device string }{
		{"127.0.0.1", "127.0.0.1", ""},
		{"127.0.0.1", "::ffff:127.0.0.1", ""},
		{"127.0.0.1", "localhost", ""},
		{"127.0.0.1", "127.0.0.1", "lo"},
		{"::1", "::1", ""},
		{"::1", "::1", "lo"},
	} {
		t.Run(test.address+" "+test.device, func(t *testing.T) {
			conn, port := listen(t, test.listen)
			password := []byte{192, 168, 1, 1}
			sent, err := New().Send(t.Context(), Request{
				MAC: someMAC, Password: password, Address: test.address, Port: port, Interface: test.device,
			})
			if err != nil {
				t.Fatal(err)
			}
			want := Sent{"udp", test.device, netip.AddrPortFrom(netip.MustParseAddr(test.listen), uint16(port)).String(), 106}
			if sent != want {
				t.Errorf("got %+v, want %+v", sent, want)
			}
			payload, _ := Payload(someMAC, password)
			if got := receive(t, conn); !bytes.Equal(got, payload) {
				t.Errorf("got %x, want %x", got, payload)
			}
		})
	}
}

func TestManySendersAtOnce(t *testing.T) {
	conn, port := listen(t, "127.0.0.1")
	client := New()
	var senders sync.WaitGroup
	for i := range 50 {
		senders.Add(1)
		go func() {
			defer senders.Done()
			mac := primitives.MAC{2, 0, 0, 0, 0, byte(i)}
			if _, err := client.Send(t.Context(), Request{MAC: mac, Address: "127.0.0.1", Port: port}); err != nil {
				t.Error(err)
			}
		}()
	}
	seen := map[string]bool{}
	for range 50 {
		seen[string(receive(t, conn)[6:12])] = true
	}
	senders.Wait()
	if len(seen) != 50 {
		t.Fatalf("%d different packets of 50 arrived", len(seen))
	}
}
