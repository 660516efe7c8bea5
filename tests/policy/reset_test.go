package policy

import (
	"strings"
	"testing"
	"time"

	"ctys/luabind"
	"ctys/primitives"
	"ctys/primitives/sim"
)

// RESET with SELF: what runs on the machine goes down cleanly, its BMC resets
// it, another boot proves it, and what ran is started again.
func TestAMachineIsResetByItsBMC(t *testing.T) {
	s := rack(t)
	before := s.world.State("lab01").Boots
	s.exits(s.cancel("pm", "reset,self,timeout:60", "lab01"), 0)
	s.up("lab01")
	s.powered("web1", "ct1", "db1")
	s.nobodyLost()
	if boots := s.world.State("lab01").Boots - before; boots != 1 {
		t.Errorf("%d boots", boots)
	}
	if n := s.count("ipmi", "reset"); n != 1 {
		t.Errorf("%d resets", n)
	}
	for _, entry := range s.world.Log() {
		if entry.Call == "shutdown.do" && entry.By == "lab01" {
			t.Errorf("its own system was asked too: %s", entry)
		}
	}
	s.told("lab01 has rebooted and is up", "what ran on it runs again", "announced, 60 s")
	reset := false
	for _, event := range s.events {
		if event.Kind == luabind.KindIntent && event.Op == "ipmi.power_reset" {
			reset = event.Durable && event.Effect == "write once" && event.Host == ""
		}
	}
	if !reset {
		t.Errorf("the reset is not in the desk's journal as what is done once\n%s", s.story())
	}
}

func TestWhereAResetIsRefusedTheMachineIsCycled(t *testing.T) {
	s := rack(t)
	s.world.Fault(sim.Fault{Machine: "lab03", Power: "ipmi", Verb: "reset", Kind: primitives.Unsupported, Message: "completion code 0xc1"})
	s.exits(s.cancel("pm", "reset,self,timeout:60", "lab03"), 0)
	s.up("lab03")
	s.nobodyLost()
	s.told("its BMC refuses a reset", "lab03 has rebooted and is up")
	if off, on := s.count("ipmi", "off"), s.count("ipmi", "on"); off != 1 || on != 1 {
		t.Errorf("off %d, on %d", off, on)
	}
}

// A lost reply is not asked for again: another boot tells that the reset was
// carried out, and what ran is started again. What cannot be confirmed is exit 1.
func TestAResetWhoseReplyIsLost(t *testing.T) {
	for _, test := range []struct {
		fault sim.Fault
		exit  int
		told  string
	}{
		{sim.Fault{LoseReply: true}, 0, "lab03 has rebooted and is up; what ran on it runs again: mail1"},
		{sim.Fault{Kind: primitives.Timeout, Message: "unknown, not repeated"}, 1, "unknown, not repeated"},
	} {
		s := rack(t)
		test.fault.Machine, test.fault.Power, test.fault.Verb = "lab03", "ipmi", "reset"
		s.world.Fault(test.fault)
		s.exits(s.cancel("pm", "reset,self,timeout:60", "lab03"), test.exit)
		s.told("unknown, not repeated", test.told)
		if n := s.count("ipmi", "reset") + s.count("ipmi", "off") + s.count("ipmi", "cycle"); n != 1 {
			t.Errorf("%d commands", n)
		}
		s.nobodyLost()
	}
}

func TestAResetThatDidNothingIsSeen(t *testing.T) {
	s := rack(t)
	s.overrides = map[string]string{"power.lua": `
		local power = require "stock.power"
		function power.reset() return "reset" end
		return power`}
	s.exits(s.cancel("pm", "reset,self,timeout:60", "lab03"), 1)
	s.told("asked to reboot, not confirmed")
}

