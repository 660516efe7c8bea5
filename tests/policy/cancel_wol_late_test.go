package policy

import (
	"strings"
	"testing"
	"time"

	"ctys/luabind"
	"ctys/primitives"
	"ctys/primitives/sim"
)

// Where a card's device may not wake the machine, arming lets it: in a plan too.
func TestThePlanArmsTheDeviceToo(t *testing.T) {
	s := hosts(t, func(n *sim.NIC) { n.WakeDevice = "disabled" })
	s.plan = true
	s.exits(s.cancel("pm", "self,wol,poweroff:0", "host01"), 0)
	armed := 0
	for _, event := range s.events {
		if event.Kind == luabind.KindPlan && event.Op == "nic.arm" {
			armed++
		}
	}
	if armed != 1 || strings.Contains(s.story(), "is not any more") {
		t.Errorf("planned to be armed %d times\n%s", armed, s.story())
	}
}

// FORCE goes on also where the way back is lost at the last moment. The caller is
// told before the machine goes, since it may hear nothing after it.
func TestForceTellsThatTheWayBackIsLost(t *testing.T) {
	s := newScene(t, func(clock *sim.Clock) *sim.World {
		w := sim.New(11, clock)
		w.Add(sim.Machine{Name: "host01", Address: "10.1.0.1", Power: primitives.PowerOn, Enterable: true,
			NICs: []sim.NIC{{Name: "eth0", Driver: "e1000e", WakeSupported: "g", DefaultRoute: true}}})
		return w
	})
	s.overrides = map[string]string{"cancel.lua": `local cancel = require "stock.cancel"
		local apply = cancel.apply
		function cancel.announce() task.sleep(5) end
		function cancel.apply(order) apply(order) task.sleep(60) end -- ended by the power-off
		return cancel`}
	s.world.After(3*time.Second, func() { s.world.Arm("host01", "eth0", "d") })
	s.world.Fault(sim.Fault{Machine: "host01", Power: "nic", Verb: "arm", After: 1, Kind: primitives.Internal, Message: "made so"})
	s.exits(s.cancel("pm", "self,force,wol,poweroff:0", "host01"), 0)
	s.off("host01")
	result := s.results()[0]
	if !strings.Contains(result.Text, "not armed for the magic packet: made so") || strings.Contains(result.Text, "woken by") {
		t.Errorf("it ended with %q\n%s", result.Text, s.story())
	}
}
