package ipmi

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bougou/go-ipmi/pkg/crypto"
	"github.com/bougou/go-ipmi/pkg/rmcpplus"
	"github.com/bougou/go-ipmi/pkg/types"

	"ctys/primitives"
)

// handshake is one set-up of an RMCP+ session (IPMI 2.0, 13.15) with one
// cipher suite: Open Session, RAKP messages 1 and 2, RAKP messages 3 and 4.
//
// Packets get lost, doubled, late and out of order, and BMCs differ in what
// they make of a packet that comes twice. The rules here:
//
//   - Open Session is sent again as it was. A BMC that begins a second session
//     for it is told to drop the one that is not used (line.stray).
//   - RAKP message 1 is sent again with the same random number and a new tag,
//     and only the answer to the newest tag counts: there are BMCs that choose
//     their own random number anew each time and forget the one before.
//   - RAKP message 3 is sent again as it was. A BMC that has taken the first
//     one may refuse the second; then the session itself tells whether it is
//     open (confirm).
//   - The answer to RAKP message 1 proves that the BMC holds the password.
//     Therefore a refusal of message 3 for the account cannot be one: an
//     earlier packet has come twice, and the set-up is begun anew (doubt).
type handshake struct {
	clock primitives.Clock
	line  *line
	who   login
	suite types.CipherSuiteID
	auth  types.AuthAlg
	keys  *keys

	tag     byte
	managed uint32 // the BMC's session id; zero until it answered
	random  [16]byte
	second  rmcpplus.RAKPMessage2
	opening []byte // the packet of Open Session
	sent    int    // packets
	strays  int    // packets that came and answered nothing
	careful bool   // an earlier set-up ended in doubt
	halfway bool   // the BMC may hold the session open: RAKP message 3 was sent
}

// doubt marks a refusal that a packet which came twice may have caused.
type doubt struct{ error }

func (d *doubt) Unwrap() error { return d.error }

// smoothPackets is how many packets a set-up takes where none is lost.
const smoothPackets = 3

func newHandshake(l *line, who login, suite types.CipherSuiteID) *handshake {
	l.renew()
	auth, integrity, crypt, _ := types.GetCipherSuiteAlgorithms(suite)
	h := &handshake{clock: l.clock, line: l, who: who, suite: suite, auth: auth, tag: l.nextTag(), keys: &keys{integrity: integrity}}
	copy(h.random[:], crypto.RandomBytes(len(h.random)))
	request := rmcpplus.OpenSessionRequest{MessageTag: h.tag, RequestedMaximumPrivilegeLevel: who.privilege, RemoteConsoleSessionID: l.console}
	request.AuthenticationPayload, request.IntegrityPayload, request.ConfidentialityPayload = rmcpplus.NewAlgorithmPayloads(auth, integrity, crypt)
	h.opening = plainPacket(types.PayloadTypeRmcpOpenSessionRequest, request.Pack())
	return h
}

// send sends a packet and counts it.
func (h *handshake) send(packet []byte) error {
	h.sent++
	return h.line.send(packet)
}

// await gives the next message of a kind that fits. Errors are those of
// line.await.
func (h *handshake) await(ctx context.Context, until time.Time, kind types.PayloadType, fits func(setUpReply) bool) (setUpReply, error) {
	for {
		packet, err := h.line.await(ctx, until)
		if err != nil {
			return setUpReply{}, err
		}
		if r, ok := parseSetUp(packet); ok && r.kind == kind && r.isFor(h.line.console) && fits(r) {
			return r, nil
		}
		h.stray(packet)
	}
}

func (h *handshake) stray(packet []byte) {
	h.strays++
	h.line.stray(packet, h.managed)
}

