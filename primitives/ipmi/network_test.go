package ipmi

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bougou/go-ipmi/pkg/types"

	"ctys/primitives"
)

// IPv6 addresses, and a name of which one address leads nowhere.
func TestAddresses(t *testing.T) {
	noLeaks(t)
	if conn, err := net.ListenPacket("udp", "[::1]:0"); err != nil {
		t.Skip("this machine has no IPv6 loopback")
	} else {
		conn.Close()
	}
	c := New(Options{})
	six := (&fakeBMC{on: true}).serve(t, "::1")
	if status, err := c.Status(within5s(t), six); err != nil || status.Power != primitives.PowerOn {
		t.Errorf("%v, %v", status, err)
	}
	shut := Target{Host: "::1", Port: freePort(t, "::1"), User: "oper", Password: secret(password)}
	_, err := c.Status(within5s(t), shut)
	wantKind(t, err, primitives.Unreachable)
	for _, address := range []string{"127.0.0.1", "::1"} {
		named := (&fakeBMC{}).serve(t, address)
		named.Host = "localhost"
		addresses, err := c.resolve(within5s(t), named)
		if err != nil || !slices.ContainsFunc(addresses, func(a netip.AddrPort) bool { return a.Addr().String() == address }) {
			continue // the name means something else here
		}
		if _, err := c.Status(within5s(t), named); err != nil {
			t.Errorf("localhost, on %s: %v", address, err)
		}
	}
}

// A name and its address are one BMC, with one queue.
func TestNameAndAddressShareAQueue(t *testing.T) {
	b := &fakeBMC{}
	target := b.serve(t, "127.0.0.1")
	release, err := queues.hold(context.Background(), []netip.AddrPort{netip.MustParseAddrPort(target.address())})
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	target.Host = "localhost"
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err = New(Options{}).Status(ctx, target)
	wantKind(t, err, primitives.Timeout, "nothing was sent")
}

// Who knows a BMC by another one of its addresses waits as well, and those that
// hold several never wait for each other.
func TestAddressesOfOneBMCShareAQueue(t *testing.T) {
	four, six := netip.MustParseAddrPort("192.0.2.7:623"), netip.MustParseAddrPort("[2001:db8::7]:623")
	var q turns
	release, err := q.hold(context.Background(), []netip.AddrPort{six, four, six})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, other := range [][]netip.AddrPort{{four}, {six}, {netip.MustParseAddrPort("192.0.2.1:623"), six}} {
		if _, err := q.hold(ctx, other); kindOf(err) != primitives.Canceled {
			t.Errorf("%v: %v", other, err)
		}
	}
	release()
	if len(q.turns) > 0 {
		t.Errorf("queues are left: %v", q.turns)
	}
	var group sync.WaitGroup
	for n := range 200 {
		group.Go(func() {
			both := []netip.AddrPort{four, six}
			if n%2 == 0 {
				slices.Reverse(both)
			}
			release, err := q.hold(within5s(t), both)
			if err != nil {
				t.Error(err)
				return
			}
			release()
		})
	}
	group.Wait()
}

