package policy

import (
	"strings"
	"testing"
	"time"

	"ctys/primitives"
	"ctys/primitives/sim"
)

// PAUSE: the guests are suspended by their hypervisor, the machine to RAM; a
// packet wakes it, and CREATE sees it up. What was seen is worded so.
func TestPause(t *testing.T) {
	s := hosts(t, nil)
	s.exits(s.cancel("pm", "self,pause,wol,timeout:5", "host01"), 0)
	s.is("host01", sim.Suspended)
	s.is("web1", sim.Paused)
	s.told("host01 went to sleep at", "unreachable since", "not seen asleep", "woken by a raw frame")
	boots := s.world.State("host01").Boots
	s.exits(s.create("pm", "wol,l:host01"), 0)
	s.up("host01")
	s.is("web1", sim.Paused)
	if s.world.State("host01").Boots != boots {
		t.Error("it has booted")
	}
}

// SUSPEND: the guests' memory is put away, and so is the machine's.
func TestSuspend(t *testing.T) {
	s := hosts(t, nil)
	s.exits(s.cancel("pm", "s4,self,wol,timeout:5", "host01"), 0)
	s.is("host01", sim.Hibernated)
	s.is("web1", sim.Saved)
	s.nobodyLost()
	s.told("not seen asleep")
	s.exits(s.create("pm", "wol,l:host01"), 0)
	s.up("host01")
}

// Without SELF it is the guests alone that sleep.
func TestGuestsSleepAlone(t *testing.T) {
	for subopts, phase := range map[string]sim.Phase{"pause": sim.Paused, "suspend": sim.Saved} {
		s := hosts(t, nil)
		s.exits(s.cancel("pm", subopts, "host01"), 0)
		s.up("host01")
		s.is("web1", phase)
		s.exits(s.cancel("kvm", "l:web1,"+subopts, "host01"), 0) // it is so already
		s.is("web1", phase)
	}
}

// What its system cannot is refused before anything is touched, by name.
func TestSleepThatIsNotSupported(t *testing.T) {
	s := newScene(t, func(clock *sim.Clock) *sim.World {
		w := sim.New(1, clock)
		w.Add(sim.Machine{Name: "host01", Address: "10.1.0.1", Power: primitives.PowerOn, Enterable: true, NoSuspend: "no S3 in its firmware", NoHibernate: "there is no swap space"})
		w.Add(sim.Machine{Name: "web1", Address: "10.1.1.1", Parent: "host01", Power: primitives.PowerOn, Agent: true})
		return w
	})
	for subopts, why := range map[string]string{"self,pause": "no S3 in its firmware", "self,suspend": "there is no swap space"} {
		s.exits(s.cancel("pm", subopts, "host01"), 3)
		s.up("host01", "web1")
		s.told(why)
	}
	if n := s.count("stack", ""); n > 0 {
		t.Error("a hypervisor was asked")
	}
}

// What cannot be saved is refused before anything is touched.
func TestWhatCannotBeSaved(t *testing.T) {
	s := rack(t)
	s.exits(s.cancel("pm", "suspend", "lab01"), 3)
	s.up("lab01", "web1", "ct1")
	s.told("ct1 is a container, which cannot be saved")
	s = transients(t)
	s.exits(s.cancel("pm", "suspend", "host"), 3)
	s.up("host", "lasting", "fleeting")
	s.told("fleeting is transient")
	s.exits(s.cancel("pm", "pause", "host"), 0)
	s.is("fleeting", sim.Paused)
}

