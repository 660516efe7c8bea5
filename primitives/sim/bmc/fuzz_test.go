package bmc

import (
	"bytes"
	"context"
	"net/netip"
	"strings"
	"testing"

	"ctys/primitives"
	"ctys/primitives/ipmi"
)

// onlyOff is a chassis that nothing may switch on.
type onlyOff struct{ t testing.TB }

func (onlyOff) Power(context.Context) (primitives.Power, error) { return primitives.PowerOff, nil }

func (c onlyOff) Control(context.Context, ipmi.Control) error {
	c.t.Error("the chassis was switched by somebody without a password")
	return nil
}

func quietBMC(t testing.TB) *BMC {
	return newBMC(Description{
		Name: "quiet", GUID: [16]byte{1}, Chassis: onlyOff{t},
		Model: &Model{Users: map[string]Account{"admin": {Password: "secret"}}},
	}, 0)
}

// hear gives a packet to the BMC, and lets it finish its answer.
func hear(t testing.TB, b *BMC, packet []byte) []byte {
	reply, rest := b.answer(packet)
	if rest != nil {
		reply = rest(t.Context())
	}
	return reply
}

// openRequest is RMCP+ Open Session for cipher suite 3, as ipmitool sends it.
var openRequest = []byte{
	0x06, 0x00, 0xff, 0x07, 0x06, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0x20, 0,
	0x00, 0x00, 0x00, 0x00, 0xa4, 0xa3, 0xa2, 0xa0,
	0, 0, 0, 8, 1, 0, 0, 0, 1, 0, 0, 8, 1, 0, 0, 0, 2, 0, 0, 8, 1, 0, 0, 0,
}

func FuzzBMC(f *testing.F) {
	f.Add([]byte{0x06, 0x00, 0xff, 0x06, 0x00, 0x00, 0x11, 0xbe, 0x80, 0x00, 0x00, 0x00})
	f.Add([]byte{0x06, 0x00, 0xff, 0x07, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0x20, 0x18, 0xc8, 0x81, 0, 0x38, 0x8e, 0x04, 0xb5})
	f.Add(openRequest)
	f.Add(append(append([]byte(nil), openRequest[:4]...), bytes.Repeat([]byte{6}, 60)...))
	f.Fuzz(func(t *testing.T, packet []byte) {
		b := quietBMC(t)
		_ = hear(t, b, packet)
		if b.session(0) != nil {
			t.Error("a session with id 0")
		}
	})
}

// FuzzSession lets somebody who does not know the password go on from an open
// session.
func FuzzSession(f *testing.F) {
	f.Add(byte(payloadRAKP1), []byte{0, 0, 0, 0, 1, 0, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 0x14, 0, 0, 5, 'a', 'd', 'm', 'i', 'n'})
	f.Add(byte(payloadRAKP3), []byte{0, 0, 0, 0, 1, 0, 0, 0})
	f.Add(byte(payloadIPMI|encrypted|authenticated), bytes.Repeat([]byte{0xff}, 48))
	f.Fuzz(func(t *testing.T, kind byte, payload []byte) {
		b := quietBMC(t)
		s := b.newSession(7, Administrator, suites[0])
		id := s.managed
		if len(payload) >= 8 { // as if the id had been learnt
			payload[4], payload[5], payload[6], payload[7] = byte(id), byte(id>>8), byte(id>>16), byte(id>>24)
		}
		header := []byte{0x06, 0, 0xff, 0x07, authRMCP, kind, 0, 0, 0, 0, 0, 0, 0, 0, byte(len(payload)), byte(len(payload) >> 8)}
		for range 2 {
			_ = hear(t, b, append(header, payload...))
		}
		if s.open {
			t.Error("a session was opened without the password")
		}
	})
}

func FuzzMessage(f *testing.F) {
	f.Add([]byte{0x20, 0x18, 0xc8, 0x81, 0, 0x38, 0x8e, 0x04, 0xb5})
	f.Fuzz(func(t *testing.T, body []byte) {
		m, ok := parseMessage(body, len(body))
		if !ok {
			return
		}
		reply := m.reply(done, m.data...)
		if checksum(reply[:3]) != 0 || checksum(reply[3:]) != 0 {
			t.Errorf("wrong checksums in % x", reply)
		}
	})
}

