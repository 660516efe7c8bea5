// Package real gives the host the powers of the machine that it runs on.
package real

import (
	"ctys/luabind"
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
	// Relocate and Remote reach other machines; nil: this host has no way to
	// them.
	Relocate luabind.Relocator
	Remote   luabind.Remote
	// Dial and Run reach the hypervisors of other machines; nil: only those of
	// this one can be asked.
	Dial stack.Dial
	Run  stack.Run
	// Warn is told what an announcement could not reach while the rest worked;
	// nil drops it.
	Warn func(message string)
}

// New gives all powers. It opens and contacts nothing: every power does so when
// it is first used. The function ends what they hold; it is called once, when
// nothing uses them any more.
func New(options Options) (luabind.Capabilities, func() error) {
	clock := primitives.SystemClock{}
	hypervisors := stack.New(stack.Options{Clock: clock, Dial: options.Dial, Run: options.Run})
	down := shutdown.New(shutdown.Options{Clock: clock, Warn: options.Warn})
	capabilities := luabind.Capabilities{
		Clock:    clock,
		WOL:      wol.New(),
		NIC:      nic.New(),
		Bridge:   bridge.New(),
		IPMI:     ipmi.New(ipmi.Options{Clock: clock}),
		Shutdown: down,
		Stack:    hypervisors,
		Probe:    probe.New(probe.Options{Clock: clock}),
		Exec:     exec.New(clock),
		Remote:   options.Remote,
		Relocate: options.Relocate,
	}
	return capabilities, func() error {
		down.Release()
		return hypervisors.Close()
	}
}
