package bmc

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"ctys/primitives"
)

func ownFarm(t testing.TB, n int, model *Model) *Farm {
	t.Helper()
	f := NewFarm(1)
	if err := f.AddMany(n, netip.MustParseAddrPort("127.113.180.1:0"), model, nil); err != nil {
		t.Fatal(err)
	}
	return f
}

// A BMC that nobody has spoken to is a few words, and one that was spoken to is
// not much more once its sessions are closed.
func TestBMCsAreSmall(t *testing.T) {
	const n = 4096
	use := func() uint64 {
		var stats runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	before := use()
	f := ownFarm(t, n, &Model{})
	untouched := use()
	for _, b := range f.All() {
		b.Record(TurnedOn, ByCommand)
		b.drop(b.newSession(1, Administrator, suites[0]))
	}
	touched := use()
	if a, b := (untouched-before)/n, (touched-untouched)/n; a > 512 || b > 1024 {
		t.Errorf("%d bytes a BMC at first, and %d more when it was used", a, b)
	}
	runtime.KeepAlive(f)
}

func TestNothingIsLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		f := ownFarm(t, 300, &Model{})
		if err := f.Serve(ctx); err != nil {
			t.Fatal(err)
		}
		cancel()
		f.Wait()
	}
	for range 200 {
		if runtime.NumGoroutine() <= before {
			return
		}
		runtime.Gosched()
		_ = primitives.SystemClock{}.Sleep(t.Context(), 5*time.Millisecond)
	}
	t.Errorf("%d goroutines before, %d after", before, runtime.NumGoroutine())
}

// open sends Open Session and gives the RMCP+ status.
func open(t *testing.T, b *BMC, console uint32) byte {
	t.Helper()
	packet := append([]byte(nil), openRequest...)
	binary.LittleEndian.PutUint32(packet[20:], console)
	reply, _ := b.answer(packet)
	if len(reply) < 24 {
		t.Fatalf("no answer to Open Session: % x", reply)
	}
	return reply[17]
}

// A strict BMC counts sessions in the making, until their time is over; others
// let the oldest go.
func TestSessionsInTheMaking(t *testing.T) {
	for _, strict := range []bool{false, true} {
		clock := primitives.SystemClock{}
		b := newBMC(Description{Model: &Model{Slots: 2, Strict: strict, Clock: clock}}, 0)
		for n := range uint32(2) {
			if status := open(t, b, n+1); status != statusOK {
				t.Errorf("strict %v: session %d gets status %#x", strict, n, status)
			}
		}
		want := map[bool]byte{false: statusOK, true: statusNoRoom}[strict]
		if status := open(t, b, 3); status != want {
			t.Errorf("strict %v: a third session gets status %#x, want %#x", strict, status, want)
		}
		if len(b.state.sessions) != 2 {
			t.Errorf("%d sessions", len(b.state.sessions))
		}
		b.state.sessions[0].used = clock.Now().Add(-SetupPatience - time.Second)
		if status := open(t, b, 4); status != statusOK {
			t.Errorf("strict %v: status %#x after one was given up", strict, status)
		}
	}
}

// Whom a packet was sent to answers, from there; a neighbour's address that has no
// BMC is silent, and so is a silent BMC.
func TestTheAddressThatWasAskedAnswers(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := ownFarm(t, 3, &Model{})
	if err := f.Serve(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); f.Wait() })
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 113, 181, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	f.BMC("bmc0002").Silent(true)
	ping := []byte{0x06, 0x00, 0xff, 0x06, 0x00, 0x00, 0x11, 0xbe, 0x80, 0x07, 0x00, 0x00}
	port := f.All()[0].Address.Port()
	for _, to := range []string{"127.113.180.4", "127.0.0.1", "127.113.180.2", "127.113.180.3"} {
		if _, err := conn.WriteToUDPAddrPort(ping, netip.AddrPortFrom(netip.MustParseAddr(to), port)); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.SetReadDeadline(primitives.SystemClock{}.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, longest)
	n, from, err := conn.ReadFromUDPAddrPort(buffer) // the first to answer is the last that was asked
	if err != nil || from != f.BMC("bmc0003").Address || n != 28 || buffer[9] != 7 {
		t.Errorf("%s answered % x, %v", from, buffer[:n], err)
	}
}

// Commands that wait for a chassis hold up no other BMC's, and end with the farm.
func TestAChassisMayTakeItsTime(t *testing.T) {
	b := newBMC(Description{Model: &Model{}, Chassis: stuck{}}, 0)
	s := b.newSession(7, Administrator, suites[0])
	s.allowed, s.open, s.privilege = Administrator, true, Administrator
	reply, rest := b.carryOut(s, message{netFn: netFnChassis, command: 0x01})
	if reply != nil || rest == nil {
		t.Fatalf("% x", reply)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if reply := rest(ctx); reply != nil {
		t.Errorf("a chassis that did not answer: % x", reply)
	}
}

type stuck struct{ onlyOff }

func (stuck) Power(ctx context.Context) (primitives.Power, error) {
	<-ctx.Done()
	return primitives.PowerUnknown, primitives.Wrap("bmc.status", "", "no answer", ctx.Err())
}
