package policy

import (
	"errors"
	"strings"
	"testing"
	"time"

	"ctys/luabind"
	"ctys/primitives"
	"ctys/primitives/sim"
)

func (s *scene) create(kind, subopts string, targets ...string) int {
	s.t.Helper()
	exit, err := s.form(kind, "create", subopts, targets...)
	if err != nil {
		s.t.Fatalf("create=%s: %v\n%s", subopts, err, s.story())
	}
	return exit
}

// refused: the request ends with this kind and these words, nothing contacted.
func (s *scene) refused(kind, action, subopts string, want primitives.Kind, words ...string) {
	s.t.Helper()
	exit, err := s.form(kind, action, subopts)
	if err == nil {
		s.t.Fatalf("%s: exit %d, want an error\n%s", subopts, exit, s.story())
	}
	var script *luabind.ScriptError
	if !errors.As(err, &script) || script.Kind != want {
		s.t.Errorf("%s: %v, want kind %s", subopts, err, want)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			s.t.Errorf("%s: %v does not say %q", subopts, err, word)
		}
	}
	for _, entry := range s.world.Log() {
		if entry.Call != "" && entry.Call != "shutdown.identity" {
			s.t.Errorf("%s: contacted: %s", subopts, entry)
		}
	}
}

// sent is how the magic packets left, in the world's words.
func (s *scene) sent() []string {
	var list []string
	for _, entry := range s.world.Log() {
		if entry.Call == "wol.send" {
			list = append(list, entry.By+" "+entry.Result)
		}
	}
	return list
}

func TestWakeByRawFrame(t *testing.T) {
	s := rack(t)
	s.exits(s.create("pm", "wol,l:lab02"), 0)
	s.up("lab02")
	s.told("lab02 is up, it answers")
	if sent := s.sent(); len(sent) != 1 || !strings.Contains(sent[0], "by ethernet to ff:ff:ff:ff:ff:ff") {
		t.Errorf("sent %q", sent)
	}
}

func TestWakeByDirectedBroadcast(t *testing.T) {
	for _, test := range []struct{ subopts, row, want string }{
		{"wol,t:lab02,broadcast:127.77.0.255", "", "127.77.0.255:9"},
		{"wol,t:127.77.0.2,broadcast:127.77.0.255:4711", "", "127.77.0.255:4711"},
		{"wol,l:lab02,broadcast:127.77.0.255,port:7", "", "127.77.0.255:7"},
		{"l:lab02", `broadcast = "127.77.0.255", broadcast_port = 40000`, "127.77.0.255:40000"},
		{"l:lab02,broadcast:", `broadcast = "127.77.0.255"`, "127.77.0.255:9"},
		{"l:lab02,broadcast:", "", "255.255.255.255:9"},
		{"l:lab02,if:eth7", `broadcast = "127.77.0.255"`, "ff:ff:ff:ff:ff:ff"},
	} {
		s := rack(t)
		s.rows["lab02"] = test.row
		s.exits(s.create("pm", test.subopts), 0)
		s.up("lab02")
		if sent := s.sent(); len(sent) != 1 || !strings.HasSuffix(sent[0], " to "+test.want) {
			t.Errorf("%s: sent %q, want to %s", test.subopts, sent, test.want)
		}
	}
}

func TestEveryAddressFindsTheMachine(t *testing.T) {
	w := sim.Rack(1, sim.NewClock(time.Unix(0, 0)), sim.Shape{})
	lab02, _ := w.Machine("lab02")
	w.Close()
	for _, address := range []string{
		"l:lab02", "t:lab02", "t:127.77.0.2", "m:" + lab02.MAC.String(), "u:" + lab02.UUID, "U:" + strings.ToUpper(lab02.UUID),
		"id:/etc/ctys/lab02.conf", "f:lab02.conf", "base:/etc/ctys", "dbrec:2", "l:lab01,dbrec:2", "t:lab02,m:" + lab02.MAC.String(),
	} {
		s := rack(t)
		s.rows["lab02"] = `path = "/etc/ctys/lab02.conf"`
		s.exits(s.create("pm", "wol,"+address), 0)
		s.up("lab02")
	}
}

