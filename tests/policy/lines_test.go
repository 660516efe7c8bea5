package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ctys/luabind"
	"ctys/primitives"
	"ctys/primitives/sim"
)

// xenRack is lab01, which carries the Xen domains tst100 and tst1001, and hostX,
// which is off and whose BMC nobody has.
func xenRack(t testing.TB) *scene {
	return newScene(t, func(clock *sim.Clock) *sim.World {
		w := sim.New(7, clock)
		mac := func(last byte) primitives.MAC { return primitives.MAC{0x52, 0x54, 0, 1, 0, last} }
		card := func(name string, last byte, wake, master string) sim.NIC {
			return sim.NIC{Name: name, MAC: mac(last), Driver: "e1000e", WakeSupported: wake, Master: master}
		}
		routed := func(n sim.NIC) sim.NIC { n.DefaultRoute = true; return n }
		base := sim.Machine{Power: primitives.PowerOn, Boot: 5 * time.Second, Shutdown: 3 * time.Second, Enterable: true}
		add := func(name, address string, change func(*sim.Machine)) {
			m := base
			m.Name, m.Address = name, address
			change(&m)
			w.Add(m)
		}
		add("lab01", "10.1.0.1", func(m *sim.Machine) {
			m.NICs = []sim.NIC{routed(card("eth0", 1, "pumbg", "")), card("eth1", 2, "d", ""), card("eth2", 3, "g", ""), card("eth3", 6, "", "")}
		})
		add("hostX", "10.1.0.2", func(m *sim.Machine) { m.NICs = []sim.NIC{card("eth0", 4, "pumbg", ""), card("eth2", 5, "g", "")} })
		add("tst100", "10.1.1.1", func(m *sim.Machine) { m.Parent, m.Hypervisor, m.Enterable = "lab01", "xen", false })
		add("tst1001", "10.1.1.2", func(m *sim.Machine) { m.Parent, m.Hypervisor, m.Enterable = "lab01", "xen", false })
		return w
	})
}

// planned are the writes of a plan, in order.
func (s *scene) planned() []string {
	var lines []string
	for _, event := range s.events {
		if event.Kind != luabind.KindPlan {
			continue
		}
		words := []string{event.Op, event.Object, event.Text}
		if args, ok := event.Data["args"].(map[string]any); ok {
			for _, key := range []string{"method", "address", "port"} {
				if value, ok := args[key]; ok && value != nil {
					words = append(words, fmt.Sprint(value))
				}
			}
		}
		lines = append(lines, strings.Join(strings.Fields(strings.Join(words, " ")), " "))
	}
	return lines
}

