package policy

import (
	"slices"
	"strings"
	"testing"
	"time"

	"ctys/primitives"
	"ctys/primitives/sim"
)

// farm is a host with guests of the given names, each of which takes ten seconds
// to go down.
func farm(t testing.TB, names ...string) *scene {
	return newScene(t, func(clock *sim.Clock) *sim.World {
		world := sim.New(1, clock)
		world.Add(sim.Machine{Name: "host01", Address: "host01", Power: primitives.PowerOn, Enterable: true})
		for _, name := range names {
			world.Add(sim.Machine{Name: name, Parent: "host01", Address: name, Power: primitives.PowerOn, Shutdown: 10 * time.Second, Boot: 5 * time.Second})
		}
		return world
	})
}

// times says when each machine came into a phase first.
func (s *scene) times(phase sim.Phase) map[string]time.Duration {
	at := map[string]time.Duration{}
	for _, entry := range s.world.Log() {
		if _, known := at[entry.Machine]; entry.Machine != "" && entry.To == phase && !known {
			at[entry.Machine] = entry.At
		}
	}
	return at
}

// Guests without a stage go first, then the highest, 1 last; the next is asked when
// the one before has ended.
func TestStagesGoDownTheOtherWayRound(t *testing.T) {
	s := farm(t, "plain", "first", "second", "third")
	s.rows["first"], s.rows["second"], s.rows["third"] = "stage = 1", "stage = 2", "stage = 2"
	s.exits(s.cancel("pm", "poweroff:0", "host01"), 0)
	s.told("taken down in this order: plain, then ", ", then first")
	asked, off := s.times(sim.ShuttingDown), s.times(sim.Off)
	if asked["second"] < off["plain"] || asked["third"] < off["plain"] || asked["first"] < max(off["second"], off["third"]) {
		t.Errorf("asked %v, off %v", asked, off)
	}
	if asked["third"]-asked["second"] > 5*time.Second || asked["second"]-asked["third"] > 5*time.Second {
		t.Errorf("guests of one stage do not go side by side: %v", asked)
	}
}

// A guest that fails keeps the next stage neither from being asked nor from going.
func TestAFailedStageKeepsNobodyFromBeingAsked(t *testing.T) {
	s := farm(t, "plain", "first")
	s.rows["first"], s.rows["plain"] = "stage = 1", "deadline = 30"
	s.world.IgnoreACPI("plain", true)
	s.exits(s.cancel("pm", "self,poweroff:0", "host01"), 1)
	s.off("first")
	s.up("plain", "host01")
	if asked := s.times(sim.ShuttingDown); asked["first"] < 30*time.Second {
		t.Errorf("first was asked before the deadline of the stage before was over: %v", asked)
	}
}

// What needs a guest goes before it; a guest that is needed by one that is still on
// is not touched, and says so. The others go.
func TestAGuestWaitsForWhatNeedsIt(t *testing.T) {
	for _, stuck := range []bool{false, true} {
		s := farm(t, "db1", "web1", "web2", "mail")
		s.rows["web1"], s.rows["web2"] = `after = { "db1" }, deadline = 30`, `after = { "db1" }`
		s.world.IgnoreACPI("web1", stuck)
		if !stuck {
			s.exits(s.cancel("pm", "poweroff:0", "host01"), 0)
			asked, off := s.times(sim.ShuttingDown), s.times(sim.Off)
			if asked["db1"] < off["web1"] || asked["db1"] < off["web2"] || asked["mail"] > 5*time.Second {
				t.Errorf("asked %v, off %v\n%s", asked, off, s.story())
			}
			continue
		}
		s.exits(s.cancel("pm", "self,poweroff:0", "host01"), 1)
		s.told("not asked: web1, which needs it, is still on")
		s.up("db1", "web1", "host01")
		s.off("web2", "mail")
		if s.world.State("db1").Presses > 0 {
			t.Error("db1 was asked")
		}
	}
}

