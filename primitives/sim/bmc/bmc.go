// Package bmc is the BMC of simulated machines: a small responder for RMCP+ on
// loopback sockets. One process carries thousands of them: all that share a port
// share one socket, and a BMC that nobody has spoken to is a few words of memory.
//
// It is meant for clients of every kind: those of sim/lab speak for the machines
// of a world, and those of a Farm alone need nothing behind them. Section numbers
// in this package are those of "IPMI v2.0, revision 1.1".
package bmc

import (
	"context"
	"encoding/binary"
	"net/netip"
	"sync"
	"time"

	"ctys/primitives"
	"ctys/primitives/ipmi"
)

// Chassis is what a BMC switches. Its calls may take time; they run beside each
// other.
type Chassis interface {
	Power(ctx context.Context) (primitives.Power, error)
	// Control carries a chassis control out. An error of kind Unsupported is
	// answered with "not in this state" (D5h), Denied with D4h, and Timeout,
	// Unreachable and Canceled with silence.
	Control(ctx context.Context, control ipmi.Control) error
}

// Model is what many BMCs have in common. It must not be changed any more once a
// BMC has it.
type Model struct {
	Users map[string]Account // by name

	// Slots is how many sessions it holds at a time; 0 is DefaultSlots. Small
	// BMCs of the field have 4.
	Slots int
	// Strict lets a session that is being set up take a slot too, for
	// SetupPatience, as some BMCs do: a console that loses replies can lock
	// itself out for so long.
	Strict bool

	Manufacturer int // IANA enterprise number, 20 bits
	Product      int // 16 bits

	Clock primitives.Clock // nil is the system's
}

// Account is a user of a BMC.
type Account struct {
	Password string
	Limit    Privilege // 0 is Administrator
}

// Privilege is a privilege level (6.8).
type Privilege byte

// The levels that a user can have.
const (
	User          Privilege = 2
	Operator      Privilege = 3
	Administrator Privilege = 4
)

// DefaultSlots is how many sessions a BMC holds where its Model does not say.
const DefaultSlots = 64

const (
	idle          = 60 * time.Second // 6.12.15: a session that is idle for so long ends
	longest       = 1024             // of a datagram that is looked at
	chassisAtMost = 30 * time.Second // that the chassis is waited for
)

// SetupPatience is how long a session may be in the making.
const SetupPatience = 5 * time.Second

// Description says what a BMC is and where.
type Description struct {
	Name    string
	Address netip.AddrPort // within 127.0.0.0/8
	GUID    [16]byte       // of the system, in the order of the wire
	Model   *Model

	// Chassis is what it switches. Nil: a chassis of its own, which does at once
	// what it is asked for.
	Chassis Chassis
	On      bool // at the beginning
}

// BMC answers the datagrams of one BMC.
type BMC struct {
	Description
	number int // its place in the farm; its sensors differ by it

	mu    sync.Mutex
	on    bool   // as far as the BMC knows
	state *state // nil until it is needed
}

// state is what a BMC remembers once somebody has spoken to it.
type state struct {
	sessions []*session
	handles  byte // of sessions, the last one given
	most     int  // open at once
	refused  int  // for want of a slot

	counts   map[ipmi.Control]int
	power    powerHistory
	faults   ChassisFaults
	policy   byte
	identify identify
	boot     boot
	sel      sel
	sdr      uint16 // reservation
	trouble  trouble
}

func newBMC(description Description, number int) *BMC {
	return &BMC{Description: description, number: number, on: description.On}
}

// own is the BMC's state. The caller holds mu.
func (b *BMC) own() *state {
	if b.state == nil {
		b.state = &state{policy: restorePrevious}
	}
	return b.state
}

func (b *BMC) now() time.Time {
	if b.Model.Clock == nil {
		return primitives.SystemClock{}.Now()
	}
	return b.Model.Clock.Now()
}

// later is the rest of an answer that may take time.
type later func(ctx context.Context) []byte

// RMCP (13.1.3).
const (
	rmcpVersion  = 0x06
	rmcpNoAck    = 0xff // sequence number that asks for no acknowledgement
	classASF     = 0x06
	classIPMI    = 0x07
	rmcpOverhead = 4
)

// answer gives the reply to one datagram, or what will give it where the chassis
// must be asked. Neither is silence, which is what anything malformed gets.
func (b *BMC) answer(packet []byte) ([]byte, later) {
	if len(packet) < rmcpOverhead || packet[0] != rmcpVersion {
		return nil, nil
	}
	body := packet[rmcpOverhead:]
	switch packet[3] {
	case classASF:
		return rmcp(classASF, pong(body)), nil
	case classIPMI:
		reply, rest := b.ipmi(body)
		if rest == nil {
			return rmcp(classIPMI, reply), nil
		}
		return nil, func(ctx context.Context) []byte { return rmcp(classIPMI, rest(ctx)) }
	}
	return nil, nil
}

// rmcp puts the header before a message; no message is no packet.
func rmcp(class byte, message []byte) []byte {
	if message == nil {
		return nil
	}
	return append([]byte{rmcpVersion, 0, rmcpNoAck, class}, message...)
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

func (b *BMC) ipmi(body []byte) ([]byte, later) {
	if len(body) < 1 {
		return nil, nil
	}
	switch body[0] {
	case authNone:
		return b.outside(body), nil
	case authRMCP:
		return b.rmcpPlus(body)
	}
	return nil, nil
}

// outside answers an IPMI 1.5 packet outside of a session (13.6): sequence
// number and session id are zero.
func (b *BMC) outside(body []byte) []byte {
	if len(body) < 10 || binary.LittleEndian.Uint32(body[5:]) != 0 {
		return nil
	}
	request, ok := parseMessage(body[10:], int(body[9]))
	if !ok {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	reply, rest := b.carryOut(nil, request)
	if reply == nil || rest != nil { // outside of a session nothing asks the chassis
		return nil
	}
	header := make([]byte, 9, 10+len(reply))
	return append(append(header, byte(len(reply))), reply...)
}
