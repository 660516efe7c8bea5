package ipmi

import (
	"slices"

	"github.com/bougou/go-ipmi/pkg/types"
)

// preferred are the cipher suites that are used, best first: the two that
// prove and encrypt with ciphers that are not broken (IPMI 2.0, table 22-20,
// and its errata for 17). Suite 0 has neither and is never among them.
var preferred = []types.CipherSuiteID{types.CipherSuiteID17, types.CipherSuiteID3}

// The list of suites comes in parts of 16 bytes, at most 64 of them.
const (
	partSize = 16
	maxParts = 64
)

// choose gives the preferred suites among those offered.
func choose(offered []types.CipherSuiteID) []types.CipherSuiteID {
	chosen := []types.CipherSuiteID{}
	for _, suite := range preferred {
		if slices.Contains(offered, suite) {
			chosen = append(chosen, suite)
		}
	}
	return chosen
}

// survey asks a BMC by Get Channel Cipher Suites (IPMI 2.0, 22.15), which
// needs no session, which suites it has.
type survey struct {
	part    byte
	records []byte
	done    bool
}

// questions are the packets that ask for the next part of the list: in the
// format of IPMI 1.5 and in that of RMCP+, since there are BMCs that answer
// only one of them before a session.
func (s *survey) questions() [][]byte {
	question := suitesQuestion(s.part)
	return [][]byte{format15(question), format20(question)}
}

// take reads a packet, and is true where it was the part asked for.
func (s *survey) take(packet []byte) bool {
	data, ok := suitesAnswer(packet, s.part)
	if !ok || s.done {
		return false
	}
	s.records = append(s.records, data...)
	s.part++
	s.done = len(data) < partSize || s.part == maxParts
	return true
}

// offered are the preferred suites that the BMC named, best first.
func (s *survey) offered() []types.CipherSuiteID { return choose(suiteIDs(s.records)) }

// Get Channel Cipher Suites (22.15).
const (
	netFnApp    = 0x06
	cmdSuites   = 0x54
	thisChannel = 0x0e
	bySuite     = 0x80
)

// suitesQuestion is the request for one part of the list. The part is the
// sequence number as well, so that a late answer is not taken for another's.
func suitesQuestion(part byte) []byte {
	c := command{netFn: netFnApp, number: cmdSuites, data: []byte{thisChannel, 0, bySuite | part}}
	return c.pack(part)
}

// format15 wraps a message outside of a session as IPMI 1.5 does (table 13-8).
func format15(message []byte) []byte {
	packet := []byte{rmcpVersion, 0, 0xff, classIPMI,
		0, 0, 0, 0, 0, 0, 0, 0, 0, byte(len(message))}
	return append(packet, message...)
}

// format20 wraps a message outside of a session as RMCP+ does (table 13-8).
func format20(message []byte) []byte { return plainPacket(types.PayloadTypeIPMI, message) }

// suitesAnswer finds the suite records in a packet, if it answers for part.
func suitesAnswer(packet []byte, part byte) ([]byte, bool) {
	message, ok := outside(packet)
	if !ok {
		return nil, false
	}
	r, ok := parseReply(message)
	if !ok || r.netFn != netFnApp|1 || r.number != cmdSuites || r.sequence != part || r.code != 0 || len(r.data) == 0 {
		return nil, false
	}
	return r.data[1:], true // after the channel
}

// outside takes the message out of a packet of either format that belongs to
// no session.
func outside(packet []byte) ([]byte, bool) {
	if isRMCPPlus(packet) {
		return payloadOf(packet), packet[payloadTypeOffset] == uint8(types.PayloadTypeIPMI) && sessionOf(packet) == 0
	}
	const header = 14
	if len(packet) < header || packet[0] != rmcpVersion || packet[3] != classIPMI || packet[authTypeOffset] != 0 {
		return nil, false
	}
	end := header + int(packet[header-1])
	if len(packet) < end {
		return nil, false
	}
	return packet[header:end], true
}

// The records of Get Channel Cipher Suites (IPMI 2.0, table 22-18): a start
// byte, the suite's number, for a maker's own suite its 3 byte number, then
// algorithms, whose upper two bits are never both set.
const (
	startStandard = 0xc0
	startOEM      = 0xc1
	startMask     = 0xc0
)

// suiteIDs reads the numbers of the standard suites out of the records.
func suiteIDs(records []byte) []types.CipherSuiteID {
	var ids []types.CipherSuiteID
	for i := 0; i < len(records); {
		switch records[i] {
		case startStandard:
			if i+1 < len(records) {
				ids = append(ids, types.CipherSuiteID(records[i+1]))
			}
			i += 2
		case startOEM:
			i += 5
		default:
			return ids // no record starts here: believe what was readable
		}
		for i < len(records) && records[i]&startMask != startMask {
			i++
		}
	}
	return ids
}