// FORCE asks nobody, and none waits for another.
func TestForceKnowsNoOrder(t *testing.T) {
	s := farm(t, "db1", "web1")
	s.rows["web1"], s.rows["db1"] = `after = { "db1" }`, "stage = 1"
	s.world.Hang("web1")
	s.exits(s.cancel("pm", "self,force,poweroff:0", "host01"), 0)
	s.off("db1", "web1", "host01")
	if off := s.times(sim.Off); off["db1"] > 5*time.Second {
		t.Errorf("off %v", off)
	}
}

// The limits of a machine and of each of its hypervisors.
func TestLimitsOfAHost(t *testing.T) {
	for name, test := range map[string]struct {
		row  string
		site map[string]any
		most int
	}{
		"of the row":                 {"limit = 2", nil, 2},
		"of the site":                {"", map[string]any{"limit_per_host": 3.0}, 3},
		"the row before the site":    {"limit = 1", map[string]any{"limit_per_host": 3.0}, 1},
		"of a hypervisor":            {"limit_per_hypervisor = 2", nil, 2},
		"of each of two hypervisors": {"limit_per_hypervisor = 1", nil, 2},
		"none":                       {"", nil, 6},
	} {
		t.Run(name, func(t *testing.T) {
			s := farm(t, "a", "b", "c", "d", "e", "f")
			if name == "of each of two hypervisors" {
				s = mixedFarm(t)
			}
			s.instead = map[string]string{"host01": `host01 = { address = "host01", ` + test.row + ` },`}
			for key, value := range test.site {
				s.site[key] = value
			}
			s.exits(s.cancel("pm", "poweroff:0", "host01"), 0)
			if got := s.mostAtOnce(); got != test.most {
				t.Errorf("%d at once, want %d\n%s", got, test.most, s.story())
			}
		})
	}
}

func mixedFarm(t testing.TB) *scene {
	return newScene(t, func(clock *sim.Clock) *sim.World {
		world := sim.New(1, clock)
		world.Add(sim.Machine{Name: "host01", Address: "host01", Power: primitives.PowerOn, Enterable: true})
		for name, hypervisor := range map[string]string{"a": "kvm", "b": "kvm", "c": "lxc", "d": "lxc"} {
			world.Add(sim.Machine{Name: name, Parent: "host01", Hypervisor: hypervisor, Address: name, Power: primitives.PowerOn, Shutdown: 10 * time.Second})
		}
		return world
	})
}

// mostAtOnce is how many machines were going down at the same time.
func (s *scene) mostAtOnce() int {
	going, most := 0, 0
	for _, entry := range s.world.Log() {
		switch {
		case entry.Machine != "" && entry.To == sim.ShuttingDown:
			going++
		case entry.Machine != "" && entry.From == sim.ShuttingDown:
			going--
		}
		most = max(most, going)
	}
	return most
}

// The order and the limits are carved out of the time that an outer level has.
func TestAnInnerLevelsOrderFitsIntoItsTime(t *testing.T) {
	s := newScene(t, func(clock *sim.Clock) *sim.World {
		world := sim.New(1, clock)
		world.Add(sim.Machine{Name: "host01", Address: "host01", Power: primitives.PowerOn, Enterable: true})
		world.Add(sim.Machine{Name: "ct1", Parent: "host01", Address: "ct1", Power: primitives.PowerOn, Enterable: true, Shutdown: 5 * time.Second})
		for _, name := range []string{"in1", "in2", "in3"} {
			world.Add(sim.Machine{Name: name, Parent: "ct1", Address: name, Power: primitives.PowerOn, IgnoresACPI: true})
		}
		return world
	})
	s.rows["ct1"] = "deadline = 100"
	s.rows["in1"], s.rows["in2"], s.rows["in3"] = "stage = 1", "stage = 2", "stage = 3"
	s.exits(s.cancel("pm", "poweroff:0", "host01"), 1)
	s.up("ct1", "in1", "in2", "in3")
	for _, entry := range s.world.Log() {
		if entry.At > 110*time.Second && strings.HasPrefix(entry.Call, "stack.shutdown") {
			t.Errorf("the inner level goes on beyond the outer one's deadline: %s", entry)
		}
	}
	if asked := s.askedOf("stack.shutdown"); !slices.Contains(asked, "in1") {
		t.Errorf("the last stage had no time left: asked %v\n%s", asked, s.story())
	}
}

