package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"ctys/luabind"
	"ctys/luabind/journal"
	"ctys/primitives"
	"ctys/primitives/sim"
)

// hosts are host01, which carries web1, and host02 in its segment. Neither has a
// BMC, no interface is armed, and card describes that of host01.
func hosts(t testing.TB, card func(*sim.NIC)) *scene {
	return newScene(t, func(clock *sim.Clock) *sim.World {
		w := sim.New(11, clock)
		host := sim.Machine{Power: primitives.PowerOn, Boot: 5 * time.Second, Shutdown: 3 * time.Second, Enterable: true}
		first, second := host, host
		first.Name, first.Address = "host01", "10.1.0.1"
		eth0 := sim.NIC{Name: "eth0", Driver: "e1000e", Master: "br0", WakeSupported: "pumbg"}
		if card != nil {
			card(&eth0)
		}
		first.NICs = []sim.NIC{eth0, {Name: "br0", Kind: "bridge", DefaultRoute: true}}
		second.Name, second.Address = "host02", "10.1.0.2"
		w.Add(first)
		w.Add(second)
		w.Add(sim.Machine{Name: "web1", Address: "10.1.1.1", Parent: "host01", Power: primitives.PowerOn, Shutdown: time.Second, Agent: true})
		return w
	})
}

// row stands for a machine's own in the inventory: without a MAC.
func (s *scene) row(name, further string) {
	m, _ := s.world.Machine(name)
	if s.instead == nil {
		s.instead = map[string]string{}
	}
	s.instead[name] = fmt.Sprintf("%s = { address = %q, port = 22, %s },\n", name, m.Address, further)
}

// armed tells whether the interface of a machine would wake it.
func (s *scene) armed(name string) bool {
	m, _ := s.world.Machine(name)
	return slices.ContainsFunc(m.NICs, func(n sim.NIC) bool { return strings.Contains(n.WakeSet, "g") })
}

// wayBack is what the desk has kept of a machine.
func (s *scene) wayBack(name string) map[string]any {
	s.t.Helper()
	record, _, err := s.kept.Kept(name)
	if err != nil {
		s.t.Fatal(err)
	}
	back, _ := record["way_back"].(map[string]any)
	return back
}

// calls are those of a power that changed something, in order, as "who verb object".
func (s *scene) calls(verbs ...string) []string {
	var list []string
	for _, entry := range s.world.Log() {
		if slices.Contains(verbs, entry.Call) {
			list = append(list, strings.TrimSpace(entry.Call+" "+entry.Object))
		}
	}
	return list
}

// The machine goes down ready to be woken: armed after its stack is down, kept at
// the caller before it goes, and woken by what was kept, with no MAC typed and none
// in the inventory.
func TestWhatWasCancelledIsWokenAgain(t *testing.T) {
	s := hosts(t, nil)
	s.row("host01", "")
	m, _ := s.world.Machine("host01")
	s.exits(s.cancel("pm", "self,wol,poweroff:5", "host01"), 0)
	s.off("host01", "web1")
	s.nobodyLost()
	if !s.armed("host01") {
		t.Fatalf("it is not armed\n%s", s.story())
	}
	s.told("the interface to be armed is eth0, which carries br0", "firmware",
		"woken by a raw frame for "+m.MAC.String()+" in the segment of eth0 (10.1.0.0/24)")
	if sent := s.sent(); len(sent) > 0 {
		t.Errorf("CANCEL has sent %q", sent)
	}
	want := map[string]any{"method": "raw", "mac": m.MAC.String(), "interface": "eth0", "subnet": "10.1.0.0/24"}
	back := s.wayBack("host01")
	for key, value := range want {
		if back[key] != value {
			t.Errorf("kept %s = %v, want %v", key, back[key], value)
		}
	}
	if at, _ := back["armed_at"].(float64); at < 1_700_000_000 {
		t.Errorf("armed_at %v", back["armed_at"])
	}
	order := s.calls("stack.shutdown", "nic.arm", "shutdown.announce", "line.confirmed", "shutdown.do")
	var verbs []string
	for _, call := range order {
		verbs = append(verbs, strings.Fields(call)[0])
	}
	if got := strings.Join(slices.Compact(verbs), " "); got != "line.confirmed stack.shutdown nic.arm shutdown.announce line.confirmed shutdown.do" {
		t.Errorf("the order is %s\n%s", got, s.story())
	}

	for _, mode := range []string{"wol", "wol,reuse"} {
		s.events = nil
		s.exits(s.create("pm", mode+",l:host01"), 0)
		s.up("host01")
		s.told("as kept on 2023-11-14 22:13 UTC")
		if sent := s.sent(); !strings.Contains(sent[len(sent)-1], "by ethernet") {
			t.Errorf("%s: sent %q", mode, sent)
		}
		s.world.PowerOff("host01")
	}
}

