package policy

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"ctys/luabind"
	"ctys/luabind/simulated"
	"ctys/primitives"
	"ctys/primitives/sim"
)

func TestPowerOffOfTheStack(t *testing.T) {
	s := rack(t)
	s.exits(s.cancel("pm", "poweroff:0", "lab01"), 0)
	s.off("web1", "ct1", "db1", "app1")
	s.up("lab01", "lab03", "mail1")
	s.nobodyLost()
}

func TestPowerOffWithSelf(t *testing.T) {
	s := rack(t)
	s.exits(s.cancel("pm", "self,poweroff:0", "lab01"), 0)
	s.off("web1", "ct1", "db1", "app1", "lab01")
	s.nobodyLost()
	s.told("lab01 is off, by the word of its bmc", "asked through the guest agent")
}

func TestSeveralTargetsAtOnce(t *testing.T) {
	s := rack(t)
	s.exits(s.cancel("pm", "self,poweroff:0", "lab01", "lab03"), 0)
	s.off("lab01", "lab03", "mail1")
	s.nobodyLost()
}

func TestStuckGuestBarsSelf(t *testing.T) {
	s := rack(t)
	s.world.HangInShutdown("db1", true)
	s.exits(s.cancel("pm", "self,poweroff:0", "lab01"), 1)
	s.up("lab01", "ct1")
	s.off("web1", "app1")
	s.nobodyLost()
	s.told("db1", `at_deadline = "destroy"`)
}

func TestStuckGuestIsDestroyedWhereADeadlineWasTyped(t *testing.T) {
	s := rack(t)
	s.world.HangInShutdown("web1", true)
	s.exits(s.cancel("pm", "self,poweroff:0,timeout:60", "lab01"), 0)
	s.off("web1", "lab01")
	s.nobodyLost()
	if calls := s.count("stack", "destroy"); calls != 1 {
		t.Errorf("%d destroys, want 1", calls)
	}
}

func TestAtDeadlineOfARow(t *testing.T) {
	s := rack(t)
	s.rows["web1"] = `deadline = 30, at_deadline = "destroy"`
	s.world.HangInShutdown("web1", true)
	s.exits(s.cancel("pm", "poweroff:0", "lab01"), 0)
	s.off("web1")
	if elapsed := s.clock.Elapsed(); elapsed > 40*time.Second {
		t.Errorf("took %s with a deadline of 30 s", elapsed)
	}
}

func TestASiteReplacesOneFunction(t *testing.T) {
	s := rack(t)
	s.overrides = map[string]string{"cancel.lua": `
		local cancel = require "stock.cancel"
		function cancel.at_deadline(guest) return guest.name == "db1" and "destroy" or "stop" end
		return cancel`}
	s.world.HangInShutdown("db1", true)
	s.exits(s.cancel("pm", "self,poweroff:0", "lab01"), 0)
	s.off("db1", "ct1", "lab01")
	s.nobodyLost()
}

func TestTheHypervisorStopsAnswering(t *testing.T) {
	for _, fault := range []sim.Fault{
		{Machine: "lab01", Power: "stack", After: 6},
		{Machine: "lab01", Power: "stack", After: 6, Hang: true},
		{Machine: "web1", Power: "stack", Verb: "await", Hang: true},
		{Machine: "web1", Power: "stack", State: "half-there"},
		{Machine: "lab01", Power: "stack", Verb: "list", After: 2},
		{Machine: "ct1", Power: "stack", Verb: "shutdown", Hang: true},
	} {
		s := rack(t)
		s.world.Fault(fault)
		exit, err := s.form("pm", "cancel", "self,poweroff:0", "lab01")
		if err == nil && exit != 1 {
			t.Errorf("%+v: exit %d, want 1\n%s", fault, exit, s.story())
		}
		s.up("lab01")
		s.nobodyLost()
		named := false
		for _, guest := range []string{"web1", "ct1", "db1", "app1"} {
			named = named || strings.Contains(s.story(), guest)
		}
		if !named {
			t.Errorf("%+v: no guest is named\n%s", fault, s.story())
		}
	}
}