// exchange sends what next gives until an answer comes or the time until. It
// is cut short by the end of ctx; own goes on for a while after that.
func (h *handshake) exchange(own context.Context, until time.Time, next func() []byte, kind types.PayloadType, fits func(setUpReply) bool) (setUpReply, error) {
	for wait := h.line.pace.first(until.Sub(h.clock.Now())); ; wait = h.line.pace.next(wait, until.Sub(h.clock.Now())) {
		began := h.clock.Now()
		if err := h.send(next()); err != nil {
			return setUpReply{}, err
		}
		r, err := h.await(own, earlier(began.Add(wait), until), kind, fits)
		switch {
		case err == nil:
			return r, nil
		case !errors.Is(err, errLost) || !h.clock.Now().Before(until):
			return setUpReply{}, err
		}
		h.line.yield()
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// openSession asks for a session, again until the time until or the end of ctx.
func (h *handshake) openSession(ctx context.Context, until time.Time) error {
	began := h.clock.Now()
	r, err := h.exchange(ctx, until, func() []byte { return h.opening }, types.PayloadTypeRmcpOpenSessionResponse, h.isOpening)
	if err != nil {
		return err
	}
	if h.sent == 1 {
		h.line.pace.learn(h.clock.Now().Sub(began))
	}
	return h.opened(r)
}

// linger waits for the answer to an Open Session that is still on its way when
// the caller gives up, so that the session can be ended.
func (h *handshake) linger(own context.Context, until time.Time) error {
	r, err := h.await(own, until, types.PayloadTypeRmcpOpenSessionResponse, h.isOpening)
	if err != nil {
		return err
	}
	return h.opened(r)
}

func (h *handshake) isOpening(r setUpReply) bool {
	return r.kind == types.PayloadTypeRmcpOpenSessionResponse && r.tag == h.tag && r.isFor(h.line.console) &&
		(r.refused() || len(r.payload) >= rmcpplus.OpenSessionResponseSize)
}

// opened takes the answer to Open Session (13.18).
func (h *handshake) opened(r setUpReply) error {
	if r.refused() {
		return h.refusal(r)
	}
	var response rmcpplus.OpenSessionResponse
	if err := response.Unpack(r.payload); err != nil {
		return received("the BMC's answer to Open Session could not be read", r.payload, err)
	}
	h.managed = response.ManagedSystemSessionID
	_, integrity, crypt, _ := types.GetCipherSuiteAlgorithms(h.suite)
	if response.AuthAlg != uint8(h.auth) || response.IntegrityAlg != uint8(integrity) || response.CryptAlg != uint8(crypt) {
		h.line.giveUp(h.managed, types.RmcpStatusCodeNoCipherSuiteMatch)
		return failed(primitives.Unsupported, fmt.Sprintf("the BMC answered cipher suite %d with other algorithms than those proposed", h.suite), nil)
	}
	return nil
}

// authenticate does the rest after Open Session was answered. Where halfway is
// true after an error, there is a session all the same, to be closed.
func (h *handshake) authenticate(own context.Context, until time.Time) (*session, error) {
	if err := h.exchangeRandoms(own, until); err != nil {
		h.line.giveUp(h.managed, types.RmcpStatusCodeNoResToCreateSess)
		return nil, err
	}
	s := &session{clock: h.clock, line: h.line, managed: h.managed, keys: h.keys}
	return s, h.activate(own, until, s)
}

// carefulWait is how long a set-up that follows a doubtful one waits for a
// second answer to RAKP message 1, to take the last.
const carefulWait = 30 * time.Millisecond

// exchangeRandoms does RAKP messages 1 and 2 (13.20, 13.21) and derives the
// keys (13.31, 13.32).
func (h *handshake) exchangeRandoms(own context.Context, until time.Time) error {
	times := map[byte]time.Time{}
	next := func() []byte {
		h.tag = h.line.nextTag()
		times[h.tag] = h.clock.Now()
		return h.first()
	}
	fits := func(r setUpReply) bool {
		sent, ok := times[r.tag]
		if ok && r.tag != h.tag {
			h.line.pace.learn(h.clock.Now().Sub(sent)) // late: be more patient
		}
		return ok && (r.refused() || r.tag == h.tag)
	}
	r, err := h.exchange(own, until, next, types.PayloadTypeRAKPMessage2, fits)
	for err == nil {
		if err := h.seconded(r); err != nil {
			return err
		}
		if !h.careful {
			return nil
		}
		r, err = h.await(own, h.clock.Now().Add(carefulWait), types.PayloadTypeRAKPMessage2, fits)
		if errors.Is(err, errLost) {
			return nil
		}
	}
	return err
}

func (h *handshake) first() []byte {
	message := rmcpplus.RAKPMessage1{
		MessageTag:                     h.tag,
		ManagedSystemSessionID:         h.managed,
		RemoteConsoleRandomNumber:      h.random,
		NameOnlyLookup:                 true,
		RequestedMaximumPrivilegeLevel: h.who.privilege,
		UsernameLength:                 uint8(len(h.who.user)),
		Username:                       []byte(h.who.user),
	}
	return plainPacket(types.PayloadTypeRAKPMessage1, message.Pack())
}

// role is the byte of RAKP message 1 that the codes of the set-up cover.
func (h *handshake) role() byte {
	return (&rmcpplus.RAKPMessage1{NameOnlyLookup: true, RequestedMaximumPrivilegeLevel: h.who.privilege}).Role()
}

// errPassword is what a code says that was made with another key.
func errPassword() *failure {
	return failed(primitives.Auth, "the BMC and this side do not hold the same password (or the BMC wants a key K_G, which is not supported)", nil)
}

// seconded takes RAKP message 2.
func (h *handshake) seconded(r setUpReply) error {
	if r.refused() {
		return h.refusal(r)
	}
	message := rmcpplus.RAKPMessage2{AuthAlg: h.auth}
	if err := message.Unpack(r.payload); err != nil {
		return received("the BMC's RAKP message 2 could not be read", r.payload, err)
	}
	kuid := crypto.PadPassword20([]byte(h.who.password))
	code, err := crypto.RAKP2AuthCode(h.auth, h.line.console, h.managed, h.random[:], message.ManagedSystemRandomNumber[:], message.ManagedSystemGUID[:], h.role(), h.who.user, kuid)
	if err != nil {
		return failed(primitives.Internal, "RAKP message 2 could not be checked", err)
	}
	if !crypto.Equal(code, message.KeyExchangeAuthenticationCode) {
		return errPassword()
	}
	h.second = message
	return nil
}

// activate does RAKP messages 3 and 4 (13.22, 13.23).
func (h *handshake) activate(own context.Context, until time.Time, s *session) error {
	kuid := crypto.PadPassword20([]byte(h.who.password))
	bmcRandom := h.second.ManagedSystemRandomNumber[:]
	sik, k1, k2, err := crypto.DeriveSessionKeys(h.auth, h.random[:], bmcRandom, h.role(), h.who.user, kuid)
	if err != nil {
		return failed(primitives.Internal, "the keys of the session could not be made", err)
	}
	if err := h.keys.derive(k1, k2); err != nil {
		return failed(primitives.Internal, "the keys of the session could not be used", err)
	}
	code, err := crypto.RAKP3AuthCode(h.auth, bmcRandom, h.line.console, h.role(), h.who.user, kuid)
	if err != nil {
		return failed(primitives.Internal, "RAKP message 3 could not be made", err)
	}
	h.tag = h.line.nextTag()
	message := rmcpplus.RAKPMessage3{MessageTag: h.tag, ManagedSystemSessionID: h.managed, KeyExchangeAuthenticationCode: code}
	packet := plainPacket(types.PayloadTypeRAKPMessage3, message.Pack())
	before := h.sent
	h.halfway = true
	r, err := h.exchange(own, until, func() []byte { return packet }, types.PayloadTypeRAKPMessage4, func(r setUpReply) bool { return r.tag == h.tag })
	switch {
	case err != nil:
		return err
	case !r.refused():
		return h.fourth(r, sik)
	case isGone(r.status) && h.confirm(own, until, s):
		return nil
	}
	h.halfway = h.sent-before > 1 && !isFalseAccount(r.status)
	return h.refusal(r)
}

// fourth checks RAKP message 4.
func (h *handshake) fourth(r setUpReply, sik []byte) error {
	message := rmcpplus.RAKPMessage4{AuthAlg: h.auth}
	if err := message.Unpack(r.payload); err != nil {
		return received("the BMC's RAKP message 4 could not be read", r.payload, err)
	}
	code, err := crypto.RAKP4ICV(h.auth, h.random[:], h.managed, h.second.ManagedSystemGUID[:], sik)
	if err != nil {
		return failed(primitives.Internal, "RAKP message 4 could not be checked", err)
	}
	if !crypto.Equal(code, message.IntegrityCheckValue) {
		h.halfway = false // its keys are other ones, no Close Session would be understood
		return errPassword()
	}
	return nil
}

// isGone tells the refusals of a BMC that has the session open already, or has
// given it up.
func isGone(status types.RmcpStatusCode) bool {
	return status == types.RmcpStatusCodeInvalidSessionID || status == types.RmcpStatusCodeInactiveSessionID
}

// isFalseAccount tells the refusals that a stale random number causes.
func isFalseAccount(status types.RmcpStatusCode) bool {
	return status == types.RmcpStatusCodeUnauthorizedName || status == types.RmcpStatusCodeInvalidIntegrityCheckValue
}

// confirm finds out by a command that changes nothing whether the session is
// open whose RAKP message 3 was refused: message 4 was lost and the refusal is
// the answer to the second message 3, or the session is gone. The integrity
// code of the command's reply proves what message 4 would have.
func (h *handshake) confirm(own context.Context, until time.Time, s *session) bool {
	const present = 0 // Set Session Privilege Level: only tell the level (22.18)
	c := command{netFn: netFnApp, number: cmdSetPrivilege, data: []byte{present}}
	wait := h.line.pace.first(until.Sub(h.clock.Now()))
	for range 3 {
		if _, err := s.single(own, c, wait); !errors.Is(err, errLost) {
			return err == nil
		}
	}
	return false
}

// refusal words a refusal and tells whether it is to be believed.
func (h *handshake) refusal(r setUpReply) error {
	err := statusFailure(uint8(r.status))
	proven := r.kind == types.PayloadTypeRAKPMessage4 && isFalseAccount(r.status)
	if proven || isGone(r.status) || (h.sent > smoothPackets || h.strays > 0) && err.kind != primitives.Unsupported && err.kind != primitives.Busy {
		return &doubt{err}
	}
	return err
}
