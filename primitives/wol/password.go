package wol

import (
	"strconv"
	"strings"

	"ctys/primitives"
)

// ParsePassword reads a SecureOn password in etherwake's notation:
//
//	00:22:44:66:88:aa  six bytes in hexadecimal, with ":" or "-"
//	00:22:44:66        four bytes in hexadecimal, with ":" or "-"
//	192.168.1.1        four bytes in decimal
//
// A leading zero of a byte may be left out, blanks around the text do not
// count. Errors: Invalid; they never repeat the text, which is a secret.
func ParsePassword(text string) ([]byte, error) {
	text = strings.TrimSpace(text)
	colons, dashes, dots := strings.Count(text, ":"), strings.Count(text, "-"), strings.Count(text, ".")
	switch {
	case text == "":
		return nil, passwordError("it is empty")
	case colons > 0 && dashes+dots == 0:
		return hexPassword(strings.Split(text, ":"))
	case dashes > 0 && colons+dots == 0:
		return hexPassword(strings.Split(text, "-"))
	case dots > 0 && colons+dashes == 0:
		return decimalPassword(strings.Split(text, "."))
	case colons+dashes+dots == 0:
		return nil, passwordError("it has no separators")
	}
	return nil, passwordError("it mixes separators")
}

func hexPassword(parts []string) ([]byte, error) {
	if len(parts) != 4 && len(parts) != 6 {
		return nil, passwordError("it has " + strconv.Itoa(len(parts)) + " parts, not 4 or 6")
	}
	return passwordBytes(parts, 16, 2, "one or two hexadecimal digits")
}

func decimalPassword(parts []string) ([]byte, error) {
	if len(parts) != 4 {
		return nil, passwordError("it has " + strconv.Itoa(len(parts)) + " parts, not 4")
	}
	return passwordBytes(parts, 10, 3, "a number from 0 to 255")
}

func passwordBytes(parts []string, base, digits int, wanted string) ([]byte, error) {
	password := make([]byte, len(parts))
	for i, part := range parts {
		value, err := strconv.ParseUint(part, base, 8)
		if err != nil || len(part) > digits {
			return nil, passwordError("part " + strconv.Itoa(i+1) + " is not " + wanted)
		}
		password[i] = byte(value)
	}
	return password, nil
}

func passwordError(why string) error {
	return primitives.Errorf(primitives.Invalid, "wol.password", "",
		"this is no SecureOn password: %s (accepted: 00:22:44:66:88:aa or 00:22:44:66 in hexadecimal, 192.168.1.1 in decimal)", why)
}
