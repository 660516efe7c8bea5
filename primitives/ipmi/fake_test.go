package ipmi

import (
	"encoding/binary"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"

	"github.com/bougou/go-ipmi/pkg/crypto"
	"github.com/bougou/go-ipmi/pkg/protocol"
	"github.com/bougou/go-ipmi/pkg/rmcpplus"
	"github.com/bougou/go-ipmi/pkg/types"
)

// fakeBMC is a BMC for what no honest peer does. A test sets its hooks before
// the first packet.
type fakeBMC struct {
	suites []types.CipherSuiteID
	places int // for sessions; 0: as many as are asked for

	// setUp may change the payload of a message of the set-up; nil is silence.
	setUp func(kind types.PayloadType, payload []byte) []byte
	// command may answer instead of the BMC.
	command func(c command) (code byte, data []byte, ok bool)
	// message may change a reply before it is encrypted; nil is silence.
	message func(message []byte) []byte
	// packet may change a packet of a session; what it adds is sent as well.
	packet func(k *keys, packet []byte) [][]byte

	mu       sync.Mutex
	sessions map[uint32]*fakeSession
	requests int
	kinds    []types.PayloadType // of the requests
	numbers  []byte              // of the commands
	cycles   int
	on       bool
}

type fakeSession struct {
	open   rmcpplus.OpenSessionRequest
	first  rmcpplus.RAKPMessage1
	random [16]byte
	keys   *keys
	active bool
	in     window
	out    uint32
}

func (b *fakeBMC) serve(t testing.TB, address string) Target {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(address)})
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		buffer := make([]byte, 4096)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buffer)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				continue
			}
			for _, packet := range b.answer(buffer[:n]) {
				_, _ = conn.WriteToUDPAddrPort(packet, from)
			}
		}
	})
	t.Cleanup(func() { conn.Close(); running.Wait() })
	return Target{Host: address, Port: conn.LocalAddr().(*net.UDPAddr).Port, User: "oper", Password: secret(password)}
}

func (b *fakeBMC) answer(packet []byte) [][]byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.requests++
	if message, ok := outside(packet); ok {
		return b.before(packet, message)
	}
	if !isRMCPPlus(packet) {
		return nil
	}
	kind := types.PayloadType(packet[payloadTypeOffset] & typeMask)
	b.kinds = append(b.kinds, kind)
	if sessionOf(packet) != 0 {
		return b.inside(packet)
	}
	payload := b.begin(kind, payloadOf(packet))
	if b.setUp != nil && payload != nil {
		payload = b.setUp(kind+1, payload)
	}
	if payload == nil {
		return nil
	}
	return [][]byte{plainPacket(kind+1, payload)}
}

// before answers Get Channel Cipher Suites.
func (b *fakeBMC) before(packet, message []byte) [][]byte {
	var records []byte
	for _, suite := range b.offered() {
		auth, integrity, crypt, _ := types.GetCipherSuiteAlgorithms(suite)
		records = append(records, startStandard, byte(suite), byte(auth), 0x40|byte(integrity), 0x80|byte(crypt))
	}
	wrap := format20
	if packet[authTypeOffset] == 0 {
		wrap = format15
	}
	return [][]byte{wrap(protocol.BuildIPMIResponse(netFnApp, cmdSuites, message[4]>>2, 0, append([]byte{1}, records...)))}
}

func (b *fakeBMC) offered() []types.CipherSuiteID {
	if b.suites == nil {
		return preferred
	}
	return b.suites
}

func (b *fakeBMC) begin(kind types.PayloadType, payload []byte) []byte {
	switch kind {
	case types.PayloadTypeRmcpOpenSessionRequest:
		return b.openSession(payload)
	case types.PayloadTypeRAKPMessage1:
		return b.second(payload)
	case types.PayloadTypeRAKPMessage3:
		return b.fourth(payload)
	}
	return nil
}

func (b *fakeBMC) openSession(payload []byte) []byte {
	s := &fakeSession{}
	if s.open.Unpack(payload) != nil {
		return nil
	}
	reply := rmcpplus.OpenSessionResponse{MessageTag: s.open.MessageTag, RemoteConsoleSessionID: s.open.RemoteConsoleSessionID,
		AuthenticationPayload: s.open.AuthenticationPayload, IntegrityPayload: s.open.IntegrityPayload, ConfidentialityPayload: s.open.ConfidentialityPayload}
	known := slices.ContainsFunc(b.offered(), func(id types.CipherSuiteID) bool {
		auth, _, _, _ := types.GetCipherSuiteAlgorithms(id)
		return uint8(auth) == s.open.AuthAlg
	})
	switch {
	case !known:
		reply.RmcpStatusCode = types.RmcpStatusCodeNoCipherSuiteMatch
	case b.places > 0 && len(b.sessions) >= b.places:
		reply.RmcpStatusCode = types.RmcpStatusCodeNoResToCreateSess
	default:
		reply.ManagedSystemSessionID = randomID()
		if b.sessions == nil {
			b.sessions = map[uint32]*fakeSession{}
		}
		b.sessions[reply.ManagedSystemSessionID] = s
	}
	return reply.Pack()
}

