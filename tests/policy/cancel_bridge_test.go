package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ctys/luabind"
	"ctys/primitives"
	"ctys/primitives/bridge"
	"ctys/primitives/sim"
)

// stubborn is hosts whose interface cannot be armed while it is a bridge's port.
func stubborn(t testing.TB) *scene {
	return hosts(t, func(n *sim.NIC) { n.RefusesInBridge = true })
}

// network is what the interfaces of host01 are: masters, addresses, default route.
func (s *scene) network() string {
	m, _ := s.world.Machine("host01")
	var words []string
	for _, n := range m.NICs {
		words = append(words, fmt.Sprintf("%s of %q %v %v", n.Name, n.Master, n.Addresses, n.DefaultRoute))
	}
	return strings.Join(words, "; ")
}

// restored expects the network of host01 to be as a world begins with, and no guard
// to be left over.
func (s *scene) restored() {
	s.t.Helper()
	if got, want := s.network(), stubborn(s.t).network(); got != want {
		s.t.Errorf("the network is\n\t%s\nand was\n\t%s\n%s", got, want, s.story())
	}
}

// ordered expects calls of the world in this order, others between them.
func (s *scene) ordered(calls ...string) {
	s.t.Helper()
	next := 0
	for _, entry := range s.world.Log() {
		if next < len(calls) && entry.Call == calls[next] {
			next++
		}
	}
	if next < len(calls) {
		s.t.Errorf("%s did not come in its turn\n%s", calls[next], s.world.Transcript())
	}
}

// Only where the driver does not take it on a bridge's port, and the machine goes
// down, the bridge is dissolved: noted, kept, guarded before, armed after; and the
// guards are off when the system has taken the power-off.
func TestABridgeIsDissolvedToArmItsPort(t *testing.T) {
	s := stubborn(t)
	s.exits(s.cancel("pm", "self,wol,poweroff:5", "host01"), 0)
	s.off("host01", "web1")
	s.nobodyLost()
	if !s.armed("host01") {
		t.Fatalf("it is not armed\n%s", s.story())
	}
	s.ordered("stack.shutdown", "nic.arm", "bridge.managers", "bridge.snapshot", "guard.arm", "bridge.step", "nic.arm", "shutdown.announce", "line.confirmed", "nic.get", "shutdown.do", "guard.disarm")
	s.told("if the power-off does not happen, br0 is restored by this run, else by a process beside this run and a timer, after 305 s", "dissolve br0, eth0 gets its addresses")
	kept := false
	for _, event := range s.events {
		kept = kept || event.Kind == luabind.KindKeep && strings.HasPrefix(event.Key, "bridge br0 of host01 in boot ") && event.Data["value"] != nil
	}
	if !kept {
		t.Error("the snapshot is not in the journal")
	}
	s.exits(s.create("pm", "wol,l:host01"), 0)
	s.up("host01")
}

// A port that its driver arms as it is stays where it is.
func TestABridgeThatCanStayIsLeftAlone(t *testing.T) {
	s := hosts(t, nil)
	s.exits(s.cancel("pm", "self,wol,poweroff:0", "host01"), 0)
	s.off("host01")
	if s.count("bridge", "step")+s.count("guard", "") > 0 {
		t.Errorf("the bridge was touched\n%s", s.world.Transcript())
	}
}

// Whatever fails on the way, the machine has its network back and stays up.
func TestWhateverFailsTheBridgeIsRestored(t *testing.T) {
	fault := func(f sim.Fault) func(*scene) {
		f.Machine = "host01"
		if f.Kind == "" {
			f.Kind, f.Message = primitives.Internal, "made so"
		}
		return func(s *scene) { s.world.Fault(f) }
	}
	tests := map[string]func(*scene){
		"no snapshot":           fault(sim.Fault{Power: "bridge", Verb: "snapshot", After: 1}),
		"no guard":              fault(sim.Fault{Power: "guard", Verb: "arm"}),
		"the arming after it":   fault(sim.Fault{Power: "nic", Verb: "arm", After: 1}),
		"the power-off refused": fault(sim.Fault{Power: "shutdown", Verb: "do", Kind: primitives.Denied, Message: "made so"}),
		"a guest is started": func(s *scene) {
			s.world.After(8*time.Second, func() { s.world.PowerOn("web1") })
		},
		"armed no more": func(s *scene) {
			s.world.After(8*time.Second, func() {
				s.world.Arm("host01", "eth0", "d")
				s.world.Fault(sim.Fault{Machine: "host01", Power: "nic", Verb: "arm", Kind: primitives.Internal, Message: "made so"})
			})
		},
		"stopped": func(s *scene) { s.stopAt = "announced, 15 s" },
		"killed": func(s *scene) {
			s.world.After(8*time.Second, func() { s.world.KillRuns("host01") })
		},
	}
	for n := range 4 {
		tests[fmt.Sprintf("step %d", n+1)] = fault(sim.Fault{Power: "bridge", Verb: "step", After: n, Count: 1})
	}
	for what, prepare := range tests {
		t.Run(what, func(t *testing.T) {
			s := stubborn(t)
			prepare(s)
			exit, err := s.form("pm", "cancel", "self,wol,poweroff:15", "host01")
			if exit != 1 && (what != "stopped" || err == nil) {
				t.Errorf("exit %d, %v\n%s", exit, err, s.story())
			}
			s.up("host01")
			s.restored()
			if s.wayBack("host01") != nil && !slices.Contains([]string{"the power-off refused", "a guest is started", "armed no more"}, what) {
				t.Error("a way back was kept that there is not")
			}
			if what != "killed" && what != "stopped" {
				s.told("cancel host01 left running ERROR")
			}
		})
	}
}