func TestRecordNumberSaysWhatItIs(t *testing.T) {
	s := rack(t)
	s.exits(s.create("pm", "dbrec:2"), 0)
	s.told("dbrec:2 is lab02 now (address 127.77.0.2, MAC ")
}

func TestUpAlready(t *testing.T) {
	for subopts, exit := range map[string]int{
		"wol,l:lab03": 1, "resume,l:lab03": 1, "l:lab03": 1, "reuse,l:lab03": 0, "connect,l:lab03": 0, "connect,t:127.77.0.3,sshping:on": 0,
	} {
		s := rack(t)
		s.exits(s.create("pm", subopts), exit)
		s.told("is up")
		if sent := s.sent(); len(sent) > 0 {
			t.Errorf("%s: sent %q", subopts, sent)
		}
		if s.clock.Elapsed() > time.Second {
			t.Errorf("%s: took %s", subopts, s.clock.Elapsed())
		}
	}
}

func TestTheTargetItself(t *testing.T) {
	s := rack(t)
	s.exits(s.create("pm", "connect", "lab01"), 0)
	s.exits(s.create("pm", "wol,l:lab01", "lab01"), 0)
	s.told("neither looked at nor woken")
	if len(s.sent()) > 0 || s.count("probe", "") > 0 {
		t.Errorf("a look or a packet\n%s", s.world.Transcript())
	}
}

func TestConnectNeverWakes(t *testing.T) {
	s := rack(t)
	s.exits(s.create("pm", "connect,l:lab02"), 1)
	s.off("lab02")
	s.told("CONNECT never wakes")
	if len(s.sent()) > 0 {
		t.Error("a packet was sent")
	}
}

func TestReuseWakes(t *testing.T) {
	s := rack(t)
	s.exits(s.create("pm", "reuse,l:lab02,sshping:on"), 0)
	s.up("lab02")
}

func TestOnlyTheMACIsKnown(t *testing.T) {
	s := newScene(t, func(clock *sim.Clock) *sim.World { return oneMachine(clock, true) })
	s.exits(s.create("pm", "wol,m:02-00-00-00-00-99"), 0)
	s.told("sent, not seen up", "no address is known")
	s = newScene(t, func(clock *sim.Clock) *sim.World { return oneMachine(clock, true) })
	s.refused("pm", "create", "wol,m:02:00:00:00:00:98,sshping:on", primitives.Invalid, "SSHPING", "address")
}

func TestPingOff(t *testing.T) {
	s := rack(t)
	s.exits(s.create("pm", "wol,l:lab02,ping:off"), 0)
	s.told("lab02: sent, not seen up")
	if s.world.State("lab02").Phase == sim.Up {
		t.Error("it waited although PING is off")
	}
}

func TestSSHPingAlone(t *testing.T) {
	s := rack(t)
	s.exits(s.create("pm", "wol,l:lab02,ping:off,sshping:20%1"), 0)
	s.up("lab02")
	s.told("it answers ssh")
}

func TestSSHPingLogsInAsTheUser(t *testing.T) {
	s := rack(t)
	s.exits(s.create("pm", "reuse,l:lab03,sshping:3%1,user:bob"), 0)
	s.told("lab03 lets bob in")

	s = rack(t)
	s.world.Fault(sim.Fault{Machine: "lab03", Power: "line", Verb: "enter", Kind: primitives.Auth, Message: "bob may not log in"})
	s.exits(s.create("pm", "reuse,l:lab03,sshping:3%1,user:bob"), 1)
	s.told("lab03 does not let bob in (3 tries, 1 s after each that fails)", "bob may not log in")
	s.exits(s.create("pm", "reuse,l:lab03,sshping:3%1"), 0)
}

