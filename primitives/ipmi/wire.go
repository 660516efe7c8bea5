package ipmi

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/bougou/go-ipmi/pkg/crypto"
	"github.com/bougou/go-ipmi/pkg/types"
)

// The start of an RMCP+ packet (IPMI 2.0, table 13-8): four bytes of RMCP,
// then authentication type, payload type, session id, sequence number and
// length of the payload.
const (
	authTypeOffset    = 4
	payloadTypeOffset = 5
	sessionOffset     = 6
	lengthOffset      = 14
	payloadOffset     = 16

	rmcpVersion = 0x06
	classIPMI   = 0x07
	formatRMCP  = 0x06

	encrypted     = 0x80
	authenticated = 0x40
	typeMask      = 0x3f
)

// past is a read deadline that ends every read at once.
var past = time.Unix(1, 0)

// wire is the UDP socket of one session as the library sees it. It lets
// through only the packets that can be the reply to what was sent last: of the
// right payload type, and inside a session those whose integrity code is
// right. Without it a duplicate from the set-up would end the session, a
// forged reply would be believed, since the library does not compare the code,
// and a packet with a bad length could bring the process down.
type wire struct {
	net.Conn

	mu          sync.Mutex
	expect      types.PayloadType
	random      []byte // the console's random number of RAKP message 1
	keys        *sessionKeys
	sent        int
	strays      int
	timedOut    bool
	interrupted bool
}

// sessionKeys are what the packets of a session are proven with.
type sessionKeys struct {
	console   uint32 // the console's session id, which the BMC addresses
	integrity types.IntegrityAlg
	k1, k2    []byte
}

func dial(ctx context.Context, address string) (*wire, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "udp", address)
	if err != nil {
		return nil, err
	}
	return &wire{Conn: conn}, nil
}

// Dial makes the library use this socket instead of one of its own, which
// could neither be interrupted nor take an IPv6 address.
func (w *wire) Dial(string, string) (net.Conn, error) { return w, nil }

// Write sends one packet and learns from it which reply to wait for.
func (w *wire) Write(packet []byte) (int, error) {
	w.mu.Lock()
	w.sent++
	w.timedOut, w.interrupted = false, false
	if len(packet) > payloadOffset {
		kind := types.PayloadType(packet[payloadTypeOffset] & typeMask)
		w.expect = replyTo(kind)
		if kind == types.PayloadTypeRAKPMessage1 && len(packet) >= payloadOffset+24 {
			w.random = append([]byte(nil), packet[payloadOffset+8:payloadOffset+24]...)
		}
	}
	w.mu.Unlock()
	return w.Conn.Write(packet)
}

// replyTo is the payload type that answers one (IPMI 2.0, table 13-16).
func replyTo(kind types.PayloadType) types.PayloadType {
	switch kind {
	case types.PayloadTypeRmcpOpenSessionRequest, types.PayloadTypeRAKPMessage1, types.PayloadTypeRAKPMessage3:
		return kind + 1
	}
	return kind
}

// Read gives the next packet that can be the reply.
func (w *wire) Read(buffer []byte) (int, error) {
	for {
		n, err := w.Conn.Read(buffer)
		w.mu.Lock()
		if err != nil {
			w.timedOut = w.timedOut || errors.Is(err, os.ErrDeadlineExceeded)
			w.mu.Unlock()
			return n, err
		}
		ok := acceptable(buffer[:n], w.expect, w.keys)
		if !ok {
			w.strays++
		}
		w.mu.Unlock()
		if ok {
			return complete(buffer, n), nil
		}
	}
}

// minSetUpReply is the length of a refusal during the set-up of a session: tag,
// status, reserved bytes and session id (IPMI 2.0, tables 13-10 to 13-14).
const minSetUpReply = 8

// complete fills up a refusal that ends after the status code, as OpenIPMI's
// ipmi_sim sends it, so that the library reads the status and not only that
// the packet is short. It gives the new length of the packet.
func complete(buffer []byte, n int) int {
	packet := buffer[:n]
	length := int(binary.LittleEndian.Uint16(packet[lengthOffset:]))
	whole := payloadOffset + minSetUpReply
	refusal := packet[payloadTypeOffset]&typeMask >= uint8(types.PayloadTypeRmcpOpenSessionRequest) &&
		length >= 2 && length < minSetUpReply && packet[payloadOffset+1] != 0
	if !refusal || len(buffer) < whole {
		return n
	}
	clear(buffer[payloadOffset+length : whole])
	buffer[lengthOffset] = minSetUpReply
	return whole
}

