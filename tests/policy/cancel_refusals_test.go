package policy

import (
	"fmt"
	"testing"

	"ctys/primitives"
	"ctys/primitives/sim"
)

// Whoever is refused finds nothing changed, on no level of the stack.
func TestWhatIsInTheStackIsCheckedBeforeItIsTouched(t *testing.T) {
	for _, test := range []struct {
		name string
		set  func(s *scene)
		says string
	}{
		{"managed, one level up", func(s *scene) { s.rows["db1"] = `managed_by = "pacemaker"` }, "db1 is managed by pacemaker"},
	} {
		s := rack(t)
		test.set(s)
		s.exits(s.cancel("pm", "self,poweroff:0", "lab01"), 3)
		s.up("lab01", "web1", "ct1", "db1", "app1")
		s.told(test.says)
	}
}

// Who is called inside the stack would be gone before the end.
func TestCalledInsideTheStack(t *testing.T) {
	for _, test := range []struct {
		name string
		desk string
		set  func(s *scene)
	}{
		{"one level up", "db1", func(*scene) {}},
		{"in a container", "ct1", func(*scene) {}},
		{"who may not read its UUID", "web1", func(s *scene) {
			s.world.Fault(sim.Fault{Machine: "web1", Power: "shutdown", Verb: "identity"})
		}},
	} {
		for _, subopts := range []string{"poweroff:0", "reboot", "self,reboot"} {
			s := rack(t)
			s.desk = test.desk
			test.set(s)
			s.exits(s.cancel("pm", subopts, "lab01"), 3)
			s.up("lab01", "web1", "ct1", "db1", "app1")
			s.told("inside "+test.desk, "from outside the stack")
		}
		s := rack(t)
		s.desk = test.desk
		test.set(s)
		_ = s.cancel("pm", "self,poweroff:0", "lab01") // whose end nobody in the stack can tell
		s.off("lab01", "web1", "ct1", "db1", "app1")
		s.nobodyLost()
		s.told("ctys was called inside "+test.desk, "it goes down last")
		s.after(test.desk, "web1", "app1")
	}
}

// What it was called in stays on where others do: somebody must see to them.
func TestCalledInsideTheStackWithOneThatHangs(t *testing.T) {
	s := rack(t)
	s.desk = "web1"
	s.site["deadline"] = 20.0
	s.world.Fault(sim.Fault{Machine: "db1", Power: "stack", Verb: "shutdown", Hang: true})
	s.exits(s.cancel("pm", "self,poweroff:0", "lab01"), 1)
	s.up("lab01", "web1", "ct1", "db1")
	s.told("ctys runs in it and others are still on")
}

// What is not addressed is not touched, so it is no reason to refuse.
func TestOnlyWhatIsCancelledIsChecked(t *testing.T) {
	s := rack(t)
	s.rows["ct1"] = `managed_by = "pacemaker"`
	s.desk = "ct1"
	s.exits(s.cancel("kvm", "l:web1,poweroff:0", "lab01"), 0)
	s.off("web1")
	s.up("ct1", "db1")
}

func TestAPlanFlagsAManagedGuest(t *testing.T) {
	s := rack(t)
	s.rows["db1"] = `managed_by = "pacemaker"`
	s.plan = true
	s.exits(s.cancel("pm", "self,poweroff:0", "lab01"), 0)
	s.told("db1 is managed by pacemaker")
}

// A row with another UUID is another guest: its address is another machine's.
func TestARowWithAnotherUUIDIsNotTheGuests(t *testing.T) {
	s := rack(t)
	mail, _ := s.world.Machine("mail1")
	s.instead = map[string]string{"mail1": "", "app1": fmt.Sprintf(
		"app1 = { address = %q, port = 2222, uuid = \"00000000-0000-4000-8000-000000000001\", parent = \"ct1\" },\n", mail.Address)}
	s.exits(s.cancel("pm", "poweroff:0", "lab01"), 0)
	s.off("app1")
	s.told("the row is not used")
	if s.world.State("app1").Presses == 0 {
		t.Errorf("it was not asked by its hypervisor but at that address\n%s", s.story())
	}
}

// One label on two hypervisors: all of them only where -A 1 says so, for all
// targets or in the target's own parentheses.
func TestALabelThatMeansSeveral(t *testing.T) {
	s := newScene(t, func(clock *sim.Clock) *sim.World {
		w := sim.Rack(1, clock, sim.Shape{})
		web, _ := w.Machine("web1")
		w.Add(sim.Machine{Name: "web2", MAC: web.MAC, Parent: "lab01", Power: primitives.PowerOn, Agent: true, Address: "127.77.2.9"})
		return w
	})
	s.instead = map[string]string{"web2": ""}
	web, _ := s.world.Machine("web1")
	s.exits(s.cancel("vm", "m:"+web.MAC.String()+",poweroff:0", "lab01"), 3)
	s.up("web1", "web2")
	s.told("is more than one guest: web1, web2")
	s.options = map[string]any{"ambiguous": true}
	s.exits(s.cancel("vm", "m:"+web.MAC.String()+",poweroff:0", "lab01"), 0)
	s.off("web1", "web2")
}

func TestAPlanNamesTheNextStepOfALadder(t *testing.T) {
	s := rack(t)
	s.plan = true
	s.exits(s.cancel("pm", "poweroff:0", "lab01"), 0)
	s.told("ask through acpi, every 10 s", "ask through its hypervisor", "leave it running")
}
