package luabind

import (
	"context"
	"time"

	"ctys/primitives"
	"ctys/primitives/bridge"
	"ctys/primitives/exec"
	"ctys/primitives/guard"
	"ctys/primitives/ipmi"
	"ctys/primitives/nic"
	"ctys/primitives/probe"
	"ctys/primitives/shutdown"
	"ctys/primitives/stack"
	"ctys/primitives/wol"
)

// Capabilities is everything that a Lua state can do to the world. A power
// that is nil does not exist for its scripts. The packages under primitives
// implement the interfaces for real, package sim for a world in memory.
type Capabilities struct {
	Clock    primitives.Clock // required
	WOL      WOL
	NIC      NIC
	Bridge   Bridge
	Guard    Guard
	IPMI     IPMI
	Shutdown Shutdown
	Stack    Stack
	Probe    Probe
	Exec     Exec
	Remote   Remote

	// Relocate carries an order to the machine that has the power; see Relocator.
	Relocate Relocator
}

// WOL sends magic packets.
type WOL interface {
	Send(ctx context.Context, request wol.Request) (wol.Sent, error)
}

// NIC reads and arms network interfaces.
type NIC interface {
	List(ctx context.Context) ([]nic.Interface, error)
	Get(ctx context.Context, name string) (nic.Interface, error)
	Descend(ctx context.Context, name string) ([]string, error)
	Default(ctx context.Context) (nic.Interface, error)
	Arm(ctx context.Context, request nic.Arming) (nic.Interface, error)
	Disarm(ctx context.Context, name string) (nic.Interface, error)
}

// Bridge reads network bridges, dissolves and restores them.
type Bridge interface {
	List(ctx context.Context) ([]bridge.Bridge, error)
	Snapshot(ctx context.Context, name string) (bridge.Snapshot, error)
	Dissolution(ctx context.Context, snapshot bridge.Snapshot, port string) ([]bridge.Step, error)
	Restoration(ctx context.Context, snapshot bridge.Snapshot) ([]bridge.Step, error)
	Apply(ctx context.Context, step bridge.Step) error
	Managers(ctx context.Context, name string) ([]bridge.Manager, error)
}

// Guard restores a bridge when the machine is not seen to go down: when the
// process that has armed it ends without a word, or the time is over.
type Guard interface {
	// Arm is an error where no guard stands.
	Arm(ctx context.Context, snapshot bridge.Snapshot, after time.Duration) (guard.Guarded, error)
	// Disarm ends every guard, and tells whether one has restored its bridge before.
	Disarm(ctx context.Context) (acted bool, err error)
}

// IPMI speaks to BMCs.
type IPMI interface {
	Addresses(ctx context.Context, target ipmi.Target) ([]string, error)
	Status(ctx context.Context, target ipmi.Target) (ipmi.Status, error)
	Control(ctx context.Context, target ipmi.Target, control ipmi.Control) error
	Identify(ctx context.Context, target ipmi.Target, identify ipmi.Identify) error
	Boot(ctx context.Context, target ipmi.Target) (ipmi.Boot, error)
	SetBoot(ctx context.Context, target ipmi.Target, boot ipmi.Boot) (ipmi.Boot, error)
	Controller(ctx context.Context, target ipmi.Target) (ipmi.Controller, error)
	Sensors(ctx context.Context, target ipmi.Target) ([]ipmi.Sensor, error)
	Events(ctx context.Context, target ipmi.Target) ([]ipmi.Event, error)
	ClearEvents(ctx context.Context, target ipmi.Target) error
	Raw(ctx context.Context, target ipmi.Target, request ipmi.Request) (ipmi.Reply, error)
}

// Shutdown takes the machine down on which it runs.
type Shutdown interface {
	Supported(ctx context.Context, request shutdown.Request) error
	Announce(ctx context.Context, message string) error
	Do(ctx context.Context, request shutdown.Request) (shutdown.Accepted, error)
	Identity(ctx context.Context) (shutdown.Identity, error)
	InRunLevel(ctx context.Context, level int) (bool, error)
}

// Stack speaks to hypervisors.
type Stack interface {
	Hypervisors(ctx context.Context, host string) ([]stack.Hypervisor, error)
	Managers(ctx context.Context, host string) ([]stack.Manager, error)
	List(ctx context.Context, uri string) ([]stack.Guest, error)
	Inspect(ctx context.Context, guest stack.Ref) (stack.Guest, error)
	Shutdown(ctx context.Context, guest stack.Ref, mode stack.Mode) error
	Reboot(ctx context.Context, guest stack.Ref, mode stack.Mode) error
	Reset(ctx context.Context, guest stack.Ref) error
	Destroy(ctx context.Context, guest stack.Ref) error
	Start(ctx context.Context, guest stack.Ref) error
	Suspend(ctx context.Context, guest stack.Ref) error
	Resume(ctx context.Context, guest stack.Ref) error
	ManagedSave(ctx context.Context, guest stack.Ref) error
	Await(ctx context.Context, guest stack.Ref, states ...stack.State) (stack.Guest, error)
}

// Probe asks whether a machine answers.
type Probe interface {
	Ping(ctx context.Context, host string) (probe.Answer, error)
	ARP(ctx context.Context, iface, ip string) (probe.Answer, error)
	TCP(ctx context.Context, address string) (probe.Answer, error)
	SSH(ctx context.Context, address string) (probe.Answer, error)
}

// Exec runs programs on the machine on which it runs.
type Exec interface {
	Run(ctx context.Context, request exec.Request) (exec.Result, error)
}
