package primitives

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// MAC is an EUI-48 hardware address.
type MAC [6]byte

// ParseMAC reads every notation in use, without regard to case:
//
//	52:54:00:12:34:56  52-54-00-12-34-56  systems, labels
//	5254.0012.3456                        Cisco's switches
//	5254-0012-3456                        H3C's and Huawei's
//	525400-123456                         HP's
//	525400123456  0x525400123456          firmware, SNMP
//
// In the forms of six parts a leading zero of a byte may be left out
// (0:1b:21:a:b:c, as Solaris and BSD print it).
func ParseMAC(text string) (MAC, error) {
	digits, err := macDigits(text)
	if err != nil {
		return MAC{}, err
	}
	var mac MAC
	if _, err := hex.Decode(mac[:], []byte(digits)); err != nil {
		return MAC{}, macError(text, "it has a character that is no hexadecimal digit")
	}
	return mac, nil
}

func macDigits(text string) (string, error) {
	colons, dashes, dots := strings.Count(text, ":"), strings.Count(text, "-"), strings.Count(text, ".")
	switch {
	case colons == 5 && dashes+dots == 0:
		return joinBytes(text, ":")
	case dashes == 5 && colons+dots == 0:
		return joinBytes(text, "-")
	case dots == 2 && colons+dashes == 0:
		return joinGroups(text, ".", 4)
	case dashes == 2 && colons+dots == 0:
		return joinGroups(text, "-", 4)
	case dashes == 1 && colons+dots == 0:
		return joinGroups(text, "-", 6)
	case colons+dashes+dots == 0:
		bare := strings.TrimPrefix(strings.TrimPrefix(text, "0x"), "0X")
		if len(bare) != 12 {
			return "", macError(text, "it has not twelve hexadecimal digits")
		}
		return bare, nil
	}
	return "", macError(text, "it has not six bytes with one kind of separator")
}

func joinBytes(text, separator string) (string, error) {
	var digits strings.Builder
	for _, part := range strings.Split(text, separator) {
		switch len(part) {
		case 1:
			digits.WriteString("0" + part)
		case 2:
			digits.WriteString(part)
		default:
			return "", macError(text, "each of its six parts has one or two digits")
		}
	}
	return digits.String(), nil
}

func joinGroups(text, separator string, digits int) (string, error) {
	for _, group := range strings.Split(text, separator) {
		if len(group) != digits {
			return "", macError(text, fmt.Sprintf("each of its groups has %d digits", digits))
		}
	}
	return strings.ReplaceAll(text, separator, ""), nil
}

func macError(text, why string) error {
	return fmt.Errorf("%q is no MAC address: %s (accepted: 52:54:00:12:34:56, 52-54-00-12-34-56, 5254.0012.3456, 5254-0012-3456, 525400-123456, 525400123456)", text, why)
}

// String gives six bytes of two lower-case digits with colons between them.
func (m MAC) String() string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
}

// IsZero tells whether no address is set.
func (m MAC) IsZero() bool { return m == MAC{} }

// MarshalText is String, for JSON.
func (m MAC) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText is ParseMAC, for JSON.
func (m *MAC) UnmarshalText(text []byte) (err error) {
	*m, err = ParseMAC(string(text))
	return err
}
