package ipmi

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/bougou/go-ipmi/pkg/types"

	"ctys/primitives"
)

// network is the few sockets by which a Client speaks to all BMCs: up to
// poolSize for each address family, opened when they are needed and closed,
// with their readers, some time after the last line has left them.
type network struct {
	clock   primitives.Clock
	dropped atomic.Uint64

	mu      sync.Mutex
	sockets map[place]*socket
}

// place is where a socket stands in the pool.
type place struct {
	six    bool
	number byte
}

const (
	poolSize = 4
	// readBuffer holds what comes while the reader waits for a processor. The
	// system may grant less.
	readBuffer = 4 << 20
	// idleTime is how long a socket outlives its last line.
	idleTime = time.Second
	// maxDatagram is more than any IPMI packet; a longer one proves wrong.
	maxDatagram = 2048
)

// socket is one UDP socket and who waits for what comes by it.
type socket struct {
	network *network
	conn    *net.UDPConn
	at      place
	users   int // lines; under network.mu
	left    int // times that the last line has left; under network.mu

	mu        sync.Mutex
	byAddress map[netip.AddrPort]*line
	bySession map[uint32]*line
}

// line opens a way to an address. There is one for each address at a time,
// which the BMC's queue sees to.
func (n *network) line(to netip.AddrPort, leaveGate func()) (*line, error) {
	s, err := n.enter(placeOf(to))
	if err != nil {
		return nil, err
	}
	l := &line{clock: n.clock, socket: s, to: to, tag: byte(rand.Uint32()), mail: make(chan arrival, mailbox), alarm: make(chan struct{}, 1), leaveGate: leaveGate}
	s.mu.Lock()
	s.byAddress[to] = l
	s.mu.Unlock()
	return l, nil
}

func placeOf(to netip.AddrPort) place {
	bytes := to.Addr().As16()
	return place{six: to.Addr().Is6(), number: (bytes[15] ^ bytes[14] ^ byte(to.Port())) % poolSize}
}

func (n *network) enter(at place) (*socket, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s, ok := n.sockets[at]
	if !ok {
		var err error
		if s, err = n.openSocket(at); err != nil {
			return nil, failed(primitives.KindOf(err), "no socket could be opened", err)
		}
		if n.sockets == nil {
			n.sockets = map[place]*socket{}
		}
		n.sockets[at] = s
		go s.read()
	}
	s.users++
	return s, nil
}

func (n *network) openSocket(at place) (*socket, error) {
	family := "udp4"
	if at.six {
		family = "udp6"
	}
	conn, err := net.ListenUDP(family, nil)
	if err != nil {
		return nil, err
	}
	_ = conn.SetReadBuffer(readBuffer)
	wantFaults(conn, at.six)
	return &socket{network: n, conn: conn, at: at, byAddress: map[netip.AddrPort]*line{}, bySession: map[uint32]*line{}}, nil
}

// hangUp ends a line.
func (l *line) hangUp() {
	s := l.socket
	s.mu.Lock()
	delete(s.byAddress, l.to)
	delete(s.bySession, l.console)
	s.mu.Unlock()

	n := s.network
	n.mu.Lock()
	defer n.mu.Unlock()
	s.users--
	if s.users > 0 {
		return
	}
	s.left++
	left := s.left
	n.clock.AfterFunc(idleTime, func() { n.retire(s, left) })
}

// retire closes a socket that nobody has used since.
func (n *network) retire(s *socket, left int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if s.users > 0 || s.left != left {
		return
	}
	delete(n.sockets, s.at)
	_ = s.conn.Close() // and so ends its reader
}

// rename gives a line a session id that no other of this socket has.
func (s *socket) rename(l *line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.bySession, l.console)
	for {
		l.console = randomID()
		if _, taken := s.bySession[l.console]; !taken {
			s.bySession[l.console] = l
			return
		}
	}
}

// sendTries bounds how often a packet is offered to the system, which refuses
// one each time that it has the fault of another one to tell.
const sendTries = 8

// send hands a packet to the system. What it has no room for, or refuses for
// the faults of others time and again, is lost as on any other way.
func (s *socket) send(packet []byte, to netip.AddrPort) error {
	var err error
	for range sendTries {
		if _, err = s.conn.WriteToUDPAddrPort(packet, to); err == nil {
			return nil
		}
		s.readFaults()
	}
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOBUFS) {
		return nil // a refused port is never told of the packet that is sent just now
	}
	return err
}

// read hands what comes to the lines until the socket is closed.
func (s *socket) read() {
	buffer := make([]byte, maxDatagram)
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(buffer)
		switch {
		case err == nil:
			s.deliver(buffer[:n], from)
		case errors.Is(err, net.ErrClosed):
			return
		default: // the fault of a packet that was sent
			s.readFaults()
		}
	}
}

// deliver finds the line that a datagram is for: by the session id that this
// side chose, before there is a session by the BMC's address.
func (s *socket) deliver(packet []byte, from netip.AddrPort) {
	from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	s.mu.Lock()
	l, other := s.recipient(packet, from), s.byAddress[from]
	s.mu.Unlock()
	switch {
	case l != nil && l.receive(arrival{packet: append([]byte(nil), packet...)}):
	case other != nil:
		other.drop()
	default:
		s.network.dropped.Add(1)
	}
}

func (s *socket) recipient(packet []byte, from netip.AddrPort) *line {
	if isRMCPPlus(packet) && sessionOf(packet) != 0 {
		l := s.bySession[sessionOf(packet)]
		if l == nil || l.to != from || packet[payloadTypeOffset]&typeMask != uint8(types.PayloadTypeIPMI) {
			return nil
		}
		return l
	}
	if _, ok := outside(packet); ok || isSetUp(packet) {
		return s.byAddress[from]
	}
	return nil
}

// receive puts something into the mail of a line, unless it is full.
func (l *line) receive(a arrival) bool {
	select {
	case l.mail <- a:
		return true
	default:
		return false
	}
}

// fault tells a line that the network does not carry its packets.
func (s *socket) fault(to netip.AddrPort, err error) {
	s.mu.Lock()
	l := s.byAddress[netip.AddrPortFrom(to.Addr().Unmap(), to.Port())]
	s.mu.Unlock()
	if l != nil {
		l.receive(arrival{err: err})
	}
}
