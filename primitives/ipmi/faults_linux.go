package ipmi

import (
	"encoding/binary"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// wantFaults makes the system keep what ICMP says of packets that this socket
// sent, with the address that each was for: an unconnected socket is told
// nothing else of a closed port (ip(7), IP_RECVERR). Where that fails, a closed
// port is only silent.
func wantFaults(conn *net.UDPConn, six bool) {
	level, option := unix.IPPROTO_IP, unix.IP_RECVERR
	if six {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_RECVERR
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), level, option, 1) })
}

// readFaults takes what the system has kept and tells those whom it concerns.
func (s *socket) readFaults() {
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		var control [512]byte
		for {
			_, n, _, to, err := unix.Recvmsg(int(fd), nil, control[:], unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
			if err != nil {
				return
			}
			if errno := extendedError(control[:n]); isFinal(errno) {
				s.fault(addrPort(to), errno)
			}
		}
	})
}

// extendedError reads the error of a struct sock_extended_err; zero where there
// is none.
func extendedError(control []byte) syscall.Errno {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return 0
	}
	for _, m := range messages {
		ours := m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_RECVERR ||
			m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_RECVERR
		if ours && len(m.Data) >= 4 {
			return syscall.Errno(binary.NativeEndian.Uint32(m.Data))
		}
	}
	return 0
}

// isFinal tells a refused port from what may pass, as a router that does not
// find a BMC for the moment; there the deadline decides.
func isFinal(errno syscall.Errno) bool { return errno == syscall.ECONNREFUSED }

func addrPort(address unix.Sockaddr) netip.AddrPort {
	switch a := address.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		ip := netip.AddrFrom16(a.Addr)
		if a.ZoneId != 0 && !ip.Is4In6() {
			ip = ip.WithZone(zoneName(int(a.ZoneId)))
		}
		return netip.AddrPortFrom(ip, uint16(a.Port))
	}
	return netip.AddrPort{}
}
