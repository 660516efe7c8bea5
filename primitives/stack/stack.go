// Package stack speaks to the hypervisors of a host and to what runs on them.
package stack

import (
	"net/netip"
	"time"

	"ctys/primitives"
)

// Ref is the stable identity of a guest: its hypervisor's URI and its UUID
// (lower case, with dashes).
type Ref struct {
	URI  string // "qemu:///system", "qemu+ssh://lab01/system", "lxc:///system", "test:///default?socket=…", "xen:///system", "xen+ssh://lab01/", "qmp:///system"
	UUID string
}

// State is what a guest's own hypervisor says of it.
type State string

// The states. A word or number that is not known is Unknown, never Off.
const (
	Unknown      State = "unknown"
	Running      State = "running"
	Paused       State = "paused"        // suspended by the hypervisor, in memory
	ShuttingDown State = "shutting-down" // on its way; still running
	Off          State = "off"
	Saved        State = "saved"     // off, with an image that the next start resumes
	Suspended    State = "suspended" // suspended by itself (ACPI S3)
	Crashed      State = "crashed"
)

// Power folds a state into on, off or unknown.
func (s State) Power() primitives.Power {
	switch s {
	case Running, Paused, ShuttingDown, Suspended:
		return primitives.PowerOn
	case Off, Saved:
		return primitives.PowerOff
	}
	return primitives.PowerUnknown
}

// Hypervisor is one way to guests on a host.
type Hypervisor struct {
	URI     string
	Type    string // "qemu", "lxc", "test", "xen", "qmp" (QEMUs that nobody manages)
	Version string
	Problem error // why it does not answer; nil for one that does
}

// Guest is one guest as its hypervisor shows it.
type Guest struct {
	Ref
	Name       string
	Type       string // "kvm", "qemu", "lxc", "test", "xen"
	State      State
	Cause      string // why State is Unknown
	ID         int    // hypervisor's run-time id; 0 while not running
	Persistent bool
	Autostart  bool
	Agent      bool   // the guest agent's channel is connected
	Asks       Mode   // the way in which its hypervisor asks it; empty: as is usual for its Type
	ManagedBy  string // who starts it again when it goes down, by its own definition ("oVirt"); see also Client.Managers
	MACs       []primitives.MAC
	Addresses  []netip.Addr
	Witness    string // changes with each start (run-time id and start time where told); empty where the hypervisor tells none
	At         time.Time
}

// Mode is the way a guest is asked to go down or to reboot. The library's
// "default" mode is left out on purpose: nobody can tell what it asks.
type Mode string

// The modes.
const (
	ModeACPI     Mode = "acpi"     // power button
	ModeAgent    Mode = "agent"    // guest agent
	ModeInitctl  Mode = "initctl"  // /dev/initctl of a container
	ModeSignal   Mode = "signal"   // SIGTERM to a container's init
	ModeSystemd  Mode = "systemd"  // SIGRTMIN+4 to a container's init, +5 to reboot: systemd(1); an init that does not handle it never sees it (pid_namespaces(7))
	ModeParavirt Mode = "paravirt" // Xen's control ring
)