// A guest that is left running bars the reset, too.
func TestAGuestThatStaysOnBarsTheReset(t *testing.T) {
	s := rack(t)
	s.world.HangInShutdown("mail1", true)
	s.rows["mail1"] = "deadline = 20"
	s.exits(s.cancel("pm", "reset,self", "lab03"), 1)
	s.up("lab03")
	s.told("still")
	if n := s.count("ipmi", "reset"); n > 0 {
		t.Error("it was reset all the same")
	}
}

// Check first, act later: a BMC that cannot be asked is found out before the
// first guest is touched.
func TestABMCThatDoesNotAnswerKeepsTheStack(t *testing.T) {
	for kind, exit := range map[primitives.Kind]int{primitives.Auth: 3, primitives.Unreachable: 1} {
		s := rack(t)
		s.world.Fault(sim.Fault{Machine: "lab01", Power: "ipmi", Kind: kind, Message: "made so"})
		s.exits(s.cancel("pm", "reset,self,timeout:60", "lab01"), exit)
		s.up("lab01", "web1", "ct1", "db1")
		s.told("made so")
		if n := s.count("stack", "") + s.count("line", ""); n > 0 {
			t.Errorf("%s: the machine was entered", kind)
		}
	}
}

func TestAResetByForce(t *testing.T) {
	s := rack(t)
	s.world.Hang("lab03")
	before := s.world.State("lab03").Boots
	s.exits(s.cancel("pm", "reset,self,timeout:60", "lab03"), 1)
	if s.world.State("lab03").Boots != before {
		t.Error("it was reset without FORCE")
	}
	s.events = nil
	s.exits(s.cancel("pm", "reset,self,force", "lab03"), 1) // no boot_id was to be had before
	s.told("lab03 cannot be entered; FORCE goes on", "mail1", "not confirmed (it has no boot_id to compare)")
	if s.world.State("lab03").Boots != before+1 {
		t.Error("it was not reset")
	}
}

func TestAMachineThatIsOffIsNotReset(t *testing.T) {
	s := rack(t)
	for _, subopts := range []string{"reset,self,timeout:60", "reset,self,force"} {
		s.events = nil
		s.exits(s.cancel("pm", subopts, "lab02"), 3)
		s.told("lab02 is off, by the word of its BMC: there is nothing to reset")
	}
	s.off("lab02")
}

// Without SELF it is what runs on the machine that is rebooted, which needs no BMC.
func TestAResetOfWhatRunsThere(t *testing.T) {
	s := rack(t)
	before := s.world.State("web1").Boots
	s.exits(s.cancel("pm", "l:tst100,RESET", "lab01"), 0)
	s.up("lab01")
	s.powered("web1", "ct1")
	if s.world.State("web1").Boots != before+1 {
		t.Error("web1 was not rebooted")
	}
}

func TestAPlanOfAResetNamesIt(t *testing.T) {
	s := rack(t)
	s.plan = true
	s.exits(s.cancel("pm", "reset,self", "lab03"), 0)
	var ops []string
	for _, event := range s.events {
		if event.Kind == luabind.KindPlan {
			ops = append(ops, event.Op)
		}
	}
	if got := strings.Join(ops, " "); got != "action.shut_down shutdown.announce ipmi.power_reset stack.start" {
		t.Errorf("planned %s\n%s", got, s.story())
	}
}

// A machine is off by the word of its BMC; one whose BMC is silent is not off
// because nothing answers.
func TestCancelBelievesTheBMC(t *testing.T) {
	s := rack(t)
	s.exits(s.cancel("pm", "self,poweroff:0", "lab03"), 0)
	s.told("lab03 is off, by the word of its bmc")
	s = rack(t)
	s.world.Fault(sim.Fault{Machine: "lab03", Power: "ipmi", Kind: primitives.Timeout, Message: "silent"})
	s.exits(s.cancel("pm", "self,poweroff:0", "lab03"), 1)
	s.off("lab03")
	s.told("lab03 is not off after 180 s, by the word of its bmc: unknown", "silent")
}

