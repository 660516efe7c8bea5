package lab

import (
	"context"
	"encoding/binary"
	"net"
	"sync"
	"time"

	"ctys/primitives"
	"ctys/primitives/ipmi"
)

// chassis is what a BMC switches.
type chassis interface {
	Power(ctx context.Context) (primitives.Power, error)
	Control(ctx context.Context, control ipmi.Control) error
}

// bmc answers the datagrams of one BMC. Section numbers in this package are
// those of "IPMI v2.0, revision 1.1".
type bmc struct {
	chassis chassis
	users   map[string]string
	guid    [16]byte
	clock   primitives.Clock

	mu       sync.Mutex
	sessions map[uint32]*session // by the id that the BMC chose
	bootDev  [5]byte             // boot flags, 28.13 parameter 5
	identify bool
}

const (
	mostSessions = 64
	idle         = 60 * time.Second // 6.12.15: a session that is idle for so long ends
	longest      = 1024             // of a datagram that is looked at
)

func newBMC(chassis chassis, users map[string]string, guid [16]byte, clock primitives.Clock) *bmc {
	return &bmc{chassis: chassis, users: users, guid: guid, clock: clock, sessions: map[uint32]*session{}}
}

// serve answers until the connection is closed, each datagram on its own, so
// that a command that takes long holds up no other.
func (b *bmc) serve(ctx context.Context, conn net.PacketConn, group *sync.WaitGroup) {
	buffer := make([]byte, longest)
	for {
		n, from, err := conn.ReadFrom(buffer)
		if err != nil {
			if ctx.Err() != nil {
				return
			}
			continue // an ICMP error of an earlier answer, for instance
		}
		packet := append([]byte(nil), buffer[:n]...)
		group.Go(func() {
			if answer := b.answer(ctx, packet); answer != nil {
				_, _ = conn.WriteTo(answer, from)
			}
		})
	}
}

// RMCP (13.1.3).
const (
	rmcpVersion  = 0x06
	rmcpNoAck    = 0xff // sequence number that asks for no acknowledgement
	classASF     = 0x06
	classIPMI    = 0x07
	rmcpOverhead = 4
)

// answer gives the reply to one datagram; nil is silence, which is what
// anything malformed gets.
func (b *bmc) answer(ctx context.Context, packet []byte) []byte {
	if len(packet) < rmcpOverhead || packet[0] != rmcpVersion {
		return nil
	}
	var reply []byte
	body := packet[rmcpOverhead:]
	switch packet[3] {
	case classASF:
		reply = pong(body)
	case classIPMI:
		reply = b.ipmi(ctx, body)
	}
	if reply == nil {
		return nil
	}
	return append([]byte{rmcpVersion, 0, rmcpNoAck, packet[3]}, reply...)
}

// asfIANA is the enterprise number of ASF (13.2.3).
const asfIANA = 4542

// pong answers an RMCP presence ping (13.2.3, 13.2.4).
func pong(body []byte) []byte {
	if len(body) < 8 || binary.BigEndian.Uint32(body) != asfIANA || body[4] != 0x80 {
		return nil
	}
	reply := binary.BigEndian.AppendUint32(nil, asfIANA)
	reply = append(reply, 0x40, body[5], 0, 16)
	reply = binary.BigEndian.AppendUint32(reply, asfIANA)
	reply = binary.BigEndian.AppendUint32(reply, 0)
	return append(reply, 0x81, 0, 0, 0, 0, 0, 0, 0) // IPMI is supported; ASF version 1.0
}

// Authentication types of the session header (13.6).
const (
	authNone = 0x00
	authRMCP = 0x06 // RMCP+: the 2.0 header follows
)

func (b *bmc) ipmi(ctx context.Context, body []byte) []byte {
	if len(body) < 1 {
		return nil
	}
	switch body[0] {
	case authNone:
		return b.outside(ctx, body)
	case authRMCP:
		return b.rmcpPlus(ctx, body)
	}
	return nil
}

// outside answers an IPMI 1.5 packet outside of a session (13.6): sequence
// number and session id are zero.
func (b *bmc) outside(ctx context.Context, body []byte) []byte {
	if len(body) < 10 || binary.LittleEndian.Uint32(body[5:]) != 0 {
		return nil
	}
	message, ok := parseMessage(body[10:], int(body[9]))
	if !ok {
		return nil
	}
	reply := b.carryOut(ctx, nil, message)
	header := make([]byte, 9, 10+len(reply))
	return append(append(header, byte(len(reply))), reply...)
}
