package sim

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"ctys/primitives"
	"ctys/primitives/sim/bmc"
)

// Shape says how a ready-made world looks. Its zero value is good for a demo
// and for real sockets on loopback.
type Shape struct {
	// Network is the first two bytes of every address; empty is "127.77".
	// Machines are in NETWORK.0, guests in NETWORK.2 and NETWORK.3, BMCs in
	// NETWORK.1, and magic packets go to NETWORK.0.255.
	Network string
	// Boot and Shutdown are how long a host takes; a guest takes half as long.
	// Zero is four seconds and two.
	Boot, Shutdown time.Duration
	// SSHPort and BMCPort are for all; zero is 2222 and 6230.
	SSHPort, BMCPort int
	// User and Password are the account of every BMC; empty is "admin" and
	// "secret".
	User, Password string
	// Slots is how many sessions a BMC of AddBMCs holds at a time; zero is 64.
	Slots int
}

func (s Shape) complete() Shape {
	s.Network = cmp.Or(s.Network, "127.77")
	s.Boot = cmp.Or(s.Boot, 4*time.Second)
	s.Shutdown = cmp.Or(s.Shutdown, 2*time.Second)
	s.SSHPort = cmp.Or(s.SSHPort, 2222)
	s.BMCPort = cmp.Or(s.BMCPort, 6230)
	s.User = cmp.Or(s.User, "admin")
	s.Password = cmp.Or(s.Password, "secret")
	return s
}

func (s Shape) host(n int, power primitives.Power) Machine {
	return Machine{
		Name:       fmt.Sprintf("lab%02d", n),
		Address:    fmt.Sprintf("%s.0.%d", s.Network, n),
		Power:      power,
		Boot:       s.Boot,
		Shutdown:   s.Shutdown,
		BMC:        &BMC{Host: fmt.Sprintf("%s.1.%d", s.Network, n), Port: s.BMCPort, Users: map[string]string{s.User: s.Password}},
		WakesOnLAN: true,
		Enterable:  true,
		SSHPort:    s.SSHPort,
	}
}

func (s Shape) guest(name, parent, hypervisor string, n int) Machine {
	return Machine{
		Name:       name,
		Parent:     parent,
		Hypervisor: hypervisor,
		Address:    fmt.Sprintf("%s.2.%d", s.Network, n),
		Broadcast:  s.Network + ".2.255",
		Power:      primitives.PowerOn,
		Boot:       s.Boot / 2,
		Shutdown:   s.Shutdown / 2,
		Enterable:  true,
		SSHPort:    s.SSHPort,
		Autostart:  true,
	}
}

// AddBMCs adds n machines that have a BMC and nothing else, bmc0001, bmc0002 and
// so on, all off. Their BMCs are in NETWORK.64 and the following, in the order of
// bmc.Nth.
func (w *World) AddBMCs(n int, shape Shape) {
	s := shape.complete()
	first, err := netip.ParseAddr(s.Network + ".64.1")
	if err != nil {
		panic(fmt.Sprintf("sim.World.AddBMCs: %q is not the beginning of an address", s.Network))
	}
	users := map[string]string{s.User: s.Password}
	for i := 1; i <= n; i++ {
		w.Add(Machine{
			Name:     bmc.Name(i),
			Boot:     s.Boot,
			Shutdown: s.Shutdown,
			BMC:      &BMC{Host: bmc.Nth(first, i).String(), Port: s.BMCPort, Users: users, Slots: s.Slots},
		})
	}
}

// Rack is a small world to try things in. Three hosts with BMCs stand in it,
// all armed for Wake-on-LAN: lab01 is on and carries a stack of three levels,
//
//	lab01 → web1 (kvm)
//	      → ct1 (lxc) → db1 (kvm)
//	                  → app1 (kvm)
//
// lab02 is off, lab03 is on and carries mail1 (kvm), which ignores its power
// button while it boots.
func Rack(seed int64, clock primitives.Clock, shape Shape) *World {
	s := shape.complete()
	w := New(seed, clock)
	w.Add(bridged(s.host(1, primitives.PowerOn)))
	w.Add(s.host(2, primitives.PowerOff))
	w.Add(s.host(3, primitives.PowerOn))

	web, ct := s.guest("web1", "lab01", "kvm", 1), s.guest("ct1", "lab01", "lxc", 2)
	web.Agent = true
	w.Add(web)
	w.Add(ct)
	db, app := s.guest("db1", "ct1", "kvm", 3), s.guest("app1", "ct1", "kvm", 4)
	db.Agent = true
	app.Autostart = false
	w.Add(db)
	w.Add(app)
	mail := s.guest("mail1", "lab03", "kvm", 5)
	mail.IgnoresFirstACPI = 1
	w.Add(mail)
	return w
}

// bridged puts a machine's interface under a bridge, as hosts of guests have it.
func bridged(m Machine) Machine {
	m.NICs = []NIC{
		{Name: "eth0", Driver: "e1000e", Master: "br0", WakeSupported: "pumbg", WakeSet: "g"},
		{Name: "br0", Kind: "bridge", DefaultRoute: true},
	}
	return m
}

// Fleet is one host, lab01, with many guests, g1, g2 and so on, in levels of
// as equal a width of branching as the number allows: 1000 guests in 3 levels
// are 10, 100 and 890. Guests that carry others are enterable, the others have
// a guest agent. Shutdown times are drawn from the seed between half of
// Shape.Shutdown and the whole.
func Fleet(seed int64, clock primitives.Clock, guests, levels int, shape Shape) *World {
	s := shape.complete()
	w := New(seed, clock)
	w.Add(s.host(1, primitives.PowerOn))
	branches := branching(guests, levels)
	for i := 1; i <= guests; i++ {
		parent := "lab01"
		if above := (i - 1) / branches; above > 0 {
			parent = fmt.Sprint("g", above)
		}
		leaf := i*branches+1 > guests
		digest := w.digest("shutdown", fmt.Sprint(i))
		w.Add(Machine{
			Name:      fmt.Sprint("g", i),
			Parent:    parent,
			Address:   fmt.Sprintf("%s.%d.%d", s.Network, 2+i/256, i%256),
			Broadcast: s.Network + ".2.255",
			Power:     primitives.PowerOn,
			Boot:      s.Boot / 2,
			Shutdown:  s.Shutdown/2 + time.Duration(binary.BigEndian.Uint64(digest[:8])%uint64(s.Shutdown/2+1)),
			Enterable: !leaf,
			Agent:     leaf,
			SSHPort:   s.SSHPort,
		})
	}
	return w
}

// branching is the least number of guests on each machine with which so many
// fit into so many levels.
func branching(guests, levels int) int {
	for width := 1; ; width++ {
		room, level := 0, 1
		for range max(1, levels) {
			level *= width
			room += level
		}
		if room >= guests {
			return width
		}
	}
}
