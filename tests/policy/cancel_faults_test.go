package policy

import (
	"testing"
	"time"

	"ctys/primitives"
	"ctys/primitives/sim"
)

// A guest that hangs may keep the channel of its agent open: then the hypervisor
// waits for an answer that does not come, and the power button is next.
func TestAnAgentThatDoesNotAnswerIsFollowedByACPI(t *testing.T) {
	for _, fault := range []sim.Fault{
		{Machine: "web1", Power: "stack", Verb: "shutdown", Hang: true, Count: 1},
		{Machine: "web1", Power: "stack", Verb: "shutdown", Kind: primitives.Timeout, Count: 1},
		{Machine: "web1", Power: "stack", Verb: "shutdown", LoseReply: true, Count: 1},
	} {
		s := rack(t)
		s.world.Fault(fault)
		s.exits(s.cancel("pm", "self,poweroff:0", "lab01"), 0)
		s.off("web1", "lab01")
		s.nobodyLost()
	}
}

func TestAGuestThatTakesNoRequestIsDestroyedAtItsDeadline(t *testing.T) {
	s := rack(t)
	s.world.Fault(sim.Fault{Machine: "web1", Power: "stack", Verb: "shutdown", Hang: true})
	s.exits(s.cancel("pm", "self,poweroff:0,timeout:60", "lab01"), 0)
	s.off("web1", "lab01")
	s.nobodyLost()
	if calls := s.count("stack", "destroy"); calls != 1 {
		t.Errorf("%d destroys, want 1", calls)
	}
}

// What was asked first may still be at work when the next step is refused.
func TestARefusedStepDoesNotShortenTheDeadline(t *testing.T) {
	for _, kind := range []primitives.Kind{primitives.Internal, primitives.Unsupported, primitives.Denied} {
		s := rack(t)
		s.world.HangInShutdown("web1", true)
		s.world.After(80*time.Second, func() { s.world.PowerOff("web1") })
		s.world.Fault(sim.Fault{Machine: "web1", Power: "stack", Verb: "shutdown", After: 1, Kind: kind})
		s.exits(s.cancel("pm", "poweroff:0,timeout:100", "lab01"), 0)
		s.off("web1")
		if calls := s.count("stack", "destroy"); calls != 0 {
			t.Errorf("%s: destroyed before its deadline\n%s", kind, s.story())
		}
	}
}

func TestAShortDeadlineStillAsks(t *testing.T) {
	s := rack(t)
	s.world.Fault(sim.Fault{Machine: "mail1", Power: "probe"})
	s.exits(s.cancel("pm", "poweroff:0,timeout:1", "lab03"), 0)
	s.off("mail1")
	if calls := s.count("stack", "shutdown"); calls == 0 {
		t.Errorf("it was not asked\n%s", s.story())
	}
}

// A guest whose line falls silent is given up at its own deadline.
func TestALineThatHangs(t *testing.T) {
	for _, fault := range []sim.Fault{
		{Machine: "ct1", Power: "line", Hang: true},
		{Machine: "app1", Power: "line", Hang: true, Count: 1},
	} {
		s := rack(t)
		s.world.Fault(fault)
		exit := s.cancel("pm", "self,poweroff:0", "lab01")
		s.nobodyLost()
		if fault.Machine == "ct1" {
			s.exits(exit, 1)
			s.up("lab01", "ct1", "db1")
			s.told("ct1", "db1")
		} else {
			s.exits(exit, 0)
			s.off("lab01", "app1")
		}
	}
}

func TestAPausedGuestThatCannotBeResumed(t *testing.T) {
	s := rack(t)
	s.pause("web1")
	s.world.Fault(sim.Fault{Machine: "web1", Power: "stack", Verb: "resume", Kind: primitives.Internal})
	s.exits(s.cancel("pm", "self,poweroff:0,timeout:30", "lab01"), 0)
	s.off("web1", "lab01")
	s.nobodyLost()
}

// SELF takes down whatever runs on the machine, so it looks at all of it before
// anything is touched.
func TestSelfIsRefusedWhereItWouldTakeOthersAlong(t *testing.T) {
	for _, test := range []struct {
		kind, subopts string
		types         []any
	}{
		{"pm", "self,poweroff:0", []any{"kvm"}},
		{"kvm", "all,self,poweroff:0", nil},
		{"kvm", "l:web1,self,reboot", nil},
	} {
		s := rack(t)
		s.types = test.types
		s.exits(s.cancel(test.kind, test.subopts, "lab01"), 3)
		s.up("lab01", "web1", "ct1", "db1")
		s.told("SELF would take along what the request leaves on: ct1")
	}
}

func TestForceSaysWhoWasNotSeenOff(t *testing.T) {
	s := rack(t)
	s.exits(s.cancel("kvm", "all,self,force,poweroff:0", "lab01"), 0)
	s.off("lab01")
	s.told("FORCE: not seen off: ct1")

	s = rack(t)
	s.world.Fault(sim.Fault{Machine: "ct1", Power: "stack", Verb: "destroy", Kind: primitives.Denied})
	s.exits(s.cancel("pm", "self,force,poweroff:0", "lab01"), 0)
	s.off("lab01")
	s.told("FORCE: not seen off: ct1")
}

