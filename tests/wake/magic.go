//go:build linux

package wake

import (
	"bytes"
	"net"
)

// The verdicts on a magic packet that a sleeping machine's cable carries.
const (
	woke         = "it wakes"
	notArmed     = "the card is not armed"
	notAddressed = "the frame is not addressed to the card"
	another      = "the packet is for another machine"
)

// verdict tells what a card with these registers makes of an Ethernet frame,
// and false for one that is no magic packet. As in the card itself the address
// filter comes first, and the pattern may stand anywhere in the frame, whatever
// its type and ports.
func (r Registers) verdict(frame []byte) (string, bool) {
	const header = 14
	if len(frame) < header {
		return "", false
	}
	mac, found := pattern(frame[header:])
	switch {
	case !found:
		return "", false
	case !r.Armed():
		return notArmed, true
	case !r.receives(frame[:6]):
		return notAddressed, true
	case !bytes.Equal(mac, r.Address):
		return another, true
	}
	return woke, true
}

// receives is the card's address filter. Of multicast frames it knows all or
// none: the rig does not read the card's table of groups. The driver lets a port
// of a bridge receive all frames.
func (r Registers) receives(destination net.HardwareAddr) bool {
	broadcast := bytes.Equal(destination, net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	multicast := destination[0]&1 != 0
	return bytes.Equal(destination, r.Address) ||
		broadcast && r.Receive&acceptBroadcast != 0 ||
		multicast && !broadcast && r.Receive&acceptMulticast != 0 ||
		!multicast && r.Receive&acceptUnicast != 0
}

// pattern finds six bytes of ones and then one address sixteen times.
func pattern(payload []byte) (net.HardwareAddr, bool) {
	const times, length = 16, 6
	ones := bytes.Repeat([]byte{0xff}, length)
	for at := bytes.Index(payload, ones); at >= 0 && len(payload) >= at+length*(times+1); at++ {
		if !bytes.HasPrefix(payload[at:], ones) {
			continue
		}
		mac := payload[at+length : at+2*length]
		if bytes.HasPrefix(payload[at+length:], bytes.Repeat(mac, times)) && !bytes.Equal(mac, ones) {
			return bytes.Clone(mac), true
		}
	}
	return nil, false
}
