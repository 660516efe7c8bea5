package policy

import (
	"strings"
	"testing"

	"ctys/primitives"
	"ctys/primitives/sim"
)

// silentLXC is a rack on whose lab01 the second hypervisor, LXC, has stopped
// answering.
func silentLXC(t *testing.T) *scene {
	s := rack(t)
	s.world.Fault(sim.Fault{Machine: "lab01", Power: "stack", Verb: "list", After: 1, Kind: primitives.Unreachable, Message: "libvirtd is gone"})
	return s
}

// A hypervisor that does not answer bars the machine, and keeps nobody else from
// being asked.
func TestOneSilentHypervisorKeepsNobodyElse(t *testing.T) {
	for _, subopts := range []string{"self,poweroff:0", "poweroff:0"} {
		s := silentLXC(t)
		s.exits(s.cancel("pm", subopts, "lab01"), 1)
		s.off("web1")
		s.up("lab01", "ct1", "db1")
		s.told("libvirtd is gone", "last known there: ", "ct1", "the guests of the others are cancelled")
		s.nobodyLost()
	}
}

// A guest that was addressed goes down whatever the other hypervisor says; one
// that is not found may be there.
func TestAddressedGuestBesideASilentHypervisor(t *testing.T) {
	s := silentLXC(t)
	s.exits(s.cancel("kvm", "l:web1,poweroff:0", "lab01"), 0)
	s.off("web1")
	s.up("ct1")

	s = silentLXC(t)
	s.exits(s.cancel("vm", "l:ct1,poweroff:0", "lab01"), 1)
	s.told("not all could be asked", "libvirtd is gone")
	s.up("ct1", "web1")
}

// One that falls silent before the machine itself goes down bars it.
func TestHypervisorThatFallsSilentBeforeTheEnd(t *testing.T) {
	s := rack(t)
	s.world.Fault(sim.Fault{Machine: "lab01", Power: "stack", Verb: "list", After: 2, Kind: primitives.Unreachable, Message: "libvirtd is gone"})
	s.exits(s.cancel("pm", "self,poweroff:0", "lab01"), 1)
	s.up("lab01")
	s.nobodyLost()
	if story := s.story(); !strings.Contains(story, "libvirtd is gone") {
		t.Error(story)
	}
}
