package sim

import (
	"context"
	"fmt"
	"net"
	"strconv"

	"ctys/primitives"
	"ctys/primitives/wol"
)

// WOL sends magic packets from one machine.
type WOL struct{ view *View }

// WOL gives the machine's power to send magic packets.
func (v *View) WOL() *WOL { return &WOL{v} }

// Send sends one packet. As a raw frame it reaches the machines of the
// sender's segment; as UDP those that its address means: a machine, the
// broadcast address of a subnet, or 255.255.255.255, which stays in the
// segment. A machine wakes when it is off and the interface with that hardware
// address is armed. The packet is sent in any case: nobody tells the sender.
func (p *WOL) Send(ctx context.Context, request wol.Request) (wol.Sent, error) {
	c := call{power: "wol", verb: "send", object: request.MAC.String(), about: p.view.about("")}
	var sent wol.Sent
	err := p.view.do(ctx, c, func() (string, error) {
		var err error
		if sent, err = p.prepare(c, request); err != nil {
			return "", err
		}
		for _, m := range p.view.world.machines {
			if p.reaches(request, m) {
				p.view.world.wake(m, request.MAC, request.Password)
			}
		}
		return "sent by " + sent.Way + " to " + sent.Destination, nil
	})
	return sent, err
}

func (p *WOL) prepare(c call, request wol.Request) (wol.Sent, error) {
	if request.MAC.IsZero() {
		return wol.Sent{}, c.errorf(primitives.Invalid, "no MAC address is given")
	}
	switch len(request.Password) {
	case 0, 4, 6:
	default:
		return wol.Sent{}, c.errorf(primitives.Invalid, "a SecureOn password has 4 or 6 bytes")
	}
	if !p.view.hasInterface(request.Interface) {
		return wol.Sent{}, c.errorf(primitives.Invalid, "there is no interface %q", request.Interface)
	}
	sent := wol.Sent{Interface: request.Interface, Bytes: 102 + len(request.Password)}
	if request.Address != "" {
		port := request.Port
		if port == 0 {
			port = wol.DefaultPort
		}
		sent.Way, sent.Destination = "udp", net.JoinHostPort(request.Address, strconv.Itoa(port))
		return sent, nil
	}
	if request.Interface == "" {
		return wol.Sent{}, c.errorf(primitives.Invalid, "a raw frame needs the interface to leave by")
	}
	sent.Way, sent.Destination = "ethernet", "ff:ff:ff:ff:ff:ff"
	if request.Unicast {
		sent.Destination = request.MAC.String()
	}
	return sent, nil
}

func (p *WOL) reaches(request wol.Request, m *machine) bool {
	switch request.Address {
	case "", "255.255.255.255":
		return m.Segment == p.view.segment()
	}
	return request.Address == m.subnet() || p.view.world.find(request.Address) == m
}

// hasInterface tells whether the machine has the interface; the desk has any.
func (v *View) hasInterface(name string) bool {
	return name == "" || v.machine == nil || v.machine.nic(name) != nil
}

// String names the view for messages.
func (v *View) String() string { return fmt.Sprintf("the view of %s", v.name()) }
