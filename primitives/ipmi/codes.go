package ipmi

import (
	"errors"

	"ctys/primitives"
)

// Completion codes after which a command is not given up (5.2).
const (
	codeReservation = 0xc5 // the reservation is gone
	codeTooMuch     = 0xca // so many bytes cannot be returned
	codeNoRecord    = 0xcb // there is no such record
	codePrivilege   = 0xd4 // the privilege does not suffice, or a firewall forbids it
	codeUnspecified = 0xff
)

// codeOf is the completion code with which a BMC refused, 0 where err is
// something else.
func codeOf(err error) byte {
	var own *failure
	if errors.As(err, &own) {
		return own.code
	}
	return 0
}

// lacks tells whether a BMC refused because it does not have what was asked for.
func lacks(err error) bool {
	return codeOf(err) != 0 && kindOf(err) == primitives.Unsupported
}

// wording is what a completion code other than 0 says of c.
func (c command) wording(code byte) string {
	m, own := c.codes[code]
	if !own {
		m = completionMeanings[code]
	}
	switch {
	case m.words != "":
		return m.words
	case code <= 0x7e:
		return "a code of its maker's own"
	case code >= 0x80 && code <= 0xbe:
		return "a code that only this command defines"
	}
	return "a reserved code"
}

// unreadable is the failure for a reply that breaks the specification.
func unreadable(command string, data []byte) *failure {
	return nonsense("a reply to "+command+" that cannot be read", data)
}