// FORCE goes on without the way back, and with the bridge as it was.
func TestForceRestoresWhatItCouldNotArm(t *testing.T) {
	s := stubborn(t)
	s.world.Fault(sim.Fault{Machine: "host01", Power: "nic", Verb: "arm", After: 1, Kind: primitives.Internal, Message: "made so"})
	s.exits(s.cancel("pm", "self,force,wol,poweroff:0", "host01"), 0)
	s.off("host01")
	s.told("FORCE: host01 is not armed", "restore br0")
	s.restored()
}

// A bridge that cannot be restored by the run is restored by its guards.
func TestWhatTheRunCannotRestoreItsGuardsDo(t *testing.T) {
	s := stubborn(t)
	s.world.Fault(sim.Fault{Machine: "host01", Power: "nic", Verb: "arm", After: 1, Kind: primitives.Internal, Message: "made so"})
	s.world.Fault(sim.Fault{Machine: "host01", Power: "bridge", Verb: "restoration", Kind: primitives.Internal, Message: "not now"})
	s.exits(s.cancel("pm", "self,wol,poweroff:0", "host01"), 1)
	s.up("host01")
	s.told("br0 of host01 is not restored", "the guards try again when this run has ended")
	s.restored()
}

// A guard that cannot be taken off does no harm to what is restored already, and is
// not why a run ends.
func TestAGuardThatCannotBeTakenOff(t *testing.T) {
	for subopts, exit := range map[string]int{"self,wol,poweroff:0": 1, "self,force,wol,poweroff:0": 0} {
		s := stubborn(t)
		s.world.Fault(sim.Fault{Machine: "host01", Power: "nic", Verb: "arm", After: 1, Kind: primitives.Internal, Message: "made so"})
		s.world.Fault(sim.Fault{Machine: "host01", Power: "guard", Verb: "disarm", Kind: primitives.Timeout, Message: "not told"})
		s.exits(s.cancel("pm", subopts, "host01"), exit)
		s.told("not armed for the magic packet: made so", "a guard of br0 could not be taken off, and will find it restored: not told")
		s.restored()
	}
}

// Who has the bridge in its hands is named beforehand; where it puts the port back
// during the delay, the machine stays up.
func TestWhoFightsBackIsNamed(t *testing.T) {
	managed := func() *scene {
		return newScene(t, func(clock *sim.Clock) *sim.World {
			w := sim.New(11, clock)
			w.Add(sim.Machine{Name: "host01", Address: "10.1.0.1", Power: primitives.PowerOn, Boot: time.Second, Shutdown: time.Second, Enterable: true,
				NICs: []sim.NIC{{Name: "eth0", Driver: "e1000e", Master: "br0", WakeSupported: "g", RefusesInBridge: true}, {Name: "br0", Kind: "bridge", DefaultRoute: true}},
				BridgeManagers: []bridge.Manager{
					{Name: "NetworkManager", Running: true, FightsBack: true, Advice: "nmcli device set br0 managed no"},
					{Name: "ifupdown", Seen: []string{"/etc/network/interfaces"}},
				}})
			return w
		})
	}
	s := managed()
	s.plan = true
	s.exits(s.cancel("pm", "self,wol,poweroff:5", "host01"), 0)
	s.told("where eth0 cannot be armed as a port of br0: snapshot br0, have guards", "NetworkManager has it in its hands and will fight back: NetworkManager (nmcli device set br0 managed no)")
	if strings.Contains(s.story(), "ifupdown") {
		t.Error("one that does not run is named")
	}
	s = managed()
	s.plan = true
	s.exits(s.cancel("pm", "wol,poweroff:5", "host01"), 0)
	s.told("where eth0 cannot be armed as a port of br0: refuse")

	s = managed()
	s.exits(s.cancel("pm", "self,wol,poweroff:5", "host01"), 0)
	s.off("host01")
	s.told("eth0 has to leave br0; NetworkManager has it in its hands")

	s = managed()
	s.world.After(10*time.Second, func() { s.world.Enslave("host01", "eth0", "br0") })
	s.exits(s.cancel("pm", "self,wol,poweroff:20", "host01"), 1)
	s.up("host01")
	s.told("eth0 is a port of br0 again: NetworkManager (nmcli device set br0 managed no)")
}

