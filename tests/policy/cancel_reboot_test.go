package policy

import (
	"strings"
	"testing"
	"time"

	"ctys/luabind"
	"ctys/primitives"
	"ctys/primitives/sim"
)

// What ran before runs again, on every level: app1 does not start by itself.
func TestRebootWithSelfStartsTheWholeStackAgain(t *testing.T) {
	s := rack(t)
	s.exits(s.cancel("pm", "reboot,self", "lab01"), 0)
	s.up("lab01", "ct1")
	s.powered("web1", "db1", "app1")
	s.nobodyLost()
}

func TestWhatCannotBeStartedAgainIsNamed(t *testing.T) {
	for _, test := range []struct {
		subopts string
		machine string
		says    string
	}{
		{"reboot", "app1", "app1"},
		{"reboot,self", "app1", "app1"},
	} {
		s := rack(t)
		s.world.Fault(sim.Fault{Machine: test.machine, Power: "stack", Verb: "start", Kind: primitives.Internal, Message: "no memory"})
		s.exits(s.cancel("pm", test.subopts, "lab01"), 1)
		s.told(test.says, "runs again")
		s.nobodyLost()
	}
}

// What a guest reported before it went down stands in for the result that was
// cut off with it; only where even that is missing it is not known.
func TestARebootWhoseLineIsCut(t *testing.T) {
	for _, subopts := range []string{"reboot", "reboot,self"} {
		s := rack(t)
		s.world.Fault(sim.Fault{Machine: "ct1", Power: "shutdown", Verb: "do", LoseReply: true})
		s.exits(s.cancel("pm", subopts, "lab01"), 0)
		s.nobodyLost()
		s.powered("ct1", "db1", "app1")
	}
}

func transients(t *testing.T) *scene {
	return newScene(t, func(clock *sim.Clock) *sim.World {
		w := sim.New(3, clock)
		w.Add(sim.Machine{Name: "host", Address: "10.1.0.1", Power: primitives.PowerOn, Boot: 5 * time.Second, Shutdown: 5 * time.Second, Enterable: true})
		w.Add(sim.Machine{Name: "lasting", Parent: "host", Address: "10.1.0.2", Power: primitives.PowerOn, Shutdown: time.Second, Agent: true})
		w.Add(sim.Machine{Name: "fleeting", Parent: "host", Address: "10.1.0.3", Power: primitives.PowerOn, Shutdown: time.Second, Agent: true, Transient: true})
		return w
	})
}

// A transient guest that is off is forgotten by its hypervisor.
func TestATransientGuestIsNotRebooted(t *testing.T) {
	for _, subopts := range []string{"reboot", "reboot,self"} {
		s := transients(t)
		s.exits(s.cancel("pm", subopts, "host"), 3)
		s.up("host", "lasting", "fleeting")
		s.told("fleeting is transient")
	}
	s := transients(t)
	s.exits(s.cancel("pm", "poweroff:0", "host"), 0)
	s.off("lasting", "fleeting")
}

// A plan starts what ran, on every level.
func TestAPlanSaysWhatIsStartedAgain(t *testing.T) {
	for _, subopts := range []string{"reboot,self", "reboot"} {
		s := rack(t)
		s.plan = true
		s.exits(s.cancel("pm", subopts, "lab01"), 0)
		started := map[string]bool{}
		for _, line := range s.planned() {
			for _, guest := range []string{"web1", "ct1", "db1", "app1"} {
				m, _ := s.world.Machine(guest)
				if strings.HasPrefix(line, "stack.start") && strings.Contains(line, m.UUID) {
					started[guest] = true
				}
			}
		}
		if len(started) != 4 {
			t.Errorf("%s starts again %v\n%s", subopts, started, s.story())
		}
	}
}

// The last that a run says of a guest is how it was left.
func TestARebootEndsWithGuestsThatRun(t *testing.T) {
	for _, subopts := range []string{"reboot", "self,reboot,timeout:60", "self,force,reboot"} {
		s := rack(t)
		s.exits(s.cancel("pm", subopts, "lab01"), 0)
		last := map[string]string{}
		for _, event := range s.events {
			if event.Kind == luabind.KindStepEnd && strings.HasPrefix(event.Object, "qemu:") {
				last[event.Object] = event.State
			}
		}
		for object, state := range last {
			if state != "rebooted" && state != "running" {
				t.Errorf("%s: of %s the last word is %q", subopts, object, state)
			}
		}
		if len(last) == 0 {
			t.Errorf("%s: no word of a guest\n%s", subopts, s.story())
		}
	}
}
