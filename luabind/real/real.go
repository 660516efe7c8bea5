// Package real gives the host the powers of the machine that it runs on, and
// the way to others.
package real

import (
	"context"

	"ctys/luabind"
	"ctys/luabind/agent"
	"ctys/luabind/inventory"
	"ctys/luabind/journal"
	"ctys/primitives"
	"ctys/primitives/bridge"
	"ctys/primitives/exec"
	"ctys/primitives/ipmi"
	"ctys/primitives/nic"
	"ctys/primitives/probe"
	"ctys/primitives/shutdown"
	"ctys/primitives/stack"
	"ctys/primitives/wol"
)

// Options are what the powers need besides the machine itself.
type Options struct {
	// Desk makes this program the desk, which reaches other machines with the
	// operator's keys; nil: it has no way to them.
	Desk *Desk
	// Armed takes the safety catch off the power to take this machine down.
	// Without it, what was not meant to do so, such as a test, cannot.
	Armed bool
	// Folder is the run's own, in which its guards keep what they restore; nil or
	// empty: they make one.
	Folder func() string
	// Warn is told what an announcement could not reach while the rest worked;
	// nil drops it.
	Warn func(message string)
	// Note is told in the end what was noticed and needs nobody's attention; nil
	// drops it.
	Note func(message string)
}

// Desk is what a desk needs to reach other machines.
type Desk struct {
	Inventory *inventory.Inventory // nil: empty
	// Machines is what the desk keeps of machines between runs; nil: nothing.
	Machines *journal.Machines
	// Version is asked for when another machine is reached first; an agent of
	// another version is not used.
	Version func() string
	// AcceptNewHostKey takes the key of a host that is seen for the first time.
	AcceptNewHostKey bool
	// SSHConfig replaces the user's and the system's ssh_config, as ssh -F
	// does; empty: they are read.
	SSHConfig string
	// Prompt asks the operator for a passphrase, without echo; nil: nobody can
	// be asked.
	Prompt func(ctx context.Context, question string) (string, error)
}

// New gives all powers. It opens, reads and contacts nothing: every power does
// so when it is first used. The function ends what they hold; it is called
// once, when nothing uses them any more.
func New(options Options) (luabind.Capabilities, func() error) {
	clock := primitives.SystemClock{}
	down := shutdown.New(shutdown.Options{Clock: clock, Armed: options.Armed, Warn: options.Warn})
	bmcs := ipmi.New(ipmi.Options{Clock: clock, Cache: cacheFolder()})
	capabilities := luabind.Capabilities{
		Clock:    clock,
		WOL:      wol.New(),
		NIC:      nic.New(),
		Bridge:   bridge.New(bridge.Options{}),
		Guard:    agent.NewGuard(clock, options.Folder),
		IPMI:     bmcs,
		Shutdown: down,
		Probe:    probe.New(probe.Options{Clock: clock}),
		Exec:     exec.New(clock),
	}
	hypervisors := stack.Options{Clock: clock}
	closeWay := func() error { return nil }
	if options.Desk != nil {
		way := &way{desk: *options.Desk, ipmi: capabilities.IPMI, exec: capabilities.Exec}
		capabilities.Relocate, capabilities.Remote = way, commands{way}
		hypervisors.Dial, hypervisors.Run = way.dial, way.command
		closeWay = way.close
	}
	stacks := stack.New(hypervisors)
	capabilities.Stack = stacks
	return capabilities, func() error {
		down.Release()
		bmcs.Close()
		if dropped := bmcs.Dropped(); dropped > 0 && options.Note != nil {
			options.Note("ipmi: " + ipmi.Strays(dropped))
		}
		err := stacks.Close()
		if failed := closeWay(); err == nil {
			err = failed
		}
		return err
	}
}

// Agent gives the powers of this machine to an order that was brought here. One
// that does not name the machine as one to take down cannot do so, whatever its
// script says.
func Agent(_ context.Context, order luabind.Order) (luabind.Capabilities, func(), error) {
	capabilities, release := New(Options{Armed: order.MayDown})
	if !order.MayDown {
		capabilities.Shutdown = upright{capabilities.Shutdown}
	}
	return capabilities, func() { _ = release() }, nil
}

// Guard watches over the bridges of this machine for a job that was brought here
// and has this folder.
func Guard(folder string) luabind.Guard {
	return agent.NewGuard(primitives.SystemClock{}, func() string { return folder })
}

// upright reads and announces, and takes nothing down.
type upright struct{ luabind.Shutdown }

func (upright) Do(_ context.Context, request shutdown.Request) (shutdown.Accepted, error) {
	return shutdown.Accepted{}, primitives.Errorf(primitives.Denied, "shutdown.apply", "", "the order does not name this machine as one to take down (SELF), so no %s", request.Method)
}