func TestTimeOut(t *testing.T) {
	s := newScene(t, func(clock *sim.Clock) *sim.World { return oneMachine(clock, true) })
	s.world.Fault(sim.Fault{Machine: "only", Power: "probe", Verb: "ssh", Hang: true})
	s.exits(s.create("pm", "wol,l:only,sshping:2%1"), 1)
	s.told("only does not answer SSH (2 tries, 1 s after each that fails); 1 packet was sent")

	s = newScene(t, func(clock *sim.Clock) *sim.World { return oneMachine(clock, false) })
	s.exits(s.create("pm", "wol,l:only"), 1)
	s.off("only")
	s.told("only does not answer (40 tries, 3 s after each that fails)")
	if sent := s.sent(); len(sent) < 12 {
		t.Errorf("an unarmed machine was sent %d packets", len(sent))
	}
}

func TestALostPacketIsSentAgain(t *testing.T) {
	s := rack(t)
	s.world.Arm("lab02", "eth0", "d")
	s.world.After(15*time.Second, func() { s.world.Arm("lab02", "eth0", "g") })
	s.exits(s.create("pm", "wol,l:lab02"), 0)
	s.up("lab02")
	s.told("packet 2 sent", "packet 3 sent")
	if elapsed := s.clock.Elapsed(); elapsed > 35*time.Second {
		t.Errorf("took %s", elapsed)
	}
}

func TestAResendThatFailsIsTold(t *testing.T) {
	s := rack(t)
	s.world.Arm("lab02", "eth0", "d")
	s.world.After(15*time.Second, func() { s.world.Arm("lab02", "eth0", "g") })
	s.world.Fault(sim.Fault{Power: "wol", After: 1, Count: 1})
	s.exits(s.create("pm", "wol,l:lab02"), 0)
	s.told("the packet was not sent again")
}

func TestAPacketThatDoesNotLeave(t *testing.T) {
	s := rack(t)
	s.world.Fault(sim.Fault{Power: "wol", Kind: primitives.Denied, Message: "needs CAP_NET_RAW"})
	s.exits(s.create("pm", "wol,l:lab02"), 3)
	s.told("needs CAP_NET_RAW")
	s.off("lab02")
}

func TestAnotherTargetSendsThePacket(t *testing.T) {
	s := newScene(t, func(clock *sim.Clock) *sim.World {
		w := sim.New(5, clock)
		w.Add(sim.Machine{Name: "near", Address: "10.1.0.1", Segment: "far away", Power: primitives.PowerOn, Enterable: true})
		w.Add(sim.Machine{Name: "asleep", Address: "10.1.0.2", Segment: "far away", Boot: 20 * time.Second, WakesOnLAN: true})
		return w
	})
	s.exits(s.create("pm", "wol,l:asleep,ping:8%3"), 1)
	s.off("asleep")
	s.exits(s.create("pm", "wol,l:asleep", "near"), 0)
	s.up("asleep")
	if sent := s.sent(); !strings.HasPrefix(sent[len(sent)-1], "near ") {
		t.Errorf("sent %q", sent)
	}
}

func TestSeveralTargetsWakeOne(t *testing.T) {
	s := rack(t)
	s.exits(s.create("pm", "wol,l:lab02", "lab01", "lab03"), 0)
	s.up("lab02")
}

func TestPauses(t *testing.T) {
	s := rack(t)
	s.exits(s.create("pm", "wol:50,l:lab02,waits:100"), 0)
	s.up("lab02")
	if elapsed := s.clock.Elapsed(); elapsed < 150*time.Second || elapsed > 160*time.Second {
		t.Errorf("took %s, with pauses of 50 s and 100 s", elapsed)
	}
}

func TestReconnectRebootsOnce(t *testing.T) {
	s := rack(t)
	s.yes = true
	if exit, err := s.form("pm", "create", "reconnect,l:lab03", "lab01", "lab02"); err == nil || !strings.Contains(err.Error(), "RECONNECT") {
		t.Errorf("exit %d, %v", exit, err)
	}
}