func TestOneThatFailsKeepsNobodyFromBeingAsked(t *testing.T) {
	s := rack(t)
	s.world.Fault(sim.Fault{Machine: "web1", Power: "stack", Verb: "shutdown"})
	s.exits(s.cancel("pm", "self,poweroff:0", "lab01"), 1)
	s.off("ct1", "db1", "app1")
	s.up("lab01", "web1")
}

func TestALostReplyOfDestroyIsNotRepeated(t *testing.T) {
	s := rack(t)
	s.world.HangInShutdown("web1", true)
	s.world.Fault(sim.Fault{Machine: "web1", Power: "stack", Verb: "destroy", LoseReply: true})
	s.exits(s.cancel("pm", "poweroff:0,timeout:20", "lab01"), 0)
	s.off("web1")
	if calls := s.count("stack", "destroy"); calls != 1 {
		t.Errorf("%d destroys, want 1", calls)
	}
}

func TestForceDestroysAtOnce(t *testing.T) {
	s := rack(t)
	s.exits(s.cancel("pm", "self,force,poweroff:0", "lab01"), 0)
	s.off("lab01", "web1", "ct1")
	if calls := s.count("stack", "shutdown"); calls != 0 {
		t.Errorf("%d guests were asked", calls)
	}
}

func TestAPausedGuestIsResumed(t *testing.T) {
	s := rack(t)
	s.pause("web1")
	s.exits(s.cancel("pm", "poweroff:0", "lab01"), 0)
	s.off("web1")
}

func TestTheFirstPressIsLostByAGuestThatBoots(t *testing.T) {
	s := rack(t)
	s.exits(s.cancel("pm", "poweroff:0", "lab03"), 0)
	s.off("mail1")
}

func TestRebootOfTheStack(t *testing.T) {
	s := rack(t)
	before := s.world.State("web1").Boots
	s.exits(s.cancel("pm", "l:tst001,REBOOT", "lab01"), 0)
	s.up("lab01")
	s.powered("web1", "ct1", "db1", "app1")
	if s.world.State("web1").Boots == before {
		t.Error("web1 runs the same boot as before")
	}
	s.nobodyLost()
}

func TestRebootWithSelf(t *testing.T) {
	s := rack(t)
	before := s.world.State("lab01").Boots
	s.exits(s.cancel("pm", "l:tst001,REBOOT,SELF", "lab01"), 0)
	s.up("lab01")
	s.powered("web1", "ct1", "db1", "app1")
	if s.world.State("lab01").Boots == before {
		t.Error("lab01 runs the same boot as before")
	}
	s.nobodyLost()
}

func TestInit(t *testing.T) {
	for _, test := range []struct {
		subopts   string
		guestsOff bool
		hostOff   bool
	}{
		{"init:0", true, false},
		{"init:3", false, false},
		{"init:3,self", false, false},
		{"init:1", true, false},
		{"init:0,self,timeout:30", true, true},
	} {
		s := rack(t)
		s.exits(s.cancel("pm", test.subopts, "lab01"), 0)
		if off := s.world.State("web1").Phase == sim.Off; off != test.guestsOff {
			t.Errorf("%s: web1 off: %v\n%s", test.subopts, off, s.story())
		}
		if off := s.world.State("lab01").Phase == sim.Off; off != test.hostOff {
			t.Errorf("%s: lab01 off: %v\n%s", test.subopts, off, s.story())
		}
		s.nobodyLost()
	}
}

func TestVMTypes(t *testing.T) {
	s := rack(t)
	s.exits(s.cancel("kvm", "l:web1,poweroff:0", "lab01"), 0)
	s.off("web1")
	s.up("ct1", "db1", "lab01")

	s = rack(t)
	s.exits(s.cancel("kvm", "l:web,poweroff:0", "lab01"), 1)
	s.up("web1")
	s.told(`no kvm guest here is "l:web"`)

	s = rack(t)
	s.exits(s.cancel("lxc", "all,force,poweroff:0", "lab01"), 0)
	s.off("ct1", "db1")
	s.up("web1")
}

