package wol

import (
	"net/netip"

	"ctys/primitives"
)

// DirectedBroadcast gives the address that reaches every station of an IPv4
// subnet, the one with all host bits set (RFC 919). Errors: Invalid for IPv6,
// which has no broadcast (RFC 4291), and for a /31 or /32, which have none
// either (RFC 3021).
func DirectedBroadcast(prefix netip.Prefix) (netip.Addr, error) {
	const op = "wol.directed_broadcast"
	address := prefix.Addr().Unmap()
	switch {
	case !prefix.IsValid():
		return netip.Addr{}, primitives.Errorf(primitives.Invalid, op, "", "no subnet is given")
	case !address.Is4():
		return netip.Addr{}, primitives.Errorf(primitives.Invalid, op, prefix.String(),
			"IPv6 has no broadcast: send a raw frame on an interface, or give an IPv4 subnet")
	}
	bits := prefix.Bits()
	if prefix.Addr().Is4In6() {
		bits -= 96
	}
	if bits < 0 || bits > 30 {
		return netip.Addr{}, primitives.Errorf(primitives.Invalid, op, prefix.String(),
			"a subnet of this size has no broadcast address")
	}
	octets := address.As4()
	for bit := bits; bit < 32; bit++ {
		octets[bit/8] |= 0x80 >> (bit % 8)
	}
	return netip.AddrFrom4(octets), nil
}