// A power-off of which nobody knows whether it was taken is not worked against: the
// bridge is left to its guards, which look whether the machine goes down.
func TestAPowerOffOfWhichNobodyKnows(t *testing.T) {
	s := stubborn(t)
	s.overrides = map[string]string{"cancel.lua": `local cancel = require "stock.cancel"
		function cancel.apply() error({ kind = "timeout", op = "shutdown.apply", message = "asked, and no answer came" }, 0) end
		return cancel`}
	s.exits(s.cancel("pm", "self,wol,poweroff:0", "host01"), 1)
	s.told("whether host01 goes down is not known, so br0 is left to its guards", "asked, and no answer came")
	s.restored() // it did not, and they have
	if n := s.count("guard", "disarm"); n > 0 {
		t.Error("the guards were taken off")
	}
}

// What would have to be dissolved and cannot be is refused before a guest is asked:
// where the driver takes the setting on the port as it is, nothing needs to be.
func TestWhatCannotBeDissolvedIsRefusedFirst(t *testing.T) {
	for name, test := range map[string]struct {
		refuses bool
		exit    int
	}{"the driver refuses": {true, 3}, "the driver takes it": {false, 0}} {
		t.Run(name, func(t *testing.T) {
			s := hosts(t, func(n *sim.NIC) { n.RefusesInBridge = test.refuses })
			s.world.Fault(sim.Fault{Machine: "host01", Power: "bridge", Verb: "dissolution", Kind: primitives.Unsupported, Message: "br0.5 stands on it"})
			s.exits(s.cancel("pm", "self,wol,poweroff:0", "host01"), test.exit)
			if test.exit == 3 {
				s.up("host01", "web1")
				s.told("eth0", "br0", "br0.5 stands on it")
			}
		})
	}
}

// Of two uplinks of one bridge nobody can tell by which the machine is reached: the
// one that is to carry on has to be named.
func TestABridgeWithTwoUplinks(t *testing.T) {
	for _, test := range []struct {
		subopts string
		exit    int
	}{{"self,wol,poweroff:0", 3}, {"self,wol,if:eth0,poweroff:0", 0}} {
		s := newScene(t, func(clock *sim.Clock) *sim.World {
			w := sim.New(11, clock)
			port := sim.NIC{Driver: "e1000e", Master: "br0", WakeSupported: "g", RefusesInBridge: true}
			first, second := port, port
			first.Name, second.Name = "eth0", "eth1"
			w.Add(sim.Machine{Name: "host01", Address: "10.1.0.1", Power: primitives.PowerOn, Boot: time.Second, Shutdown: time.Second, Enterable: true,
				NICs: []sim.NIC{first, second, {Name: "br0", Kind: "bridge", DefaultRoute: true}}})
			return w
		})
		s.row("host01", "")
		s.exits(s.cancel("pm", test.subopts, "host01"), test.exit)
		if test.exit == 3 {
			s.told("br0 has more than one port with a link", "with IF")
		}
	}
}

// A machine that only sleeps keeps its bridge: its guests would wake without it.
func TestNoBridgeIsDissolvedUnderAMachineThatSleeps(t *testing.T) {
	s := stubborn(t)
	s.exits(s.cancel("pm", "self,pause,wol,timeout:5", "host01"), 3)
	s.up("host01", "web1")
	s.told("cannot be armed", "br0 cannot be dissolved under a machine that is only suspended")
	if n := s.count("bridge", "step"); n > 0 {
		t.Error("it was touched")
	}
}

// A bridge has often a hardware address of its own. Its port takes that over, and
// sleeps with it, so it is what the packet has to name.
func TestABridgeWithAnAddressOfItsOwnIsWokenByThat(t *testing.T) {
	own, bridged := primitives.MAC{2, 0, 0, 0, 0, 0x11}, primitives.MAC{2, 0, 0, 0, 0, 0x22}
	s := newScene(t, func(clock *sim.Clock) *sim.World {
		w := sim.New(11, clock)
		w.Add(sim.Machine{Name: "host01", Address: "10.1.0.1", Power: primitives.PowerOn, Boot: time.Second, Shutdown: time.Second, Enterable: true,
			NICs: []sim.NIC{{Name: "eth0", Driver: "e1000e", Master: "br0", WakeSupported: "g", RefusesInBridge: true, MAC: own}, {Name: "br0", Kind: "bridge", DefaultRoute: true, MAC: bridged}}})
		return w
	})
	s.row("host01", "")
	s.exits(s.cancel("pm", "self,wol,poweroff:0", "host01"), 0)
	s.off("host01")
	s.told("woken by a raw frame for " + bridged.String())
	if back := s.wayBack("host01"); fmt.Sprint(back["also"]) != "["+own.String()+"]" {
		t.Errorf("kept %v", back)
	}
	s.exits(s.create("pm", "wol,l:host01"), 0)
	s.up("host01")
}

// However long the announcement, the guards outlast it.
func TestTheGuardsOutlastTheLongestAnnouncement(t *testing.T) {
	s := stubborn(t)
	s.exits(s.cancel("pm", "self,wol,poweroff:999999999", "host01"), 0)
	s.off("host01")
	s.told("a timer, after 1000000299 s")
	if !s.armed("host01") {
		t.Error("it is not armed")
	}
}
