package policy

import (
	"testing"

	"ctys/primitives"
)

// CLIENT closes consoles, of which ctys keeps none: it touches nothing, also in a
// plan, and an address still has to be somebody's.
func TestClientTouchesNothing(t *testing.T) {
	for _, plan := range []bool{false, true} {
		for _, subopts := range []string{"l:web1,client,poweroff:0", "all,client,reboot,force", "all,client,suspend"} {
			s := rack(t)
			s.plan = plan
			s.exits(s.cancel("vm", subopts, "lab01"), 0)
			s.up("lab01", "web1", "ct1", "db1", "app1")
			s.told("so there is none to close", "no console is open")
			if n := s.count("stack", "shutdown") + s.count("stack", "destroy"); n > 0 || len(s.planned()) > 0 {
				t.Errorf("%s: %d requests, planned %q", subopts, n, s.planned())
			}
		}
	}
	s := rack(t)
	s.exits(s.cancel("kvm", "l:nobody,client,poweroff:0", "lab01"), 1)
}

func TestBothActsOnTheGuests(t *testing.T) {
	s := rack(t)
	s.exits(s.cancel("kvm", "l:web1,both,poweroff:0", "lab01"), 0)
	s.off("web1")
	s.up("ct1")
	s.told("so there is none to close; the guests are cancelled")
}

// What CLIENT leaves alone cannot go down with its machine.
func TestClientGoesWithNothingThatTakesTheMachineDown(t *testing.T) {
	for _, subopts := range []string{"all,client,self,poweroff:0", "all,client,wol,poweroff:0"} {
		rack(t).refused("kvm", "cancel", subopts, primitives.Invalid, "CLIENT closes consoles only")
	}
}
