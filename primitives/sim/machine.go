package sim

import (
	"bytes"
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"ctys/primitives"
	"ctys/primitives/bridge"
	"ctys/primitives/sim/bmc"
	"ctys/primitives/stack"
)

// Machine describes one machine or guest of a World. Only Name is required.
type Machine struct {
	Name    string
	Address string         // IP address; calls find the machine by this or by Name
	MAC     primitives.MAC // made up from Name where zero
	UUID    string         // made up from Name where empty
	Segment string         // Ethernet segment; raw frames stay within one

	// Broadcast is the directed broadcast address of its subnet. Where it is
	// empty, that of the /24 of Address.
	Broadcast string

	Parent      string   // the host that carries this guest; empty for hardware
	Hypervisor  string   // of a guest: "kvm" (as empty), "qemu", "lxc", "xen", "vbox" or "vmw"
	Hypervisors []string // offered to guests, beside those that its guests have

	Power    primitives.Power // at the beginning: on, or else off
	Boot     time.Duration    // from power on to answering
	Shutdown time.Duration    // of a clean shutdown

	BMC        *BMC
	NICs       []NIC // where empty: eth0, which can wake where there is no Parent
	WakesOnLAN bool  // eth0 is armed, where NICs is empty

	Enterable bool   // it has an SSH server and can run ctys
	SSHPort   int    // 0 is 22
	SSHUser   string // who may log in; empty is anybody
	Agent     bool   // a guest agent is connected while it is up

	IgnoresACPI      bool // does not react to its power button
	IgnoresFirstACPI int  // loses so many presses after each start; those during the boot count
	NoInitctl        bool // a container whose system has no /dev/initctl
	HangsInShutdown  bool // begins to shut down or to sleep and never ends

	// NoSuspend and NoHibernate are why its system cannot; empty: hardware can, a
	// guest's hypervisor offers it neither.
	NoSuspend, NoHibernate string

	Autostart      bool   // starts when its host has booted
	NoWitness      bool   // its hypervisor does not tell one run of it from another
	Transient      bool   // its hypervisor forgets it when it is off
	ClusterManaged string // who keeps it running ("pacemaker"); empty is nobody
	Owner          string // who its definition says keeps it running ("oVirt"); empty is nobody

	BridgeManagers []bridge.Manager // of its bridges
}

// BMC is a machine's service processor. It answers whatever the machine does.
type BMC struct {
	Host  string
	Port  int               // 0 is 623
	Users map[string]string // passwords by user name

	// Limits are the highest privileges of users that are no administrators.
	Limits map[string]bmc.Privilege
	// Slots is how many sessions it holds at a time; 0 is bmc.DefaultSlots. In
	// memory there are no sessions, and it does not matter.
	Slots int
}

// NIC is one network interface of a machine.
type NIC struct {
	Name          string
	Kind          string // a word of nic.Interface; empty is "physical"
	Driver        string
	MAC           primitives.MAC
	Addresses     []netip.Prefix
	Master        string
	Lower         []string
	ActiveSlave   string
	DefaultRoute  bool
	WakeSupported string // ethtool's letters
	WakeSet       string // ethtool's letters; empty is "d"
	WakeDevice    string // power/wakeup of its device; empty is "enabled", where WakeSupported is not

	// RefusesInBridge: its driver takes no Wake-on mode while it is a port of a
	// bridge, as those of Xen 3.0.2 did.
	RefusesInBridge bool

	password []byte // SecureOn, while s is set
}

// Phase is what a machine is doing.
type Phase string

// The phases.
const (
	Off          Phase = "off"
	Booting      Phase = "booting"
	Up           Phase = "up"
	ShuttingDown Phase = "shutting down"
	Halted       Phase = "halted" // powered, and runs nothing any more
	Paused       Phase = "paused"
	Saved        Phase = "saved" // off, with an image

	// By its own system: asleep, as a BMC that watches the main power sees it off.
	Suspended  Phase = "suspended"  // in memory
	Hibernated Phase = "hibernated" // on its disk
)

// Power is what a BMC or hypervisor calls the phase.
func (p Phase) Power() primitives.Power {
	switch p {
	case Off, Saved, Suspended, Hibernated:
		return primitives.PowerOff
	}
	return primitives.PowerOn
}