// Every address leads to one guest, by the inventory of the desk: the machine
// that carries it has a part of it only, with other record numbers.
func TestEveryAddressFindsTheGuest(t *testing.T) {
	s := rack(t)
	web, _ := s.world.Machine("web1")
	number := 0
	for _, row := range s.inventory().Rows() {
		if row.Name == "web1" {
			number = row.Record
		}
	}
	for _, address := range []string{
		"l:web1", "t:" + web.Address, "m:" + web.MAC.String(), "u:" + strings.ToUpper(web.UUID), fmt.Sprintf("dr:%d", number),
		fmt.Sprintf("l:nosuch,dr:%d", number), "l:web1,t:" + web.Address,
	} {
		s := rack(t)
		s.exits(s.cancel("vm", address+",poweroff:0", "lab01"), 0)
		s.off("web1")
		s.up("ct1", "db1", "lab01")
		if strings.Contains(address, "dr:") {
			s.told("is web1 now")
		}
	}
}

func TestAddressesThatContradictMeanNobody(t *testing.T) {
	s := rack(t)
	ct, _ := s.world.Machine("ct1")
	s.exits(s.cancel("vm", "l:web1,t:"+ct.Address+",poweroff:0", "lab01"), 1)
	s.up("web1", "ct1", "db1")
	for _, subopts := range []string{"dr:99,poweroff", "id:/vm/x,poweroff", "f:x,poweroff", "base:/a%/b,poweroff"} {
		for _, kind := range []string{"pm", "vm"} {
			s := rack(t)
			word, _, _ := strings.Cut(subopts, ",")
			if _, err := s.form(kind, "cancel", subopts, "lab01"); err == nil || !strings.Contains(err.Error(), strconv.Quote(word)) {
				t.Errorf("-t %s %s: %v", kind, subopts, err)
			}
			if s.count("stack", "")+s.count("line", "") > 0 {
				t.Errorf("%s: something was contacted", subopts)
			}
		}
	}
}

func TestARecordNumberMustBeTheTarget(t *testing.T) {
	s := rack(t)
	for _, row := range s.inventory().Rows() {
		_, err := s.form("pm", "cancel", fmt.Sprintf("dr:%d,init:3", row.Record), "lab01")
		if (err == nil) != (row.Name == "lab01") {
			t.Errorf("dr:%d, %s: %v", row.Record, row.Name, err)
		}
	}
}

// -T narrows the walk, also as an option of one target.
func TestTypesNarrowTheWalk(t *testing.T) {
	s := rack(t)
	s.options = map[string]any{"types": []any{"kvm"}}
	s.exits(s.cancel("pm", "poweroff:0", "lab01"), 0)
	s.off("web1")
	s.up("ct1", "db1", "lab01")
}

// A machine takes along what it carries, so what was not named bars SELF, and
// before anything is touched.
func TestSelfTakesNobodyAlongUnasked(t *testing.T) {
	for _, test := range []struct{ kind, subopts, types string }{
		{"pm", "self,poweroff:0", "kvm"}, {"pm", "self,reboot", "xen"}, {"kvm", "all,self,poweroff:0", ""}, {"vm", "l:web1,self,poweroff:0", ""},
	} {
		s := rack(t)
		if test.types != "" {
			s.options = map[string]any{"types": []any{test.types}}
		}
		s.exits(s.cancel(test.kind, test.subopts, "lab01"), 3)
		s.up("lab01", "web1", "ct1", "db1")
		s.told("SELF would take along", "ct1")
	}
	s := rack(t)
	s.exits(s.cancel("kvm", "all,self,force,poweroff:0", "lab01"), 0)
	s.off("lab01")
	s.told("not seen off: ct1")
}

