package probe

import (
	"encoding/binary"
	"net/netip"

	"ctys/primitives"
)

// An ARP packet for IPv4 on Ethernet: the frame's header, then hardware and
// protocol type, lengths, operation, and the two pairs of addresses (RFC 826).
const (
	etherTypeARP = 0x0806

	etherHeader = 14
	arpLength   = 28

	hardwareEthernet = 1
	protocolIPv4     = 0x0800

	arpRequest = 1
	arpReply   = 2
)

var broadcastMAC = primitives.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// arpPacket is what an ARP packet says.
type arpPacket struct {
	operation uint16
	senderMAC primitives.MAC
	senderIP  netip.Addr
	targetMAC primitives.MAC
	targetIP  netip.Addr
}

// frame is the packet in an Ethernet frame to all.
func (a arpPacket) frame() []byte {
	f := make([]byte, 0, etherHeader+arpLength)
	f = append(f, broadcastMAC[:]...)
	f = append(f, a.senderMAC[:]...)
	f = binary.BigEndian.AppendUint16(f, etherTypeARP)
	f = binary.BigEndian.AppendUint16(f, hardwareEthernet)
	f = binary.BigEndian.AppendUint16(f, protocolIPv4)
	f = append(f, 6, 4) // lengths of the addresses
	f = binary.BigEndian.AppendUint16(f, a.operation)
	f = append(f, a.senderMAC[:]...)
	f = append(f, a.senderIP.AsSlice()...)
	f = append(f, a.targetMAC[:]...)
	return append(f, a.targetIP.AsSlice()...)
}

// parseARP reads an Ethernet frame; ok where it carries ARP for IPv4 on
// Ethernet. What follows the packet is padding.
func parseARP(frame []byte) (arpPacket, bool) {
	if len(frame) < etherHeader+arpLength || binary.BigEndian.Uint16(frame[12:]) != etherTypeARP {
		return arpPacket{}, false
	}
	p := frame[etherHeader:]
	if binary.BigEndian.Uint16(p) != hardwareEthernet || binary.BigEndian.Uint16(p[2:]) != protocolIPv4 ||
		p[4] != 6 || p[5] != 4 {
		return arpPacket{}, false
	}
	return arpPacket{
		operation: binary.BigEndian.Uint16(p[6:]),
		senderMAC: primitives.MAC(p[8:14]),
		senderIP:  netip.AddrFrom4([4]byte(p[14:18])),
		targetMAC: primitives.MAC(p[18:24]),
		targetIP:  netip.AddrFrom4([4]byte(p[24:28])),
	}, true
}
