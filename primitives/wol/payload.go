package wol

import (
	"net"

	"github.com/mdlayher/wol"

	"ctys/primitives"
)

// etherType is the frame type that AMD's Magic Packet is sent with where it
// travels without IP.
const etherType = wol.EtherType

// broadcast reaches every station of a segment, also those whose switch has
// forgotten behind which of its ports they are.
var broadcast = primitives.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// Payload lays out a magic packet: six bytes 0xff, sixteen times the MAC, and
// the SecureOn password if there is one (AMD, "Magic Packet Technology", white
// paper 20213). A password has 4 or 6 bytes. Errors: Invalid.
func Payload(mac primitives.MAC, password []byte) ([]byte, error) {
	if mac.IsZero() {
		return nil, primitives.Errorf(primitives.Invalid, opSend, "", "no MAC address is given: whose packet shall it be?")
	}
	switch len(password) {
	case 0, 4, 6:
	default:
		return nil, primitives.Errorf(primitives.Invalid, opSend, mac.String(),
			"a SecureOn password has 4 or 6 bytes, this one has %d", len(password))
	}
	packet := &wol.MagicPacket{Target: net.HardwareAddr(mac[:]), Password: password}
	payload, err := packet.MarshalBinary()
	if err != nil {
		return nil, primitives.Wrap(opSend, mac.String(), "laying out the packet", err)
	}
	return payload, nil
}

// frame puts an Ethernet header (IEEE 802.3: destination, source, type) before
// a payload. Magic packets are longer than the shortest frame, so none is padded.
func frame(destination, source primitives.MAC, payload []byte) []byte {
	bytes := make([]byte, 0, 14+len(payload))
	bytes = append(bytes, destination[:]...)
	bytes = append(bytes, source[:]...)
	bytes = append(bytes, byte(etherType>>8), byte(etherType&0xff))
	return append(bytes, payload...)
}
