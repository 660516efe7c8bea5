package ipmi

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bougou/go-ipmi/pkg/types"

	"ctys/primitives"
)

// A BMC of which nothing is known costs five exchanges where it takes the best
// suite, and one more where it refuses it.
func TestFiveExchanges(t *testing.T) {
	for suite, want := range map[types.CipherSuiteID]int{17: 5, 3: 6} {
		b := &fakeBMC{suites: []types.CipherSuiteID{suite}}
		target := b.serve(t, "127.111.3.1")
		c := New(Options{})
		for _, want := range []int{want, want + 5} {
			if _, err := c.Status(within5s(t), target); err != nil {
				t.Fatal(err)
			}
			if got, _ := b.seen(); got != want {
				t.Errorf("suite %d: %d packets were sent, want %d", suite, got, want)
			}
		}
		if n := b.left(); n != 0 {
			t.Errorf("%d sessions are left", n)
		}
	}
}

// Only who wants more than USER asks for it.
func TestPrivilegeOnlyWhereWanted(t *testing.T) {
	b := &fakeBMC{}
	target := b.serve(t, "127.111.3.2")
	c := New(Options{})
	if _, err := c.Status(within5s(t), target); err != nil {
		t.Fatal(err)
	}
	if err := c.Control(within5s(t), target, Diag); err != nil {
		t.Fatal(err)
	}
	want := []byte{chassisStatus.number, cmdClose, cmdSetPrivilege, cmdControl, cmdClose}
	if _, got := b.seen(); !slices.Equal(got, want) {
		t.Errorf("commands %#x, want %#x", got, want)
	}
}

// A busy node is asked again, and busy only at the end.
func TestNodeBusy(t *testing.T) {
	var asked atomic.Int64
	busy := func(times int64) func(command) (byte, []byte, bool) {
		return func(c command) (byte, []byte, bool) {
			return codeBusy, nil, c.number == chassisStatus.number && asked.Add(1) <= times
		}
	}
	b := &fakeBMC{command: busy(2)}
	if _, err := New(Options{}).Status(within5s(t), b.serve(t, "127.111.3.3")); err != nil {
		t.Error(err)
	}
	if n := asked.Load(); n != 3 {
		t.Errorf("the status was asked for %d times, want 3", n)
	}
	b = &fakeBMC{command: busy(1 << 40)}
	ctx, cancel := context.WithTimeout(context.Background(), 700*time.Millisecond)
	defer cancel()
	_, err := New(Options{}).Status(ctx, b.serve(t, "127.111.3.3"))
	wantKind(t, err, primitives.Busy, "0xc0")
	if n := b.left(); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
	b = &fakeBMC{command: func(c command) (byte, []byte, bool) { return codeBusy, nil, c.number == cmdControl }}
	target := b.serve(t, "127.111.3.3")
	wantKind(t, New(Options{}).Control(within5s(t), target, Cycle), primitives.Busy)
	if _, numbers := b.seen(); countOf(numbers, cmdControl) != 1 {
		t.Errorf("commands %#x: a cycle was sent again", numbers)
	}
}

func countOf(numbers []byte, number byte) (n int) {
	for _, got := range numbers {
		if got == number {
			n++
		}
	}
	return n
}

// A BMC without room is asked again, and busy only at the end.
func TestNoRoom(t *testing.T) {
	b := &fakeBMC{places: 1, sessions: map[uint32]*fakeSession{1: {}}}
	target := b.serve(t, "127.111.3.4")
	ctx, cancel := context.WithTimeout(context.Background(), 700*time.Millisecond)
	defer cancel()
	_, err := New(Options{}).Status(ctx, target)
	wantKind(t, err, primitives.Busy, "no room")
	time.AfterFunc(300*time.Millisecond, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.sessions, 1)
	})
	if _, err := New(Options{}).Status(within5s(t), target); err != nil {
		t.Error(err)
	}
}

// RAKP message 4 is lost, and a strict BMC refuses the second message 3: the
// session is open all the same.
func TestLostFourthMessage(t *testing.T) {
	lost := false
	b := &fakeBMC{places: 1, setUp: func(kind types.PayloadType, payload []byte) []byte {
		if kind == types.PayloadTypeRAKPMessage4 && !lost {
			lost = true
			return nil
		}
		return payload
	}}
	target := b.serve(t, "127.111.3.5")
	if err := New(Options{}).Control(within5s(t), target, Cycle); err != nil {
		t.Fatal(err)
	}
	if b.done() != 1 || b.left() != 0 {
		t.Errorf("%d cycles, %d sessions left", b.done(), b.left())
	}
}

