package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/mdlayher/packet"
	"github.com/vishvananda/netlink"

	"ctys/primitives"
)

// ARP asks on a local network who has an IPv4 address, once a second, and
// answers with the first reply; its Detail is the MAC address. Where iface is
// "", it is the one that the route to ip leads out of. It needs CAP_NET_RAW
// (else kind Denied). An address that is not on a local network of iface is an
// error of kind Unreachable, since ARP does not pass a router; one of this
// machine itself, and an interface that is no Ethernet, are Unsupported.
func (p *Prober) ARP(ctx context.Context, iface, ip string) (Answer, error) {
	const op = "probe.arp"
	ctx, cancel := p.bounded(ctx)
	defer cancel()
	target, err := netip.ParseAddr(ip)
	if err != nil || !target.Unmap().Is4() {
		return Answer{}, primitives.Errorf(primitives.Invalid, op, ip, "%q is no IPv4 address; ARP knows no others", ip)
	}
	return p.whoHas(ctx, op, iface, target.Unmap())
}

func (p *Prober) whoHas(ctx context.Context, op, iface string, target netip.Addr) (Answer, error) {
	host := target.String()
	link, err := interfaceTo(op, iface, target)
	if err != nil {
		return Answer{}, err
	}
	socket, err := listenARP(link, target)
	if errors.Is(err, os.ErrPermission) {
		return Answer{}, primitives.Errorf(primitives.Denied, op, host,
			"raw frames on %s are not permitted; run as root, or grant it: setcap cap_net_raw+ep on the program", link.Name)
	}
	if err != nil {
		return finish(op, host, Answer{}, err)
	}
	defer socket.Close()
	answer, err := p.ask(ctx, socket, Answer{Way: "arp", Address: host})
	return finish(op, host, answer, err)
}

// interfaceTo finds the interface to ask on.
func interfaceTo(op, name string, target netip.Addr) (*net.Interface, error) {
	host := target.String()
	var link *net.Interface
	var err error
	if name == "" {
		link, err = routed(op, target)
	} else if link, err = net.InterfaceByName(name); err != nil {
		err = &primitives.Error{Kind: primitives.Invalid, Op: op, Host: host, Message: "there is no interface " + name, Cause: err}
	}
	if err != nil {
		return nil, err
	}
	if link.Flags&net.FlagLoopback != 0 || len(link.HardwareAddr) != 6 {
		return nil, primitives.Errorf(primitives.Unsupported, op, host, "interface %s is no Ethernet, there is no ARP on it", link.Name)
	}
	if link.Flags&net.FlagUp == 0 {
		return nil, primitives.Errorf(primitives.Unreachable, op, host, "interface %s is down: ip link set %s up", link.Name, link.Name)
	}
	return link, nil
}

// routed finds the interface that packets to target leave by.
func routed(op string, target netip.Addr) (*net.Interface, error) {
	host := target.String()
	routes, err := netlink.RouteGet(target.AsSlice())
	if err != nil || len(routes) == 0 {
		return nil, &primitives.Error{Kind: primitives.Unreachable, Op: op, Host: host, Message: "there is no route to it", Cause: err}
	}
	if gateway := routes[0].Gw; gateway != nil {
		return nil, primitives.Errorf(primitives.Unreachable, op, host,
			"it is behind the router %s, which ARP does not pass; name an interface if it is on that network all the same", gateway)
	}
	link, err := net.InterfaceByIndex(routes[0].LinkIndex)
	if err != nil {
		return nil, &primitives.Error{Kind: primitives.Unreachable, Op: op, Host: host, Message: "the interface of the route to it is gone", Cause: err}
	}
	return link, nil
}

// arpSocket asks who has one address.
type arpSocket struct {
	*packet.Conn
	request arpPacket
	asked   int
	buffer  [256]byte
}

func listenARP(link *net.Interface, target netip.Addr) (*arpSocket, error) {
	conn, err := packet.Listen(link, packet.Raw, etherTypeARP, nil)
	if err != nil {
		return nil, err
	}
	return &arpSocket{Conn: conn, request: arpPacket{
		operation: arpRequest,
		senderMAC: primitives.MAC(link.HardwareAddr),
		senderIP:  ownAddress(link, target),
		targetIP:  target,
	}}, nil
}

// ownAddress is the address of link in the network of target, else another
// one of link, else 0.0.0.0, with which a machine that has no address yet may
// ask (RFC 5227, 2.1.1).
func ownAddress(link *net.Interface, target netip.Addr) netip.Addr {
	own := netip.IPv4Unspecified()
	addresses, _ := link.Addrs() // an interface that is just going has none
	for _, address := range addresses {
		network, err := netip.ParsePrefix(address.String())
		if err != nil || !network.Addr().Is4() {
			continue
		}
		if network.Contains(target) {
			return network.Addr()
		}
		own = network.Addr()
	}
	return own
}

func (s *arpSocket) send(n int) error {
	s.asked = n
	_, err := s.WriteTo(s.request.frame(), &packet.Addr{HardwareAddr: broadcastMAC[:]})
	return err
}

func (s *arpSocket) receive() (int, string, bool, error) {
	length, _, err := s.ReadFrom(s.buffer[:])
	if err != nil {
		return 0, "", false, err
	}
	reply, ok := parseARP(s.buffer[:length])
	if !ok || reply.operation != arpReply || reply.senderIP != s.request.targetIP || reply.targetMAC != s.request.senderMAC {
		return 0, "", false, nil
	}
	return s.asked, reply.senderMAC.String(), true, nil
}

// SetReadDeadline bounds receive.
func (s *arpSocket) SetReadDeadline(deadline time.Time) error {
	return s.Conn.SetReadDeadline(deadline)
}
