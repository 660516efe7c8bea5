package policy

import (
	"strings"
	"testing"
	"time"

	"ctys/primitives"
	"ctys/primitives/sim"
)

// A container whose system has no /dev/initctl, and nobody's way in, is sent the
// signal that systemd powers off on.
func TestAContainerWithoutInitctl(t *testing.T) {
	s := newScene(t, func(clock *sim.Clock) *sim.World {
		w := sim.New(5, clock)
		w.Add(sim.Machine{Name: "host", Address: "10.4.0.1", Power: primitives.PowerOn, Shutdown: time.Second, Enterable: true})
		w.Add(sim.Machine{Name: "ct1", Parent: "host", Hypervisor: "lxc", Power: primitives.PowerOn, Shutdown: time.Second, NoInitctl: true})
		return w
	})
	s.exits(s.cancel("lxc", "l:ct1,poweroff:0", "host"), 0)
	s.off("ct1")
	s.told("asked through systemd")
	if n := s.count("stack", "destroy"); n > 0 {
		t.Errorf("it was cut off\n%s", s.story())
	}
	if elapsed := s.clock.Elapsed(); elapsed > 10*time.Second {
		t.Errorf("took %s", elapsed)
	}
}

// A container that is slow is not sent the signal on which some systems reboot, before
// half of its time is over; one that heeds nothing else gets it then.
func TestASlowContainerIsNotSentSIGTERM(t *testing.T) {
	for slow, signals := range map[time.Duration]bool{80 * time.Second: false, 110 * time.Second: true} {
		s := newScene(t, func(clock *sim.Clock) *sim.World {
			w := sim.New(5, clock)
			w.Add(sim.Machine{Name: "host", Address: "10.4.0.1", Power: primitives.PowerOn, Enterable: true})
			w.Add(sim.Machine{Name: "ct1", Parent: "host", Hypervisor: "lxc", Power: primitives.PowerOn, Shutdown: slow})
			return w
		})
		s.exits(s.cancel("lxc", "l:ct1,poweroff:0", "host"), 0)
		s.off("ct1")
		if got := strings.Contains(s.story(), "asked through signal"); got != signals {
			t.Errorf("%s: signal %v, want %v\n%s", slow, got, signals, s.story())
		}
	}
}
