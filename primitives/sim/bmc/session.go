package bmc

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"encoding/binary"
	"maps"
	"slices"
	"time"
)

// session is one RMCP+ session (13.14 and following), from Open Session on.
type session struct {
	console uint32 // id that the remote console chose
	managed uint32 // id that the BMC chose
	suite   suite
	most    Privilege // that Open Session asked for
	handle  byte      // small number that the BMC chose (22.20)

	consoleRandom, managedRandom [16]byte
	role                         byte // as RAKP message 1 has it
	user                         string
	account                      byte // place of the user among the BMC's, from 1 on
	allowed                      Privilege
	named                        bool // RAKP message 1 has come
	sik, k1, k2                  []byte

	open      bool      // RAKP is done
	privilege Privilege // at the moment
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
func (b *BMC) rmcpPlus(body []byte) ([]byte, later) {
	if len(body) < headerLength {
		return nil, nil
	}
	kind, id := body[1], binary.LittleEndian.Uint32(body[2:])
	length := int(binary.LittleEndian.Uint16(body[10:]))
	if headerLength+length > len(body) {
		return nil, nil
	}
	payload := body[headerLength : headerLength+length]
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case kind == payloadOpenRequest && id == 0:
		return plainPacket(payloadOpenReply, b.openSession(payload)), nil
	case kind == payloadRAKP1 && id == 0:
		return plainPacket(payloadRAKP2, b.rakp1(payload)), nil
	case kind == payloadRAKP3 && id == 0:
		return plainPacket(payloadRAKP4, b.rakp3(payload)), nil
	case kind == payloadIPMI|encrypted|authenticated && id != 0:
		return b.inside(id, body, length)
	}
	return nil, nil
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
func (b *BMC) openSession(request []byte) []byte {
	if len(request) < 32 {
		return nil
	}
	tag, most, console := request[0], Privilege(request[1]&0x0f), binary.LittleEndian.Uint32(request[4:])
	refuse := func(status byte) []byte {
		return binary.LittleEndian.AppendUint32([]byte{tag, status, byte(most), 0}, console)
	}
	chosen, ok := choose(request[8:32])
	if !ok {
		return refuse(statusNoMatchingSuite)
	}
	if most == 0 || most > Administrator {
		most = Administrator
	}
	s := b.newSession(console, most, chosen)
	if s == nil {
		return refuse(statusNoRoom)
	}
	reply := binary.LittleEndian.AppendUint32([]byte{tag, statusOK, byte(most), 0}, console)
	reply = binary.LittleEndian.AppendUint32(reply, s.managed)
	for kind, algorithm := range []byte{chosen.authentication, chosen.integrity, chosen.confidentiality} {
		reply = append(reply, byte(kind), 0, 0, 8, algorithm, 0, 0, 0)
	}
	return reply
}

// newSession begins a session, or gives nil where there is no slot for it. One
// in the making takes a slot only on a strict BMC; else they have as much room
// of their own, and the oldest gives way.
func (b *BMC) newSession(console uint32, most Privilege, chosen suite) *session {
	b.expireSessions()
	own, slots := b.own(), b.slots()
	taken := len(b.openSessions())
	if b.Model.Strict {
		taken = len(own.sessions)
	}
	if taken >= slots {
		own.refused++
		return nil
	}
	if making := len(own.sessions) - len(b.openSessions()); making >= slots {
		b.drop(own.sessions[slices.IndexFunc(own.sessions, func(s *session) bool { return !s.open })])
	}
	own.handles = max(1, own.handles+1)
	s := &session{console: console, most: most, suite: chosen, used: b.now(), managed: b.freeID(), handle: own.handles}
	_, _ = rand.Read(s.managedRandom[:])
	own.sessions = append(own.sessions, s)
	return s
}

// expireSessions ends sessions that nothing is heard of.
func (b *BMC) expireSessions() {
	now := b.now()
	own := b.own()
	own.sessions = slices.DeleteFunc(own.sessions, func(s *session) bool {
		if s.open {
			return now.Sub(s.used) > idle
		}
		return now.Sub(s.used) > SetupPatience
	})
}

func (b *BMC) openSessions() []*session {
	var open []*session
	for _, s := range b.own().sessions {
		if s.open {
			open = append(open, s)
		}
	}
	return open
}

func (b *BMC) slots() int {
	switch own := b.own(); {
	case own.trouble.slots > 0:
		return own.trouble.slots
	case b.Model.Slots > 0:
		return b.Model.Slots
	}
	return DefaultSlots
}

// session gives a session by the id that the BMC chose.
func (b *BMC) session(id uint32) *session {
	if b.state == nil {
		return nil
	}
	for _, s := range b.state.sessions {
		if s.managed == id {
			return s
		}
	}
	return nil
}

func (b *BMC) drop(gone *session) {
	own := b.own()
	own.sessions = slices.DeleteFunc(own.sessions, func(s *session) bool { return s == gone })
}

func (b *BMC) freeID() uint32 {
	for {
		var id [4]byte
		_, _ = rand.Read(id[:])
		managed := binary.LittleEndian.Uint32(id[:])
		if managed != 0 && b.session(managed) == nil {
			return managed
		}
	}
}

// rakp1 answers RAKP message 1 with message 2 (13.20, 13.21).
func (b *BMC) rakp1(request []byte) []byte {
	if len(request) < 28 || len(request) < 28+int(request[27]) {
		return nil
	}
	tag := request[0]
	s := b.session(binary.LittleEndian.Uint32(request[4:]))
	if s == nil || s.open {
		return []byte{tag, statusBadSession, 0, 0, 0, 0, 0, 0}
	}
	copy(s.consoleRandom[:], request[8:24])
	s.role, s.named, s.used = request[24], true, b.now()
	s.user = string(request[28 : 28+int(request[27])])
	refuse := func(status byte) []byte {
		b.drop(s)
		return binary.LittleEndian.AppendUint32([]byte{tag, status, 0, 0}, s.console)
	}
	account, known := b.Model.Users[s.user]
	s.allowed = account.limit()
	switch asked := Privilege(s.role & 0x0f); {
	case !known:
		return refuse(statusNoUser)
	case asked > s.most || asked > s.allowed:
		return refuse(statusRoleDenied)
	}
	s.account = b.Model.place(s.user)
	reply := binary.LittleEndian.AppendUint32([]byte{tag, statusOK, 0, 0}, s.console)
	reply = append(reply, s.managedRandom[:]...)
	reply = append(reply, b.GUID[:]...)
	return append(reply, s.suite.mac([]byte(account.Password), s.code2(b.GUID))...)
}

func (a Account) limit() Privilege {
	if a.Limit == 0 {
		return Administrator
	}
	return a.Limit
}

// place is the number of a user: the place of its name among all, from 1 on.
func (m *Model) place(user string) byte {
	place, _ := slices.BinarySearch(slices.Sorted(maps.Keys(m.Users)), user)
	return byte(place + 1)
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
func (b *BMC) rakp3(request []byte) []byte {
	if len(request) < 8 {
		return nil
	}
	tag := request[0]
	s := b.session(binary.LittleEndian.Uint32(request[4:]))
	if s == nil || !s.named {
		return []byte{tag, statusBadSession, 0, 0, 0, 0, 0, 0}
	}
	if request[1] != statusOK { // the console gives up
		b.drop(s)
		return nil
	}
	password := []byte(b.Model.Users[s.user].Password)
	reply := binary.LittleEndian.AppendUint32([]byte{tag, statusOK, 0, 0}, s.console)
	if !hmac.Equal(request[8:], s.suite.mac(password, s.code3())) {
		b.drop(s)
		reply[1] = statusBadIntegrity
		return reply
	}
	own := b.own()
	if !s.open && len(b.openSessions()) >= b.slots() { // others were faster
		b.drop(s)
		own.refused++
		reply[1] = statusNoRoom
		return reply
	}
	s.keys(password)
	s.used = b.now()
	own.most = max(own.most, len(b.openSessions()))
	return append(reply, s.suite.check(s.sik, s.code4(b.GUID))...)
}

// keys opens the session: it starts at the level of a user (22.18).
func (s *session) keys(password []byte) {
	if s.open {
		return
	}
	s.sik = s.suite.mac(password, s.keySeed())
	s.k1 = s.suite.mac(s.sik, constant(1))
	s.k2 = s.suite.mac(s.sik, constant(2))
	s.open = true
	s.privilege = min(User, s.limit())
}

// limit is the privilege that the session may rise to.
func (s *session) limit() Privilege {
	highest := min(s.most, s.allowed)
	if role := Privilege(s.role & 0x0f); role != 0 {
		return min(role, highest)
	}
	return highest
}

// level is the privilege of what comes by the session; none where there is no
// session.
func (s *session) level() Privilege {
	if s == nil {
		return 0
	}
	return s.privilege
}

// inside answers a message within a session.
func (b *BMC) inside(id uint32, body []byte, length int) ([]byte, later) {
	s, request, ok := b.unpack(id, body, length)
	if !ok {
		return nil, nil
	}
	reply, rest := b.carryOut(s, request)
	if reply != nil {
		return s.pack(reply), nil
	}
	if rest == nil {
		return nil, nil
	}
	return nil, func(ctx context.Context) []byte {
		reply := rest(ctx)
		if reply == nil {
			return nil
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		return s.pack(reply)
	}
}

// unpack checks a packet and gives the message in it.
func (b *BMC) unpack(id uint32, body []byte, length int) (*session, message, bool) {
	s := b.session(id)
	if s == nil || !s.open || !s.genuine(body, length) || !s.fresh(binary.LittleEndian.Uint32(body[6:])) {
		return nil, message{}, false
	}
	plain, ok := decrypt(s.k2, body[headerLength:headerLength+length])
	if !ok {
		return nil, message{}, false
	}
	s.used = b.now()
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
