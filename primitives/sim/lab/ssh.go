package lab

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"ctys/primitives"
	"ctys/primitives/sim"

	"golang.org/x/crypto/ssh"
)

// door is the SSH server of one machine.
type door struct {
	lab     *Lab
	machine sim.Machine
	view    *sim.View // as the machine sees the world
	address string
	config  *ssh.ServerConfig

	mu     sync.Mutex
	boot   context.Context // of what runs on the machine; nil before anything has
	hangUp context.CancelFunc
}

// openSSH serves a machine. Its socket exists only while it is up.
func (l *Lab) openSSH(ctx context.Context, m sim.Machine) error {
	address, err := loopback(m.Address, portOf(m.SSHPort, 22))
	if err != nil {
		return err
	}
	l.allowed[address] = address
	l.allowed[net.JoinHostPort(m.Name, strconv.Itoa(portOf(m.SSHPort, 22)))] = address
	d := &door{lab: l, machine: m, view: l.world.At(m.Name), address: address}
	d.config = &ssh.ServerConfig{ServerVersion: sim.Banner, PublicKeyCallback: d.authorize}
	d.config.AddHostKey(l.host)
	var first net.Listener
	if l.world.State(m.Name).Phase == sim.Up {
		if first, err = d.listen(ctx); err != nil {
			return err
		}
	}
	l.group.Go(func() { d.follow(ctx, first) })
	return nil
}

func (d *door) listen(ctx context.Context) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", d.address)
	if err != nil {
		return nil, inUse(d.address, err)
	}
	return listener, nil
}

// follow opens and closes the socket as the machine comes up and goes down.
func (d *door) follow(ctx context.Context, first net.Listener) {
	if first != nil {
		d.serve(ctx, first)
	}
	for d.lab.world.AwaitEnterable(ctx, d.machine.Name, true) == nil && ctx.Err() == nil {
		listener, err := d.listen(ctx)
		if err != nil {
			_ = d.lab.clock.Sleep(ctx, time.Second)
			continue
		}
		d.serve(ctx, listener)
	}
}

// serve accepts connections until the machine goes down.
func (d *door) serve(ctx context.Context, listener net.Listener) {
	d.lab.group.Go(func() { d.accept(ctx, listener) })
	_ = d.lab.world.AwaitEnterable(ctx, d.machine.Name, false)
	_ = listener.Close()
}

func (d *door) accept(ctx context.Context, listener net.Listener) {
	for {
		conn, err := listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			_ = d.lab.clock.Sleep(ctx, 100*time.Millisecond) // out of descriptors, for instance
		default:
			d.lab.group.Go(func() { d.talk(ctx, conn) })
		}
	}
}

// authorize lets in who has the lab's key.
func (d *door) authorize(meta ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	if !bytes.Equal(key.Marshal(), d.lab.client.Marshal()) {
		return nil, errors.New("the key is not the lab's")
	}
	if d.machine.SSHUser != "" && meta.User() != d.machine.SSHUser {
		return nil, errors.New("there is no such user")
	}
	return nil, nil
}

const handshakeLimit = 20 * time.Second

// talk serves one connection until it ends or the machine goes down.
func (d *door) talk(ctx context.Context, conn net.Conn) {
	line, hangUp := d.lab.world.At(sim.Desk).Line(ctx, d.machine.Name)
	defer hangUp()
	stop := context.AfterFunc(line, func() { _ = conn.Close() })
	defer stop()
	defer conn.Close()
	// a server made silent by a fault holds the connection and says nothing
	if d.lab.world.At(sim.Desk).Enter(line, d.machine.Name) != nil {
		return
	}
	_ = conn.SetDeadline(d.lab.clock.Now().Add(handshakeLimit))
	server, channels, requests, err := ssh.NewServerConn(conn, d.config)
	if err != nil {
		return
	}
	_ = conn.SetDeadline(time.Time{})
	d.lab.group.Go(func() { ssh.DiscardRequests(requests) })
	for offered := range channels {
		d.lab.group.Go(func() { d.channel(ctx, offered, server.User()) })
	}
}

