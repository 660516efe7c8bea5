package policy

import (
	"testing"
	"time"

	"ctys/primitives"
	"ctys/primitives/sim"
)

// unlisted is a rack whose innermost guests nobody has written down.
func unlisted(t *testing.T) *scene {
	s := rack(t)
	s.instead = map[string]string{"db1": "", "app1": ""}
	return s
}

func TestStackThatTheInventoryDoesNotKnow(t *testing.T) {
	s := unlisted(t)
	s.exits(s.cancel("pm", "self,poweroff:0", "lab01"), 0)
	s.off("lab01", "web1", "ct1", "db1", "app1")
	s.nobodyLost()

	s = unlisted(t)
	s.exits(s.cancel("pm", "reboot", "lab01"), 0)
	s.powered("lab01", "web1", "ct1", "db1", "app1")
	s.nobodyLost()

	s = unlisted(t)
	s.plan = true
	s.exits(s.cancel("pm", "self,poweroff:0", "lab01"), 0)
	s.told("cancels its own stack")
}

// A row that says so is believed: nobody logs in to look.
func TestRowWithoutHypervisors(t *testing.T) {
	s := unlisted(t)
	s.rows["ct1"] = "hypervisors = {},"
	s.exits(s.cancel("pm", "poweroff:0", "lab01"), 0)
	s.off("ct1")
	if lost := s.world.Lost(); len(lost) != 2 {
		t.Errorf("%v: somebody has looked all the same", lost)
	}
}

// What cannot be looked into goes down as before.
func TestGuestThatCannotBeLookedInto(t *testing.T) {
	s := rack(t)
	s.world.Fault(sim.Fault{Machine: "web1", Power: "line", Verb: "enter", Hang: true})
	s.exits(s.cancel("pm", "self,poweroff:0", "lab01"), 0)
	s.off("lab01", "web1")
	s.nobodyLost()
	s.told("this guest of lab01 lets nobody in to see whether it carries guests", "none: web1 (hypervisors = {}")
}

// A guest that carries others and still boots is waited for.
func TestCarrierThatStillBoots(t *testing.T) {
	s := rack(t)
	s.world.Fault(sim.Fault{Machine: "ct1", Power: "probe", Verb: "ssh", Kind: primitives.Unreachable, Count: 5})
	s.exits(s.cancel("pm", "self,poweroff:0", "lab01"), 0)
	s.off("lab01", "ct1", "db1")
	s.nobodyLost()
	s.told("does not let us in yet")
	if elapsed := s.clock.Elapsed(); elapsed > 2*time.Minute {
		t.Errorf("took %s", elapsed)
	}
}