func FuzzSealed(f *testing.F) {
	f.Add([]byte("0123456789abcdef0123456789abcdef"), []byte("text"))
	f.Fuzz(func(t *testing.T, sealed, text []byte) {
		key := bytes.Repeat([]byte{1}, 20)
		_, _ = decrypt(key, sealed)
		if again, ok := decrypt(key, encrypt(key, text)); !ok || !bytes.Equal(again, text) {
			t.Errorf("% x became % x", text, again)
		}
	})
}

// FuzzCommands lets an administrator send whatever he likes: nothing panics, and
// each answer is a message or silence.
func FuzzCommands(f *testing.F) {
	f.Add(byte(netFnChassis), byte(0x02), []byte{2})
	f.Add(byte(netFnChassis), byte(0x08), []byte{5, 0x80, 4, 0, 0, 0})
	f.Add(byte(netFnStorage), byte(0x23), []byte{0, 0, 1, 0, 0, 0xff})
	f.Add(byte(netFnStorage), byte(0x43), []byte{0, 0, 0xff, 0xff, 0, 0xff})
	f.Add(byte(netFnStorage), byte(0x44), bytes.Repeat([]byte{7}, selRecord))
	f.Add(byte(netFnStorage), byte(0x47), []byte("\x01\x00CLR\xaa"))
	f.Add(byte(netFnSensor), byte(0x2d), []byte{1})
	f.Add(byte(netFnApp), byte(0x3d), []byte{1})
	f.Fuzz(func(t *testing.T, netFn, number byte, data []byte) {
		b := newBMC(Description{Name: "own", Model: &Model{}, On: true}, 3)
		s := b.newSession(7, Administrator, suites[0])
		s.allowed, s.open, s.privilege = Administrator, true, Administrator
		for range 3 {
			reply, rest := b.carryOut(s, message{netFn: netFn &^ 1 & 0x3f, command: number, data: data})
			if rest != nil {
				reply = rest(t.Context())
			}
			if reply == nil {
				t.Fatalf("no answer to %#x/%#x % x", netFn, number, data)
			}
			answer, ok := parseMessage(reply, len(reply))
			if !ok || answer.command != number || len(answer.data) < 1 {
				t.Fatalf("% x is no answer", reply)
			}
		}
	})
}

// FuzzTell: no line that comes by the control socket panics.
func FuzzTell(f *testing.F) {
	for _, line := range []string{"bmc", "bmc bmc0001", "bmc-loss all 20 20%", "bmc-busy bmc0002 2", "bmc-fault all fan-fault,overload", "bmc-slots all -1"} {
		f.Add(line)
	}
	farm := NewFarm(1)
	if err := farm.AddMany(3, netip.MustParseAddrPort("127.113.9.1:0"), &Model{}, nil); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, line string) {
		answer, err := farm.Command(strings.Fields(line))
		if err != nil && answer != "" {
			t.Errorf("%q: %q, %v", line, answer, err)
		}
		for _, b := range farm.All() {
			if b.state == nil {
				continue
			}
			if lost := b.state.trouble; !(lost.in >= 0 && lost.in <= 1 && lost.out >= 0 && lost.out <= 1) {
				t.Errorf("%q: %v and %v of the datagrams get lost", line, lost.in, lost.out)
			}
		}
	})
}

// A sequence number is taken once, and only near the newest.
func TestWindow(t *testing.T) {
	s := &session{}
	for _, step := range []struct {
		number uint32
		fresh  bool
	}{{1, true}, {1, false}, {3, true}, {2, true}, {2, false}, {0, false}, {19, true}, {36, false}, {4, true}, {3, false}, {35, true}, {19, false}, {20, true}} {
		if got := s.fresh(step.number); got != step.fresh {
			t.Errorf("number %d: fresh %v", step.number, got)
		}
	}
}
