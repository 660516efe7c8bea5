package ipmi

import (
	"slices"
	"testing"

	"github.com/bougou/go-ipmi/pkg/crypto"
	"github.com/bougou/go-ipmi/pkg/protocol"
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
	return wrap(protocol.BuildIPMIResponse(netFnApp, cmdSuites, part, 0, append([]byte{1}, records...)))
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

// sessionPacket makes a session's keys, and a good packet of that session.
func sessionPacket(t testing.TB) (*keys, []byte) {
	_, k1, k2, err := crypto.DeriveSessionKeys(types.AuthAlg_HMAC_SHA256, make([]byte, 16), make([]byte, 16), 0x12, "oper", crypto.PadPassword20([]byte(password)))
	if err != nil {
		t.Fatal(err)
	}
	k := &keys{integrity: types.IntegrityAlg_HMAC_SHA256_128}
	if err := k.derive(k1, k2); err != nil {
		t.Fatal(err)
	}
	return k, k.seal(0xa0a1a2a3, 1, []byte("a message of some length"))
}

func TestProve(t *testing.T) {
	k, good := sessionPacket(t)
	if !isRMCPPlus(good) || !k.prove(good) {
		t.Fatal("a good packet is refused")
	}
	if message, ok := k.open(good); !ok || string(message) != "a message of some length" {
		t.Errorf("%q, %v from a good packet", message, ok)
	}
	if isSetUp(good) {
		t.Error("a packet of a session is taken outside of one")
	}
	for n := range good {
		if isRMCPPlus(good[:n]) && k.prove(good[:n]) {
			t.Errorf("a packet cut to %d bytes is taken", n)
		}
		if n == 1 || n == 2 {
			continue // reserved byte and sequence number of RMCP, which nothing covers
		}
		bad := slices.Clone(good)
		bad[n] ^= 0x20
		if isRMCPPlus(bad) && k.prove(bad) {
			t.Errorf("a packet with byte %d turned over is taken", n)
		}
	}
}

// A BMC's own packet that cannot be decrypted is no message, whatever its length.
func TestOpenNonsense(t *testing.T) {
	k, _ := sessionPacket(t)
	for _, length := range []int{0, 15, 16, 31, 33} {
		packet := protocol.BuildRMCPPlusPacket(0, encrypted|authenticated, 1, 1, make([]byte, length))
		if _, ok := k.open(packet); ok {
			t.Errorf("an encrypted payload of %d bytes is taken", length)
		}
	}
}

// A refusal may end after the status code; anything else needs its whole head.
func TestSetUpReply(t *testing.T) {
	for payload, want := range map[string]bool{"": false, "\x00": false, "\x00\x00": false, "\x00\x11": true, "\x00\x11\x00\x00\x01": true,
		"\x00\x11\x00\x00\x01\x02\x03\x04": true, "\x00\x00\x00\x00\x01\x02\x03\x04": true, "\x00\x00\x00\x00\x01\x02\x03": false} {
		r, ok := parseSetUp(plainPacket(types.PayloadTypeRAKPMessage2, []byte(payload)))
		if ok != want {
			t.Errorf("%q: taken %v, want %v", payload, ok, want)
		}
		if ok && len(payload) == 8 && (r.console != 0x04030201 || r.isFor(0) || !r.isFor(0x04030201)) {
			t.Errorf("%q: console %#x", payload, r.console)
		}
		if ok && len(payload) < 8 && !r.isFor(77) {
			t.Errorf("%q: a refusal without a session id is not taken", payload)
		}
	}
}

func TestWindow(t *testing.T) {
	var w window
	for i, step := range []struct {
		number uint32
		fresh  bool
	}{{0, false}, {1, true}, {1, false}, {3, true}, {2, true}, {2, false}, {3, false}, {200, true}, {137, true}, {137, false}, {136, false}, {200, false}, {0xffffffff, true}, {1, false}} {
		if got := w.fresh(step.number); got != step.fresh {
			t.Errorf("step %d: number %d is fresh %v, want %v", i, step.number, got, step.fresh)
		}
	}
}

func FuzzPacket(f *testing.F) {
	k, good := sessionPacket(f)
	f.Add(good)
	f.Add(plainPacket(types.PayloadTypeRAKPMessage2, []byte{0, 0x11}))
	f.Add(suitesReply(0, []byte{0xc0, 17, 3, 0x44, 0x81}, format15))
	f.Fuzz(func(t *testing.T, packet []byte) {
		parseSetUp(packet)
		parseReply(packet)
		if message, ok := outside(packet); ok {
			parseReply(message)
		}
		if isRMCPPlus(packet) {
			k.prove(packet)
			k.open(packet)
		}
		if status, err := parseStatus(packet); err == nil && status.Power == primitives.PowerUnknown {
			t.Error("a chassis status leaves the power unknown")
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