func TestWithoutSelfWhatStaysUpIsArmedAtOnce(t *testing.T) {
	s := hosts(t, nil)
	s.exits(s.cancel("pm", "wol,broadcast:,poweroff:0", "host01"), 0)
	s.up("host01")
	s.off("web1")
	if !s.armed("host01") || s.wayBack("host01")["address"] != "10.1.0.255" {
		t.Errorf("armed %v, kept %v", s.armed("host01"), s.wayBack("host01"))
	}
	if calls := s.calls("nic.arm", "stack.shutdown"); calls[0] != "nic.arm eth0" {
		t.Errorf("the order is %v", calls)
	}
	s.told("woken by UDP for")
}

// A bridge is never dissolved under a machine that stays up: refused first, with
// nothing changed.
func TestWithoutSelfNoBridgeIsDissolved(t *testing.T) {
	s := hosts(t, func(n *sim.NIC) { n.RefusesInBridge = true })
	s.exits(s.cancel("pm", "wol,poweroff:0", "host01"), 3)
	s.up("host01", "web1")
	s.told("cannot be armed: eth0 while it is a port of br0", "is not dissolved under a machine that stays up", "with SELF")
	if s.armed("host01") || s.wayBack("host01") != nil {
		t.Error("something was changed")
	}
	if calls := s.calls("bridge.step", "stack.shutdown"); len(calls) > 0 {
		t.Errorf("calls %v", calls)
	}
}

// What cannot be armed is refused before the first guest is asked, FORCE or not.
func TestWithoutTheMagicPacketNobodyIsAsked(t *testing.T) {
	for _, subopts := range []string{"self,wol,poweroff:0", "self,force,wol,poweroff:0", "wol,poweroff:0"} {
		s := hosts(t, func(n *sim.NIC) { n.WakeSupported = "pumb" })
		s.exits(s.cancel("pm", subopts, "host01"), 3)
		s.up("host01", "web1")
		s.told("cannot be armed: eth0 (asked for: br0, driver e1000e) supports pumb for Wake-on-LAN, not g", "wake it by its BMC")
		for _, entry := range s.world.Log() {
			if strings.HasPrefix(entry.Call, "stack.") {
				t.Errorf("%s: %s", subopts, entry)
			}
		}
	}
}

func TestBroadcastNeedsASubnet(t *testing.T) {
	s := hosts(t, nil)
	s.exits(s.cancel("pm", "self,wol,broadcast:,poweroff:0", "host02"), 0)
	s = newScene(t, func(clock *sim.Clock) *sim.World {
		w := sim.New(1, clock)
		w.Add(sim.Machine{Name: "six", Address: "10.1.0.9", Power: primitives.PowerOn, Enterable: true,
			NICs: []sim.NIC{{Name: "eth0", WakeSupported: "g", DefaultRoute: true, Addresses: []netip.Prefix{netip.MustParsePrefix("fd00::9/64"), netip.MustParsePrefix("10.1.0.9/32")}}}})
		return w
	})
	s.exits(s.cancel("pm", "self,wol,broadcast:,poweroff:0", "six"), 3)
	s.up("six")
	s.told(`"BROADCAST:": no IPv4 address of eth0 has a subnet to broadcast in`)
}

// A failure to arm bars the machine. Only FORCE goes on, says so, and keeps no
// way back that there is not.
func TestAFailureToArmBarsTheMachine(t *testing.T) {
	for desk, target := range map[string]string{"": "host01", "host01": "localhost"} {
		s := hosts(t, nil)
		s.desk = desk
		s.world.Fault(sim.Fault{Machine: "host01", Power: "nic", Verb: "arm", Kind: primitives.Internal, Message: "reads back differently"})
		s.exits(s.cancel("pm", "self,wol,poweroff:0", target), 1)
		s.up("host01")
		s.off("web1")
		s.told("not armed for the magic packet", "reads back differently", "the machine itself is left alone")
		if s.wayBack(target) != nil || s.count("shutdown", "do") > 0 || s.count("shutdown", "announce") > 0 {
			t.Errorf("it went on\n%s", s.story())
		}
	}
	s := hosts(t, nil)
	s.world.Fault(sim.Fault{Machine: "host01", Power: "nic", Verb: "arm", Kind: primitives.Internal, Message: "reads back differently"})
	s.exits(s.cancel("pm", "self,force,wol,poweroff:0", "host01"), 0)
	s.off("host01")
	s.told("FORCE: host01 is not armed for the magic packet", "not seen off; not armed for the magic packet")
	if s.wayBack("host01") != nil {
		t.Error("a way back was kept that there is not")
	}
}