// SetReadDeadline sets the deadline unless the exchange was given up meanwhile.
func (w *wire) SetReadDeadline(deadline time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.interrupted {
		deadline = past
	}
	return w.Conn.SetReadDeadline(deadline)
}

// interrupt ends the read that an abandoned exchange still sits in, up to the
// next Write.
func (w *wire) interrupt() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.interrupted = true
	_ = w.Conn.SetReadDeadline(past) // fails only where the socket is closed, which ends the read too
}

// timeout tells whether the last read ended without a reply.
func (w *wire) timeout() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.timedOut
}

// smooth tells whether no more than this many packets were sent and none came
// that was not waited for.
func (w *wire) smooth(packets int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sent <= packets && w.strays == 0
}

// secure derives the keys of the session (IPMI 2.0, 13.31 and 13.32); from now
// on only packets proven by them pass.
func (w *wire) secure(suite types.CipherSuiteID, console uint32, bmcRandom []byte, who login) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	auth, integrity, _, _ := types.GetCipherSuiteAlgorithms(suite)
	role := uint8(who.privilege) | nameOnlyLookup
	_, k1, k2, err := crypto.DeriveSessionKeys(auth, w.random, bmcRandom, role, who.user, crypto.PadPassword20([]byte(who.password)))
	if err != nil {
		return err
	}
	w.keys = &sessionKeys{console: console, integrity: integrity, k1: k1, k2: k2}
	return nil
}

// nameOnlyLookup is the bit of RAKP message 1 by which the BMC looks the user
// up by name alone (IPMI 2.0, table 13-11).
const nameOnlyLookup = 0x10

// acceptable tells whether a packet can be the reply of the expected type.
func acceptable(packet []byte, expect types.PayloadType, keys *sessionKeys) bool {
	if len(packet) < payloadOffset ||
		packet[0] != rmcpVersion || packet[3] != classIPMI || packet[authTypeOffset] != formatRMCP {
		return false
	}
	if types.PayloadType(packet[payloadTypeOffset]&typeMask) != expect {
		return false
	}
	length := int(binary.LittleEndian.Uint16(packet[lengthOffset:]))
	if len(packet) < payloadOffset+length {
		return false
	}
	session := binary.LittleEndian.Uint32(packet[sessionOffset:])
	flags := packet[payloadTypeOffset] &^ typeMask
	if expect != types.PayloadTypeIPMI {
		return flags == 0 && session == 0
	}
	return keys != nil && flags == encrypted|authenticated && session == keys.console &&
		keys.prove(packet, length)
}

// prove checks the integrity code of a packet (IPMI 2.0, 13.28.4) and that
// what is encrypted in it has a shape that can be decrypted (13.29).
func (k *sessionKeys) prove(packet []byte, length int) bool {
	codeLength, ok := crypto.IntegrityAuthCodeLen(k.integrity)
	const padLengthAndNextHeader = 2
	if !ok || codeLength == 0 || len(packet) < payloadOffset+length+padLengthAndNextHeader+codeLength {
		return false
	}
	covered, code := packet[authTypeOffset:len(packet)-codeLength], packet[len(packet)-codeLength:]
	want, err := crypto.SessionIntegrityAuthCode(k.integrity, covered, k.k1, "")
	if err != nil || !hmac.Equal(want, code) {
		return false
	}
	return wellPadded(packet[payloadOffset:payloadOffset+length], k.k2)
}

// wellPadded tells whether a payload is an initialization vector and whole
// blocks of AES-128-CBC that end in a pad length which fits.
func wellPadded(payload, k2 []byte) bool {
	const size = aes.BlockSize
	if len(payload) < 2*size || len(payload)%size != 0 || len(k2) < size {
		return false
	}
	block, err := aes.NewCipher(k2[:size])
	if err != nil {
		return false
	}
	last := make([]byte, size)
	cipher.NewCBCDecrypter(block, payload[len(payload)-2*size:len(payload)-size]).
		CryptBlocks(last, payload[len(payload)-size:])
	return int(last[size-1]) < size
}