// The lines of the manual that must run, each with the writes that it comes to.
func TestLinesOfTheManualArePlanned(t *testing.T) {
	const (
		arm0, arm2            = "nic.arm machine lab01 interface eth0", "nic.arm machine hostX interface eth2"
		armX, raw, udp        = "nic.arm machine hostX interface eth0", "keep the way back: a raw frame for 52:54:00:01:00:0", "keep the way back: UDP for 52:54:00:01:00:01 to "
		shut, start           = "stack.shutdown", "stack.start"
		say, poweroff, reboot = "shutdown.announce", "shutdown.apply machine lab01 poweroff", "shutdown.apply machine lab01 reboot"
	)
	for _, test := range []struct {
		kind, action, subopts, target string
		want                          []string
	}{
		{"pm", "create", "wol,t:hostX,broadcast:hostXDirectedCast", "lab01", []string{"wol.send mac 52:54:00:03:8d:8d hostXDirectedCast"}},
		{"pm", "create", "wol,t:hostX,broadcast:192.168.3.251:4711", "lab01", []string{"wol.send mac 52:54:00:03:8d:8d 192.168.3.251 4711"}},
		{"pm", "create", "CONSOLE:cli", "", []string{"action.console machine localhost"}},
		{"pm", "create", "CONSOLE:XTERM", "", []string{"action.console machine localhost"}},
		{"pm", "create", "CONSOLE:GTERM", "", []string{"action.console machine localhost"}},
		{"pm", "create", "CONSOLE:EMACS", "", []string{"action.console machine localhost"}},
		{"pm", "create", "CONSOLE:VNC", "", []string{"action.console machine localhost"}},
		{"pm", "cancel", "l:tst100,POWEROFF:0", "lab01", []string{shut, shut}},
		{"xen", "cancel", "l:tst100,force,POWEROFF:0", "lab01", []string{"stack.destroy"}},
		{"xen", "cancel", "l:tst100,POWEROFF,wol", "lab01", []string{arm0, raw, shut}},
		{"xen", "cancel", "l:tst100,POWEROFF,wol,broadcast:", "lab01", []string{arm0, udp + "10.1.0.255 port 9, the directed broadcast of 10.1.0.0/24", shut}},
		{"xen", "cancel", "l:tst100,POWEROFF,wol,broadcast:192.168.3.255", "lab01", []string{arm0, udp + "192.168.3.255 port 9", shut}},
		{"pm", "cancel", "wol,self,stack,poweroff:0", "hostX", []string{armX, raw, say, "shutdown.apply machine hostX poweroff"}},
		{"pm", "cancel", "wol,self,stack,poweroff:0,if:eth2", "hostX", []string{arm2, raw, say, "shutdown.apply machine hostX poweroff"}},
		{"pm", "cancel", "self,force,wol,poweroff:0,timeout:0", "lab01", []string{"stack.destroy", "stack.destroy", arm0, raw, say, poweroff}},
		{"pm", "cancel", "l:tst001,REBOOT", "lab01", []string{shut, start, shut, start}},
		{"pm", "cancel", "l:tst001,REBOOT,SELF", "lab01", []string{shut, shut, say, reboot, start, start}},
		{"xen", "cancel", "l:tst100,REBOOT,FORCE", "lab01", []string{"stack.destroy", start}},
		{"PM", "cancel", "l:tst100,INIT:0", "lab01", []string{shut, shut}},
		{"pm", "cancel", "l:tst100,RESET", "lab01", []string{shut, start, shut, start}},
		{"pm", "cancel", "l:tst100,RESET,SELF", "lab01", []string{shut, shut, arm0, raw, say, poweroff, "wol.send mac 52:54:00:01:00:01", start, start}},
	} {
		t.Run(test.subopts, func(t *testing.T) {
			s := xenRack(t)
			s.plan = true
			if test.action == "create" {
				s.world.PowerOff("hostX")
			}
			var targets []string
			if test.target != "" {
				targets = []string{test.target}
			}
			before := s.world.Snapshot()
			exit, err := s.form(strings.ToLower(test.kind), test.action, test.subopts, targets...)
			if err != nil || exit != 0 {
				t.Fatalf("exit %d, %v\n%s", exit, err, s.story())
			}
			for i, now := range s.world.Snapshot() {
				if now.Phase != before[i].Phase || now.Boots != before[i].Boots {
					t.Errorf("%s was %s and is %s", now.Name, before[i].Phase, now.Phase)
				}
			}
			got := s.planned()
			if len(got) != len(test.want) {
				t.Fatalf("planned\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(test.want, "\n\t"))
			}
			for i, want := range test.want {
				if !strings.Contains(got[i], want) {
					t.Errorf("planned %q, want %q", got[i], want)
				}
			}
		})
	}
}

// What cannot be armed is refused before the stack is touched, and says what
// the interface is and can.
func TestWhatCannotBeArmedIsRefused(t *testing.T) {
	for name, words := range map[string][]string{
		"eth1": {"cannot be armed: eth1", "driver e1000e", "supports d for Wake-on-LAN"},
		"eth3": {"cannot be armed: eth3", "shows no mode of Wake-on-LAN: operation not supported"},
		"eth9": {"cannot be armed: eth9", "no such interface"},
	} {
		s := xenRack(t)
		s.plan = true
		s.exits(s.cancel("pm", "self,wol,if:"+name+",poweroff:0", "lab01"), 3)
		s.told(words...)
		if got := s.planned(); len(got) > 0 {
			t.Errorf("planned %q", got)
		}
	}
}