// askedOf lists the guests about whom a call was made.
func (s *scene) askedOf(call string) []string {
	var names []string
	for _, entry := range s.world.Log() {
		if entry.Call == call {
			for _, name := range s.world.Names() {
				if strings.Contains(entry.Object, name) {
					names = append(names, name)
				}
			}
		}
	}
	return names
}

// A row says by which steps a guest is taken down.
func TestWaysOfAGuest(t *testing.T) {
	for way, want := range map[string]bool{`"hypervisor"`: true, `{ "agent" }`: false, `{ "agent", "hypervisor" }`: true} {
		s := farm(t, "web1")
		s.rows["web1"] = "deadline = 60, way = " + way
		exit := s.cancel("pm", "poweroff:0", "host01")
		if (exit == 0) != want {
			t.Errorf("way = %s: exit %d\n%s", way, exit, s.story())
		}
		if pressed := s.world.State("web1").Phase == sim.Off; pressed != want {
			t.Errorf("way = %s: off %v", way, pressed)
		}
	}
}

// A guest that none of its ways can ask is not cut off at its deadline: it was not
// asked. One whose way is from inside is told there, also where it has an agent.
func TestAGuestWithoutAWayIsLeftAlone(t *testing.T) {
	s := farm(t, "web1")
	s.rows["web1"] = `deadline = 30, at_deadline = "destroy", way = "agent"`
	s.exits(s.cancel("pm", "self,poweroff:0", "host01"), 1)
	s.told("not asked: none of the ways of its row (agent) is to be had")
	s.up("web1", "host01")

	s = rack(t)
	s.rows["web1"] = `way = "inside"`
	s.exits(s.cancel("pm", "poweroff:0", "lab01"), 0)
	s.off("web1")
	s.told("asked its own system")
}

// A hypervisor that refuses to cut a guest off has not: that is no unknown end.
func TestADestroyThatIsRefused(t *testing.T) {
	s := farm(t, "web1")
	s.rows["web1"] = `deadline = 20, at_deadline = "destroy"`
	s.world.IgnoreACPI("web1", true)
	s.world.Fault(sim.Fault{Power: "stack", Verb: "destroy", Kind: primitives.Denied, Message: "polkit says no"})
	s.exits(s.cancel("pm", "self,poweroff:0", "host01"), 1)
	s.told("its hypervisor refuses to cut it off", "polkit says no")
	s.up("web1", "host01")
	if story := s.story(); strings.Contains(story, "not repeated") {
		t.Errorf("it says what is not true\n%s", story)
	}
}

// A guest that carries others cancels them, whatever its row says of its ways.
func TestAWayNeverSkipsWhatAGuestCarries(t *testing.T) {
	s := rack(t)
	s.rows["ct1"] = `way = "hypervisor"`
	s.exits(s.cancel("pm", "self,poweroff:0", "lab01"), 0)
	s.nobodyLost()
	s.after("ct1", "db1")
}

