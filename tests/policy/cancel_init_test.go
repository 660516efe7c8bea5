package policy

import (
	"testing"
	"time"

	"ctys/primitives/sim"
)

// With a type of virtual machine INIT acts inside the guests that were named.
func TestInitOfGuests(t *testing.T) {
	s := rack(t)
	s.exits(s.cancel("kvm", "l:web1,init:3", "lab01"), 0)
	s.up("web1", "ct1")
	if level := s.world.State("web1").Level; level != 3 {
		t.Errorf("web1 is in run level %d\n%s", level, s.story())
	}
	if s.count("stack", "shutdown")+s.count("stack", "destroy") > 0 {
		t.Errorf("its hypervisor was asked\n%s", s.story())
	}

	s = rack(t)
	s.exits(s.cancel("kvm", "l:web1,init:0", "lab01"), 0)
	s.off("web1")
	s.up("lab01", "ct1")

	s = rack(t)
	before := s.world.State("web1").Boots
	s.exits(s.cancel("kvm", "l:web1,init:6", "lab01"), 0)
	s.up("web1")
	if s.world.State("web1").Boots == before {
		t.Error("web1 runs the same boot as before")
	}
}

// A guest that carries others takes them down first, and starts them again.
func TestInitOfAGuestThatCarriesOthers(t *testing.T) {
	s := rack(t)
	s.exits(s.cancel("lxc", "l:ct1,init:0", "lab01"), 0)
	s.off("ct1", "db1", "app1")
	s.up("lab01", "web1")
	s.nobodyLost()

	s = rack(t)
	s.exits(s.cancel("lxc", "l:ct1,init:6", "lab01"), 0)
	s.up("ct1")
	s.powered("db1", "app1")
	s.nobodyLost()
}

func TestInitOfAGuestWithoutAWayIn(t *testing.T) {
	s := transients(t)
	s.instead = map[string]string{"lasting": ""}
	s.exits(s.cancel("kvm", "l:lasting,init:3", "host"), 1)
	s.up("lasting")
	s.told("no way into")
}

func TestInitWithoutSelfSaysThatItChangesNothing(t *testing.T) {
	s := rack(t)
	s.exits(s.cancel("pm", "init:3", "lab01"), 0)
	s.up("web1", "ct1")
	s.told("INIT:3 without SELF changes nothing", "leaves what runs there alone")
}

func TestAPlanNamesWhatTheMachineWouldDo(t *testing.T) {
	for subopts, says := range map[string]string{
		"pause,self":   "lab01 would be suspended",
		"suspend,self": "lab01 would be hibernated",
		"init:3,self":  "lab01 would go to run level 3",
	} {
		s := rack(t)
		s.plan = true
		s.exits(s.cancel("pm", subopts, "lab01"), 0)
		s.told(says)
	}
}

// A run level whose answer is lost with the line was asked for, no more.
func TestARunLevelThatWasNotAccepted(t *testing.T) {
	s := rack(t)
	s.world.Fault(sim.Fault{Machine: "lab01", Power: "shutdown", Verb: "do", LoseReply: true})
	s.world.After(25*time.Second, func() { s.world.PowerOff("lab01") })
	s.exits(s.cancel("pm", "init:1,self", "lab01"), 1)
}
