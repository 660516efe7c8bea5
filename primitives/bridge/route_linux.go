package bridge

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

const (
	routeHeader = 12 // struct rtmsg
	hopHeader   = 8  // struct rtnexthop

	userHertz = 100 // of clock_t
)

// allRoutes reads the routes of all tables and both families, except those that
// the kernel makes itself for local, broadcast, multicast and link-local
// addresses. name gives an interface by its index.
func allRoutes(name func(index int) string) ([]Route, error) {
	var all []Route
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		header := make([]byte, routeHeader)
		header[0] = family
		answers, err := dump(unix.RTM_GETROUTE, header)
		if err != nil {
			return nil, err
		}
		for _, answer := range answers {
			route, err := parseRoute(answer.Data, name)
			if err != nil {
				return nil, err
			}
			if route.kept() {
				all = append(all, route)
			}
		}
	}
	return all, nil
}

// kept tells whether a route belongs into a snapshot. One out of the kernel's
// cache has no destination here.
func (r Route) kept() bool {
	if !r.Destination.IsValid() {
		return false
	}
	if r.Protocol != unix.RTPROT_KERNEL {
		return true
	}
	switch r.Type {
	case unix.RTN_LOCAL, unix.RTN_BROADCAST, unix.RTN_ANYCAST, unix.RTN_MULTICAST:
		return false
	}
	first := r.Destination.Addr()
	return first.Is4() || !first.IsLinkLocalUnicast() && !first.IsMulticast()
}

// parseRoute reads a struct rtmsg and its attributes.
func parseRoute(data []byte, name func(index int) string) (Route, error) {
	decoder, err := attributes(data, routeHeader)
	if err != nil {
		return Route{}, err
	}
	flags := binary.NativeEndian.Uint32(data[8:])
	if flags&unix.RTM_F_CLONED != 0 {
		return Route{}, nil
	}
	route := Route{TOS: data[3], Table: uint32(data[4]), Protocol: data[5], Scope: data[6], Type: data[7]}
	destination, source := unspecified(data[0]), netip.Addr{}
	single := Hop{OnLink: flags&unix.RTNH_F_ONLINK != 0}
	for decoder.Next() {
		switch decoder.Type() {
		case unix.RTA_DST:
			destination, _ = netip.AddrFromSlice(decoder.Bytes())
		case unix.RTA_SRC:
			source, _ = netip.AddrFromSlice(decoder.Bytes())
		case unix.RTA_TABLE:
			route.Table = decoder.Uint32()
		case unix.RTA_PRIORITY:
			route.Metric = decoder.Uint32()
		case unix.RTA_PREFSRC:
			route.PreferredSource, _ = netip.AddrFromSlice(decoder.Bytes())
		case unix.RTA_PREF:
			route.Preference = decoder.Uint8()
		case unix.RTA_FLOW:
			route.Realm = decoder.Uint32()
		case unix.RTA_METRICS:
			route.Metrics = hex.EncodeToString(decoder.Bytes())
		case unix.RTA_CACHEINFO:
			decoder.Do(route.expiry)
		case unix.RTA_MULTIPATH:
			decoder.Do(func(data []byte) (err error) {
				route.Hops, err = parseHops(data, name)
				return err
			})
		default:
			single.read(decoder, name)
		}
	}
	if single.Interface != "" && route.Hops == nil {
		route.Hops = []Hop{single}
	}
	route.Destination = netip.PrefixFrom(destination, int(data[1]))
	if source.IsValid() {
		route.Source = netip.PrefixFrom(source, int(data[2]))
	}
	return route, decoder.Err()
}

// read takes one of the attributes that a single way out has in the route
// itself, and one of several in its place in the list.
func (h *Hop) read(decoder *netlink.AttributeDecoder, name func(index int) string) {
	switch decoder.Type() {
	case unix.RTA_OIF:
		h.Interface = name(int(decoder.Uint32()))
	case unix.RTA_GATEWAY:
		h.Gateway, _ = netip.AddrFromSlice(decoder.Bytes())
	case unix.RTA_VIA: // struct rtvia: a family and an address of it
		if via := decoder.Bytes(); len(via) > 2 {
			h.Gateway, _ = netip.AddrFromSlice(via[2:])
		}
	case unix.RTA_ENCAP_TYPE:
		h.EncapType = decoder.Uint16()
	case unix.RTA_ENCAP:
		h.Encap = hex.EncodeToString(decoder.Bytes())
	}
}

// expiry reads a struct rta_cacheinfo, whose third number counts ticks.
func (r *Route) expiry(data []byte) error {
	if len(data) >= 12 {
		if ticks := int32(binary.NativeEndian.Uint32(data[8:])); ticks > 0 {
			r.Expires = max(1, uint32(ticks/userHertz))
		}
	}
	return nil
}

// parseHops reads the ways out of a multipath route.
func parseHops(data []byte, name func(index int) string) ([]Hop, error) {
	var hops []Hop
	for len(data) >= hopHeader {
		length := int(binary.NativeEndian.Uint16(data))
		if length < hopHeader || length > len(data) {
			return nil, fmt.Errorf("a way out of %d bytes", length)
		}
		decoder, err := attributes(data[:length], hopHeader)
		if err != nil {
			return nil, err
		}
		hop := Hop{
			Interface: name(int(binary.NativeEndian.Uint32(data[4:]))),
			OnLink:    data[2]&unix.RTNH_F_ONLINK != 0,
			Weight:    uint16(data[3]) + 1,
		}
		for decoder.Next() {
			if decoder.Type() == unix.RTA_FLOW {
				hop.Realm = decoder.Uint32()
			}
			hop.read(decoder, name)
		}
		if err := decoder.Err(); err != nil {
			return nil, err
		}
		hops = append(hops, hop)
		data = data[min(align(length), len(data)):]
	}
	return hops, nil
}

// align rounds up as attributes are (RTA_ALIGN).
func align(length int) int { return (length + unix.RTA_ALIGNTO - 1) &^ (unix.RTA_ALIGNTO - 1) }
