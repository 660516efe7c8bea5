//go:build linux

package acceptance

import (
	"fmt"
	"slices"
	"testing"

	"ctys/tests/wake"
)

// sleeper is a machine that its network card wakes.
type sleeper struct {
	*wake.Machine
}

// operator is one at another host of the segment, who knows the machine by its
// address, its key and its MAC.
func (s *sleeper) operator(t testing.TB) *operator {
	t.Helper()
	return operatorOf(t, &s.Access, fmt.Sprintf("mac = %q", s.MAC))
}

// TestWakeUp switches one real card's machine off and on.
func TestWakeUp(t *testing.T) {
	t.Parallel()
	s := &sleeper{wake.Start(t, wake.Options{Name: "lab01"})}
	o := s.operator(t)

	s.Run(t, "ethtool -s eth0 wol d")
	s.PowerOff(t)
	o.calls(t, "wakeup", "-i", "br0", "l:lab01").exits(t, 0)
	o.calls(t, "wakeup", "-t", "198.18.0.255", "l:lab01").exits(t, 0)
	s.WaitHeard(t, 2)
	if s.State() != wake.Off {
		t.Fatalf("disarmed, it is %s: %q", s.State(), s.Heard())
	}

	for n, words := range [][]string{{"-i", "br0"}, {"-i", "br0", "-u"}, {"-t", "198.18.0.255"}} {
		if s.State() == wake.Off {
			s.PowerOn(t)
		}
		s.Run(t, "ethtool -s eth0 wol g")
		s.PowerOff(t)
		o.calls(t, append(append([]string{"wakeup"}, words...), "l:lab01")...).exits(t, 0)
		s.WaitBoot(t, n+3)
	}
	if got := slices.Compact(s.Heard()); !slices.Equal(got, []string{"the card is not armed", "it wakes"}) {
		t.Errorf("the card has heard: %q", got)
	}
}

func TestSuspendedMachineIsWoken(t *testing.T) {
	t.Parallel()
	s := &sleeper{wake.Start(t, wake.Options{Name: "lab01", Suspends: true})}
	boot := s.Run(t, "cat /proc/sys/kernel/random/boot_id")
	s.Run(t, "ethtool -s eth0 wol g; (sleep 1; echo mem >/sys/power/state) </dev/null >/dev/null 2>&1 &")
	s.WaitState(t, wake.Suspended)
	s.operator(t).calls(t, "wakeup", "-t", "198.18.0.255", "l:lab01").exits(t, 0)
	s.WaitState(t, wake.On)
	s.WaitBoot(t, 1)
	if got := s.Run(t, "cat /proc/sys/kernel/random/boot_id"); got != boot {
		t.Error("it has booted anew")
	}
}
