// Package wol sends magic packets: as a raw Ethernet frame of type 0x0842 on
// an interface, or as a UDP datagram to any address or name.
package wol

import (
	"context"
	"net"

	"ctys/primitives"
)

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

// opSend is the operation that errors of this package name.
const opSend = "wol.send"

// Client sends magic packets. It holds nothing open between two calls and may
// be used by many goroutines at once.
type Client struct {
	system system
}

// system is the part of a Client that differs between operating systems.
type system interface {
	// sendFrame sends payload as one Ethernet frame of type 0x0842.
	sendFrame(ctx context.Context, device string, destination primitives.MAC, payload []byte) error
	// listenOn opens a UDP socket ("udp4" or "udp6") whose datagrams leave
	// through the named interface.
	listenOn(ctx context.Context, device, network string) (net.PacketConn, error)
}

// New gives a Client that sends on this machine's network.
func New() *Client { return &Client{system: newSystem()} }

// Send sends one magic packet. That it left does not mean that a machine woke:
// nothing on the wire tells that.
//
// Errors: Invalid for a wrong request or an interface that there is not;
// Denied without CAP_NET_RAW (raw frames) or where a packet filter refuses;
// Unreachable for a name that cannot be resolved, for an interface that is
// down or has no carrier, and for an address without a route; Unsupported for
// raw frames on a system other than Linux; Canceled and Timeout as ctx ends.
func (c *Client) Send(ctx context.Context, request Request) (Sent, error) {
	if err := request.check(); err != nil {
		return Sent{}, err
	}
	payload, err := Payload(request.MAC, request.Password)
	if err != nil {
		return Sent{}, err
	}
	if err := ctx.Err(); err != nil {
		return Sent{}, primitives.Wrap(opSend, request.host(), "not sent", err)
	}
	if request.Address != "" {
		return c.sendUDP(ctx, request, payload)
	}
	return c.sendEthernet(ctx, request, payload)
}

func (c *Client) sendEthernet(ctx context.Context, request Request, payload []byte) (Sent, error) {
	destination := broadcast
	if request.Unicast {
		destination = request.MAC
	}
	if err := c.system.sendFrame(ctx, request.Interface, destination, payload); err != nil {
		return Sent{}, err
	}
	return Sent{Way: "ethernet", Interface: request.Interface, Destination: destination.String(), Bytes: len(payload)}, nil
}

// check finds what contradicts itself in a request before anything is opened.
func (r Request) check() error {
	switch {
	case r.Address == "" && r.Interface == "":
		return r.invalid("neither an interface (raw frame) nor an address (UDP) is given")
	case r.Address == "" && r.Port != 0:
		return r.invalid("a port needs an address: a raw frame has none")
	case r.Address != "" && r.Unicast:
		return r.invalid("unicast is for raw frames: a datagram goes where its address says")
	case r.Port < 0 || r.Port > 65535:
		return r.invalid("port %d is not between 1 and 65535", r.Port)
	}
	return nil
}

func (r Request) invalid(format string, args ...any) error {
	return primitives.Errorf(primitives.Invalid, opSend, r.host(), format, args...)
}

// host names in errors what the packet was to leave through or to reach.
func (r Request) host() string {
	if r.Address != "" {
		return r.Address
	}
	return r.Interface
}