// The delay of the announcement is long enough for another operator.
func TestAGuestStartedDuringTheAnnouncementBarsSelf(t *testing.T) {
	for _, subopts := range []string{"self,poweroff", "self,reboot"} {
		s := rack(t)
		s.world.After(12*time.Second, func() { s.world.PowerOn("web1") })
		s.exits(s.cancel("pm", subopts, "lab01"), 1)
		s.up("lab01", "web1")
		s.nobodyLost()
		s.told("somebody has started meanwhile: web1")
		if calls := s.count("shutdown", "announce"); calls != 3 { // of ct1, of lab01, and that it is called off
			t.Errorf("%d announcements, want 3\n%s", calls, s.story())
		}
	}
}

// Exit 3 promises that nothing was changed.
func TestARefusalAfterTheStackIsNoRefusal(t *testing.T) {
	for _, verb := range []string{"do", "announce"} {
		s := rack(t)
		s.world.Fault(sim.Fault{Machine: "lab01", Power: "shutdown", Verb: verb, Kind: primitives.Denied})
		s.exits(s.cancel("pm", "self,poweroff:0", "lab01"), 1)
		s.off("web1", "ct1")
		s.up("lab01")
		s.told("lab01 itself was not taken down")
	}
	s := rack(t)
	s.world.Fault(sim.Fault{Machine: "lab01", Power: "shutdown", Verb: "supported", Kind: primitives.Denied})
	s.exits(s.cancel("pm", "self,poweroff:0", "lab01"), 3)
	s.up("lab01", "web1", "db1")
}

// A hypervisor that takes a question and never answers it.
func TestAWalkThatHangs(t *testing.T) {
	for after := range 6 {
		s := rack(t)
		s.world.Fault(sim.Fault{Machine: "lab01", Power: "stack", Verb: "list", After: after, Hang: true})
		exit := s.cancel("pm", "self,poweroff:0", "lab01")
		s.nobodyLost()
		if after < 4 {
			s.exits(exit, 1)
			s.up("lab01")
			s.told("web1", "ct1")
		} else {
			s.exits(exit, 0)
		}
	}
}

// A machine that is lost after a guest of it took its power-off has itself taken
// none: what was asked of ct1 says nothing of lab01.
func TestAMachineThatIsLostBeforeItWasAsked(t *testing.T) {
	s := rack(t)
	s.instead = map[string]string{"lab01": `lab01 = { address = "127.77.0.1", port = 2222 },`}
	s.world.After(15*time.Second, func() { s.world.PowerOff("lab01") })
	if exit := s.cancel("pm", "self,poweroff", "lab01"); exit != 1 {
		t.Errorf("exit %d, want 1\n%s", exit, s.story())
	}
}

// A limit makes guests wait for each other; their level's time is for all.
func TestALimitDoesNotOutlastTheDeadlineOfTheGuestAbove(t *testing.T) {
	s := rack(t)
	s.site["limit_per_hypervisor"] = 1.0
	s.world.HangInShutdown("db1", true)
	s.world.HangInShutdown("app1", true)
	s.exits(s.cancel("pm", "self,poweroff:0,timeout:100", "lab01"), 0)
	s.off("db1", "app1", "ct1", "lab01")
	s.nobodyLost()
}

// Two orders for one guest: off is off, whoever did it.
func TestAGuestThatSomebodyElseTakesDown(t *testing.T) {
	s := rack(t)
	s.exits(s.cancel("pm", "self,poweroff:0", "lab01", "ct1"), 0)
	s.off("lab01", "ct1", "db1", "app1")
	s.nobodyLost()
}

// FORCE destroys what it can reach.
func TestForceBesideAHypervisorThatDoesNotAnswer(t *testing.T) {
	s := rack(t)
	s.world.Fault(sim.Fault{Machine: "lab01", Power: "stack", Verb: "list", After: 1, Count: 1})
	s.exits(s.cancel("pm", "self,force,poweroff:0", "lab01"), 0)
	s.off("lab01", "web1")
	s.told("FORCE: not seen off: ct1")
	if calls := s.count("stack", "destroy"); calls != 1 {
		t.Errorf("%d guests were destroyed, want 1\n%s", calls, s.story())
	}
}

func TestADeadBMCIsUnknownAndNoGoal(t *testing.T) {
	s := rack(t)
	s.world.Fault(sim.Fault{Machine: "lab01", Power: "ipmi"})
	s.exits(s.cancel("pm", "self,poweroff:0", "lab01"), 1)
	s.told("lab01 is not off after 180 s, by the word of its bmc: unknown", "ERROR unreachable")
}

// A word that nobody knows, first seen by the second look.
func TestAStateThatNobodyKnowsIsNotOff(t *testing.T) {
	s := rack(t)
	s.world.Fault(sim.Fault{Machine: "web1", Power: "stack", Verb: "list", After: 1, State: "half-there"})
	s.exits(s.cancel("pm", "self,poweroff:0", "lab01"), 1)
	s.up("lab01")
	s.told(`not known to be off: web1`, "half-there")

	s = rack(t)
	s.world.Fault(sim.Fault{Machine: "web1", Power: "stack", State: "half-there"})
	s.exits(s.cancel("pm", "poweroff:0", "lab01"), 1)
	s.told("still unknown after 180 s", "half-there")
}

// A hypervisor whose answers are errors of time, at once: nothing spins.
func TestAHypervisorThatAlwaysTimesOut(t *testing.T) {
	s := rack(t)
	s.world.Fault(sim.Fault{Machine: "ct1", Power: "stack", After: 2, Kind: primitives.Timeout})
	s.exits(s.cancel("pm", "self,poweroff:0", "lab01"), 1)
	s.up("lab01", "ct1")
	if calls := s.count("stack", "shutdown"); calls > 100 {
		t.Errorf("%d requests", calls)
	}
}
