package policy

import (
	"testing"
	"time"

	"ctys/primitives"
	"ctys/primitives/sim"
)

// A machine that is off has reached what would have taken it down, by the word
// of who can see it.
func TestMachineThatIsOffAlready(t *testing.T) {
	for subopts, exit := range map[string]int{
		"self,poweroff:0": 0, "self,init:0": 0, "poweroff:0": 0, "reboot": 0,
		"self,reboot": 1, "self,init:3": 1,
	} {
		s := rack(t)
		s.exits(s.cancel("pm", subopts, "lab02"), exit)
		if exit == 0 {
			s.told("lab02 is off already, by the word of its bmc")
		}
	}
	// One that is off cannot be armed, and may have been before.
	s := rack(t)
	s.exits(s.cancel("pm", "self,wol,poweroff:0", "lab02"), 1)
	s.told("lab02 is off already, by the word of its bmc, and whether a packet wakes it nobody can tell")
	if err := s.kept.Keep("lab02", map[string]any{"way_back": map[string]any{"method": "raw", "mac": "02:00:00:00:00:02"}}); err != nil {
		t.Fatal(err)
	}
	s.exits(s.cancel("pm", "self,wol,poweroff:0", "lab02"), 0)
	s.told("woken by a raw frame for 02:00:00:00:00:02")
	s = rack(t) // nobody can see it off
	s.world.Fault(sim.Fault{Machine: "lab02", Power: "ipmi", Kind: primitives.Timeout})
	s.exits(s.cancel("pm", "self,poweroff:0", "lab02"), 1)
}

// One that was begun on and went off in the middle has not: who knows how.
func TestMachineThatIsCutOffInTheMiddle(t *testing.T) {
	s := rack(t)
	s.world.Fault(sim.Fault{Machine: "web1", Power: "stack", Verb: "shutdown", Hang: true})
	s.world.After(3*time.Second, func() { s.world.PowerOff("lab01") })
	s.exits(s.cancel("pm", "self,poweroff:0", "lab01"), 1)
}

// What ran, and which boot it was, reach the caller before the machine goes: a
// result that is cut off with it is not missed.
func TestRebootWhoseResultIsLost(t *testing.T) {
	s := rack(t)
	s.world.Fault(sim.Fault{Machine: "lab01", Power: "shutdown", Verb: "do", LoseReply: true, Hang: true})
	s.exits(s.cancel("pm", "self,reboot,timeout:60", "lab01"), 0)
	s.told("lab01 has rebooted and is up", "runs again")
	s.powered("web1", "ct1")
	s.nobodyLost()
}

func TestRunLevelIsReadBack(t *testing.T) {
	s := rack(t)
	s.exits(s.cancel("pm", "self,init:3", "lab01"), 0)
	s.told("lab01 is in run level 3")

	s = rack(t)
	s.world.Fault(sim.Fault{Machine: "lab01", Power: "shutdown", Verb: "in_run_level", Kind: primitives.Unsupported})
	s.exits(s.cancel("pm", "self,init:3", "lab01"), 1)
	s.told("asked to go to run level 3, not confirmed")
}
