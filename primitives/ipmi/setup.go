package ipmi

import (
	"encoding/binary"

	"github.com/bougou/go-ipmi/pkg/types"
)

// setUpReply is the common head of the BMC's three messages in the set-up of a
// session (IPMI 2.0, tables 13-10, 13-12 and 13-14).
type setUpReply struct {
	kind    types.PayloadType
	tag     byte
	status  types.RmcpStatusCode
	console uint32 // zero where a refusal does not name it
	payload []byte
}

// isSetUp tells whether a datagram is one of these messages.
func isSetUp(packet []byte) bool {
	_, ok := parseSetUp(packet)
	return ok
}

// parseSetUp reads the head. A refusal may end after the status, as OpenIPMI's
// ipmi_sim sends it.
func parseSetUp(packet []byte) (setUpReply, bool) {
	if !isRMCPPlus(packet) || sessionOf(packet) != 0 {
		return setUpReply{}, false
	}
	r := setUpReply{kind: types.PayloadType(packet[payloadTypeOffset]), payload: payloadOf(packet)}
	switch r.kind {
	case types.PayloadTypeRmcpOpenSessionResponse, types.PayloadTypeRAKPMessage2, types.PayloadTypeRAKPMessage4:
	default:
		return setUpReply{}, false
	}
	const head = 8
	if len(r.payload) < 2 {
		return setUpReply{}, false
	}
	r.tag, r.status = r.payload[0], types.RmcpStatusCode(r.payload[1])
	if len(r.payload) >= head {
		r.console = binary.LittleEndian.Uint32(r.payload[4:])
	} else if r.status == types.RmcpStatusCodeNoErrors {
		return setUpReply{}, false
	}
	return r, true
}

// isFor tells whether the message is for the console's session id. Only a
// refusal may leave it out.
func (r setUpReply) isFor(console uint32) bool {
	return r.console == console || r.console == 0 && r.refused()
}

func (r setUpReply) refused() bool { return r.status != types.RmcpStatusCodeNoErrors }
