package inventory

import (
	"net/netip"
	"strings"
)

const acceptedHost = "accepted: 10.0.0.5, fe80::1%eth0, lab01.example.org"

// hostFault says why text is neither an IP address nor a host name; empty
// means that it is one of them.
func hostFault(text string) string {
	if _, err := netip.ParseAddr(text); err == nil {
		return ""
	}
	if _, err := netip.ParseAddrPort(text); err == nil {
		return "a port does not belong into it"
	}
	labels := strings.Split(strings.TrimSuffix(text, "."), ".")
	for _, label := range labels {
		if !validLabel(label) {
			return "it is neither an IP address nor a host name"
		}
	}
	// No top-level domain is all digits (RFC 3696, section 2), so this is an
	// IPv4 address that went wrong.
	if strings.Trim(labels[len(labels)-1], "0123456789") == "" {
		return "it looks like an IPv4 address and is none"
	}
	if len(text) > 253 {
		return "it is longer than 253 characters"
	}
	return ""
}

// validLabel is RFC 1123, section 2.1, and the underscore, which occurs.
func validLabel(label string) bool {
	if label == "" || len(label) > 63 || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
		return false
	}
	for i := 0; i < len(label); i++ {
		c := label[i]
		if !letterOrDigit(c) && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

func letterOrDigit(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// validName is what a machine or group may be called: it is typed on command
// lines, stands in ranges, and becomes a file name.
func validName(name string) bool {
	if name == "" || len(name) > 200 || !letterOrDigit(name[0]) {
		return false
	}
	for i := 1; i < len(name); i++ {
		c := name[i]
		if !letterOrDigit(c) && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

// sameHost compares two addresses: IP addresses as such, names without case.
func sameHost(a, b string) bool { return hostKey(a) == hostKey(b) }

// hostKey is equal for two spellings of one address.
func hostKey(text string) string {
	if ip, err := netip.ParseAddr(text); err == nil {
		return ip.Unmap().String()
	}
	return strings.ToLower(strings.TrimSuffix(text, "."))
}
