package wol

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"

	"ctys/primitives"
)

// linux sends frames through packet(7) and binds UDP sockets as socket(7) has it.
type linux struct {
	bindToDevice func(conn syscall.RawConn, device string) error
}

func newSystem() system { return linux{bindToDevice: bindToDevice} }

func (linux) sendFrame(ctx context.Context, name string, destination primitives.MAC, payload []byte) error {
	device, err := openDevice(name)
	if err != nil {
		return err
	}
	source, err := hardwareAddress(device)
	if err != nil {
		return err
	}
	conn, err := packet.Listen(&net.Interface{Index: device.Index, Name: name}, packet.Raw, etherType, nil)
	if err != nil {
		return rawError(name, err)
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetWriteDeadline(deadline); err != nil {
			return rawError(name, err)
		}
	}
	to := &packet.Addr{HardwareAddr: net.HardwareAddr(destination[:])}
	if _, err := conn.WriteTo(frame(destination, source, payload), to); err != nil {
		return rawError(name, err)
	}
	return nil
}

func rawError(device string, err error) error {
	switch {
	case errors.Is(err, os.ErrPermission):
		return &primitives.Error{Kind: primitives.Denied, Op: opSend, Host: device, Cause: err,
			Message: "a raw frame needs CAP_NET_RAW: become root, or grant it once with `setcap cap_net_raw+ep $(command -v ctys)`, or send UDP to an address"}
	case errors.Is(err, unix.ENETDOWN), errors.Is(err, unix.ENXIO), errors.Is(err, unix.ENODEV):
		return &primitives.Error{Kind: primitives.Unreachable, Op: opSend, Host: device, Cause: err,
			Message: "the interface went down before the frame left"}
	case errors.Is(err, unix.EAFNOSUPPORT):
		return &primitives.Error{Kind: primitives.Unsupported, Op: opSend, Host: device, Cause: err,
			Message: "this kernel has no packet sockets: send UDP to an address"}
	}
	return primitives.Wrap(opSend, device, "sending the frame", err)
}

// listenOn uses SO_BINDTODEVICE, which any user may set since Linux 5.7. Where
// the kernel refuses it, the socket is bound to an address of the interface
// instead: the kernel sends a broadcast out where its source address belongs.
func (l linux) listenOn(ctx context.Context, name, network string) (net.PacketConn, error) {
	if _, err := openDevice(name); err != nil {
		return nil, err
	}
	config := net.ListenConfig{Control: func(_, _ string, conn syscall.RawConn) error { return l.bindToDevice(conn, name) }}
	conn, err := config.ListenPacket(ctx, network, ":0")
	if errors.Is(err, os.ErrPermission) {
		return listenOnAddress(ctx, name, network)
	}
	if err != nil {
		return nil, primitives.Wrap(opSend, name, "opening a UDP socket on this interface", err)
	}
	return conn, nil
}

func listenOnAddress(ctx context.Context, device, network string) (net.PacketConn, error) {
	source, err := deviceAddress(device, network == "udp6")
	if err != nil {
		return nil, err
	}
	var config net.ListenConfig
	conn, err := config.ListenPacket(ctx, network, netip.AddrPortFrom(source, 0).String())
	if err != nil {
		return nil, primitives.Wrap(opSend, device, "opening a UDP socket on "+source.String(), err)
	}
	return conn, nil
}

func bindToDevice(conn syscall.RawConn, device string) error {
	var optionErr error
	err := conn.Control(func(fd uintptr) {
		optionErr = unix.SetsockoptString(int(fd), unix.SOL_SOCKET, unix.SO_BINDTODEVICE, device)
	})
	return errors.Join(err, os.NewSyscallError("setsockopt", optionErr))
}

// deviceAddress gives an address of the interface in the family that is asked
// for, a link-local one with its zone.
func deviceAddress(name string, ipv6 bool) (netip.Addr, error) {
	device, err := net.InterfaceByName(name)
	if err != nil {
		return netip.Addr{}, primitives.Wrap(opSend, name, "reading this interface", err)
	}
	addresses, err := device.Addrs()
	if err != nil {
		return netip.Addr{}, primitives.Wrap(opSend, name, "reading the addresses of this interface", err)
	}
	for _, address := range addresses {
		prefix, err := netip.ParsePrefix(address.String())
		if err != nil || prefix.Addr().Is6() != ipv6 {
			continue
		}
		if prefix.Addr().IsLinkLocalUnicast() && ipv6 {
			return prefix.Addr().WithZone(strconv.Itoa(device.Index)), nil
		}
		return prefix.Addr(), nil
	}
	family := "IPv4"
	if ipv6 {
		family = "IPv6"
	}
	return netip.Addr{}, primitives.Errorf(primitives.Denied, opSend, name,
		"this kernel lets only root bind to an interface, and this one has no %s address to bind to instead: become root, or give the interface an address", family)
}
