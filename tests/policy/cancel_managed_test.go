package policy

import (
	"testing"
	"time"

	"ctys/primitives"
	"ctys/primitives/sim"
)

// clustered is host with a guest that Pacemaker keeps running, one that a cloud
// owns by its definition, and one that nobody does.
func clustered(t *testing.T) *scene {
	return newScene(t, func(clock *sim.Clock) *sim.World {
		w := sim.New(5, clock)
		w.Add(sim.Machine{Name: "host", Address: "10.4.0.1", Power: primitives.PowerOn, Boot: 5 * time.Second, Shutdown: 5 * time.Second, Enterable: true})
		guest := func(name string, change func(*sim.Machine)) {
			m := sim.Machine{Name: name, Parent: "host", Power: primitives.PowerOn, Shutdown: time.Second, Agent: true}
			change(&m)
			w.Add(m)
		}
		guest("clustered", func(m *sim.Machine) { m.ClusterManaged = "pacemaker" })
		guest("owned", func(m *sim.Machine) { m.Owner = "oVirt" })
		guest("free", func(*sim.Machine) {})
		return w
	})
}

// What somebody else would start again is flagged before anything is touched,
// also what nobody has written down; only --yes goes on.
func TestWhatAClusterKeepsRunningIsFlagged(t *testing.T) {
	for _, test := range []struct{ kind, subopts string }{
		{"pm", "poweroff:0"}, {"pm", "self,poweroff:0"}, {"pm", "self,force,poweroff:0"}, {"vm", "all,poweroff:0"},
		{"vm", "all,force,poweroff:0"}, {"vm", "all,suspend"}, {"vm", "all,pause"}, {"vm", "all,reboot"},
	} {
		s := clustered(t)
		s.instead = map[string]string{"clustered": "", "owned": ""}
		s.exits(s.cancel(test.kind, test.subopts, "host"), 3)
		s.up("host", "clustered", "owned", "free")
		s.told("clustered is managed by pacemaker (vm-clustered), which would start it again", "owned is managed by oVirt", "add --yes")
	}
	s := clustered(t)
	s.yes = true
	s.exits(s.cancel("vm", "all,poweroff:0", "host"), 0)
	s.off("clustered", "owned", "free")
	s.told("clustered is managed by pacemaker")
}

func TestOnlyAddressedGuestsAreLookedForInAClusterAndAPlanGoesOn(t *testing.T) {
	s := clustered(t)
	s.exits(s.cancel("vm", "l:free,poweroff:0", "host"), 0)
	s.off("free")
	s = clustered(t)
	s.plan = true
	s.exits(s.cancel("vm", "all,poweroff:0", "host"), 0)
	s.told("clustered is managed by pacemaker")
}

// A manager that does not answer may own any guest: it is not taken for one that
// owns none.
func TestAClusterThatDoesNotAnswer(t *testing.T) {
	for _, fault := range []sim.Fault{
		{Machine: "host", Power: "stack", Verb: "managers", Kind: primitives.Timeout, Message: "no quorum"},
		{Machine: "host", Power: "stack", Verb: "managers", Hang: true},
	} {
		s := clustered(t)
		s.world.Fault(fault)
		s.exits(s.cancel("vm", "l:free,poweroff:0", "host"), 3)
		s.up("free")
		s.told("would be started again is not known")
	}
	s := clustered(t)
	s.yes = true
	s.world.Fault(sim.Fault{Machine: "host", Power: "stack", Verb: "managers", Kind: primitives.Timeout, Message: "no quorum"})
	s.exits(s.cancel("vm", "l:free,poweroff:0", "host"), 0)
	s.off("free")
	s.told("no quorum")
}

// Where nothing runs there is nothing to start again, and nobody is asked.
func TestNobodyIsAskedWhereNothingRuns(t *testing.T) {
	s := clustered(t)
	for _, name := range []string{"clustered", "owned", "free"} {
		s.world.PowerOff(name)
	}
	s.exits(s.cancel("pm", "poweroff:0", "host"), 0)
	if n := s.count("stack", "managers"); n > 0 {
		t.Errorf("asked %d times", n)
	}
}
