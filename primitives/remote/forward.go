package remote

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"ctys/primitives"
)

// Dial connects from the other side: network "tcp" to a host:port as that side
// sees it, "unix" to a socket there (direct-streamlocal@openssh.com, PROTOCOL
// section 2.4 of OpenSSH). Deadlines of the connection work. Its CloseWrite
// ends the outgoing half. Reading after the SSH line was lost is an error of
// kind Unreachable, not an end of file.
//
// Errors are of kind Invalid (the network), Denied (forwarding is forbidden
// there), Unsupported (the peer knows no forwarding of this sort), Unreachable,
// Timeout or Canceled.
func (c *Conn) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	switch network {
	case "tcp", "tcp4", "tcp6", "unix":
	default:
		return nil, primitives.Errorf(primitives.Invalid, opDial, c.settings.alias, "network %q is not tcp or unix", network)
	}
	raw, err := await(ctx, c, func() (net.Conn, error) { return c.client.Dial(network, address) },
		func(late net.Conn) { late.Close() })
	if err != nil {
		return nil, c.dialError(ctx, address, err)
	}
	return newTunnel(c, raw, network, address), nil
}

func (c *Conn) dialError(ctx context.Context, address string, err error) error {
	message := "no connection from there to " + address
	fail := func(kind primitives.Kind) error {
		return &primitives.Error{Kind: kind, Op: opDial, Host: c.settings.alias, Message: message, Cause: err}
	}
	var refused *ssh.OpenChannelError
	var bad *net.AddrError
	switch {
	case ctx.Err() != nil:
		return primitives.Wrap(opDial, c.settings.alias, message, ctx.Err())
	case errors.As(err, &refused) && refused.Reason == ssh.Prohibited:
		message += " (its sshd forbids forwarding: AllowTcpForwarding, AllowStreamLocalForwarding)"
		return fail(primitives.Denied)
	case errors.As(err, &refused) && refused.Reason == ssh.UnknownChannelType:
		return fail(primitives.Unsupported)
	case errors.As(err, &refused):
		return fail(primitives.Unreachable)
	case errors.As(err, &bad):
		return fail(primitives.Invalid)
	case c.gone(), errors.Is(err, io.EOF):
		return c.lost(opDial, message)
	}
	return fail(reachKind(err))
}

// tunnel is a forwarded connection. An SSH channel knows no deadlines, so each
// direction passes through a pipe in memory that does.
type tunnel struct {
	conn    *Conn
	channel net.Conn
	in      net.Conn // read from by the user
	out     net.Conn // written to by the user
	local   net.Addr
	remote  net.Addr

	mu     sync.Mutex
	broken error // why the incoming half ended, where not in order
	closed bool  // by Close
	sent   bool  // all that was written has gone out
}

// farAddress is where a tunnel leads, as it was asked for.
type farAddress struct{ network, address string }

func (a farAddress) Network() string { return a.network }
func (a farAddress) String() string  { return a.address }

func newTunnel(c *Conn, channel net.Conn, network, address string) *tunnel {
	in, fill := net.Pipe()
	out, drain := net.Pipe()
	t := &tunnel{conn: c, channel: channel, in: in, out: out,
		local: farAddress{network, c.settings.alias}, remote: farAddress{network, address}}
	go t.receive(fill)
	go t.send(drain)
	return t
}

func (t *tunnel) receive(fill net.Conn) {
	_, err := io.Copy(fill, t.channel)
	t.mu.Lock()
	if t.conn.gone() || err != nil && !t.closed {
		t.broken = t.conn.lost(opDial, "the tunnel to "+t.remote.String()+" broke")
	}
	t.mu.Unlock()
	fill.Close()
}

func (t *tunnel) send(drain net.Conn) {
	io.Copy(t.channel, drain)
	// The peer takes nothing more: let writers know.
	drain.Close()
	t.mu.Lock()
	closed := t.closed
	t.sent = true
	t.mu.Unlock()
	if half, ok := t.channel.(interface{ CloseWrite() error }); ok && !closed {
		half.CloseWrite()
		return
	}
	t.channel.Close()
}

func (t *tunnel) Read(p []byte) (int, error) {
	n, err := t.in.Read(p)
	if errors.Is(err, io.EOF) {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.broken != nil {
			err = t.broken
		}
	}
	return n, t.plain(err)
}

func (t *tunnel) Write(p []byte) (int, error) {
	n, err := t.out.Write(p)
	return n, t.plain(err)
}

// plain gives a closed pipe the name that callers look for.
func (t *tunnel) plain(err error) error {
	if !errors.Is(err, io.ErrClosedPipe) {
		return err
	}
	if t.conn.gone() {
		return t.conn.lost(opDial, "the tunnel to "+t.remote.String()+" broke")
	}
	return net.ErrClosed
}

// CloseWrite tells the other side that nothing more comes.
func (t *tunnel) CloseWrite() error { return t.out.Close() }

// Close ends the connection; what was written before still goes out.
func (t *tunnel) Close() error {
	t.mu.Lock()
	again, sent := t.closed, t.sent
	t.closed = true
	t.mu.Unlock()
	if again {
		return net.ErrClosed
	}
	t.out.Close()
	t.in.Close()
	if sent {
		// On a goroutine, since a line that is dead may block it.
		go t.channel.Close()
	}
	return nil
}

func (t *tunnel) LocalAddr() net.Addr  { return t.local }
func (t *tunnel) RemoteAddr() net.Addr { return t.remote }

func (t *tunnel) SetDeadline(at time.Time) error {
	return errors.Join(t.in.SetReadDeadline(at), t.out.SetWriteDeadline(at))
}

func (t *tunnel) SetReadDeadline(at time.Time) error  { return t.in.SetReadDeadline(at) }
func (t *tunnel) SetWriteDeadline(at time.Time) error { return t.out.SetWriteDeadline(at) }