// channel serves one channel. Its context is the lab's: an agent outlives the
// connection that it was started by.
func (d *door) channel(ctx context.Context, offered ssh.NewChannel, user string) {
	switch offered.ChannelType() {
	case "session":
		channel, requests, err := offered.Accept()
		if err == nil {
			d.session(ctx, channel, requests, user)
		}
	case "direct-tcpip":
		d.forward(ctx, offered)
	default:
		_ = offered.Reject(ssh.UnknownChannelType, "the lab has sessions and direct-tcpip")
	}
}

// forward joins a direct-tcpip channel (RFC 4254, 7.2) to another SSH server of
// the lab, and to nothing else.
func (d *door) forward(ctx context.Context, offered ssh.NewChannel) {
	var to struct {
		Host   string
		Port   uint32
		Origin string
		From   uint32
	}
	if err := ssh.Unmarshal(offered.ExtraData(), &to); err != nil {
		_ = offered.Reject(ssh.ConnectionFailed, "the request cannot be read")
		return
	}
	address, ok := d.lab.allowed[net.JoinHostPort(to.Host, strconv.Itoa(int(to.Port)))]
	if !ok {
		_ = offered.Reject(ssh.Prohibited, "only the SSH servers of this lab are reached from here")
		return
	}
	peer, err := (&net.Dialer{}).DialContext(ctx, "tcp4", address)
	if err != nil {
		_ = offered.Reject(ssh.ConnectionFailed, "connection refused")
		return
	}
	defer peer.Close()
	channel, requests, err := offered.Accept()
	if err != nil {
		return
	}
	d.lab.group.Go(func() { ssh.DiscardRequests(requests) })
	join(ctx, channel, peer.(*net.TCPConn))
}

// join copies both ways until both have ended, or ctx has.
func join(ctx context.Context, channel ssh.Channel, peer *net.TCPConn) {
	stop := context.AfterFunc(ctx, func() { _ = peer.Close(); _ = channel.Close() })
	defer stop()
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(channel, peer)
		_ = channel.CloseWrite()
	})
	both.Go(func() {
		_, _ = io.Copy(peer, channel)
		_ = peer.CloseWrite()
	})
	both.Wait()
	_ = channel.Close()
}

// session serves a session channel (RFC 4254, 6): one program or shell.
func (d *door) session(ctx context.Context, channel ssh.Channel, requests <-chan *ssh.Request, user string) {
	defer channel.Close()
	s := &shell{door: d, ctx: ctx, user: user, channel: channel, in: channel, out: channel, err: channel.Stderr()}
	started := false
	for request := range requests {
		ok, begin := true, func() {}
		switch request.Type {
		case "pty-req":
			ok = s.pty(request.Payload)
		case "window-change":
			ok = s.resize(request.Payload)
		case "env":
		case "exec", "shell":
			line, readable := commandOf(request)
			ok = readable && !started
			if ok {
				started = true
				begin = func() { d.lab.group.Go(func() { s.serve(line) }) }
			}
		default:
			ok = false
		}
		if request.WantReply {
			_ = request.Reply(ok, nil)
		}
		begin() // behind the answer: a program that ends at once closes the channel
	}
}

// commandOf gives what shall be executed; nothing for a shell.
func commandOf(request *ssh.Request) (line string, ok bool) {
	if request.Type == "shell" {
		return "", true
	}
	var body struct{ Command string }
	err := ssh.Unmarshal(request.Payload, &body)
	return body.Command, err == nil && body.Command != ""
}

// serve runs a command line, or a shell where there is none, and says how it
// ended.
func (s *shell) serve(line string) {
	var status int
	if line == "" {
		status = s.interact()
	} else {
		status = s.run(line)
	}
	_, _ = s.channel.SendRequest("exit-status", false, binary.BigEndian.AppendUint32(nil, uint32(status)))
	_ = s.channel.Close()
}

// life gives the context of what runs on the machine and is tied to no
// connection. It ends when the machine goes down; the next boot has another.
func (d *door) life(ctx context.Context) context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.boot == nil || d.boot.Err() != nil {
		if d.hangUp != nil {
			d.hangUp()
		}
		d.boot, d.hangUp = d.lab.world.At(sim.Desk).Line(ctx, d.machine.Name)
	}
	return d.boot
}

// kindText words an error of the world for somebody at a shell.
func kindText(err error) string {
	var own *primitives.Error
	if errors.As(err, &own) {
		return own.Message
	}
	return err.Error()
}