// stackState is what a hypervisor calls the phase.
func (p Phase) stackState() stack.State {
	switch p {
	case Off:
		return stack.Off
	case Saved:
		return stack.Saved
	case Paused:
		return stack.Paused
	case ShuttingDown:
		return stack.ShuttingDown
	}
	return stack.Running
}

// machine is one machine at this moment. World.mu guards it.
type machine struct {
	Machine
	index    uint32
	parent   *machine
	children []*machine

	phase   Phase
	resumed Phase  // what it goes back to when it is resumed or restored
	step    *step  // boot or shutdown under way
	hung    bool   // powered, and reacts to nothing
	presses int    // of the power button since it was started
	starts  int    // changes the hypervisor's run-time id
	boots   int    // changes boot_id
	started string // when it was started
	level   int    // run level, where one was asked for

	slept    time.Duration // by its own system, in this boot
	sleeping time.Time     // when that began, while it does

	bmc        service
	configured []NIC // its network as each boot sets it up
	watched    set[waiter]
	lines      map[*line]struct{}
	events     []stack.EventKind // of its life, for Subscribe
}

// step is something that ends after a while and can be held up.
type step struct {
	ends time.Time
	left time.Duration // while it is held up
	then func()
	stop func()
}

// line is somebody's connection to a machine.
type line struct{ cut context.CancelCauseFunc }

// scheme is the first word of the URI of the machine's hypervisor.
func (m *machine) scheme() string { return schemeOf(m.Hypervisor) }

func schemeOf(hypervisor string) string {
	switch hypervisor {
	case "lxc", "xen", "vbox", "vmw":
		return hypervisor
	}
	return "qemu"
}

func (m *machine) guestType() string {
	if m.Hypervisor == "" {
		return "kvm"
	}
	return m.Hypervisor
}

// runs tells whether its programs run: it is up and so is all below it.
func (m *machine) runs() bool {
	for ; m != nil; m = m.parent {
		if m.phase != Up && m.phase != ShuttingDown || m.hung {
			return false
		}
	}
	return true
}

// enterable tells whether its SSH server lets somebody in.
func (m *machine) enterable() bool { return m.runs() && m.phase == Up && m.Enterable }

// path is the machine's name after those of its hosts.
func (m *machine) path() string {
	if m.parent == nil {
		return m.Name
	}
	return m.parent.path() + "/" + m.Name
}

func (m *machine) port() int {
	if m.SSHPort == 0 {
		return 22
	}
	return m.SSHPort
}

// subnet is the directed broadcast address of the machine.
func (m *machine) subnet() string {
	if m.Broadcast != "" {
		return m.Broadcast
	}
	address, err := netip.ParseAddr(m.Address)
	if err != nil || !address.Is4() {
		return ""
	}
	bytes := address.As4()
	bytes[3] = 255
	return netip.AddrFrom4(bytes).String()
}

// armed tells whether a magic packet for mac may wake the machine.
func (m *machine) armed(mac primitives.MAC) bool {
	return slices.ContainsFunc(m.NICs, func(n NIC) bool { return n.MAC == mac && n.armed() })
}

// wakesOn tells whether a magic packet for mac with that password wakes it.
func (m *machine) wakesOn(mac primitives.MAC, password []byte) bool {
	return slices.ContainsFunc(m.NICs, func(n NIC) bool {
		return n.MAC == mac && n.armed() && (!strings.Contains(n.WakeSet, "s") || bytes.Equal(n.password, password))
	})
}

func (n NIC) armed() bool {
	return strings.Contains(n.WakeSupported, "g") && strings.Contains(n.WakeSet, "g") && n.WakeDevice != "disabled"
}

func (m *machine) nic(name string) *NIC {
	for i := range m.NICs {
		if m.NICs[i].Name == name {
			return &m.NICs[i]
		}
	}
	return nil
}

// setUpNetwork gives the interfaces what the machine's own configuration says:
// bridges and addresses are as they were described. What a network card keeps
// without power, its Wake-on modes, stays.
func (m *machine) setUpNetwork() {
	for i := range m.NICs {
		card, as := &m.NICs[i], m.configured[i]
		card.Master, card.MAC, card.Addresses, card.DefaultRoute = as.Master, as.MAC, as.Addresses, as.DefaultRoute
	}
}