// A site's hooks run for each guest at every level.
func TestHooksOfASite(t *testing.T) {
	hooked := func(body string) *scene {
		s := rack(t)
		s.overrides = map[string]string{"cancel.lua": `local cancel = require "stock.cancel"
` + body + `
return cancel`}
		return s
	}
	s := hooked(`function cancel.before(guest) step.note("before " .. guest.name) end
function cancel.after(guest, order, ended) step.note("after " .. guest.name .. ": " .. tostring(ended.state)) end`)
	s.exits(s.cancel("pm", "poweroff:0", "lab01"), 0)
	s.told("before db1", "after db1: off", "before ct1", "after ct1: off", "before web1", "after web1: off")

	s = hooked(`function cancel.before(guest) if guest.name == "db1" then error("the backup runs") end end`)
	s.exits(s.cancel("pm", "self,poweroff:0", "lab01"), 1)
	s.told("not asked: before() ended with:", "the backup runs")
	s.up("db1", "ct1", "lab01")
	s.off("web1")

	s = hooked(`function cancel.before(guest) if guest.name == "web1" then task.sleep(1e6) end end`)
	s.exits(s.cancel("pm", "poweroff:0", "lab01"), 1)
	s.told("web1", "not asked: before() ended with:")
	s.up("web1")

	s = hooked(`function cancel.after(guest) error("nobody listens") end`)
	s.exits(s.cancel("pm", "self,poweroff:0", "lab01"), 0)
	s.told("after() of web1 ended with:", "nobody listens")
	s.off("lab01")

	s = hooked(`function cancel.after(guest, order, ended) step.note("ended: " .. tostring(ended.error and ended.error.kind)) return "off" end`)
	s.world.HangInShutdown("web1", true)
	s.exits(s.cancel("pm", "self,poweroff:0", "lab01"), 1)
	s.told("ended: timeout")
	s.powered("web1")
	s.up("lab01")
}

// A plan says in which order, and touches nothing.
func TestThePlanTellsTheOrder(t *testing.T) {
	s := farm(t, "db1", "web1")
	s.rows["web1"], s.plan = `after = { "db1" }`, true
	s.exits(s.cancel("pm", "poweroff:0", "host01"), 0)
	s.told("taken down in this order: web1, then db1")
	s.up("db1", "web1")

	s = farm(t, "a", "b", "c")
	s.site["limit_per_host"], s.site["limit_per_hypervisor"], s.plan = 2.0, 1.0, true
	s.exits(s.cancel("pm", "poweroff:0", "host01"), 0)
	s.told("at most 2 of the guests of host01 at once", "at most 1 of each hypervisor of host01 at once")
}

// Where a limit makes nobody wait, a plan does not speak of it.
func TestThePlanKeepsQuietOfLimitsThatDoNotCount(t *testing.T) {
	s := farm(t, "db1", "web1")
	s.site["limit_per_host"], s.plan = 2.0, true
	s.exits(s.cancel("pm", "poweroff:0", "host01"), 0)
	if strings.Contains(s.story(), "at once") {
		t.Error(s.story())
	}
	s.up("db1", "web1")
}

// A reboot of guests that need others takes them down in the one order, and starts
// them in the other.
func TestARebootKeepsTheOrder(t *testing.T) {
	s := farm(t, "db1", "web1", "mail")
	s.rows["web1"], s.rows["mail"] = `after = { "db1" }`, "stage = 1"
	s.site["limit_per_host"] = 1.0
	s.exits(s.cancel("pm", "reboot", "host01"), 0)
	s.powered("db1", "web1", "mail")
	off, boots := s.times(sim.Off), s.times(sim.Booting)
	if !(off["web1"] < off["db1"] && off["db1"] < off["mail"] && off["mail"] < boots["mail"] && boots["mail"] < boots["db1"] && boots["db1"] < boots["web1"]) {
		t.Errorf("off %v, started %v\n%s", off, boots, s.story())
	}
}

// One that does not come up again keeps what needs it down, and nobody else.
func TestARebootInOrderOfOneThatDoesNotStart(t *testing.T) {
	s := farm(t, "db1", "web1", "mail")
	s.rows["web1"] = `after = { "db1" }`
	s.world.Fault(sim.Fault{Machine: "db1", Power: "stack", Verb: "start", Kind: primitives.Denied})
	s.exits(s.cancel("pm", "reboot", "host01"), 1)
	s.powered("mail")
	s.off("db1", "web1")
	s.told("not started: db1, which it needs, does not run")
}
