package probe

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"ctys/primitives"
)

// Ping sends ICMP echo requests (RFC 792, RFC 4443) to every address of host,
// one a second each, and answers with the first reply.
//
// It uses the kernel's unprivileged ping socket where net.ipv4.ping_group_range
// lets this group have one, else a raw socket, which needs CAP_NET_RAW. With
// neither it is an error of kind Denied that names the lines which grant them.
func (p *Prober) Ping(ctx context.Context, host string) (Answer, error) {
	const op = "probe.ping"
	ctx, cancel := p.bounded(ctx)
	defer cancel()
	addresses, err := resolve(ctx, op, host)
	if err != nil {
		return Answer{}, err
	}
	var ways []way
	for _, addr := range addresses {
		ways = append(ways, p.echo(op, host, addr))
	}
	return race(ctx, ways)
}

// echo is the way to one address.
func (p *Prober) echo(op, host string, addr netip.Addr) way {
	return func(ctx context.Context) (Answer, error) {
		answer := Answer{Way: "icmp", Address: addr.String()}
		socket, err := listenEcho(addr)
		if errors.Is(err, os.ErrPermission) {
			return Answer{}, primitives.Errorf(primitives.Denied, op, host,
				"neither kind of ICMP socket is permitted; grant one: sysctl -w net.ipv4.ping_group_range=\"0 2147483647\", or setcap cap_net_raw+ep on the program")
		}
		if err != nil && closed(err) {
			answer.Detail = reason(err)
			return answer, nil
		}
		if err != nil {
			return finish(op, host, Answer{}, err)
		}
		defer socket.Close()
		answer, err = p.ask(ctx, socket, answer)
		return finish(op, host, answer, err)
	}
}

// protocol is what differs between ICMP and ICMPv6.
type protocol struct {
	number         int // IANA's, for the parser
	datagram, raw  string
	wildcard       string
	request, reply icmp.Type
}

var (
	icmp4 = protocol{1, "udp4", "ip4:icmp", "0.0.0.0", ipv4.ICMPTypeEcho, ipv4.ICMPTypeEchoReply}
	icmp6 = protocol{58, "udp6", "ip6:ipv6-icmp", "::", ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply}
)

// echoSocket asks one address by echo requests.
type echoSocket struct {
	*icmp.PacketConn
	protocol protocol
	addr     netip.Addr
	to       net.Addr
	// nonce is in every request, so that replies are known as ours: the kernel
	// sets the identifier of a ping socket, and a raw one hears everybody's.
	nonce  [16]byte
	buffer [1500]byte
}

func listenEcho(addr netip.Addr) (*echoSocket, error) {
	s := &echoSocket{protocol: icmp4, addr: addr}
	if addr.Is6() {
		s.protocol = icmp6
	}
	if _, err := rand.Read(s.nonce[:]); err != nil {
		return nil, err
	}
	var err error
	s.PacketConn, err = icmp.ListenPacket(s.protocol.datagram, s.protocol.wildcard)
	if err == nil {
		s.to = &net.UDPAddr{IP: addr.AsSlice(), Zone: addr.Zone()}
		return s, nil
	}
	s.PacketConn, err = icmp.ListenPacket(s.protocol.raw, s.protocol.wildcard)
	s.to = &net.IPAddr{IP: addr.AsSlice(), Zone: addr.Zone()}
	return s, err
}

func (s *echoSocket) send(n int) error {
	packet, err := (&icmp.Message{
		Type: s.protocol.request,
		Body: &icmp.Echo{ID: int(s.nonce[0])<<8 | int(s.nonce[1]), Seq: n & 0xffff, Data: s.nonce[:]},
	}).Marshal(nil)
	if err != nil {
		return err
	}
	_, err = s.WriteTo(packet, s.to)
	return err
}

func (s *echoSocket) receive() (int, string, bool, error) {
	length, from, err := s.ReadFrom(s.buffer[:])
	if err != nil {
		return 0, "", false, err
	}
	seq, ok := echoReply(s.buffer[:length], s.protocol, s.nonce)
	if !ok || !s.addr.IsMulticast() && source(from) != s.addr.WithZone("") {
		return 0, "", false, nil
	}
	return seq, "echo reply", true, nil
}

// SetReadDeadline bounds receive.
func (s *echoSocket) SetReadDeadline(deadline time.Time) error {
	return s.PacketConn.SetReadDeadline(deadline)
}

// source is the address that a packet came from, without a zone.
func source(from net.Addr) netip.Addr {
	var ip net.IP
	switch from := from.(type) {
	case *net.UDPAddr:
		ip = from.IP
	case *net.IPAddr:
		ip = from.IP
	}
	addr, _ := netip.AddrFromSlice(ip)
	return addr.Unmap()
}

// echoReply reads an ICMP message; ok where it is the reply to a request with
// this nonce. seq is that request's sequence number.
func echoReply(packet []byte, protocol protocol, nonce [16]byte) (seq int, ok bool) {
	message, err := icmp.ParseMessage(protocol.number, packet)
	if err != nil || message.Type != protocol.reply || message.Code != 0 {
		return 0, false
	}
	echo, ok := message.Body.(*icmp.Echo)
	if !ok || string(echo.Data) != string(nonce[:]) {
		return 0, false
	}
	return echo.Seq, true
}
