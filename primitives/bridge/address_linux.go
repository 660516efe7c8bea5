package bridge

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"ctys/primitives"
)

// The attributes that Go's list lacks (Linux, include/uapi/linux/if_addr.h).
const (
	ifaPriority = 9  // IFA_RT_PRIORITY
	ifaProtocol = 11 // IFA_PROTO

	kernelLinkLocal = 3 // IFAPROT_KERNEL_LL

	addressHeader = 8 // struct ifaddrmsg
)

// keptFlags are those that can be set.
const keptFlags = unix.IFA_F_NODAD | unix.IFA_F_HOMEADDRESS | unix.IFA_F_MANAGETEMPADDR | unix.IFA_F_NOPREFIXROUTE | unix.IFA_F_MCAUTOJOIN

// placed is an address as the kernel tells it.
type placed struct {
	Address
	index int
	flags uint32 // all
}

// allAddresses reads the addresses of all interfaces, in the kernel's order.
func allAddresses() ([]placed, error) {
	answers, err := dump(unix.RTM_GETADDR, make([]byte, addressHeader))
	if err != nil {
		return nil, err
	}
	all := make([]placed, 0, len(answers))
	for _, answer := range answers {
		address, err := parseAddress(answer.Data)
		if err != nil {
			return nil, err
		}
		if address.Prefix.IsValid() {
			all = append(all, address)
		}
	}
	return all, nil
}

// parseAddress reads a struct ifaddrmsg and its attributes; of another family
// than IP it gives no prefix.
func parseAddress(data []byte) (placed, error) {
	decoder, err := attributes(data, addressHeader)
	if err != nil {
		return placed{}, err
	}
	read := placed{
		Address: Address{Scope: data[3], Valid: Forever, Preferred: Forever},
		index:   int(binary.NativeEndian.Uint32(data[4:])),
		flags:   uint32(data[2]),
	}
	var local, far netip.Addr
	for decoder.Next() {
		switch decoder.Type() {
		case unix.IFA_LOCAL:
			local, _ = netip.AddrFromSlice(decoder.Bytes())
		case unix.IFA_ADDRESS:
			far, _ = netip.AddrFromSlice(decoder.Bytes())
		case unix.IFA_BROADCAST:
			read.Broadcast, _ = netip.AddrFromSlice(decoder.Bytes())
		case unix.IFA_LABEL:
			read.Label = decoder.String()
		case unix.IFA_FLAGS:
			read.flags = decoder.Uint32()
		case unix.IFA_CACHEINFO:
			decoder.Do(read.lifetimes)
		case ifaPriority:
			read.Metric = decoder.Uint32()
		case ifaProtocol:
			read.Protocol = decoder.Uint8()
		}
	}
	if !local.IsValid() {
		local = far
	}
	if far != local {
		read.Peer = far
	}
	read.Flags = read.flags & keptFlags
	read.Prefix = netip.PrefixFrom(local, int(data[1]))
	return read, decoder.Err()
}

// lifetimes reads a struct ifa_cacheinfo: preferred, valid, two times of change.
func (a *placed) lifetimes(data []byte) error {
	if len(data) >= 8 {
		a.Preferred, a.Valid = binary.NativeEndian.Uint32(data), binary.NativeEndian.Uint32(data[4:])
	}
	return nil
}

// ofKernel tells whether the kernel makes the address itself: a link-local one
// from the hardware address, or a temporary one.
func (a placed) ofKernel(mac primitives.MAC) bool {
	if !a.ipv6() {
		return false
	}
	if a.flags&unix.IFA_F_TEMPORARY != 0 {
		return true
	}
	local := a.Prefix.Addr()
	return local.IsLinkLocalUnicast() &&
		(a.Protocol == kernelLinkLocal || a.flags&unix.IFA_F_STABLE_PRIVACY != 0 || local == linkLocal(mac))
}

// linkLocal is the address that is made of a hardware address (RFC 4291,
// appendix A).
func linkLocal(mac primitives.MAC) netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 8: mac[0] ^ 2, 9: mac[1], 10: mac[2], 11: 0xff, 12: 0xfe, 13: mac[3], 14: mac[4], 15: mac[5]})
}

// giveAddress adds an address to an interface. A lifetime that runs on another
// interface goes on. One of IPv6 is not looked for on the network first, since
// this host has it already (RFC 4862 would keep it unusable for a second): it
// is added with that flag, which is taken off it again.
func giveAddress(index int, address Address) error {
	all, err := allAddresses()
	if err != nil {
		return err
	}
	there := false
	for _, other := range all {
		if other.same(address) {
			there = there || other.index == index
			address.Valid, address.Preferred = other.Valid, other.Preferred
		}
	}
	if !address.ipv6() {
		return sendAddress(unix.RTM_NEWADDR, netlink.Create|netlink.Excl, index, address, unix.EEXIST)
	}
	if !there {
		unchecked := address
		unchecked.Flags |= unix.IFA_F_NODAD
		if err := sendAddress(unix.RTM_NEWADDR, netlink.Create|netlink.Excl, index, unchecked, unix.EEXIST); err != nil {
			return err
		}
	}
	return sendAddress(unix.RTM_NEWADDR, netlink.Create|netlink.Replace, index, address)
}

func takeAddress(index int, address Address) error {
	return sendAddress(unix.RTM_DELADDR, 0, index, address, unix.EADDRNOTAVAIL)
}

func sendAddress(kind int, flags netlink.HeaderFlags, index int, address Address, done ...error) error {
	data, err := encodeAddress(index, address)
	if err != nil {
		return err
	}
	return tell(kind, flags, data, done...)
}

func encodeAddress(index int, a Address) ([]byte, error) {
	local := a.Prefix.Addr()
	header := binary.NativeEndian.AppendUint32([]byte{family(local), byte(a.Prefix.Bits()), 0, a.Scope}, uint32(index))
	return encode(header, func(encoder *netlink.AttributeEncoder) {
		put(encoder, unix.IFA_LOCAL, local)
		far := local
		if a.Peer.IsValid() {
			far = a.Peer
		}
		put(encoder, unix.IFA_ADDRESS, far)
		put(encoder, unix.IFA_BROADCAST, a.Broadcast)
		if a.Label != "" {
			encoder.String(unix.IFA_LABEL, a.Label)
		}
		encoder.Uint32(unix.IFA_FLAGS, a.Flags)
		putNumber(encoder, ifaPriority, a.Metric)
		if a.Protocol != 0 {
			encoder.Uint8(ifaProtocol, a.Protocol)
		}
		var lifetimes bytes.Buffer // struct ifa_cacheinfo
		for _, number := range []uint32{a.Preferred, a.Valid, 0, 0} {
			lifetimes.Write(binary.NativeEndian.AppendUint32(nil, number))
		}
		encoder.Bytes(unix.IFA_CACHEINFO, lifetimes.Bytes())
	})
}
