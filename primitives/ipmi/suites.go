package ipmi

import (
	"context"
	"net"
	"slices"
	"time"

	"github.com/bougou/go-ipmi/pkg/types"

	"ctys/primitives"
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

// discover asks a BMC by Get Channel Cipher Suites (IPMI 2.0, 22.15), which
// needs no session, which of the preferred suites it has, best first. The
// answer is nil where it does not say before patience has passed.
func discover(ctx context.Context, clock primitives.Clock, address string, patience time.Duration) ([]types.CipherSuiteID, error) {
	conn, err := dialPlain(ctx, address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	ctx, cancel := primitives.WithTimeout(ctx, clock, patience)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(past) })
	defer stop()

	var records []byte
	for part := range byte(maxParts) {
		data, ok, err := askPart(ctx, clock, conn, part, patience/3)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, nil
		}
		records = append(records, data...)
		if len(data) < partSize {
			break
		}
	}
	return choose(suiteIDs(records)), nil
}

func dialPlain(ctx context.Context, address string) (net.Conn, error) {
	var dialer net.Dialer
	return dialer.DialContext(ctx, "udp", address)
}

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

// askPart asks for one part of the list, again every interval. It sends each
// question in the format of IPMI 1.5 and in that of RMCP+, since there are
// BMCs that answer only one of them before a session.
func askPart(ctx context.Context, clock primitives.Clock, conn net.Conn, part byte, interval time.Duration) ([]byte, bool, error) {
	question := suitesQuestion(part)
	buffer := make([]byte, 512)
	for ctx.Err() == nil {
		for _, packet := range [][]byte{format15(question), format20(question)} {
			if _, err := conn.Write(packet); err != nil {
				return nil, false, err
			}
		}
		deadline := clock.Now().Add(interval)
		for {
			if err := conn.SetReadDeadline(deadline); err != nil {
				return nil, false, err
			}
			if ctx.Err() != nil {
				return nil, false, nil
			}
			n, err := conn.Read(buffer)
			if primitives.KindOf(err) == primitives.Timeout {
				break
			}
			if err != nil {
				return nil, false, err
			}
			if data, ok := suitesAnswer(buffer[:n], part); ok {
				return data, true, nil
			}
		}
	}
	return nil, false, nil
}

// An IPMI message on a LAN (IPMI 2.0, 13.8): addresses, function, sequence
// number, command, data and two checksums.
const (
	bmcAddress     = 0x20
	consoleAddress = 0x81
	netFnApp       = 0x06
	cmdSuites      = 0x54
	thisChannel    = 0x0e
	bySuite        = 0x80
)

// suitesQuestion is the request for one part of the list. The part is the
// sequence number as well, so that a late answer is not taken for another's.
func suitesQuestion(part byte) []byte {
	head := []byte{bmcAddress, netFnApp << 2}
	body := []byte{consoleAddress, part << 2, cmdSuites, thisChannel, 0, bySuite | part}
	message := append(head, checksum(head))
	message = append(message, body...)
	return append(message, checksum(body))
}

// checksum makes the sum of the bytes and itself zero (IPMI 2.0, 13.8).
func checksum(data []byte) byte {
	var sum byte
	for _, b := range data {
		sum -= b
	}
	return sum
}

// format15 wraps a message outside of a session as IPMI 1.5 does (table 13-8).
func format15(message []byte) []byte {
	packet := []byte{rmcpVersion, 0, 0xff, classIPMI,
		0, 0, 0, 0, 0, 0, 0, 0, 0, byte(len(message))}
	return append(packet, message...)
}

// format20 wraps a message outside of a session as RMCP+ does (table 13-8).
func format20(message []byte) []byte {
	packet := []byte{rmcpVersion, 0, 0xff, classIPMI,
		formatRMCP, 0, 0, 0, 0, 0, 0, 0, 0, 0, byte(len(message)), 0}
	return append(packet, message...)
}

// suitesAnswer finds the suite records in a packet, if it answers for part.
func suitesAnswer(packet []byte, part byte) ([]byte, bool) {
	message, ok := unwrap(packet)
	// addresses and checksum (4), sequence, command, completion, channel, then
	// the records and the second checksum
	if !ok || len(message) < 9 {
		return nil, false
	}
	if checksum(message[:len(message)-1][3:]) != message[len(message)-1] ||
		message[1]>>2 != netFnApp|1 || message[4]>>2 != part || message[5] != cmdSuites || message[6] != 0 {
		return nil, false
	}
	return message[8 : len(message)-1], true
}

// unwrap takes the message out of a packet of either format outside of a session.
func unwrap(packet []byte) ([]byte, bool) {
	if len(packet) < 14 || packet[0] != rmcpVersion || packet[3] != classIPMI {
		return nil, false
	}
	offset, length := 14, int(packet[13])
	switch packet[authTypeOffset] {
	case 0:
	case formatRMCP:
		if len(packet) < payloadOffset || packet[payloadTypeOffset] != 0 {
			return nil, false
		}
		offset, length = payloadOffset, int(packet[lengthOffset])|int(packet[lengthOffset+1])<<8
	default:
		return nil, false
	}
	if len(packet) < offset+length {
		return nil, false
	}
	return packet[offset : offset+length], true
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