// Dead BMCs cost one deadline together, and do not hold up the others.
func TestDeadOnesHoldUpNobody(t *testing.T) {
	noLeaks(t)
	const dead = 3 * atOnce
	c := New(Options{})
	silent := func() Target {
		conn, err := net.ListenPacket("udp", "127.111.5.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return Target{Host: "127.111.5.1", Port: conn.LocalAddr().(*net.UDPAddr).Port, User: "oper", Password: secret(password)}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
	defer cancel()
	var group sync.WaitGroup
	var timeouts atomic.Int64
	for range dead {
		target := silent()
		group.Go(func() {
			if _, err := c.Status(ctx, target); primitives.KindOf(err) == primitives.Timeout {
				timeouts.Add(1)
			}
		})
	}
	for n := range 20 {
		target := (&fakeBMC{}).serve(t, fmt.Sprintf("127.111.5.%d", n+2))
		group.Go(func() {
			if _, err := c.Status(ctx, target); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if timeouts.Load() != dead {
		t.Errorf("%d of %d silent BMCs timed out", timeouts.Load(), dead)
	}
}

// What the system tells of closed ports concerns those who asked there, and
// nobody else on the same socket.
func TestRefusedPortsConcernNobodyElse(t *testing.T) {
	noLeaks(t)
	c := New(Options{})
	var group sync.WaitGroup
	for n := range 200 {
		shut := Target{Host: fmt.Sprintf("127.111.6.%d", n+1), Port: 1, User: "oper", Password: secret(password)}
		group.Go(func() {
			for range 5 {
				if _, err := c.Status(within5s(t), shut); primitives.KindOf(err) != primitives.Unreachable {
					t.Errorf("%s: %v, want unreachable", shut.Host, err)
				}
			}
		})
	}
	for n := range 40 {
		target := (&fakeBMC{}).serve(t, fmt.Sprintf("127.111.7.%d", n+1))
		group.Go(func() {
			for range 10 {
				if _, err := c.Status(within5s(t), target); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}

func TestParseStatus(t *testing.T) {
	for _, test := range []struct {
		data []byte
		want Status
	}{
		{[]byte{0x00, 0, 0}, Status{Power: primitives.PowerOff, Restore: "off"}},
		{[]byte{0x21, 0x10, 0x40}, Status{Power: primitives.PowerOn, Restore: "previous", LastEvent: []string{"switched on by IPMI"}, Identify: "off"}},
		{[]byte{0x5e, 0x0f, 0x6f, 0x00}, Status{Power: primitives.PowerOff, Restore: "on",
			LastEvent: []string{"mains failed", "overload", "interlock", "fault"},
			Faults:    []string{"overload", "interlock", "power fault", "control fault", "intrusion", "lockout", "drive fault", "fan fault"},
			Identify:  "on"}},
		{[]byte{0xe1, 0, 0x50}, Status{Power: primitives.PowerOn, Identify: "timed"}},
		{[]byte{0x61, 0, 0x70}, Status{Power: primitives.PowerOn}},
	} {
		got, err := parseStatus(test.data)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(test.want) {
			t.Errorf("% x: %+v, %v; want %+v", test.data, got, err, test.want)
		}
	}
	if _, err := parseStatus([]byte{1, 0}); kindOf(err) != primitives.Internal {
		t.Errorf("two bytes of a status: %v", err)
	}
}

// A refusal may come so short that only its tag tells which proposal it answers,
// so that no two set-ups of one call have the same.
func TestSetUpsOfOneLineHaveTagsOfTheirOwn(t *testing.T) {
	c := New(Options{})
	l, err := c.network.line(netip.MustParseAddrPort("127.0.77.32:623"), func() {})
	if err != nil {
		t.Fatal(err)
	}
	defer l.hangUp()
	seen := map[byte]bool{}
	for range 200 {
		h := newHandshake(l, login{user: "admin", privilege: types.PrivilegeLevelUser}, types.CipherSuiteID3)
		if seen[h.tag] {
			t.Fatalf("tag %d twice", h.tag)
		}
		seen[h.tag] = true
	}
}

func TestWhereABMCIs(t *testing.T) {
	c := New(Options{})
	for host, want := range map[string]string{"192.0.2.7": "192.0.2.7:623", "2001:db8::7": "[2001:db8::7]:623", "::ffff:192.0.2.7": "192.0.2.7:623"} {
		if got, err := c.Addresses(within5s(t), Target{Host: host}); err != nil || !slices.Equal(got, []string{want}) {
			t.Errorf("%s: %q, %v", host, got, err)
		}
	}
	if got, err := c.Addresses(within5s(t), Target{Host: "localhost", Port: 6230}); err != nil || !slices.Contains(got, "127.0.0.1:6230") {
		t.Errorf("localhost: %q, %v", got, err)
	}
	_, err := c.Addresses(within5s(t), Target{})
	wantKind(t, err, primitives.Invalid, "no host is given")
}
