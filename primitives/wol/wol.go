// Package wol sends magic packets: as a raw Ethernet frame of type 0x0842 on
// an interface, or as a UDP datagram to any address or name.
package wol

import "ctys/primitives"

// DefaultPort is the UDP port of a magic packet where none is given ("discard").
const DefaultPort = 9

// Request is one magic packet and the way it shall take. With Address it goes
// as UDP, else as a raw frame on Interface.
type Request struct {
	MAC      primitives.MAC
	Password []byte // SecureOn: none, or 4 or 6 bytes; it crosses the wire in clear

	Interface string // raw: the interface to send on (required); UDP: bind to it, where set
	Unicast   bool   // raw only: address the frame to MAC instead of ff:ff:ff:ff:ff:ff

	Address string // UDP: host name or IP address, IPv4 or IPv6; a directed broadcast is one too
	Port    int    // UDP: 1–65535; 0 means DefaultPort
}

// Sent tells which way a packet left.
type Sent struct {
	Way         string // "ethernet" or "udp"
	Interface   string // where one was named or needed
	Destination string // MAC of the frame, or address:port of the datagram
	Bytes       int    // length of the magic packet: 102, 106 or 108
}
