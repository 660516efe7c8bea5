package ipmi

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/bougou/go-ipmi/pkg/crypto"
	"github.com/bougou/go-ipmi/pkg/types"

	"ctys/primitives"
)

func TestSuiteIDs(t *testing.T) {
	cases := []struct {
		name    string
		records []byte
		want    []types.CipherSuiteID
	}{
		{"as ipmi_sim sends them", []byte{0xc0, 0, 0, 0x40, 0x80, 0xc0, 1, 1, 0x40, 0x80, 0xc0, 2, 1, 0x41, 0x80, 0xc0, 3, 1, 0x41, 0x81},
			[]types.CipherSuiteID{0, 1, 2, 3}},
		{"a maker's own among them", []byte{0xc1, 9, 1, 2, 3, 1, 0x41, 0x81, 0xc0, 17, 3, 0x44, 0x81}, []types.CipherSuiteID{17}},
		{"several algorithms", []byte{0xc0, 3, 1, 0x41, 0x42, 0x81, 0x82, 0xc0, 17, 3, 0x44, 0x81}, []types.CipherSuiteID{3, 17}},
		{"nothing", nil, nil},
		{"cut after the start", []byte{0xc0}, nil},
		{"cut in a maker's own", []byte{0xc1, 9, 1}, nil},
		{"no algorithms", []byte{0xc0, 3}, []types.CipherSuiteID{3}},
		{"no start", []byte{3, 1, 0x41}, nil},
		{"an unknown start", []byte{0xc0, 3, 1, 0xc7, 17, 3}, []types.CipherSuiteID{3}},
	}
	for _, test := range cases {
		if got := suiteIDs(test.records); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// suitesReply is a good answer for one part, in either format.
func suitesReply(part byte, records []byte, wrap func([]byte) []byte) []byte {
	head := []byte{consoleAddress, (netFnApp | 1) << 2}
	body := append([]byte{bmcAddress, part << 2, cmdSuites, 0, 1}, records...)
	message := append(head, checksum(head))
	message = append(message, body...)
	return wrap(append(message, checksum(body)))
}

func TestSuitesAnswer(t *testing.T) {
	records := []byte{0xc0, 17, 3, 0x44, 0x81}
	for _, wrap := range []func([]byte) []byte{format15, format20} {
		good := suitesReply(2, records, wrap)
		if got, ok := suitesAnswer(good, 2); !ok || !slices.Equal(got, records) {
			t.Errorf("%x, %v from a good answer", got, ok)
		}
		if _, ok := suitesAnswer(good, 3); ok {
			t.Error("the answer for part 2 was taken for part 3")
		}
		for n := range good {
			if _, ok := suitesAnswer(good[:n], 2); ok {
				t.Errorf("an answer cut to %d of %d bytes was taken", n, len(good))
			}
		}
		start := len(good) - len(records) - 5
		for n := start; n < len(good); n++ {
			bad := slices.Clone(good)
			bad[n] ^= 0x10
			if _, ok := suitesAnswer(bad, 2); ok {
				t.Errorf("an answer with byte %d turned over was taken", n)
			}
		}
	}
}

// packets makes a session's keys and a good packet of that session.
func sessionPacket(t testing.TB) (*sessionKeys, []byte) {
	_, k1, k2, err := crypto.DeriveSessionKeys(types.AuthAlg_HMAC_SHA256, make([]byte, 16), make([]byte, 16), 0x12, "oper", crypto.PadPassword20([]byte(password)))
	if err != nil {
		t.Fatal(err)
	}
	keys := &sessionKeys{console: 0xa0a1a2a3, integrity: types.IntegrityAlg_HMAC_SHA256_128, k1: k1, k2: k2}
	payload, err := crypto.EncryptAESPayload([]byte("a message of some length"), k2, make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	return keys, seal(t, keys, payload)
}

// seal makes a packet with a right integrity code around a payload.
func seal(t testing.TB, keys *sessionKeys, payload []byte) []byte {
	packet := []byte{rmcpVersion, 0, 0xff, classIPMI, formatRMCP, encrypted | authenticated}
	packet = binary.LittleEndian.AppendUint32(packet, keys.console)
	packet = binary.LittleEndian.AppendUint32(packet, 1)
	packet = binary.LittleEndian.AppendUint16(packet, uint16(len(payload)))
	packet = append(packet, payload...)
	pad := types.IntegrityPadLen(payloadOffset-authTypeOffset, len(payload))
	for range pad {
		packet = append(packet, 0xff)
	}
	packet = append(packet, byte(pad), 7)
	code, err := crypto.SessionIntegrityAuthCode(keys.integrity, packet[authTypeOffset:], keys.k1, "")
	if err != nil {
		t.Fatal(err)
	}
	return append(packet, code...)
}

func TestAcceptable(t *testing.T) {
	keys, good := sessionPacket(t)
	if !acceptable(good, types.PayloadTypeIPMI, keys) {
		t.Fatal("a good packet is refused")
	}
	if acceptable(good, types.PayloadTypeIPMI, nil) || acceptable(good, types.PayloadTypeRAKPMessage4, keys) {
		t.Error("a packet of a session is taken outside of one")
	}
	for n := range good {
		if acceptable(good[:n], types.PayloadTypeIPMI, keys) {
			t.Errorf("a packet cut to %d bytes is taken", n)
		}
		if n == 1 || n == 2 {
			continue // reserved byte and sequence number of RMCP, which nothing covers
		}
		bad := slices.Clone(good)
		bad[n] ^= 0x20
		if acceptable(bad, types.PayloadTypeIPMI, keys) {
			t.Errorf("a packet with byte %d turned over is taken", n)
		}
	}
	for _, length := range []int{0, 15, 16, 31, 33} {
		if acceptable(seal(t, keys, make([]byte, length)), types.PayloadTypeIPMI, keys) {
			t.Errorf("an encrypted payload of %d bytes is taken", length)
		}
	}
}

// A refusal of two bytes is read as the status that it is; nothing else changes.
func TestComplete(t *testing.T) {
	header := []byte{rmcpVersion, 0, 0xff, classIPMI, formatRMCP, 0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	for payload, want := range map[string]int{"": 0, "\x00": 1, "\x00\x00": 2, "\x00\x11": 8, "\x00\x11\x00\x00\x01": 8,
		"\x00\x11\x00\x00\x01\x02\x03\x04": 8, "\x00\x11\x00\x00\x01\x02\x03\x04\x05": 9} {
		buffer := make([]byte, 64)
		n := copy(buffer, header)
		n += copy(buffer[n:], payload)
		buffer[lengthOffset] = byte(len(payload))
		if got := complete(buffer, n); got != payloadOffset+want || int(buffer[lengthOffset]) != want {
			t.Errorf("%q: %d bytes, length %d; want a payload of %d", payload, got, buffer[lengthOffset], want)
		}
	}
}

func FuzzAcceptable(f *testing.F) {
	keys, good := sessionPacket(f)
	f.Add(good, uint8(0), true)
	f.Add([]byte{rmcpVersion, 0, 0xff, classIPMI, formatRMCP, 0x11, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0}, uint8(0x11), false)
	f.Fuzz(func(t *testing.T, packet []byte, expect uint8, inSession bool) {
		k := keys
		if !inSession {
			k = nil
		}
		if !acceptable(packet, types.PayloadType(expect), k) {
			return
		}
		buffer := append(packet, make([]byte, minSetUpReply)...)
		if n := complete(buffer, len(packet)); n < payloadOffset || n > len(buffer) {
			t.Errorf("a packet of %d bytes became one of %d", len(packet), n)
		}
	})
}

func FuzzSuites(f *testing.F) {
	f.Add(suitesReply(0, []byte{0xc0, 17, 3, 0x44, 0x81}, format15))
	f.Add(suitesReply(0, []byte{0xc1, 17, 3, 0x44, 0x81, 0xc0}, format20))
	f.Fuzz(func(t *testing.T, packet []byte) {
		if data, ok := suitesAnswer(packet, 0); ok {
			suiteIDs(data)
		}
		suiteIDs(packet)
	})
}

// Every code of the tables has words, and no undefined one is without.
func TestWords(t *testing.T) {
	for code := range 256 {
		for _, failure := range []*failure{statusFailure(uint8(code)), completionFailure(uint8(code), nil)} {
			if failure.kind == "" || len(failure.message) < 20 {
				t.Errorf("code %#02x: kind %q, words %q", code, failure.kind, failure.message)
			}
		}
	}
	for code, kind := range map[uint8]primitives.Kind{0xc0: primitives.Busy, 0xc1: primitives.Unsupported, 0xc3: primitives.Timeout,
		0xd4: primitives.Denied, 0xd5: primitives.Unsupported, 0xff: primitives.Internal} {
		if got := completionFailure(code, nil).kind; got != kind {
			t.Errorf("completion code %#02x: kind %s, want %s", code, got, kind)
		}
	}
	for code, kind := range map[uint8]primitives.Kind{0x01: primitives.Busy, 0x0a: primitives.Denied, 0x0d: primitives.Auth,
		0x0f: primitives.Auth, 0x11: primitives.Unsupported} {
		if got := statusFailure(code).kind; got != kind {
			t.Errorf("status %#02x: kind %s, want %s", code, got, kind)
		}
	}
}
