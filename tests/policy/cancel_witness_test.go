package policy

import (
	"testing"
	"time"

	"ctys/primitives"
	"ctys/primitives/sim"
)

// A guest whose hypervisor does not tell one run of it from another is rebooted
// when it was seen off, and then running.
func TestAGuestWithoutAWitnessIsSeenOffThenOn(t *testing.T) {
	for _, subopts := range []string{"all,reboot", "all,reset", "all,reboot,force"} {
		s := newScene(t, func(clock *sim.Clock) *sim.World {
			w := sim.New(5, clock)
			w.Add(sim.Machine{Name: "host", Address: "10.4.0.1", Power: primitives.PowerOn, Shutdown: time.Second, Enterable: true})
			w.Add(sim.Machine{Name: "dumb", Parent: "host", Power: primitives.PowerOn, Boot: time.Second, Shutdown: time.Second, Agent: true, NoWitness: true})
			return w
		})
		before := s.world.State("dumb").Boots
		s.exits(s.cancel("vm", subopts, "host"), 0)
		s.powered("dumb")
		if s.world.State("dumb").Boots != before+1 {
			t.Errorf("%s: it was not rebooted once\n%s", subopts, s.story())
		}
	}
}

// A hypervisor that takes a start and shows the same run as before has not started
// anything.
func TestAGuestThatRunsTheSameRunWasNotRebooted(t *testing.T) {
	s := rack(t)
	s.overrides = map[string]string{"ladder.lua": `
		local ladder = require "stock.ladder"
		function ladder.is_off(guest) return guest.state == "off" or guest.state == "saved" end
		function ladder.by_agent(guest) return guest end
		function ladder.start(guest) return guest end
		return ladder`}
	s.exits(s.cancel("kvm", "l:web1,reboot", "lab01"), 1)
	s.told("asked to reboot, not confirmed")
}