// A guest that is not seen paused keeps the machine awake; another operator's is
// looked for again before it sleeps.
func TestAGuestThatIsNotPausedBarsTheSleep(t *testing.T) {
	s := hosts(t, nil)
	s.world.Fault(sim.Fault{Machine: "web1", Power: "stack", Verb: "suspend", Kind: primitives.Internal, Message: "no"})
	s.exits(s.cancel("pm", "self,pause,timeout:5", "host01"), 1)
	s.up("host01", "web1")
	s.told("not paused: web1", "the machine itself is left alone")

	s = hosts(t, nil)
	s.world.After(4*time.Second, func() { s.world.Resume("web1") })
	s.exits(s.cancel("pm", "self,pause,timeout:10", "host01"), 1)
	s.up("host01", "web1")
	s.told("somebody has started meanwhile: web1")
	if n := s.count("shutdown", "announce"); n != 2 {
		t.Errorf("announced %d times: it was not called off", n)
	}

	s = hosts(t, nil)
	s.world.Fault(sim.Fault{Machine: "web1", Power: "stack", Verb: "suspend", Kind: primitives.Internal, Message: "no"})
	s.exits(s.cancel("pm", "self,force,pause", "host01"), 0)
	s.is("host01", sim.Suspended)
	s.told("FORCE: not seen paused: web1")
}

// A save whose answer is lost is not asked for again: its state is what counts.
func TestASaveIsAskedForOnce(t *testing.T) {
	s := hosts(t, nil)
	s.world.Fault(sim.Fault{Machine: "web1", Power: "stack", Verb: "save", LoseReply: true})
	s.exits(s.cancel("pm", "suspend,timeout:60", "host01"), 0)
	s.is("web1", sim.Saved)
	if n := s.count("stack", "save"); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

// Its BMC proves a hibernation; of one that is suspended to RAM it proves nothing.
func TestSleepAsABMCSeesIt(t *testing.T) {
	s := rack(t)
	s.exits(s.cancel("pm", "self,suspend,timeout:5", "lab03"), 0)
	s.is("lab03", sim.Hibernated)
	s.told("lab03 is off, by the word of its bmc")
	s = rack(t)
	s.exits(s.cancel("pm", "self,pause,timeout:5", "lab03"), 0)
	s.is("lab03", sim.Suspended)
	s.told("lab03 went to sleep at", "not seen asleep (its BMC says off, which of a machine suspended to RAM proves nothing)")
}

// Where a BMC calls a suspended machine on, CREATE wakes it all the same.
func TestAMachineThatSleepsIsNotUpByTheWordOfItsBMC(t *testing.T) {
	s := rack(t)
	s.exits(s.cancel("pm", "self,pause,wol,timeout:5", "lab03"), 0)
	s.overrides = map[string]string{"observe.lua": `
		local observe = require "stock.observe"
		function observe.by_bmc() return { up = true, way = "bmc", seen_by = "bmc" } end
		return observe`}
	s.exits(s.create("pm", "wol,l:lab03"), 0)
	s.up("lab03")
	if len(s.sent()) == 0 {
		t.Error("nothing was sent")
	}
}

// One that never falls asleep still answers: exit 1.
func TestASleepThatDoesNotHappen(t *testing.T) {
	s := hosts(t, nil)
	s.world.HangInShutdown("host01", true)
	s.exits(s.cancel("pm", "self,pause,timeout:5", "host01"), 1)
	s.told("took the request and still answers")
}

// Called on the machine that sleeps, the run sleeps with it and says so when it is
// awake again.
func TestAMachineThatSleepsUnderItsOwnRun(t *testing.T) {
	s := hosts(t, nil)
	s.desk = "host01"
	s.world.After(40*time.Second, func() { s.world.PowerOn("host01") })
	exit := s.cancel("pm", "self,pause,timeout:5", "localhost")
	s.up("host01")
	if exit != 0 || !strings.Contains(s.story(), "localhost slept for") {
		t.Errorf("exit %d\n%s", exit, s.story())
	}
}

// is expects a machine to be in a phase.
func (s *scene) is(name string, want sim.Phase) {
	s.t.Helper()
	if phase := s.world.State(name).Phase; phase != want {
		s.t.Errorf("%s is %s, want %s\n%s", name, phase, want, s.story())
	}
}