// A stack that fails bars the arming too.
func TestAStackThatFailsIsNotArmed(t *testing.T) {
	s := hosts(t, nil)
	s.world.HangInShutdown("web1", true)
	s.rows["web1"] = "deadline = 10"
	s.exits(s.cancel("pm", "self,wol,poweroff:0", "host01"), 1)
	s.up("host01")
	if s.armed("host01") {
		t.Error("it is armed")
	}
}

// Network scripts reset it meanwhile: it is looked at again just before the end.
func TestArmedAgainJustBeforeThePowerOff(t *testing.T) {
	s := hosts(t, nil)
	s.world.After(8*time.Second, func() { s.world.Arm("host01", "eth0", "d") })
	s.exits(s.cancel("pm", "self,wol,poweroff:20", "host01"), 0)
	s.off("host01")
	if !s.armed("host01") {
		t.Error("it is not armed")
	}
	s.told("eth0 was armed and is not any more", "armed again")
	// Where that fails, the machine stays up and its users are told.
	s = hosts(t, nil)
	s.world.After(8*time.Second, func() {
		s.world.Arm("host01", "eth0", "d")
		s.world.Fault(sim.Fault{Machine: "host01", Power: "nic", Verb: "arm", Kind: primitives.Internal, Message: "no more"})
	})
	s.exits(s.cancel("pm", "self,wol,poweroff:20", "host01"), 1)
	s.up("host01")
	s.told("no more", "not armed for the magic packet")
	if calls := s.calls("shutdown.announce"); len(calls) != 2 {
		t.Errorf("announced %d times", len(calls))
	}
}

// A caller that does not confirm does not keep the machine up: what counts is what
// it has on disk. Without that it is exit 1, and said.
func TestAReceiptThatIsLost(t *testing.T) {
	s := hosts(t, nil)
	s.world.Fault(sim.Fault{Power: "line", Verb: "confirmed", Hang: true})
	s.exits(s.cancel("pm", "self,wol,poweroff:0", "host01"), 0)
	s.off("host01")
	s.told("the caller has not said in 5 s")
	if s.wayBack("host01") == nil {
		t.Error("the way back is not kept")
	}
	// One that cannot keep it does not confirm, also where it has an older one.
	s = hosts(t, nil)
	s.exits(s.cancel("pm", "wol,poweroff:0", "host01"), 0)
	s.events, s.keeper = nil, &journal.Machines{Dir: "/proc/none/of/that", Clock: s.clock}
	s.exits(s.cancel("pm", "self,wol,poweroff:0", "host01"), 1)
	s.off("host01")
	s.told("what a later run needs to know of host01 is not kept", "which is not kept here", "woken by a raw frame for")
	for _, result := range s.results() {
		if result.Error == nil {
			t.Error("the result has no error")
		}
	}
}

// Whatever is planned is what is done, and nothing is kept by a plan.
func TestThePlanOfAWayBackIsWhatIsDone(t *testing.T) {
	for _, subopts := range []string{"self,wol,poweroff:0", "wol,poweroff:0", "self,wol,broadcast:,poweroff:0", "self,reset,timeout:10", "self,pause,wol,timeout:5", "self,suspend,timeout:5"} {
		ops := map[bool][]string{}
		for _, plan := range []bool{true, false} {
			s := hosts(t, nil)
			s.plan = plan
			s.exits(s.cancel("pm", subopts, "host01"), 0)
			for _, event := range s.events {
				if (event.Kind == luabind.KindPlan || event.Kind == luabind.KindIntent) && event.Op != "" {
					ops[plan] = append(ops[plan], event.Op+" "+event.Object)
				}
			}
			if plan && (s.wayBack("host01") != nil || s.armed("host01")) {
				t.Errorf("%s: a plan has changed something", subopts)
			}
		}
		if !slices.Equal(ops[true], ops[false]) {
			t.Errorf("%s: planned\n\t%s\nand done\n\t%s", subopts, strings.Join(ops[true], "\n\t"), strings.Join(ops[false], "\n\t"))
		}
	}
}