func TestAPlanChangesNothing(t *testing.T) {
	for _, subopts := range []string{"self,poweroff:0", "reboot", "reboot,self", "self,force,poweroff", "init:3,self", "self,wol,poweroff:0", "reset,self", "pause,self", "suspend"} {
		s := rack(t)
		s.plan = true
		before := s.world.Snapshot()
		s.exits(s.cancel("pm", subopts, "lab01"), 0)
		after := s.world.Snapshot()
		for i := range before {
			if before[i].Phase != after[i].Phase || before[i].Boots != after[i].Boots {
				t.Errorf("%s: %s was %s and is %s", subopts, before[i].Name, before[i].Phase, after[i].Phase)
			}
		}
		if elapsed := s.clock.Elapsed(); elapsed > 5*time.Second {
			t.Errorf("%s: planning waited %s", subopts, elapsed)
		}
	}
}

func TestAGuestStartedMeanwhileBarsSelf(t *testing.T) {
	s := rack(t)
	s.world.After(1500*time.Millisecond, func() { s.world.PowerOn("web1") })
	s.exits(s.cancel("pm", "self,poweroff:0", "lab01"), 1)
	s.up("lab01")
	s.nobodyLost()
	s.told("somebody has started meanwhile: web1")
}

// A machine that refuses its own power-off when its guests are down already has
// not refused the request with nothing changed.
func TestRefusedAfterTheStackIsNoRefusal(t *testing.T) {
	for _, desk := range []string{"", "lab01"} {
		s := rack(t)
		s.desk = desk
		s.overrides = map[string]string{"cancel.lua": `local cancel = require "stock.cancel"
local apply = cancel.apply
function cancel.apply(order)
  if order.machine ~= "lab01" then return apply(order) end
  error{kind = "denied", op = "shutdown.apply", message = "polkit does not allow it", exit = 3}
end
return cancel`}
		s.exits(s.cancel("pm", "self,poweroff:0", "lab01"), 1)
		s.off("web1", "ct1")
		s.up("lab01")
		s.told("polkit does not allow it")
	}
}

func TestManagedGuestNeedsYes(t *testing.T) {
	s := rack(t)
	s.rows["web1"] = `managed_by = "pacemaker"`
	s.exits(s.cancel("pm", "self,poweroff:0", "lab01"), 3)
	s.up("lab01", "web1", "db1")
	s.yes = true
	s.exits(s.cancel("pm", "self,poweroff:0", "lab01"), 0)
	s.off("lab01")
}

func TestMaxTargets(t *testing.T) {
	s := rack(t)
	s.site["max_targets"] = 1.0
	if exit, err := s.form("pm", "cancel", "self,poweroff:0", "lab01", "lab03"); err == nil {
		t.Errorf("exit %d, want a refusal", exit)
	} else if !strings.Contains(err.Error(), "max_targets") {
		t.Error(err)
	}
	s.up("lab01", "lab03")
}

func TestWithoutBMCTheGoalIsWordedSo(t *testing.T) {
	s := newScene(t, func(clock *sim.Clock) *sim.World {
		w := sim.New(3, clock)
		w.Add(sim.Machine{Name: "alone", Address: "10.1.0.1", Power: primitives.PowerOn, Boot: 5 * time.Second, Shutdown: 5 * time.Second, Enterable: true})
		return w
	})
	s.exits(s.cancel("pm", "self,poweroff:0", "alone"), 0)
	s.off("alone")
	s.told("not seen off")
}

// count is how often a verb of a power was called in the world; "" is any.
func (s *scene) count(power, verb string) int {
	calls := 0
	for _, entry := range s.world.Log() {
		if entry.Call == power+"."+verb || verb == "" && strings.HasPrefix(entry.Call, power+".") {
			calls++
		}
	}
	return calls
}

// pause suspends a guest of lab01, as another operator would.
func (s *scene) pause(name string) {
	s.t.Helper()
	runtime := luabind.New(simulated.Capabilities(s.world, "lab01"), luabind.Options{})
	_, err := runtime.Run(context.Background(), luabind.Script{Name: "pause.lua", Args: []string{name}, Source: `
		local name = ...
		for _, h in ipairs(stack.hypervisors()) do
			for _, g in ipairs(stack.list{uri = h.uri}) do if g.name == name then g:suspend() end end
		end`})
	if err != nil {
		s.t.Fatal(err)
	}
}
