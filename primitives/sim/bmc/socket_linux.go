package bmc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"syscall"

	"ctys/primitives"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// open opens the sockets of one port: one for all addresses where that can be
// had. It cannot where another process has the port on any address of loopback,
// another lab or an ipmi_sim for instance, and where the kernel does not let us
// bind to the device lo (before Linux 5.7 that took a privilege): without that,
// packets from outside would reach us. Then each address has a socket.
func (f *Farm) open(ctx context.Context, p *port) error {
	shared, err := listenAll(ctx, p.number)
	if err != nil {
		return f.openEach(ctx, p)
	}
	f.closeWith(ctx, shared)
	number := uint16(shared.LocalAddr().(*net.UDPAddr).Port)
	if err := f.claim(ctx, p, number); err != nil {
		return err
	}
	for _, b := range p.at {
		b.Address = netip.AddrPortFrom(b.Address.Addr(), number)
	}
	conn := ipv4.NewPacketConn(shared)
	if err := conn.SetControlMessage(ipv4.FlagDst, true); err != nil { // IP_PKTINFO
		return primitives.Wrap("bmc.serve", shared.LocalAddr().String(), "the kernel does not tell to which address a packet was sent", err)
	}
	for range min(4, runtime.GOMAXPROCS(0)) {
		r := &reader{farm: f, port: p, conn: conn}
		f.group.Go(func() { r.run(ctx) })
	}
	return nil
}

// listenAll opens a socket for every address of loopback: it is bound to the
// device lo, and to no address.
func listenAll(ctx context.Context, number uint16) (*net.UDPConn, error) {
	bind := func(fd int) error { return unix.BindToDevice(fd, "lo") }
	conn, err := listen(ctx, netip.AddrPortFrom(netip.IPv4Unspecified(), number), bind)
	if err != nil {
		return nil, err
	}
	// From here on others may bind single addresses of this port, and get their
	// packets: labs on other networks. That those are not ours, claim sees to.
	if err := control(conn, reuse); err != nil {
		_ = conn.Close()
		return nil, err
	}
	_ = control(conn, roomy)
	return conn, nil
}

func reuse(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) }

// roomy asks for a receive buffer in which a packet from each of thousands of
// clients has room: the socket stands for as many BMCs. Without the privilege it
// gets as much as the system allows everybody.
func roomy(fd int) error {
	const size = 8 << 20
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size) == nil {
		return nil
	}
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, size)
}

func listen(ctx context.Context, address netip.AddrPort, option func(fd int) error) (*net.UDPConn, error) {
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return onDescriptor(raw, option)
	}}
	conn, err := config.ListenPacket(ctx, "udp4", address.String())
	if err != nil {
		return nil, err
	}
	return conn.(*net.UDPConn), nil
}

func control(conn *net.UDPConn, option func(fd int) error) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	return onDescriptor(raw, option)
}

func onDescriptor(raw syscall.RawConn, option func(fd int) error) error {
	var set error
	err := raw.Control(func(fd uintptr) { set = option(int(fd)) })
	return errors.Join(err, set)
}

// claim sees to it that no two farms answer for the same addresses: a socket for
// one address would take its packets from one for all without a word. It holds a
// name for each network of 254 addresses, as an abstract Unix socket, which goes
// with the process.
func (f *Farm) claim(ctx context.Context, p *port, number uint16) error {
	claimed := map[netip.Prefix]bool{}
	for address := range p.at {
		network := netip.PrefixFrom(address, 24).Masked()
		if claimed[network] {
			continue
		}
		claimed[network] = true
		name := fmt.Sprintf("@ctys-bmc-%s-%d", network.Addr(), number)
		listener, err := (&net.ListenConfig{}).Listen(ctx, "unix", name)
		if err != nil {
			return inUse(netip.AddrPortFrom(address, number), err)
		}
		f.closeWith(ctx, listener)
	}
	return nil
}

func inUse(address netip.AddrPort, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return &primitives.Error{Kind: primitives.Busy, Op: "bmc.serve", Host: address.String(), Cause: err,
			Message: "the address is in use: another lab runs, or another BMC answers there (end it, or take another network or port)"}
	}
	return primitives.Wrap("bmc.serve", address.String(), "there is no socket for the BMC", err)
}

// openEach opens a socket for each address.
func (f *Farm) openEach(ctx context.Context, p *port) error {
	if p.number != 0 {
		if err := f.claim(ctx, p, p.number); err != nil {
			return err
		}
	}
	for _, b := range p.at {
		conn, err := listen(ctx, b.Address, reuse)
		if err != nil {
			return inUse(b.Address, err)
		}
		f.closeWith(ctx, conn)
		b.Address = conn.LocalAddr().(*net.UDPAddr).AddrPort()
		f.group.Go(func() { f.serveOne(ctx, b, conn) })
	}
	return nil
}

func (f *Farm) serveOne(ctx context.Context, b *BMC, conn *net.UDPConn) {
	buffer := make([]byte, longest)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an ICMP error of an earlier answer, for instance
		}
		send := func(reply []byte) { _, _ = conn.WriteToUDPAddrPort(reply, from) }
		if reply := f.reply(ctx, b, buffer[:n], send); reply != nil {
			send(reply)
		}
	}
}

func (f *Farm) closeWith(ctx context.Context, closer io.Closer) {
	f.group.Go(func() {
		<-ctx.Done()
		_ = closer.Close()
	})
}

// batch is how many datagrams one system call takes or gives.
const batch = 64

// reader takes datagrams from a shared socket and answers them.
type reader struct {
	farm *Farm
	port *port
	conn *ipv4.PacketConn
	out  []ipv4.Message
}

func (r *reader) run(ctx context.Context) {
	in := make([]ipv4.Message, batch)
	for i := range in {
		in[i] = ipv4.Message{Buffers: [][]byte{make([]byte, longest)}, OOB: ipv4.NewControlMessage(ipv4.FlagDst)}
	}
	for {
		n, err := r.conn.ReadBatch(in, 0)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		for _, datagram := range in[:max(0, n)] {
			r.take(ctx, datagram)
		}
		r.flush()
	}
}

// take answers one datagram. What was not sent to one of our addresses is dropped.
func (r *reader) take(ctx context.Context, datagram ipv4.Message) {
	var header ipv4.ControlMessage
	if header.Parse(datagram.OOB[:datagram.NN]) != nil {
		return
	}
	to, ok := netip.AddrFromSlice(header.Dst.To4())
	b := r.port.at[to]
	if !ok || b == nil {
		return
	}
	answer := func(reply []byte) ipv4.Message {
		return ipv4.Message{Buffers: [][]byte{reply}, OOB: (&ipv4.ControlMessage{Src: header.Dst}).Marshal(), Addr: datagram.Addr}
	}
	reply := r.farm.reply(ctx, b, datagram.Buffers[0][:datagram.N], func(late []byte) {
		_, _ = r.conn.WriteBatch([]ipv4.Message{answer(late)}, 0)
	})
	if reply != nil {
		r.out = append(r.out, answer(reply))
	}
}

// flush sends what has come together.
func (r *reader) flush() {
	for left := r.out; len(left) > 0; {
		n, err := r.conn.WriteBatch(left, 0)
		if err != nil {
			n = 1 // one that cannot be sent is lost, as any datagram may be
		}
		left = left[max(1, n):]
	}
	clear(r.out)
	r.out = r.out[:0]
}