// Whoever gives up in the middle of a set-up leaves no session behind, at
// whichever message.
func TestCanceledSetUp(t *testing.T) {
	for _, at := range []types.PayloadType{types.PayloadTypeRmcpOpenSessionResponse, types.PayloadTypeRAKPMessage2, types.PayloadTypeRAKPMessage4} {
		ctx, cancel := context.WithCancel(within5s(t))
		b := &fakeBMC{places: 1, setUp: func(kind types.PayloadType, payload []byte) []byte {
			if kind == at {
				cancel()
			}
			return payload
		}}
		target := b.serve(t, "127.111.3.6")
		c := New(Options{})
		wantKind(t, c.Control(ctx, target, Cycle), primitives.Canceled)
		if b.done() != 0 || b.left() != 0 {
			t.Errorf("given up at %s: %d cycles, %d sessions left", at, b.done(), b.left())
		}
		if _, err := c.Status(within5s(t), target); err != nil {
			t.Errorf("after giving up at %s: %v", at, err)
		}
	}
}

// What comes with a right integrity code and makes no sense is an error, of
// which the detail has the bytes; what has none is dropped.
func TestNonsense(t *testing.T) {
	onStatus := func(change func([]byte) []byte) func([]byte) []byte {
		return func(message []byte) []byte {
			if message[5] == chassisStatus.number && message[1]>>2 == netFnChassis|1 {
				return change(message)
			}
			return message
		}
	}
	cases := map[string]*fakeBMC{
		"checksum":        {message: onStatus(func(m []byte) []byte { m[len(m)-1]++; return m })},
		"cut":             {message: onStatus(func(m []byte) []byte { return m[:5] })},
		"nothing":         {message: onStatus(func([]byte) []byte { return []byte{} })},
		"another command": {message: onStatus(func(m []byte) []byte { m[5] ^= 0x40; m[len(m)-1] -= 0x40; return m })},
		"short status":    {command: func(c command) (byte, []byte, bool) { return 0, []byte{1}, c.number == chassisStatus.number }},
	}
	for name, b := range cases {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			_, err := New(Options{}).Status(within5s(t), b.serve(t, "127.111.3.7"))
			wantKind(t, err, primitives.Internal, "-v shows the bytes")
			if !strings.HasPrefix(primitives.DetailOf(err), "received ") || strings.Contains(err.Error(), "received") {
				t.Errorf("the bytes stand in %q, want them in the detail %q alone", err, primitives.DetailOf(err))
			}
			if n := b.left(); n != 0 {
				t.Errorf("%d sessions are left", n)
			}
		})
	}
}

// Forged and doubled packets beside the right one change nothing, and are
// counted.
func TestGarbageIsDropped(t *testing.T) {
	noLeaks(t)
	b := &fakeBMC{on: true, packet: func(_ *keys, packet []byte) [][]byte {
		forged := slices.Clone(packet)
		forged[payloadOffset+3] ^= 0xff
		other := slices.Clone(packet)
		other[sessionOffset]++
		return [][]byte{forged, other, packet[:20], {}, []byte("junk"), packet, packet}
	}}
	c := New(Options{})
	status, err := c.Status(within5s(t), b.serve(t, "127.111.3.8"))
	if err != nil || status.Power != primitives.PowerOn {
		t.Errorf("%v, %v", status, err)
	}
	if n := c.Dropped(); n < 6 {
		t.Errorf("%d datagrams were dropped, want at least those of the first reply", n)
	}
}

// Who gets no answer, because somebody else gives it, can see that: how many
// datagrams were dropped is a detail of the failure.
func TestWhatWasDroppedIsADetail(t *testing.T) {
	noLeaks(t)
	b := &fakeBMC{packet: func(_ *keys, packet []byte) [][]byte {
		forged := slices.Clone(packet)
		forged[len(forged)-1] ^= 0xff
		other := slices.Clone(packet)
		other[sessionOffset]++
		return [][]byte{forged, other}
	}}
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	_, err := New(Options{}).Status(ctx, b.serve(t, "127.137.3.1"))
	wantKind(t, err, primitives.Timeout, "gave no more reply in time")
	var count int
	detail := primitives.DetailOf(err)
	if _, scan := fmt.Sscanf(detail, "%d datagrams were dropped", &count); scan != nil || count < 4 {
		t.Errorf("detail %q", detail)
	}
	silent := &fakeBMC{packet: func(*keys, []byte) [][]byte { return nil }}
	ctx, cancel = context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if _, err := New(Options{}).Status(ctx, silent.serve(t, "127.137.3.2")); primitives.DetailOf(err) != "" {
		t.Errorf("of a silent one: %q", primitives.DetailOf(err))
	}
}