func TestReconnect(t *testing.T) {
	s := rack(t)
	if exit, err := s.form("pm", "create", "reconnect,l:lab03"); err == nil || !strings.Contains(err.Error(), "--yes") {
		t.Errorf("exit %d, %v", exit, err)
	}
	s.up("lab03", "mail1")
	s.yes = true
	before := s.world.State("lab03").Boots
	s.exits(s.create("pm", "reconnect,l:lab03"), 0)
	s.up("lab03")
	s.powered("mail1")
	s.nobodyLost()
	if s.world.State("lab03").Boots == before {
		t.Error("lab03 runs the same boot as before")
	}
	s.exits(s.create("pm", "reconnect,l:lab02"), 0)
	s.up("lab02")
}

// A console on the target itself needs nothing carried there. (A world in memory
// has none: nothing was seen of the machine then.)
func TestConsoleOnTheTargetItself(t *testing.T) {
	s := rack(t)
	s.exits(s.create("pm", "console:cli", "lab03"), 1)
	s.told("no console: a simulated world in memory has no consoles")
	if entered := s.count("line", "enter"); entered > 0 {
		t.Errorf("entered\n%s", s.world.Transcript())
	}
	if last := s.events[len(s.events)-1]; last.State != "unknown" {
		t.Errorf("lab03 is %q and nobody saw it", last.State)
	}
}

func TestReconnectOfTheTargetItself(t *testing.T) {
	s := rack(t)
	s.yes = true
	before := s.world.State("lab03").Boots
	s.exits(s.create("pm", "reconnect", "lab03"), 0)
	s.up("lab03")
	if s.world.State("lab03").Boots == before {
		t.Error("lab03 runs the same boot as before")
	}
	s = rack(t)
	s.yes = true
	s.refused("pm", "create", "reconnect", primitives.Invalid, "RECONNECT", "this host")
}

func TestAGuestIsStarted(t *testing.T) {
	for _, subopts := range []string{"l:web1", "t:127.77.2.1", "reuse,l:web1,sshping:on", "l:web1,ping:off"} {
		s := rack(t)
		s.world.PowerOff("web1")
		s.exits(s.create("kvm", subopts, "lab01"), 0)
		s.powered("web1")
		if !strings.Contains(subopts, "ping:off") {
			s.up("web1")
		}
	}
	s := rack(t)
	s.exits(s.create("kvm", "l:web1", "lab01"), 1)
	s.told("web1 is up already (by the word of its hypervisor)")
	s.exits(s.create("kvm", "connect,l:web1", "lab01"), 0)
	s.exits(s.create("kvm", "l:web", "lab01"), 1)
	s.told(`no kvm guest here is "l:web"`)
	s.pause("web1")
	s.exits(s.create("vm", "l:web1", "lab01"), 0)
	s.up("web1")
	s.world.PowerOff("web1")
	s.exits(s.create("kvm", "connect,l:web1", "lab01"), 1)
	s.off("web1")
}

func TestAGuestIsReconnected(t *testing.T) {
	s := rack(t)
	s.yes = true
	before := s.world.State("web1").Boots
	s.exits(s.create("kvm", "reconnect,l:web1", "lab01"), 0)
	s.up("web1")
	if s.world.State("web1").Boots == before {
		t.Error("web1 runs the same boot as before")
	}
}

func TestAPlanOfCreateChangesNothing(t *testing.T) {
	for _, test := range []struct{ kind, subopts string }{
		{"pm", "wol:5,l:lab02,waits:3,sshping:on,waitc:4,console:cli"},
		{"pm", "l:lab02,broadcast:127.77.0.255:4711"}, {"pm", "l:lab02,ipmi"}, {"pm", "reconnect,l:lab03"},
		{"pm", "reuse,l:lab03,console:vnc"}, {"kvm", "l:mail1,console:cli"}, {"kvm", "reconnect,l:web1"},
	} {
		s := rack(t)
		s.plan = true
		target := "lab01"
		if test.subopts == "l:mail1,console:cli" {
			s.world.PowerOff("mail1")
			target = "lab03"
		}
		before := s.world.Snapshot()
		s.exits(s.create(test.kind, test.subopts, target), 0)
		for i, after := range s.world.Snapshot() {
			if before[i].Phase != after.Phase || before[i].Boots != after.Boots {
				t.Errorf("%s: %s was %s and is %s", test.subopts, after.Name, before[i].Phase, after.Phase)
			}
		}
		if len(s.sent()) > 0 {
			t.Errorf("%s: a packet was sent", test.subopts)
		}
		if elapsed := s.clock.Elapsed(); elapsed > 15*time.Second {
			t.Errorf("%s: planning waited %s", test.subopts, elapsed)
		}
	}
}

