package lab

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"encoding/binary"
	"time"
)

// session is one RMCP+ session (13.14 and following), from Open Session on.
type session struct {
	console uint32 // id that the remote console chose
	managed uint32 // id that the BMC chose
	suite   suite
	most    byte // privilege that Open Session asked for

	consoleRandom, managedRandom [16]byte
	role                         byte // as RAKP message 1 has it
	user                         string
	named                        bool // RAKP message 1 has come
	sik, k1, k2                  []byte

	open      bool // RAKP is done
	privilege byte // at the moment
	in, out   uint32
	seen      uint32 // bit n: in-n has come
	used      time.Time
}

// Payload types (13.27.3).
const (
	payloadIPMI        = 0x00
	payloadOpenRequest = 0x10
	payloadOpenReply   = 0x11
	payloadRAKP1       = 0x12
	payloadRAKP2       = 0x13
	payloadRAKP3       = 0x14
	payloadRAKP4       = 0x15

	encrypted     = 0x80
	authenticated = 0x40
)

// RMCP+ status codes (13.24).
const (
	statusOK              = 0x00
	statusNoRoom          = 0x01
	statusBadSession      = 0x02
	statusRoleDenied      = 0x0a
	statusNoUser          = 0x0d
	statusBadIntegrity    = 0x0f
	statusNoMatchingSuite = 0x11
)

const headerLength = 12 // of the 2.0 session header (13.6)

// rmcpPlus answers a packet with the IPMI 2.0 session header.
func (b *bmc) rmcpPlus(ctx context.Context, body []byte) []byte {
	if len(body) < headerLength {
		return nil
	}
	kind, id := body[1], binary.LittleEndian.Uint32(body[2:])
	length := int(binary.LittleEndian.Uint16(body[10:]))
	if headerLength+length > len(body) {
		return nil
	}
	payload := body[headerLength : headerLength+length]
	switch {
	case kind == payloadOpenRequest && id == 0:
		return plainPacket(payloadOpenReply, b.openSession(payload))
	case kind == payloadRAKP1 && id == 0:
		return plainPacket(payloadRAKP2, b.rakp1(payload))
	case kind == payloadRAKP3 && id == 0:
		return plainPacket(payloadRAKP4, b.rakp3(payload))
	case kind == payloadIPMI|encrypted|authenticated && id != 0:
		return b.inside(ctx, id, body, length)
	}
	return nil
}

// plainPacket puts the session header before a payload of the set-up; no
// payload is no packet.
func plainPacket(kind byte, payload []byte) []byte {
	if payload == nil {
		return nil
	}
	header := make([]byte, headerLength, headerLength+len(payload))
	header[0], header[1] = authRMCP, kind
	binary.LittleEndian.PutUint16(header[10:], uint16(len(payload)))
	return append(header, payload...)
}

// openSession answers RMCP+ Open Session (13.17, 13.18).
func (b *bmc) openSession(request []byte) []byte {
	if len(request) < 32 {
		return nil
	}
	tag, most, console := request[0], request[1]&0x0f, binary.LittleEndian.Uint32(request[4:])
	refuse := func(status byte) []byte {
		return binary.LittleEndian.AppendUint32([]byte{tag, status, most, 0}, console)
	}
	chosen, ok := choose(request[8:32])
	if !ok {
		return refuse(statusNoMatchingSuite)
	}
	if most == 0 || most > administratorLevel {
		most = administratorLevel
	}
	s := b.newSession(console, most, chosen)
	if s == nil {
		return refuse(statusNoRoom)
	}
	reply := binary.LittleEndian.AppendUint32([]byte{tag, statusOK, most, 0}, console)
	reply = binary.LittleEndian.AppendUint32(reply, s.managed)
	for kind, algorithm := range []byte{chosen.authentication, chosen.integrity, chosen.confidentiality} {
		reply = append(reply, byte(kind), 0, 0, 8, algorithm, 0, 0, 0)
	}
	return reply
}

// newSession makes room for a session by ending those that have been idle.
func (b *bmc) newSession(console uint32, most byte, chosen suite) *session {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.clock.Now()
	for id, s := range b.sessions {
		if now.Sub(s.used) > idle {
			delete(b.sessions, id)
		}
	}
	if len(b.sessions) >= mostSessions {
		return nil
	}
	s := &session{console: console, most: most, suite: chosen, used: now, managed: b.freeID()}
	_, _ = rand.Read(s.managedRandom[:])
	b.sessions[s.managed] = s
	return s
}

func (b *bmc) freeID() uint32 {
	for {
		var id [4]byte
		_, _ = rand.Read(id[:])
		managed := binary.LittleEndian.Uint32(id[:])
		if managed != 0 && b.sessions[managed] == nil {
			return managed
		}
	}
}

