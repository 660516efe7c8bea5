package wol

import (
	"net"
	"strings"

	"ctys/primitives"
)

// openDevice finds an interface by its name and makes sure that what is sent
// on it leaves: the kernel drops silently what it cannot put on a cable.
func openDevice(name string) (*net.Interface, error) {
	device, err := net.InterfaceByName(name)
	if err != nil {
		return nil, unknownDevice(name, err)
	}
	if device.Flags&net.FlagUp == 0 {
		return nil, primitives.Errorf(primitives.Unreachable, opSend, name,
			"this interface is down: ip link set %s up", name)
	}
	if device.Flags&net.FlagRunning == 0 {
		return nil, primitives.Errorf(primitives.Unreachable, opSend, name,
			"this interface has no carrier: is the cable plugged in, or does a bridge lack a port that is up?")
	}
	return device, nil
}

func unknownDevice(name string, cause error) error {
	all, err := net.Interfaces()
	if err != nil {
		return primitives.Wrap(opSend, name, "reading the interfaces", err)
	}
	known := make([]string, 0, len(all))
	for _, device := range all {
		if device.Name == name {
			return primitives.Wrap(opSend, name, "reading this interface", cause)
		}
		known = append(known, device.Name)
	}
	return primitives.Errorf(primitives.Invalid, opSend, name,
		"there is no such interface on this host: it has %s", strings.Join(known, ", "))
}

// hardwareAddress gives the address that a frame sent on device comes from.
func hardwareAddress(device *net.Interface) (primitives.MAC, error) {
	var mac primitives.MAC
	if len(device.HardwareAddr) != len(mac) {
		return mac, primitives.Errorf(primitives.Invalid, opSend, device.Name,
			"this interface carries no Ethernet: raw frames need one that does, or send UDP to an address")
	}
	copy(mac[:], device.HardwareAddr)
	return mac, nil
}
