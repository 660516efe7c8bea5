package policy

import (
	"net/netip"
	"strings"
	"testing"

	"ctys/luabind"
	"ctys/primitives"
	"ctys/primitives/sim"
)

// Without a BMC a RESET is a power-off from which a packet brings the machine
// back: armed before, down, woken from the desk, another boot, and what ran runs
// again.
func TestAResetByPacket(t *testing.T) {
	for _, test := range []struct{ row, sent string }{
		{"", "desk sent by ethernet to ff:ff:ff:ff:ff:ff"},
		{`waker = "host02"`, "host02 sent by ethernet to ff:ff:ff:ff:ff:ff"},
		{`broadcast = "10.1.0.255"`, "desk sent by udp to 10.1.0.255:9"},
	} {
		s := hosts(t, nil)
		s.row("host01", test.row)
		before := s.world.State("host01").Boots
		s.exits(s.cancel("pm", "self,reset,timeout:5", "host01"), 0)
		s.up("host01")
		s.powered("web1")
		s.nobodyLost()
		if boots := s.world.State("host01").Boots - before; boots != 1 {
			t.Errorf("%s: %d boots", test.row, boots)
		}
		if sent := s.sent(); len(sent) != 1 || sent[0] != test.sent {
			t.Errorf("%s: sent %q, want %q", test.row, sent, test.sent)
		}
		s.told("host01 has rebooted and is up; what ran on it runs again: web1", "not seen off")
		if s.wayBack("host01") == nil {
			t.Error("its way back was not kept")
		}
	}
}

// Who could not be brought back is not powered off, FORCE or not.
func TestAResetByPacketThatCouldNotEnd(t *testing.T) {
	for subopts, exit := range map[string]int{"self,reset,timeout:5": 1, "self,force,reset": 1} {
		s := hosts(t, nil)
		s.world.Fault(sim.Fault{Machine: "host01", Power: "nic", Verb: "arm", Kind: primitives.Internal, Message: "made so"})
		s.exits(s.cancel("pm", subopts, "host01"), exit)
		s.up("host01")
		s.told("not armed for the magic packet")
	}
	s := hosts(t, func(n *sim.NIC) { n.WakeSupported = "d" })
	s.exits(s.cancel("pm", "self,reset", "host01"), 3)
	s.up("host01", "web1")
	s.told("cannot be armed: eth0")
	// Nobody is left to send the packet.
	for _, target := range []string{"host01", "localhost"} {
		s = hosts(t, nil)
		s.desk = "host01"
		s.exits(s.cancel("pm", "self,reset", target), 3)
		s.up("host01", "web1")
		s.told("RESET: the inventory has no bmc for "+target, "call from another machine")
	}
	// A raw frame does not leave its segment.
	s = hosts(t, nil)
	s.world.Add(sim.Machine{Name: "far", Address: "10.9.0.1", Power: primitives.PowerOn, Enterable: true})
	s.desk = "far"
	s.exits(s.cancel("pm", "self,reset", "host01"), 3)
	s.up("host01", "web1")
	s.told("which the desk cannot send: it is in 10.9.0.0/24", "waker")
	// Who is to send it does not let us in.
	s = hosts(t, nil)
	s.row("host01", `waker = "host02"`)
	s.world.PowerOff("host02")
	s.exits(s.cancel("pm", "self,reset", "host01"), 3)
	s.up("host01", "web1")
	s.told("woken by host02, which cannot be entered")
	// A guest has no card of its own.
	s = rack(t)
	s.exits(s.cancel("pm", "self,reset", "ct1"), 3)
	s.up("ct1", "db1")
	s.told("cannot be armed: eth0")
}

// A desk may be in several segments by one card: any of them will do.
func TestAResetByPacketFromASecondSubnetOfTheDesk(t *testing.T) {
	s := hosts(t, nil)
	s.world.Add(sim.Machine{Name: "host03", Address: "10.1.0.3", Power: primitives.PowerOn, Enterable: true,
		NICs: []sim.NIC{{Name: "eth0", DefaultRoute: true, Addresses: []netip.Prefix{netip.MustParsePrefix("10.9.0.3/24"), netip.MustParsePrefix("10.1.0.3/24")}}}})
	s.desk = "host03"
	s.exits(s.cancel("pm", "self,reset,timeout:5", "host01"), 0)
	s.up("host01")
}

// One that is not seen to go down is not woken.
func TestAResetByPacketThatDoesNotGoDown(t *testing.T) {
	s := hosts(t, nil)
	s.world.HangInShutdown("host01", true)
	s.exits(s.cancel("pm", "self,reset,timeout:5", "host01"), 1)
	s.told("took the request and still answers")
	if sent := s.sent(); len(sent) > 0 {
		t.Errorf("sent %q", sent)
	}
}

// One that does not come back is exit 1, with what was tried.
func TestAResetByPacketThatDoesNotComeBack(t *testing.T) {
	s := hosts(t, nil)
	s.row("host01", `broadcast = "10.9.9.255"`)
	s.site["ping_trials"] = 2.0
	s.exits(s.cancel("pm", "self,reset,timeout:5", "host01"), 1)
	s.off("host01")
	s.told("host01 is down and was not woken: host01 does not answer (2 tries", "woken by UDP for", "10.9.9.255:9")
	for _, event := range s.events {
		if event.Kind == luabind.KindResult && (event.Error == nil || !strings.Contains(event.Error.Message, "does not answer")) {
			t.Errorf("%+v", event)
		}
	}
}

// A packet that cannot be sent leaves the machine off, and what is left to do is
// said.
func TestAResetByPacketThatCannotBeSent(t *testing.T) {
	s := hosts(t, nil)
	s.world.Fault(sim.Fault{Power: "wol", Kind: primitives.Denied, Message: "needs CAP_NET_RAW"})
	s.exits(s.cancel("pm", "self,reset,timeout:5", "host01"), 1)
	s.off("host01")
	s.told("host01 is down and was not woken", "needs CAP_NET_RAW", "woken by a raw frame for")
}
