//go:build linux

package acceptance

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"ctys/tests/wake"
)

// sleeper is a machine that its network card wakes, and that is not to be seen
// other than over the network: no BMC, no hypervisor.
type sleeper struct {
	*wake.Machine
}

// operator is one at another host of the segment, who knows the machine by its
// address and its key. Further fields of its row in the inventory are Lua.
func (s *sleeper) operator(t testing.TB, fields ...string) *operator {
	t.Helper()
	return operatorOf(t, &s.Access, fields...)
}

func (s *sleeper) mac() string { return fmt.Sprintf("mac = %q", s.MAC) }

// boot is which boot the machine is in, by its own kernel.
func (s *sleeper) boot(t testing.TB) string {
	t.Helper()
	return s.Run(t, "cat /proc/sys/kernel/random/boot_id")
}

// disarmed makes sure that no packet wakes the machine. Its driver comes up
// with the card armed, as the card's memory says.
func (s *sleeper) disarmed(t testing.TB) {
	t.Helper()
	s.Run(t, "ethtool -s eth0 wol d")
}

// cancelled takes the machine down by CANCEL: it sleeps, with its card armed
// while that was a port of a bridge, and no packet was sent yet.
func (s *sleeper) cancelled(t testing.TB, o *operator, subopts string, state wake.State) {
	t.Helper()
	s.disarmed(t)
	heard := len(s.Heard())
	end := o.calls(t, "-t", "pm", "-a", "cancel="+subopts, s.Name)
	end.exits(t, 0)
	end.tells(t, "eth0")
	s.WaitState(t, state)
	if got := s.Registers(t); !got.Armed() {
		t.Fatalf("the card is not armed: %s\n%s", got, end)
	}
	if got := s.Heard()[heard:]; len(got) > 0 {
		t.Errorf("CANCEL has sent %d packets", len(got))
	}
}

// TestThereAndBack switches a machine off and on, as one does who has nothing
// but the network to it.
func TestThereAndBack(t *testing.T) {
	t.Parallel()
	s := &sleeper{wake.Start(t, wake.Options{Name: "lab01"})}

	t.Run("raw frame", func(t *testing.T) {
		o, boots := s.operator(t, s.mac()), s.Boots()
		s.cancelled(t, o, "self,wol,poweroff:0", wake.Off)
		end := o.calls(t, "-t", "pm", "-a", "create=wol,if:br0,l:lab01")
		end.exits(t, 0)
		end.tells(t, "lab01 is up")
		s.WaitBoot(t, boots+1)
	})
	// The inventory has no MAC: what CANCEL has left at its caller is the way back.
	t.Run("directed broadcast", func(t *testing.T) {
		o, boots := s.operator(t), s.Boots()
		s.cancelled(t, o, "self,wol,broadcast:,poweroff:0", wake.Off)
		end := o.calls(t, "-t", "pm", "-a", "create=wol,l:lab01")
		end.exits(t, 0)
		end.tells(t, "198.18.0.255", "lab01 is up")
		s.WaitBoot(t, boots+1)
	})
	t.Run("disarmed", func(t *testing.T) {
		o := s.operator(t, s.mac())
		s.disarmed(t)
		s.PowerOff(t)
		heard := len(s.Heard())
		for n, way := range [][]string{{"-i", "br0"}, {"-i", "br0", "-u"}, {"-t", "198.18.0.255"}} {
			o.calls(t, slices.Concat([]string{"wakeup"}, way, []string{"l:lab01"})...).exits(t, 0)
			s.WaitHeard(t, heard+n+1)
		}
		if s.State() != wake.Off {
			t.Errorf("it is %s", s.State())
		}
	})
	if got, want := s.Heard(), []string{"it wakes", "the card is not armed"}; !slices.Equal(slices.Compact(got), want) {
		t.Errorf("the card has heard: %q", got)
	}
}

// guestProgram stands for Xen's xl on a machine with one guest. It writes down
// what it was asked.
const guestProgram = `cat >/bin/xl <<'END'
#!/bin/sh
echo "$*" >>/var/log/xl
case $* in
"list -v") echo "Name                ID   Mem VCPUs      State   Time(s) UUID"
    echo "Domain-0             0   128     1     r-----      9.0 00000000-0000-0000-0000-000000000000"
    echo "web1                 1   128     1     -b----      1.0 77000000-0000-4000-8000-000000000001" ;;
"list -l") echo '[{"domid": 1, "config": {"c_info": {"name": "web1", "uuid": "77000000-0000-4000-8000-000000000001"}}}]' ;;
info*) echo 4.17.5 ;;
*) echo "not here" >&2; exit 1 ;;
esac
END
chmod 755 /bin/xl`

// TestCardThatCannotWake: check first, act later.
func TestCardThatCannotWake(t *testing.T) {
	t.Parallel()
	s := &sleeper{wake.Start(t, wake.Options{Name: "lab01", NIC: "virtio-net-pci"})}
	s.Run(t, guestProgram)
	o, boot := s.operator(t, s.mac()), s.boot(t)

	end := o.calls(t, "-t", "pm", "-a", "cancel=self,poweroff:0", "--plan", s.Name)
	end.exits(t, 0)
	end.tells(t, "web1")

	end = o.calls(t, "-t", "pm", "-a", "cancel=self,wol,poweroff:0", s.Name)
	end.exits(t, 3)
	end.tells(t, "cannot be armed", "eth0", "virtio_net")
	for _, asked := range strings.Split(s.Run(t, "cat /var/log/xl"), "\n") {
		if !strings.HasPrefix(asked, "list ") && !strings.HasPrefix(asked, "info ") {
			t.Errorf("the hypervisor was asked: xl %s", asked)
		}
	}
	if s.boot(t) != boot {
		t.Error("the machine is not in the boot that it was in")
	}
}

// TestPauseAndReset are the ways on which the caller is the one who wakes the
// machine, at once or when it likes.
func TestPauseAndReset(t *testing.T) {
	t.Parallel()
	s := &sleeper{wake.Start(t, wake.Options{Name: "lab01", Suspends: true})}
	o := s.operator(t, s.mac())

	t.Run("PAUSE", func(t *testing.T) {
		boot := s.boot(t)
		s.cancelled(t, o, "self,wol,pause,timeout:1", wake.Suspended)
		o.calls(t, "-t", "pm", "-a", "create=resume,l:lab01").exits(t, 0)
		s.WaitState(t, wake.On)
		s.WaitBoot(t, 1)
		if s.boot(t) != boot {
			t.Error("it has booted anew")
		}
	})
	t.Run("RESET without a BMC", func(t *testing.T) {
		boot := s.boot(t)
		s.disarmed(t)
		end := o.calls(t, "-t", "pm", "-a", "cancel=self,reset,timeout:1", s.Name)
		end.exits(t, 0)
		end.tells(t, "lab01 has rebooted and is up")
		s.WaitBoot(t, 2)
		if s.boot(t) == boot {
			t.Error("it is in the boot that it was in")
		}
	})
	if got, want := s.Heard(), []string{"it wakes", "it wakes"}; !slices.Equal(got, want) {
		t.Errorf("the card has heard: %q", got)
	}
}