// rakp1 answers RAKP message 1 with message 2 (13.20, 13.21).
func (b *bmc) rakp1(request []byte) []byte {
	if len(request) < 28 || len(request) < 28+int(request[27]) {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	tag := request[0]
	s := b.sessions[binary.LittleEndian.Uint32(request[4:])]
	if s == nil || s.open {
		return []byte{tag, statusBadSession, 0, 0, 0, 0, 0, 0}
	}
	copy(s.consoleRandom[:], request[8:24])
	s.role, s.named = request[24], true
	s.user = string(request[28 : 28+int(request[27])])
	refuse := func(status byte) []byte {
		delete(b.sessions, s.managed)
		return binary.LittleEndian.AppendUint32([]byte{tag, status, 0, 0}, s.console)
	}
	password, known := b.users[s.user]
	switch {
	case !known:
		return refuse(statusNoUser)
	case s.role&0x0f > s.most:
		return refuse(statusRoleDenied)
	}
	reply := binary.LittleEndian.AppendUint32([]byte{tag, statusOK, 0, 0}, s.console)
	reply = append(reply, s.managedRandom[:]...)
	reply = append(reply, b.guid[:]...)
	return append(reply, s.suite.mac([]byte(password), s.code2(b.guid))...)
}

// code2, code3 and code4 are what the exchanged messages authenticate, and
// keySeed what the session's key is made of (13.28).

func (s *session) code2(guid [16]byte) []byte {
	text := binary.LittleEndian.AppendUint32(nil, s.console)
	text = binary.LittleEndian.AppendUint32(text, s.managed)
	text = append(text, s.consoleRandom[:]...)
	text = append(text, s.managedRandom[:]...)
	text = append(text, guid[:]...)
	return append(text, s.roleAndName()...)
}

func (s *session) code3() []byte {
	text := append([]byte(nil), s.managedRandom[:]...)
	text = binary.LittleEndian.AppendUint32(text, s.console)
	return append(text, s.roleAndName()...)
}

func (s *session) code4(guid [16]byte) []byte {
	text := append([]byte(nil), s.consoleRandom[:]...)
	text = binary.LittleEndian.AppendUint32(text, s.managed)
	return append(text, guid[:]...)
}

func (s *session) keySeed() []byte {
	text := append([]byte(nil), s.consoleRandom[:]...)
	text = append(text, s.managedRandom[:]...)
	return append(text, s.roleAndName()...)
}

func (s *session) roleAndName() []byte {
	return append([]byte{s.role, byte(len(s.user))}, s.user...)
}

// rakp3 answers RAKP message 3 with message 4 (13.22, 13.23) and opens the
// session. The console that sends message 3 again gets message 4 again.
func (b *bmc) rakp3(request []byte) []byte {
	if len(request) < 8 {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	tag := request[0]
	s := b.sessions[binary.LittleEndian.Uint32(request[4:])]
	if s == nil || !s.named {
		return []byte{tag, statusBadSession, 0, 0, 0, 0, 0, 0}
	}
	if request[1] != statusOK { // the console gives up
		delete(b.sessions, s.managed)
		return nil
	}
	password := []byte(b.users[s.user])
	reply := binary.LittleEndian.AppendUint32([]byte{tag, statusOK, 0, 0}, s.console)
	if !hmac.Equal(request[8:], s.suite.mac(password, s.code3())) {
		delete(b.sessions, s.managed)
		reply[1] = statusBadIntegrity
		return reply
	}
	s.keys(password)
	return append(reply, s.suite.check(s.sik, s.code4(b.guid))...)
}

// Privilege levels (6.8). Every session starts at the user's.
const (
	userLevel          = 2
	operatorLevel      = 3
	administratorLevel = 4
)

func (s *session) keys(password []byte) {
	if s.open {
		return
	}
	s.sik = s.suite.mac(password, s.keySeed())
	s.k1 = s.suite.mac(s.sik, constant(1))
	s.k2 = s.suite.mac(s.sik, constant(2))
	s.open = true
	s.privilege = min(userLevel, s.limit())
}

// limit is the privilege that the session may rise to.
func (s *session) limit() byte {
	if role := s.role & 0x0f; role != 0 {
		return min(role, s.most)
	}
	return s.most
}

// inside answers a message within a session.
func (b *bmc) inside(ctx context.Context, id uint32, body []byte, length int) []byte {
	s, request, ok := b.unpack(id, body, length)
	if !ok {
		return nil
	}
	reply := b.carryOut(ctx, s, request)
	if reply == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return s.pack(reply)
}

// unpack checks a packet and gives the message in it.
func (b *bmc) unpack(id uint32, body []byte, length int) (*session, message, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.sessions[id]
	if s == nil || !s.open || !s.genuine(body, length) || !s.fresh(binary.LittleEndian.Uint32(body[6:])) {
		return nil, message{}, false
	}
	plain, ok := decrypt(s.k2, body[headerLength:headerLength+length])
	if !ok {
		return nil, message{}, false
	}
	s.used = b.clock.Now()
	request, ok := parseMessage(plain, len(plain))
	return s, request, ok
}

// genuine checks the trailer (13.28.4): padding to a multiple of four, its
// length, the next header, and the authentication code of all before it.
func (s *session) genuine(body []byte, length int) bool {
	size := s.suite.checkLength
	covered := len(body) - size
	if covered < headerLength+length+2 || covered%4 != 0 {
		return false
	}
	return hmac.Equal(body[covered:], s.suite.check(s.k1, body[:covered]))
}

// window is how far behind the newest a packet may come (6.12.13).
const window = 16

// fresh tells whether a sequence number is new, and remembers it.
func (s *session) fresh(number uint32) bool {
	switch ahead := int64(number) - int64(s.in); {
	case number == 0:
		return false
	case ahead > window || ahead <= -window:
		return false
	case ahead > 0:
		s.seen = s.seen<<ahead | 1
		s.in = number
		return true
	default:
		bit := uint32(1) << -ahead
		known := s.seen&bit != 0
		s.seen |= bit
		return !known
	}
}

func (s *session) pack(reply []byte) []byte {
	s.out++
	payload := encrypt(s.k2, reply)
	packet := []byte{authRMCP, payloadIPMI | encrypted | authenticated}
	packet = binary.LittleEndian.AppendUint32(packet, s.console)
	packet = binary.LittleEndian.AppendUint32(packet, s.out)
	packet = binary.LittleEndian.AppendUint16(packet, uint16(len(payload)))
	packet = append(packet, payload...)
	padding := byte(0)
	for (len(packet)+2)%4 != 0 {
		packet = append(packet, 0xff)
		padding++
	}
	packet = append(packet, padding, 0x07)
	return append(packet, s.suite.check(s.k1, packet)...)
}