// A BMC that has one password and wants another key is told from one that holds
// another password by nobody; both end at once, with the session given up.
func TestWrongCodes(t *testing.T) {
	for _, kind := range []types.PayloadType{types.PayloadTypeRAKPMessage2, types.PayloadTypeRAKPMessage4} {
		b := &fakeBMC{setUp: func(got types.PayloadType, payload []byte) []byte {
			if got == kind {
				payload[len(payload)-1]++
			}
			return payload
		}}
		_, err := New(Options{}).Status(within5s(t), b.serve(t, "127.111.3.9"))
		wantKind(t, err, primitives.Auth, "password")
	}
}

// Whatever a BMC answers, a call ends by its deadline without a panic.
func FuzzHostile(f *testing.F) {
	f.Add(uint8(0x11), 0, []byte{0, 0})
	f.Add(uint8(0x13), 1, []byte{9})
	f.Add(uint8(0x15), 2, []byte{0xff})
	f.Add(uint8(0), 3, []byte{1, 2, 3, 4, 5, 6, 7, 8})
	f.Add(uint8(1), 8, []byte{})
	f.Fuzz(func(t *testing.T, stage uint8, at int, junk []byte) {
		spoil := func(part []byte) []byte {
			if at < 0 || at >= len(part) {
				return junk
			}
			return append(append([]byte(nil), part[:at]...), junk...)
		}
		b := &fakeBMC{
			setUp: func(kind types.PayloadType, payload []byte) []byte {
				if uint8(kind) == stage {
					return spoil(payload)
				}
				return payload
			},
			message: func(message []byte) []byte {
				if stage == 0 {
					return spoil(message)
				}
				return message
			},
			packet: func(_ *keys, packet []byte) [][]byte {
				if stage == 1 {
					return [][]byte{spoil(packet)}
				}
				return [][]byte{packet}
			},
		}
		ctx, cancel := context.WithTimeout(context.Background(), 40*time.Millisecond)
		defer cancel()
		status, err := New(Options{}).Status(ctx, b.serve(t, "127.111.3.10"))
		if err == nil && status.Power == primitives.PowerUnknown {
			t.Error("a status without an error leaves the power unknown")
		}
		var own *primitives.Error
		if err != nil && !errors.As(err, &own) {
			t.Errorf("%v is no *primitives.Error", err)
		}
	})
}

// A BMC that is too busy to close a session has not closed it.
func TestCloseIsAskedAgainOfABusyBMC(t *testing.T) {
	busy := 2
	b := &fakeBMC{on: true, command: func(c command) (byte, []byte, bool) {
		if c.netFn != netFnApp || c.number != cmdClose || busy == 0 {
			return 0, nil, false
		}
		busy--
		return codeBusy, nil, true
	}}
	if _, err := New(Options{}).Status(within5s(t), b.serve(t, "127.106.3.1")); err != nil || b.left() != 0 {
		t.Errorf("%v, %d sessions are left", err, b.left())
	}
}

// A denial says which privilege level was asked for, wherever the BMC denies it.
func TestADenialNamesThePrivilege(t *testing.T) {
	cases := map[string]*fakeBMC{"command": {command: func(c command) (byte, []byte, bool) { return codePrivilege, nil, c.netFn == netFnChassis }},
		"level": {command: func(c command) (byte, []byte, bool) { return 0x81, nil, c.number == cmdSetPrivilege }}}
	for _, status := range []byte{0x09, 0x0a} {
		for _, at := range []types.PayloadType{types.PayloadTypeRmcpOpenSessionResponse, types.PayloadTypeRAKPMessage2} {
			cases[fmt.Sprintf("%s, status %#02x", at, status)] = &fakeBMC{setUp: func(kind types.PayloadType, payload []byte) []byte {
				if kind == at {
					payload[1] = status
				}
				return payload
			}}
		}
	}
	for name, b := range cases {
		t.Run(name, func(t *testing.T) {
			target := b.serve(t, "127.106.3.2")
			wantKind(t, New(Options{}).Control(within5s(t), target, PowerOn), primitives.Denied, "OPERATOR")
		})
	}
}

// Who lost a BMC after "off" was sent is told that it was.
func TestAControlThatWasSentIsNotForgotten(t *testing.T) {
	gone := false
	b := &fakeBMC{on: true, command: func(c command) (byte, []byte, bool) {
		gone = gone || c.netFn == netFnChassis && c.number == cmdControl
		return 0, nil, false
	}, message: func(message []byte) []byte {
		if gone {
			return nil
		}
		return message
	}}
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	wantKind(t, New(Options{}).Control(ctx, b.serve(t, "127.106.3.3"), PowerOff), primitives.Timeout, `"off" was sent`, "read the state")
}