func TestAPlanOfCreateNamesEverything(t *testing.T) {
	s := rack(t)
	s.plan = true
	s.exits(s.create("pm", "wol:5,l:lab02,waits:3,sshping:on,waitc:4,console:cli", "lab01"), 0)
	s.told("wol.send", "lab02 answers: 40 tries, 3 s after each that fails", "lab02 answers SSH: 20 tries",
		"WAITS, 3 s before the first probe", "WAITC, 4 s before the console", "action.console")
}

func TestBadCreateRequests(t *testing.T) {
	for subopts, words := range map[string][]string{
		"wol,l:nobody":                        {"l:nobody", "inventory"},
		"wol,t:nobody":                        {"t:nobody", "MAC"},
		"wol,u:00000000000000000000000000000": {"u:0000"},
		"dbrec:99":                            {"dbrec:99"},
		"dbrec:0":                             {"dbrec:0"},
		"m:52:54:00":                          {"m:52:54:00"},
		"wol":                                 {"wol", "address"},
		"t:lab02,connect,wol":                 {"wol"},
		"l:lab02,broadcast:1.2.3.4,if:eth0":   {"if:eth0"},
		"l:lab02,port:9":                      {"port:9"},
		"l:web1,ipmi":                         {"IPMI", "the inventory has no bmc for web1"},
		"l:lab02,console:vnc":                 {"CONSOLE:VNC", "not in this version"},
		"l:lab02,l:lab03":                     {"l:lab03"},
		"l:lab02,t:lab03":                     {"l:lab02", "t:lab03", "one machine"},
		"l:lab02,frobnicate":                  {"frobnicate"},
		"l:lab02,ping:0%3":                    {"ping:0%3"},
	} {
		rack(t).refused("pm", "create", subopts, primitives.Invalid, words...)
	}
	s := rack(t)
	s.refused("kvm", "create", "reuse", primitives.Invalid, "address")
	s.refused("xen", "create", "l:web1", primitives.Invalid, "not in this version")
	s.refused("pm", "create", "base:/etc", primitives.Invalid, "base:/etc")
}

func TestAnAddressOfSeveralMachines(t *testing.T) {
	s := rack(t)
	s.rows["lab02"], s.rows["lab03"] = `label = "twin"`, `label = "twin"`
	s.refused("pm", "create", "wol,l:twin", primitives.Denied, "lab02, lab03")
	s.exits(s.create("pm", "wol,l:twin,t:lab02"), 0)
	s.up("lab02")
}

func TestASiteReplacesTheWake(t *testing.T) {
	s := rack(t)
	s.overrides = map[string]string{"create.lua": `
		local create = require "stock.create"
		function create.wake(order, report) step.note("a smart plug wakes " .. order.machine.name) end
		return create`}
	s.exits(s.create("pm", "wol,l:lab02,ping:1%0"), 1)
	s.told("a smart plug wakes lab02")
	if len(s.sent()) > 0 {
		t.Error("a packet was sent all the same")
	}
}

// oneMachine is a world with one machine that is off and has no BMC.
func oneMachine(clock *sim.Clock, armed bool) *sim.World {
	w := sim.New(3, clock)
	w.Add(sim.Machine{Name: "only", Address: "10.1.0.1", Boot: 5 * time.Second, WakesOnLAN: armed})
	return w
}
