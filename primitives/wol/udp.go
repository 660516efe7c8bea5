package wol

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"

	"ctys/primitives"
)

func (c *Client) sendUDP(ctx context.Context, request Request, payload []byte) (Sent, error) {
	target, err := request.resolve(ctx)
	if err != nil {
		return Sent{}, err
	}
	conn, err := c.openUDP(ctx, request, target.Addr())
	if err != nil {
		return Sent{}, err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetWriteDeadline(deadline); err != nil {
			return Sent{}, primitives.Wrap(opSend, request.Address, "", err)
		}
	}
	to, err := request.socketAddress(target)
	if err != nil {
		return Sent{}, err
	}
	if _, err := conn.WriteTo(payload, to); err != nil {
		return Sent{}, request.sendError(target.Addr(), err)
	}
	return Sent{Way: "udp", Interface: request.Interface, Destination: target.String(), Bytes: len(payload)}, nil
}

// openUDP opens a socket of the target's family alone, so that an IPv4 packet
// is an IPv4 packet also where the system would map it. The net package sets
// SO_BROADCAST on every UDP socket.
func (c *Client) openUDP(ctx context.Context, request Request, target netip.Addr) (net.PacketConn, error) {
	network := "udp4"
	if target.Is6() {
		network = "udp6"
	}
	if request.Interface != "" {
		return c.system.listenOn(ctx, request.Interface, network)
	}
	var config net.ListenConfig
	conn, err := config.ListenPacket(ctx, network, ":0")
	if err != nil {
		return nil, primitives.Wrap(opSend, request.Address, "opening a UDP socket", err)
	}
	return conn, nil
}

// socketAddress gives a zone by its number: the net package remembers for a
// minute which interface a name meant, which is wrong for one made anew.
func (r Request) socketAddress(target netip.AddrPort) (*net.UDPAddr, error) {
	to := net.UDPAddrFromAddrPort(target)
	if to.Zone == "" {
		return to, nil
	}
	device, err := net.InterfaceByName(to.Zone)
	if err != nil {
		return nil, r.invalid("there is no interface %q on this host", to.Zone)
	}
	to.Zone = strconv.Itoa(device.Index)
	return to, nil
}

// resolve finds where the request goes.
func (r Request) resolve(ctx context.Context) (netip.AddrPort, error) {
	port := uint16(DefaultPort)
	if r.Port != 0 {
		port = uint16(r.Port)
	}
	address, err := netip.ParseAddr(r.Address)
	if err != nil {
		if address, err = r.lookUp(ctx); err != nil {
			return netip.AddrPort{}, err
		}
	}
	address = address.Unmap()
	if r.Interface != "" && address.Is6() && address.Zone() == "" && (address.IsLinkLocalUnicast() || address.IsLinkLocalMulticast()) {
		address = address.WithZone(r.Interface)
	}
	return netip.AddrPortFrom(address, port), nil
}

// lookUp asks for the address of a name. Of several the first IPv4 one is
// taken, since only IPv4 has broadcasts.
func (r Request) lookUp(ctx context.Context) (netip.Addr, error) {
	if strings.ContainsAny(r.Address, ":[]/ \t\r\n") {
		return netip.Addr{}, r.invalid("this is neither a host name nor an IP address (no brackets, no subnet; the port is an option of its own)")
	}
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", r.Address)
	if err != nil {
		return netip.Addr{}, primitives.Wrap(opSend, r.Address, "finding the address of this name", err)
	}
	if len(addresses) == 0 {
		return netip.Addr{}, primitives.Errorf(primitives.Unreachable, opSend, r.Address, "this name has no address")
	}
	for _, address := range addresses {
		if address.Unmap().Is4() {
			return address, nil
		}
	}
	return addresses[0], nil
}

var limitedBroadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

func (r Request) sendError(target netip.Addr, err error) error {
	message := "sending the datagram"
	switch {
	case errors.Is(err, syscall.ENETUNREACH) && target == limitedBroadcast && r.Interface == "":
		message = "without a default route the system cannot tell where this broadcast shall go: name the interface to send on, or give the directed broadcast of the machine's subnet"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		message = "there is no route to this address"
	case target.IsLinkLocalUnicast() && target.Zone() == "" && errors.Is(err, syscall.EINVAL):
		return &primitives.Error{Kind: primitives.Invalid, Op: opSend, Host: r.Address, Cause: err,
			Message: "a link-local address needs its interface: name the interface to send on, or write " + target.String() + "%interface"}
	case errors.Is(err, os.ErrPermission):
		message = "the system refused the datagram (a packet filter on this host?)"
	}
	return primitives.Wrap(opSend, r.Address, message, err)
}
