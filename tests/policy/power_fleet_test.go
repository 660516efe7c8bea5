package policy

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"ctys/luabind"
	"ctys/primitives"
	"ctys/primitives/sim"
)

// --timeout holds for every verb: a dead BMC costs no more than it says.
func TestTheTimeoutOfAFirstRequest(t *testing.T) {
	for verb, with := range map[string]arguments{
		"status": {}, "on": {}, "off": {}, "cycle": {}, "reset": {}, "identify": {}, "bootdev": {}, "sensors": {}, "sel": {},
		"sel --clear": {"clear": true}, "bootdev -d pxe": {"device": "pxe"}, "identify --forever": {"forever": true},
	} {
		s := rack(t)
		s.world.Fault(sim.Fault{Machine: "lab02", Power: "ipmi", Hang: true})
		with["timeout"] = 2.0
		verb, _, _ := strings.Cut(verb, " ")
		got := s.power(verb, with, "lab02")
		if elapsed := s.clock.Elapsed(); got.err != nil || got.exit != 1 || elapsed > 2100*time.Millisecond {
			t.Errorf("%s %v: exit %d, %v, after %s", verb, with, got.exit, got.err, elapsed)
		}
	}
}

// How many are done is told also while those that are left say nothing.
func TestProgressIsToldWhileNothingEnds(t *testing.T) {
	s := bmcs(t, 30, func(int) bool { return false })
	s.world.Fault(sim.Fault{Machine: "bmc0007", Power: "ipmi", Hang: true})
	var names []string
	for i := range 30 {
		names = append(names, fmt.Sprintf("bmc%04d", i))
	}
	s.power("status", nil, names...)
	for _, event := range s.events {
		if event.Kind == luabind.KindProgress && event.Text == "29 of 30 done" {
			if at := event.At.Sub(s.events[0].At); at > 3*time.Second || event.Data["done"] != 29 || event.Data["total"] != 30 {
				t.Errorf("told after %s with %v", at, event.Data)
			}
			return
		}
	}
	t.Errorf("not told\n%s", s.story())
}

// A run that is stopped folds its machines as well.
func TestAStoppedFleetIsFolded(t *testing.T) {
	s := bmcs(t, 30, func(int) bool { return false })
	s.world.Fault(sim.Fault{Machine: "bmc0007", Power: "ipmi", Hang: true})
	s.world.Fault(sim.Fault{Machine: "bmc0008", Power: "ipmi", Hang: true})
	s.stop = 5 * time.Second
	got := s.power("status", nil, "bmc0006", "bmc0007", "bmc0008", "bmc0009")
	if want := "on: bmc[0006,0009]\nunknown: bmc[0007-0008]\n"; got.err == nil || got.out != want {
		t.Errorf("exit %d, %v, printed\n%swant\n%s", got.exit, got.err, got.out, want)
	}
}

// An event log that may be gone is shown: its emptying can be lost, refused or
// cut short after it was read.
func TestAnEventLogIsShownBeforeItIsEmptied(t *testing.T) {
	for _, test := range []struct {
		fault sim.Fault
		stop  time.Duration
	}{{fault: sim.Fault{LoseReply: true}}, {fault: sim.Fault{Hang: true}, stop: 5 * time.Second}} {
		s := rack(t)
		s.power("on", nil, "lab02")
		s.events = nil
		test.fault.Machine, test.fault.Power, test.fault.Verb = "lab02", "ipmi", "clear_events"
		s.world.Fault(test.fault)
		s.stop = test.stop
		got := s.power("sel", arguments{"clear": true}, "lab02")
		if (got.err == nil) != (test.stop == 0) || got.exit == 0 || !strings.Contains(got.out, "lab02 1 2023-11-14T22:13:20Z Power: booting (bmc)\n") {
			t.Errorf("%+v: exit %d, %v, printed %q\n%s", test.fault, got.exit, got.err, got.out, s.story())
		}
		for _, event := range s.events {
			if list, _ := event.Data["events"].([]any); event.Kind == luabind.KindResult && (event.State != "unknown" || len(list) == 0) {
				t.Errorf("%+v: %s with %v", test.fault, event.State, event.Data)
			}
		}
	}
}

// What a machine that is off cannot do is refused, in a plan too, and the state
// that was seen is told.
func TestWhatAMachineThatIsOffCannotDo(t *testing.T) {
	for verb, with := range map[string]arguments{"reset": nil, "diag": nil, "cycle": {"native": true}} {
		for _, plan := range []bool{false, true} {
			s := rack(t)
			s.plan = plan
			s.ends(s.power(verb, with, "lab02"), 3, "off: lab02\n")
			s.told("it is off: there is nothing to")
			if n := s.asked(verb, "127.77.1.2"); n != 0 {
				t.Errorf("%s was sent", verb)
			}
		}
	}
}

// A plan says what would be, and that nobody has seen it.
func TestAPlanIsNoAnswerOfABMC(t *testing.T) {
	for verb, with := range map[string]arguments{
		"on": nil, "identify": nil, "bootdev": {"device": "pxe", "uefi": true}, "sel": {"clear": true},
	} {
		s := rack(t)
		s.plan = true
		s.power(verb, with, "lab02")
		state, _ := s.result("lab02")
		for _, event := range s.events {
			if event.Kind == luabind.KindResult && (!strings.HasPrefix(state, "would ") || event.Data["seen_by"] != nil) {
				t.Errorf("%s: %s, seen by %v", verb, state, event.Data["seen_by"])
			}
		}
	}
}

// Two rows with one BMC are one machine: what must not be done twice is not.
func TestABMCThatTwoRowsShare(t *testing.T) {
	shared := func(text string) string {
		return strings.ReplaceAll(text, `bmc = { host = "127.77.1.2"`, `bmc = { host = "127.77.1.3"`)
	}
	for verb, with := range map[string]arguments{"reset": nil, "diag": nil, "cycle": nil} {
		s := rack(t)
		s.edit = shared
		got := s.power(verb, with, "lab02", "lab03")
		var script *luabind.ScriptError
		if !errors.As(got.err, &script) || script.Kind != primitives.Invalid || !strings.Contains(got.err.Error(), "lab02 and lab03 have one BMC (127.77.1.3 port ") {
			t.Errorf("%s: exit %d, %v", verb, got.exit, got.err)
		}
		if calls := s.world.Log(); len(calls) > 0 {
			t.Errorf("%s: contacted: %v", verb, calls)
		}
	}
	s := rack(t)
	s.edit = shared
	s.world.PowerOff("mail1")
	s.ends(s.power("off", nil, "lab02", "lab03"), 0, "off: lab[02-03]\n")
}

// An unknown state has its cause, whoever was asked.
func TestAnUnknownStateHasACause(t *testing.T) {
	s := rack(t)
	s.edit = func(text string) string { return regexp.MustCompile(` uuid = "[^"]*",`).ReplaceAllString(text, "") }
	s.rows["web1"] = `label = "web7",`
	s.world.Hang("web1")
	s.power("status", nil, "web1")
	s.told("no hypervisor of lab01 shows it")
	s = rack(t)
	s.edit = func(text string) string { return regexp.MustCompile(` bmc = {[^}]*},`).ReplaceAllString(text, "") }
	s.power("status", nil, "lab02")
	s.told("nothing answers at 127.77.0.2, and that proves nothing")
	s.power("status", nil, "nobody")
	s.told(`there is no host "nobody"`)
}
