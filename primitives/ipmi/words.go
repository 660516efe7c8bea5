package ipmi

import (
	"fmt"

	"ctys/primitives"
)

// meaning is what a code says, and the kind of trouble that it is.
type meaning struct {
	kind  primitives.Kind
	words string
}

// statusMeanings are the status codes of RMCP+ and RAKP messages (IPMI 2.0,
// table 13-15).
var statusMeanings = [256]meaning{
	0x01: {primitives.Busy, "it has no room for another session; they end by themselves after about a minute"},
	0x02: {primitives.Internal, "it does not know the session it just made"},
	0x03: {primitives.Unsupported, "invalid payload type"},
	0x04: {primitives.Unsupported, "it does not know the authentication algorithm of the cipher suite"},
	0x05: {primitives.Unsupported, "it does not know the integrity algorithm of the cipher suite"},
	0x06: {primitives.Unsupported, "no matching authentication payload"},
	0x07: {primitives.Unsupported, "no matching integrity payload"},
	0x08: {primitives.Internal, "it has given the session up already"},
	0x09: {primitives.Denied, "it refuses the role that was asked for"},
	0x0a: {primitives.Denied, "the account may not have the privilege level that was asked for"},
	0x0b: {primitives.Busy, "it has no room for another session at this privilege level"},
	0x0c: {primitives.Auth, "it refuses the length of the user name"},
	0x0d: {primitives.Auth, "it knows no such user, or the user is disabled"},
	0x0e: {primitives.Auth, "unauthorized GUID"},
	0x0f: {primitives.Auth, "the password is wrong (invalid integrity check value)"},
	0x10: {primitives.Unsupported, "it does not know the confidentiality algorithm of the cipher suite"},
	0x11: {primitives.Unsupported, "no cipher suite of it matches the proposed algorithms"},
	0x12: {primitives.Internal, "illegal or unrecognized parameter"},
}

// completionMeanings are the generic completion codes (IPMI 2.0, table 5-2).
// The kind Timeout marks those that leave open whether the command was
// carried out.
var completionMeanings = [256]meaning{
	0xc0: {primitives.Busy, "it is busy"},
	0xc1: {primitives.Unsupported, "it does not know this command"},
	0xc2: {primitives.Unsupported, "it does not know this command on this logical unit"},
	0xc3: {primitives.Timeout, "it ran out of time while it worked on the command"},
	0xc4: {primitives.Busy, "it has no memory left for the command"},
	0xc5: {primitives.Internal, "the reservation is gone"},
	0xc6: {primitives.Internal, "it found the request cut short"},
	0xc7: {primitives.Internal, "it found the length of the request wrong"},
	0xc8: {primitives.Internal, "it found the request too long"},
	0xc9: {primitives.Unsupported, "it found a parameter out of range"},
	0xca: {primitives.Internal, "it cannot return as many bytes as were asked for"},
	0xcb: {primitives.Unsupported, "it has no such sensor, data or record"},
	0xcc: {primitives.Unsupported, "it does not accept a field of the request"},
	0xcd: {primitives.Unsupported, "the command is illegal for this sensor or record"},
	0xce: {primitives.Timeout, "it could not provide a response"},
	0xcf: {primitives.Timeout, "it took the request for a duplicate"},
	0xd0: {primitives.Busy, "its sensor records are being updated"},
	0xd1: {primitives.Busy, "its firmware is being updated"},
	0xd2: {primitives.Busy, "it is still starting up"},
	0xd3: {primitives.Unreachable, "it cannot reach the part that would carry the command out"},
	0xd4: {primitives.Denied, "the account's privilege does not suffice, or the BMC's firewall forbids the command"},
	0xd5: {primitives.Unsupported, "it cannot do this in the machine's present state"},
	0xd6: {primitives.Unsupported, "this function of it is disabled"},
	0xff: {primitives.Internal, "unspecified error"},
}

func statusFailure(code uint8) *failure {
	m := statusMeanings[code]
	if m.words == "" {
		m = meaning{primitives.Internal, "a status code that IPMI 2.0 does not define"}
	}
	return failed(m.kind, fmt.Sprintf("the BMC refused the session: %s (RMCP+ status %#02x)", m.words, code), nil)
}

// completionFailure words a completion code. Code 0 comes from the library
// where the body of an accepted reply could not be read; cause tells how.
func completionFailure(code uint8, cause error) *failure {
	if code == 0 {
		return failed(primitives.Internal, "the BMC's reply could not be read", cause)
	}
	m := completionMeanings[code]
	switch {
	case m.words != "":
	case code >= 0x01 && code <= 0x7e:
		m = meaning{primitives.Internal, "a code of its maker's own"}
	case code >= 0x80 && code <= 0xbe:
		m = meaning{primitives.Internal, "a code that only this command defines"}
	default:
		m = meaning{primitives.Internal, "a reserved code"}
	}
	return failed(m.kind, fmt.Sprintf("the BMC refused: %s (completion code %#02x)", m.words, code), nil)
}