func (b *fakeBMC) second(payload []byte) []byte {
	var first rmcpplus.RAKPMessage1
	if first.Unpack(payload) != nil {
		return nil
	}
	reply := rmcpplus.RAKPMessage2{MessageTag: first.MessageTag}
	s := b.sessions[first.ManagedSystemSessionID]
	if s == nil || s.active {
		reply.RmcpStatusCode = types.RmcpStatusCodeInvalidSessionID
		return reply.Pack()
	}
	s.first = first
	copy(s.random[:], crypto.RandomBytes(16))
	reply.RemoteConsoleSessionID = s.open.RemoteConsoleSessionID
	reply.ManagedSystemRandomNumber = s.random
	reply.KeyExchangeAuthenticationCode, _ = crypto.RAKP2AuthCode(types.AuthAlg(s.open.AuthAlg), s.open.RemoteConsoleSessionID, first.ManagedSystemSessionID,
		first.RemoteConsoleRandomNumber[:], s.random[:], make([]byte, 16), first.Role(), string(first.Username), crypto.PadPassword20([]byte(password)))
	return reply.Pack()
}

func (b *fakeBMC) fourth(payload []byte) []byte {
	if len(payload) < 8 {
		return nil
	}
	id := binary.LittleEndian.Uint32(payload[4:])
	reply := rmcpplus.RAKPMessage4{MessageTag: payload[0]}
	s := b.sessions[id]
	switch {
	case s == nil || s.active: // strict: the second message 3 is refused
		reply.RmcpStatusCode = types.RmcpStatusCodeInvalidSessionID
		return reply.Pack()
	case payload[1] != 0: // the console gives up
		delete(b.sessions, id)
		return nil
	}
	auth := types.AuthAlg(s.open.AuthAlg)
	kuid := crypto.PadPassword20([]byte(password))
	reply.MgmtConsoleSessionID = s.open.RemoteConsoleSessionID
	code, _ := crypto.RAKP3AuthCode(auth, s.random[:], s.open.RemoteConsoleSessionID, s.first.Role(), string(s.first.Username), kuid)
	if !crypto.Equal(code, payload[8:]) {
		delete(b.sessions, id)
		reply.RmcpStatusCode = types.RmcpStatusCodeInvalidIntegrityCheckValue
		return reply.Pack()
	}
	sik, k1, k2, _ := crypto.DeriveSessionKeys(auth, s.first.RemoteConsoleRandomNumber[:], s.random[:], s.first.Role(), string(s.first.Username), kuid)
	s.keys, s.active = &keys{integrity: types.IntegrityAlg(s.open.IntegrityAlg)}, true
	if err := s.keys.derive(k1, k2); err != nil {
		panic(err)
	}
	reply.IntegrityCheckValue, _ = crypto.RAKP4ICV(auth, s.first.RemoteConsoleRandomNumber[:], id, make([]byte, 16), sik)
	return reply.Pack()
}

func (b *fakeBMC) inside(packet []byte) [][]byte {
	s := b.sessions[sessionOf(packet)]
	if s == nil || !s.active || !s.keys.prove(packet) || !s.in.fresh(sequenceOf(packet)) {
		return nil
	}
	message, ok := s.keys.open(packet)
	if !ok || len(message) < requestOverhead {
		return nil
	}
	c := command{netFn: message[1] >> 2, number: message[5], data: message[6 : len(message)-1]}
	b.numbers = append(b.numbers, c.number)
	code, data := b.carryOut(sessionOf(packet), c)
	answer := protocol.BuildIPMIResponse(c.netFn, c.number, message[4]>>2, code, data)
	if b.message != nil {
		answer = b.message(answer)
	}
	if answer == nil {
		return nil
	}
	s.out++
	sealed := s.keys.seal(s.open.RemoteConsoleSessionID, s.out, answer)
	if b.packet != nil {
		return b.packet(s.keys, sealed)
	}
	return [][]byte{sealed}
}

func (b *fakeBMC) carryOut(id uint32, c command) (byte, []byte) {
	if b.command != nil {
		if code, data, ok := b.command(c); ok {
			return code, data
		}
	}
	switch {
	case c.netFn == netFnApp && c.number == cmdSetPrivilege:
		return 0, c.data
	case c.netFn == netFnApp && c.number == cmdClose:
		delete(b.sessions, id)
		return 0, nil
	case c.netFn == netFnChassis && c.number == chassisStatus.number:
		if b.on {
			return 0, []byte{0x61, 0, 0x40}
		}
		return 0, []byte{0x60, 0, 0x40}
	case c.netFn == netFnChassis && c.number == cmdControl:
		switch c.data[0] {
		case 0, 1:
			b.on = c.data[0] == 1
		default:
			b.cycles++
		}
		return 0, nil
	}
	return 0xc1, nil
}

// left is how many sessions the BMC still holds, of any state.
func (b *fakeBMC) left() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.sessions)
}

func (b *fakeBMC) seen() (requests int, numbers []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.requests, slices.Clone(b.numbers)
}

// done is how often the machine was cycled, reset or interrupted.
func (b *fakeBMC) done() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cycles
}
