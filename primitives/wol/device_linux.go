package wol

import (
	"errors"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ctys/primitives"
)

// openDevice finds an interface by its name and makes sure that what is sent
// on it leaves: the kernel drops silently what it cannot put on a cable. The
// carrier is IFF_LOWER_UP (netdevice(7)); IFF_RUNNING, which the net package
// has, follows it up to a second late.
func openDevice(name string) (*netlink.LinkAttrs, error) {
	link, err := findLink(name)
	if err != nil {
		return nil, err
	}
	device := link.Attrs()
	if device.RawFlags&unix.IFF_UP == 0 {
		return nil, primitives.Errorf(primitives.Unreachable, opSend, name,
			"this interface is down: ip link set %s up", name)
	}
	if device.RawFlags&unix.IFF_LOWER_UP == 0 {
		return nil, primitives.Errorf(primitives.Unreachable, opSend, name,
			"this interface has no carrier: is the cable plugged in, does a bridge lack a port that is up?")
	}
	return device, nil
}

func findLink(name string) (netlink.Link, error) {
	if len(name) >= unix.IFNAMSIZ {
		return nil, primitives.Errorf(primitives.Invalid, opSend, name,
			"the name of an interface has at most %d bytes", unix.IFNAMSIZ-1)
	}
	// A handle of its own: the package's one is written to without a lock.
	kernel := &netlink.Handle{}
	link, err := kernel.LinkByName(name)
	if err == nil {
		return link, nil
	}
	var missing netlink.LinkNotFoundError
	if !errors.As(err, &missing) {
		return nil, primitives.Wrap(opSend, name, "reading this interface", err)
	}
	links, err := kernel.LinkList()
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, primitives.Wrap(opSend, name, "reading the interfaces", err)
	}
	known := make([]string, 0, len(links))
	for _, link := range links {
		known = append(known, link.Attrs().Name)
	}
	return nil, primitives.Errorf(primitives.Invalid, opSend, name,
		"there is no such interface on this host: it has %s", strings.Join(known, ", "))
}

// hardwareAddress gives the address that a frame sent on device comes from.
func hardwareAddress(device *netlink.LinkAttrs) (primitives.MAC, error) {
	var mac primitives.MAC
	if device.EncapType != "ether" || len(device.HardwareAddr) != len(mac) {
		return mac, primitives.Errorf(primitives.Invalid, opSend, device.Name,
			"this interface carries no Ethernet: raw frames need one that does, or send UDP to an address")
	}
	copy(mac[:], device.HardwareAddr)
	return mac, nil
}