// What a BMC cannot tell, an answer may: it proves that the machine is on.
func TestAnAnswerProvesOn(t *testing.T) {
	s := rack(t)
	s.world.Fault(sim.Fault{Machine: "lab03", Power: "ipmi", Kind: primitives.Timeout, Message: "silent"})
	s.world.Fault(sim.Fault{Machine: "lab02", Power: "ipmi", Kind: primitives.Timeout, Message: "silent"})
	s.ends(s.power("status", nil, "lab02", "lab03"), 1, "on: lab03\nunknown: lab02\n")
}

func TestAMachineIsWokenByItsBMC(t *testing.T) {
	s := rack(t)
	s.exits(s.create("pm", "ipmi,l:lab02"), 0)
	s.up("lab02")
	s.told("chassis power on, by the word of its BMC", "lab02 is up, it answers")
	if len(s.sent()) > 0 || s.count("ipmi", "on") != 1 {
		t.Errorf("sent %q, %d commands", s.sent(), s.count("ipmi", "on"))
	}
	// Nothing is waited for: the BMC's word is the end.
	s = rack(t)
	s.exits(s.create("pm", "ipmi,l:lab02,ping:off"), 0)
	s.told("lab02: chassis power on, by the word of its BMC")
	if elapsed := s.clock.Elapsed(); elapsed > 2*time.Second {
		t.Errorf("took %s", elapsed)
	}
	// From another machine: the desk speaks to the BMC.
	s = rack(t)
	s.exits(s.create("pm", "ipmi,l:lab02", "lab03"), 0)
	s.up("lab02")
	// Both ways, where both are asked for.
	s = rack(t)
	s.exits(s.create("pm", "wol,ipmi,l:lab02"), 0)
	if len(s.sent()) != 1 || s.count("ipmi", "on") != 1 {
		t.Errorf("sent %q, %d commands", s.sent(), s.count("ipmi", "on"))
	}
}

func TestAMachineWithoutAKnownMACIsWokenByItsBMC(t *testing.T) {
	s := rack(t)
	s.noMAC = true
	s.exits(s.create("pm", "wol,l:lab02"), 0)
	s.up("lab02")
	if len(s.sent()) > 0 || s.count("ipmi", "on") != 1 {
		t.Errorf("sent %q, %d commands", s.sent(), s.count("ipmi", "on"))
	}
	s = rack(t)
	s.noMAC = true
	s.refused("pm", "create", "wol,l:web1", primitives.Invalid, "the MAC of web1 is not known")
}

func TestABMCThatRefusesToSwitchOn(t *testing.T) {
	s := rack(t)
	s.world.Fault(sim.Fault{Machine: "lab02", Power: "ipmi", Verb: "on", Kind: primitives.Denied, Message: "the privilege OPERATOR is needed"})
	s.exits(s.create("pm", "ipmi,l:lab02"), 3)
	s.told("the privilege OPERATOR is needed")
	s.off("lab02")
}

// Who reads the results alone, as --json gives them, finds an error in each that
// is no success.
func TestAMissedGoalIsAnError(t *testing.T) {
	deaf := map[string]string{"power.lua": `
		local power = require "stock.power"
		function power.reset() return "reset" end
		return power`}
	for subopts, prepare := range map[string]func(s *scene){
		"self,reboot,timeout:60": func(s *scene) { s.world.HangInShutdown("lab03", true) },
		"self,poweroff:0":        func(s *scene) { s.world.HangInShutdown("lab03", true) },
		"reset,self,timeout:60":  func(s *scene) { s.overrides = deaf },
	} {
		s := rack(t)
		prepare(s)
		s.exits(s.cancel("pm", subopts, "lab03"), 1)
		for _, event := range s.events {
			if event.Kind == luabind.KindResult && event.Error == nil {
				t.Errorf("%s: %s %s, %s has no error", subopts, event.Object, event.State, event.Text)
			}
		}
	}
}
