// Package lab puts real sockets on loopback in front of a simulated world: BMCs
// that speak RMCP+, a listener for magic packets, and an SSH server for each
// machine. Any client, ours or another's, can talk to it without hardware and
// without privileges.
//
// The sockets are where the world says: a machine's SSH server at its Address
// and SSHPort, its BMC at the BMC's Host and Port, the listener for magic
// packets at the Broadcast address of its subnet. All of it is on loopback: the
// sockets are bound to addresses within 127.0.0.0/8, or, that of all BMCs, to the
// device lo. A connection to a machine that is off is refused, and ICMP
// answers always: on loopback a host that is not there cannot be silent.
package lab

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"ctys/primitives"
	"ctys/primitives/sim"
	"ctys/primitives/sim/bmc"

	"golang.org/x/crypto/ssh"
)

// Options say what a Lab needs besides its world.
type Options struct {
	// Dir holds the lab's keys, and its control socket. Keys that are there
	// already are used again. Required; made where it does not exist.
	Dir string

	// WakePort is the UDP port on which magic packets are waited for; 0 is
	// DefaultWakePort.
	WakePort int

	// Seed is what the datagrams that BMCs lose are drawn from.
	Seed int64

	// Agent runs when somebody executes "ctys agent …" by SSH on a machine, or
	// any program whose name begins with "ctys" with those arguments. argv is
	// what was executed. ctx ends when the machine goes down, not when the
	// connection ends: then stdin ends and what is written is lost. The result
	// is the exit status. Nil: the program is not there.
	Agent func(ctx context.Context, machine string, argv []string, stdin io.Reader, stdout, stderr io.Writer) int
}

// DefaultWakePort stands for port 9, which needs a privilege.
const DefaultWakePort = 4009

// Lab is a world with sockets in front.
type Lab struct {
	// Control is the path of the control socket: one command a line, answered
	// by lines of which the last is "ok" or begins with "error".
	Control string

	world   *sim.World
	farm    *bmc.Farm
	models  []*bmc.Model
	options Options
	clock   primitives.Clock
	host    ssh.Signer
	client  ssh.PublicKey
	allowed map[string]string // address:port by what direct-tcpip may name
	cancel  context.CancelFunc
	group   sync.WaitGroup

	mu    sync.Mutex
	mends map[string][]func() // what takes faults back, by machine

	described []sim.Machine
}

// Serve opens the sockets and returns when all of them answer. The world must
// live on the system's clock. Everything ends with ctx, or with Close. Errors:
// Invalid for an address that is not on loopback, Busy for one in use, Internal
// for a Dir that cannot be written.
func Serve(ctx context.Context, world *sim.World, options Options) (*Lab, error) {
	if options.WakePort == 0 {
		options.WakePort = DefaultWakePort
	}
	ctx, cancel := context.WithCancel(ctx)
	l := &Lab{world: world, farm: bmc.NewFarm(options.Seed), options: options, clock: world.Clock(), cancel: cancel, allowed: map[string]string{}, mends: map[string][]func(){}}
	if err := l.open(ctx); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// Close ends the lab and waits until nothing of it runs any more.
func (l *Lab) Close() {
	l.cancel()
	l.Wait()
}

// Wait returns when the lab has ended with its context.
func (l *Lab) Wait() {
	l.group.Wait()
	l.farm.Wait()
}

func (l *Lab) open(ctx context.Context) error {
	if err := l.loadKeys(); err != nil {
		return primitives.Wrap("lab.serve", l.options.Dir, "the lab's keys cannot be kept here", err)
	}
	wakes := map[string]bool{}
	for _, name := range l.world.Names() {
		m, _ := l.world.Machine(name)
		if err := l.addBMC(m); err != nil {
			return err
		}
		if m.Parent == "" && m.Broadcast != "" && !wakes[m.Broadcast] {
			wakes[m.Broadcast] = true
			if err := l.openWake(ctx, m.Broadcast); err != nil {
				return err
			}
		}
		if m.Enterable {
			if err := l.openSSH(ctx, m); err != nil {
				return err
			}
		}
	}
	l.world.Hear(l.hear)
	if err := l.farm.Serve(ctx); err != nil {
		return err
	}
	return l.openControl(ctx)
}

// packet opens a UDP socket that lives as long as ctx.
func (l *Lab) packet(ctx context.Context, host string, port int) (net.PacketConn, error) {
	address, err := loopback(host, port)
	if err != nil {
		return nil, err
	}
	conn, err := (&net.ListenConfig{}).ListenPacket(ctx, "udp4", address)
	if err != nil {
		return nil, inUse(address, err)
	}
	l.closeWith(ctx, conn)
	return conn, nil
}

// closeWith closes what holds a goroutine when ctx ends.
func (l *Lab) closeWith(ctx context.Context, closer io.Closer) {
	l.group.Go(func() {
		<-ctx.Done()
		_ = closer.Close()
	})
}

func loopback(host string, port int) (string, error) {
	address, err := netip.ParseAddr(host)
	if err != nil || !address.Is4() || !address.IsLoopback() {
		return "", primitives.Errorf(primitives.Invalid, "lab.serve", host, "a lab's addresses are within 127.0.0.0/8")
	}
	return net.JoinHostPort(host, strconv.Itoa(port)), nil
}

func inUse(address string, cause error) error {
	return &primitives.Error{Kind: primitives.Busy, Op: "lab.serve", Host: address, Cause: cause,
		Message: "the address cannot be bound; another lab may run: end it, or use another network"}
}

func portOf(port, otherwise int) int {
	if port == 0 {
		return otherwise
	}
	return port
}

// openWake waits for magic packets at what stands for a subnet's broadcast
// address.
func (l *Lab) openWake(ctx context.Context, broadcast string) error {
	conn, err := l.packet(ctx, broadcast, l.options.WakePort)
	if err != nil {
		return err
	}
	l.group.Go(func() {
		buffer := make([]byte, 1024)
		for {
			n, _, err := conn.ReadFrom(buffer)
			if err != nil && ctx.Err() != nil {
				return
			}
			if mac, password, ok := magic(buffer[:n]); err == nil && ok {
				l.world.WakeIn(broadcast, mac, password...)
			}
		}
	})
	return nil
}

// magic finds the hardware address of a magic packet: six bytes of ff and
// sixteen times the address, anywhere in the datagram, and the SecureOn password,
// which is what follows (AMD, "Magic Packet Technology", publication 20213).
func magic(datagram []byte) (mac primitives.MAC, password []byte, ok bool) {
	const length = 102
	for from := 0; from+length <= len(datagram); from++ {
		if mac, ok := magicAt(datagram[from : from+length]); ok {
			return mac, datagram[from+length:], true
		}
	}
	return primitives.MAC{}, nil, false
}

func magicAt(part []byte) (mac primitives.MAC, ok bool) {
	for _, b := range part[:6] {
		if b != 0xff {
			return mac, false
		}
	}
	copy(mac[:], part[6:12])
	for i := 6; i < 102; i++ {
		if part[i] != mac[i%6] {
			return mac, false
		}
	}
	return mac, true
}

func (l *Lab) path(name string) string { return filepath.Join(l.options.Dir, name) }

// makeDir makes the lab's folder, closed to others.
func (l *Lab) makeDir() error {
	if l.options.Dir == "" {
		return fmt.Errorf("no folder is given")
	}
	return os.MkdirAll(l.options.Dir, 0o700)
}
