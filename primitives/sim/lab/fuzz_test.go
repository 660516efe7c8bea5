package lab

import (
	"bytes"
	"context"
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

func quietBMC(t testing.TB) *bmc {
	return newBMC(onlyOff{t}, map[string]string{"admin": "secret"}, [16]byte{1}, primitives.SystemClock{})
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
		_ = b.answer(t.Context(), packet)
		if b.sessions[0] != nil {
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
		s := b.newSession(7, administratorLevel, suites[0])
		id := s.managed
		if len(payload) >= 8 { // as if the id had been learnt
			payload[4], payload[5], payload[6], payload[7] = byte(id), byte(id>>8), byte(id>>16), byte(id>>24)
		}
		header := []byte{0x06, 0, 0xff, 0x07, authRMCP, kind, 0, 0, 0, 0, 0, 0, 0, 0, byte(len(payload)), byte(len(payload) >> 8)}
		for range 2 {
			_ = b.answer(t.Context(), append(header, payload...))
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

func FuzzMagic(f *testing.F) {
	f.Add(append(bytes.Repeat([]byte{0xff}, 6), bytes.Repeat([]byte{1, 2, 3, 4, 5, 6}, 16)...))
	f.Fuzz(func(t *testing.T, datagram []byte) {
		mac, ok := magic(datagram)
		if ok && !bytes.Contains(datagram, bytes.Repeat(mac[:], 16)) {
			t.Errorf("%s is not in % x", mac, datagram)
		}
	})
}

func FuzzCommandLine(f *testing.F) {
	for _, line := range []string{"true; echo 'a b' && exit 3", `sh -c "state"`, "a\\", "x | y", ";;", "&&", "'"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		commands, err := parseLine(line)
		for _, c := range commands {
			if err != nil || len(c.argv) == 0 {
				t.Errorf("%q: an empty command, %v", line, err)
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
