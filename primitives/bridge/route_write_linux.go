package bridge

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// giveRoute adds a route beside those that are there. A gateway that no other
// route leads to any more is taken to be on the link, as it once was.
func giveRoute(route Route, index func(name string) (int, error)) error {
	err := sendRoute(unix.RTM_NEWROUTE, netlink.Create|netlink.Append, route, index, unix.EEXIST)
	if errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EHOSTUNREACH) {
		onLink := route.on("", "")
		for i := range onLink.Hops {
			onLink.Hops[i].OnLink = onLink.Hops[i].Gateway.IsValid()
		}
		return sendRoute(unix.RTM_NEWROUTE, netlink.Create|netlink.Append, onLink, index, unix.EEXIST)
	}
	return err
}

// takeRoute removes a route. Its preferred source and metrics do not tell it
// from others, and the kernel may have dropped the first with its address.
func takeRoute(route Route, index func(name string) (int, error)) error {
	route.PreferredSource, route.Metrics, route.Expires = netip.Addr{}, "", 0
	err := sendRoute(unix.RTM_DELROUTE, 0, route, index, unix.ESRCH)
	if errors.Is(err, errGone) {
		return nil
	}
	return err
}

func sendRoute(kind int, flags netlink.HeaderFlags, route Route, index func(name string) (int, error), done ...error) error {
	data, err := encodeRoute(route, index)
	if err != nil {
		return err
	}
	return tell(kind, flags, data, done...)
}

func encodeRoute(r Route, index func(name string) (int, error)) ([]byte, error) {
	indexes := make([]int, len(r.Hops))
	for i, hop := range r.Hops {
		var err error
		if indexes[i], err = index(hop.Interface); err != nil {
			return nil, err
		}
	}
	return encode(r.header(), func(encoder *netlink.AttributeEncoder) {
		r.attributes(encoder)
		if len(r.Hops) == 1 {
			encoder.Uint32(unix.RTA_OIF, uint32(indexes[0]))
			r.Hops[0].attributes(encoder, family(r.Destination.Addr()))
			return
		}
		encoder.Do(unix.RTA_MULTIPATH, func() ([]byte, error) { return encodeHops(r, indexes) })
	})
}

// header is the struct rtmsg; the table is told by its attribute.
func (r Route) header() []byte {
	sourceLength := byte(0)
	if r.Source.IsValid() {
		sourceLength = byte(r.Source.Bits())
	}
	header := []byte{family(r.Destination.Addr()), byte(r.Destination.Bits()), sourceLength, r.TOS, unix.RT_TABLE_UNSPEC, r.Protocol, r.Scope, r.Type}
	flags := uint32(0)
	if len(r.Hops) == 1 && r.Hops[0].OnLink {
		flags = unix.RTNH_F_ONLINK
	}
	return binary.NativeEndian.AppendUint32(header, flags)
}

func (r Route) attributes(encoder *netlink.AttributeEncoder) {
	encoder.Uint32(unix.RTA_TABLE, r.Table)
	if r.Destination.Bits() > 0 {
		put(encoder, unix.RTA_DST, r.Destination.Addr())
	}
	if r.Source.IsValid() {
		put(encoder, unix.RTA_SRC, r.Source.Addr())
	}
	putNumber(encoder, unix.RTA_PRIORITY, r.Metric)
	put(encoder, unix.RTA_PREFSRC, r.PreferredSource)
	putNumber(encoder, unix.RTA_FLOW, r.Realm)
	putNumber(encoder, unix.RTA_EXPIRES, r.Expires)
	if r.Preference != 0 {
		encoder.Uint8(unix.RTA_PREF, r.Preference)
	}
	putHex(encoder, unix.RTA_METRICS, r.Metrics)
}

func putHex(encoder *netlink.AttributeEncoder, kind uint16, text string) {
	if text != "" {
		encoder.Do(netlink.Nested|kind, func() ([]byte, error) { return hex.DecodeString(text) })
	}
}

// attributes puts a way out's; a gateway of the other family goes as RTA_VIA.
func (h Hop) attributes(encoder *netlink.AttributeEncoder, own byte) {
	switch {
	case !h.Gateway.IsValid():
	case family(h.Gateway) == own:
		put(encoder, unix.RTA_GATEWAY, h.Gateway)
	default:
		via := binary.NativeEndian.AppendUint16(nil, uint16(family(h.Gateway)))
		encoder.Bytes(unix.RTA_VIA, append(via, h.Gateway.AsSlice()...))
	}
	if h.Encap != "" {
		encoder.Uint16(unix.RTA_ENCAP_TYPE, h.EncapType)
		putHex(encoder, unix.RTA_ENCAP, h.Encap)
	}
}

func encodeHops(r Route, indexes []int) ([]byte, error) {
	var all []byte
	for i, hop := range r.Hops {
		flags := byte(0)
		if hop.OnLink {
			flags = unix.RTNH_F_ONLINK
		}
		weight := byte(max(hop.Weight, 1) - 1)
		header := binary.NativeEndian.AppendUint32([]byte{0, 0, flags, weight}, uint32(indexes[i]))
		encoded, err := encode(header, func(encoder *netlink.AttributeEncoder) {
			hop.attributes(encoder, family(r.Destination.Addr()))
			putNumber(encoder, unix.RTA_FLOW, hop.Realm)
		})
		if err != nil {
			return nil, err
		}
		binary.NativeEndian.PutUint16(encoded, uint16(len(encoded)))
		all = append(all, encoded...)
	}
	return all, nil
}
