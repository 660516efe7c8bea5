package ipmi

import (
	"encoding/binary"

	"github.com/bougou/go-ipmi/pkg/protocol"
	"github.com/bougou/go-ipmi/pkg/types"
)

// The start of an RMCP+ packet (IPMI 2.0, table 13-8): four bytes of RMCP,
// then authentication type, payload type, session id, sequence number and
// length of the payload.
const (
	authTypeOffset    = 4
	payloadTypeOffset = 5
	sessionOffset     = 6
	sequenceOffset    = 10
	lengthOffset      = 14
	payloadOffset     = 16

	rmcpVersion = 0x06
	classIPMI   = 0x07
	formatRMCP  = 0x06

	encrypted     = types.PayloadFlagEncrypted
	authenticated = types.PayloadFlagAuthenticated
	typeMask      = 0x3f

	nextHeader = 0x07 // ends what the integrity code covers (13.6)
)

// isRMCPPlus tells whether a datagram is a whole IPMI packet with the header
// of RMCP+; only then may the offsets above be used on it.
func isRMCPPlus(packet []byte) bool {
	return len(packet) >= payloadOffset &&
		packet[0] == rmcpVersion && packet[3] == classIPMI && packet[authTypeOffset] == formatRMCP &&
		len(packet) >= payloadOffset+payloadLength(packet)
}

func payloadLength(packet []byte) int {
	return int(binary.LittleEndian.Uint16(packet[lengthOffset:]))
}

func payloadOf(packet []byte) []byte {
	return packet[payloadOffset : payloadOffset+payloadLength(packet)]
}

func sessionOf(packet []byte) uint32 {
	return binary.LittleEndian.Uint32(packet[sessionOffset:])
}

func sequenceOf(packet []byte) uint32 {
	return binary.LittleEndian.Uint32(packet[sequenceOffset:])
}

// plainPacket wraps a message of the set-up, which is outside of a session.
func plainPacket(kind types.PayloadType, payload []byte) []byte {
	return protocol.BuildRMCPPlusPacket(uint8(kind), 0, 0, 0, payload)
}

// An IPMI message on a LAN (13.8): addresses, function and logical unit,
// sequence number, command, data and two checksums.
const (
	bmcAddress     = protocol.BMCAddr
	consoleAddress = 0x81 // a remote console's software id
	sequences      = 64   // sequence numbers of a message: 6 bits

	requestOverhead = 7
	replyOverhead   = 8 // with the completion code
)

// pack makes the message of a command.
func (c command) pack(sequence byte) []byte {
	message := make([]byte, 0, requestOverhead+len(c.data))
	message = append(message, bmcAddress, c.netFn<<2|c.lun&3)
	message = append(message, protocol.Checksum(message))
	message = append(message, consoleAddress, sequence<<2, c.number)
	message = append(message, c.data...)
	return append(message, protocol.Checksum(message[3:]))
}

// reply is the answer to a command.
type reply struct {
	netFn, sequence, number, code byte
	data                          []byte
}

// parseReply reads the message of a reply. Its addresses say nothing: there is
// one BMC and one console, and servers fill them in each in its own way.
func parseReply(message []byte) (reply, bool) {
	last := len(message) - 1
	if len(message) < replyOverhead ||
		protocol.Checksum(message[:2]) != message[2] || protocol.Checksum(message[3:last]) != message[last] {
		return reply{}, false
	}
	return reply{
		netFn:    message[1] >> 2,
		sequence: message[4] >> 2,
		number:   message[5],
		code:     message[6],
		data:     message[7:last],
	}, true
}

// answers tells whether a reply belongs to a command.
func (r reply) answers(c command) bool { return r.netFn == c.netFn|1 && r.number == c.number }
