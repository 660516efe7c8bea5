package policy

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"ctys/luabind"
	"ctys/luabind/simulated"
	"ctys/primitives"
	"ctys/primitives/sim"
)

// known is what the desk knows of the machines and their BMCs; its zero value
// is all of it.
type known struct {
	password string                   // of the BMCs; empty is "secret"
	noMAC    bool                     // no hardware address is known
	edit     func(text string) string // of the inventory; nil leaves it as it is

	bmcs func(own luabind.IPMI) luabind.IPMI // what stands before the world's; nil: nothing
	stop time.Duration                       // ctys power is stopped after it; 0: it is not
}

// in is the inventory's text as far as it is known.
func (k known) in(text string) string {
	text = strings.ReplaceAll(text, ` address = "",`, "")
	if k.edit != nil {
		text = k.edit(text)
	}
	if k.noMAC {
		text = anyMAC.ReplaceAllString(text, "")
	}
	return text
}

var anyMAC = regexp.MustCompile(` mac = "[^"]*",`)

func (k known) bmcPassword() string { return cmp.Or(k.password, "secret") }

// powers is how a run of ctys power ended.
type powers struct {
	exit int
	err  error
	out  string // what was printed
}

type arguments map[string]any

// power runs "ctys power VERB TARGETS" at the desk.
func (s *scene) power(verb string, with arguments, targets ...string) powers {
	s.t.Helper()
	s.t.Setenv("LAB_PW", s.bmcPassword())
	list := []any{}
	for _, target := range targets {
		list = append(list, map[string]any{"name": target, "options": map[string]any{}})
	}
	given := map[string]any{"verb": verb, "timeout": 20.0}
	for name, value := range with {
		given[name] = value
	}
	var out strings.Builder
	powersOfDesk := simulated.Capabilities(s.world, "")
	if s.bmcs != nil {
		powersOfDesk.IPMI = s.bmcs(powersOfDesk.IPMI)
	}
	runtime := luabind.New(powersOfDesk, luabind.Options{
		Authority: s.authority(nil, "power"),
		Inventory: s.inventory(),
		Settings:  s.site,
		Yes:       s.yes,
		Plan:      s.plan,
		Path:      simulated.Path(s.overrides),
		Stdout:    &out,
		Events:    func(event luabind.Event) { s.events = append(s.events, event) },
	})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if s.stop > 0 {
		s.world.After(s.stop, cancel)
	}
	result, err := runtime.CallScript(ctx, "power", "action", map[string]any{
		"action": "power", "arguments": given, "targets": list, "options": map[string]any{"yes": s.yes},
	})
	if err != nil {
		return powers{-1, err, out.String()}
	}
	code, _ := result.(map[string]any)["exit"].(float64)
	return powers{int(code), nil, out.String()}
}

func (s *scene) ends(got powers, exit int, out string) {
	s.t.Helper()
	if got.err != nil || got.exit != exit || got.out != out {
		s.t.Errorf("exit %d, %v, printed\n%swant exit %d\n%s\n%s", got.exit, got.err, got.out, exit, out, s.story())
	}
}

// result is the end of one target: its state, and its error's message.
func (s *scene) result(target string) (state, failure string) {
	s.t.Helper()
	found := 0
	for _, event := range s.events {
		if event.Kind == luabind.KindResult && event.Object == target {
			state, failure = event.State, ""
			if event.Error != nil {
				failure = event.Error.Message
			}
			found++
		}
	}
	if found != 1 {
		s.t.Errorf("%s has %d results\n%s", target, found, s.story())
	}
	return state, failure
}

// asked is how often a BMC got a request.
func (s *scene) asked(verb, host string) int {
	count := 0
	for _, entry := range s.world.Log() {
		if entry.Call == "ipmi."+verb && strings.HasPrefix(entry.Object, host+":") {
			count++
		}
	}
	return count
}

func TestPowerStatus(t *testing.T) {
	s := rack(t)
	s.ends(s.power("status", nil, "lab02", "lab03", "lab01", "web1"), 0, "on: lab[01,03],web1\noff: lab02\n")
	for target, seen := range map[string]string{"lab01": "on bmc", "lab02": "off bmc", "web1": "on hypervisor"} {
		for _, event := range s.events {
			if event.Kind == luabind.KindResult && event.Object == target && event.State+" "+event.Data["seen_by"].(string) != seen {
				t.Errorf("%s: %s by %v, want %s", target, event.State, event.Data["seen_by"], seen)
			}
			if event.Kind == luabind.KindResult && event.Op != "power.status" {
				t.Errorf("op %q", event.Op)
			}
		}
	}
}

func TestPowerVerbs(t *testing.T) {
	for _, test := range []struct {
		verb   string
		with   arguments
		target string
		sent   string // beside reads
		off    bool
		boots  int // more than before
		out    string
	}{
		{"on", nil, "lab02", "on", false, 1, "on: lab02\n"},
		{"on", nil, "lab03", "", false, 0, "on: lab03\n"},
		{"off", nil, "lab03", "off", true, 0, "off: lab03\n"},
		{"off", nil, "lab02", "", true, 0, "off: lab02\n"},
		{"soft", nil, "lab03", "soft", true, 0, "off: lab03\n"},
		{"soft", nil, "lab02", "", true, 0, "off: lab02\n"},
		{"cycle", nil, "lab03", "off on", false, 1, "on: lab03\n"},
		{"cycle", nil, "lab02", "off on", false, 1, "on: lab02\n"},
		{"cycle", arguments{"native": true}, "lab03", "cycle", false, 1, "on: lab03\n"},
		{"reset", nil, "lab03", "reset", false, 1, "on: lab03\n"},
		{"diag", nil, "lab03", "diag", false, 0, "on: lab03\n"},
		{"identify", nil, "lab03", "identify", false, 0, "identify 15 s: lab03\n"},
		{"identify", arguments{"seconds": 0.0}, "lab03", "identify", false, 0, "identify off: lab03\n"},
		{"identify", arguments{"forever": true}, "lab02", "identify", true, 0, "identify on: lab02\n"},
		{"bootdev", nil, "lab02", "boot", true, 0, "none: lab02\n"},
		{"bootdev", arguments{"device": "pxe", "uefi": true, "persistent": true}, "lab02", "set_boot", true, 0, "pxe, persistent, UEFI: lab02\n"},
	} {
		t.Run(strings.Trim(fmt.Sprint(test.verb, " ", test.with, " ", test.target), " "), func(t *testing.T) {
			s := rack(t)
			if test.target == "lab03" { // a hard power-off would lose it
				s.world.PowerOff("mail1")
			}
			before := s.world.State(test.target)
			s.ends(s.power(test.verb, test.with, test.target), 0, test.out)
			var sent []string
			for _, entry := range s.world.Log() {
				if strings.HasPrefix(entry.Call, "ipmi.") && entry.Call != "ipmi.status" {
					sent = append(sent, strings.TrimPrefix(entry.Call, "ipmi."))
				}
			}
			if got := strings.Join(sent, " "); got != test.sent {
				t.Errorf("sent %q, want %q", got, test.sent)
			}
			after := s.world.State(test.target)
			if after.Boots-before.Boots != test.boots || (after.Power == primitives.PowerOff) != test.off {
				t.Errorf("before %s, after %s", before, after)
			}
		})
	}
}

// A command that must not be repeated is not, whatever is lost; what could not
// be seen is not success.
func TestALostReplyIsNotAskedForAgain(t *testing.T) {
	for verb, with := range map[string]arguments{"reset": nil, "diag": nil, "cycle": {"native": true}} {
		s := rack(t)
		s.world.Fault(sim.Fault{Machine: "lab02", Power: "ipmi", Verb: verb, LoseReply: true})
		s.world.PowerOn("lab02")
		s.ends(s.power(verb, with, "lab02"), 1, "unknown: lab02\n")
		if _, failure := s.result("lab02"); !strings.Contains(failure, "unknown, not repeated") {
			t.Errorf("%s: %q", verb, failure)
		}
		if n := s.asked(verb, "127.77.1.2"); n != 1 {
			t.Errorf("%s was sent %d times", verb, n)
		}
	}
}

// A BMC that cycles by itself has the machine off for a while.
func TestTheBMCsOwnCycleIsSeenToItsEnd(t *testing.T) {
	s := rack(t)
	s.world.PowerOff("mail1")
	s.overrides = map[string]string{"power.lua": `
		local power = require "stock.power"
		local taken = power.taken
		function power.taken(what, bmc, wanted) return taken(what, bmc, wanted, "off") end -- as read in between
		return power`}
	s.ends(s.power("cycle", arguments{"native": true}, "lab03"), 0, "on: lab03\n")
	s.world.Fault(sim.Fault{Machine: "lab03", Power: "ipmi", Verb: "status", After: 1})
	s.events = nil
	s.ends(s.power("reset", arguments{"wait": 5.0}, "lab03"), 1, "unknown: lab03\n")
	s.told("its BMC took the reset, and afterwards the power is not to be read: made to fail")
	if n := s.asked("reset", "127.77.1.3"); n != 1 {
		t.Errorf("%d resets", n)
	}
}

func TestABootDeviceThatIsNotKept(t *testing.T) {
	for kind, exit := range map[primitives.Kind]int{primitives.Unsupported: 1, primitives.Denied: 3} {
		s := rack(t)
		s.world.Fault(sim.Fault{Machine: "lab02", Power: "ipmi", Verb: "set_boot", Kind: kind, Message: "made so"})
		s.ends(s.power("bootdev", arguments{"device": "pxe"}, "lab02"), exit, "unknown: lab02\n")
	}
}

func TestAGoalThatIsNotSeenIsMissed(t *testing.T) {
	s := rack(t)
	s.world.IgnoreACPI("lab03", true)
	s.ends(s.power("soft", arguments{"wait": 30.0}, "lab03", "lab02"), 1, "on: lab03\noff: lab02\n")
	if _, failure := s.result("lab03"); failure != "its BMC took the command and still says on after 30 s" {
		t.Errorf("%q", failure)
	}
	if elapsed := s.clock.Elapsed(); elapsed < 29*time.Second || elapsed > 33*time.Second {
		t.Errorf("took %s", elapsed)
	}
	// The row's own deadline, where none is typed.
	s = rack(t)
	s.world.IgnoreACPI("lab03", true)
	s.rows["lab03"] = "deadline = 7"
	s.power("soft", nil, "lab03")
	s.told("still says on after 7 s")
}

func TestARefusedCommandIsRefused(t *testing.T) {
	for kind, exit := range map[primitives.Kind]int{primitives.Denied: 3, primitives.Busy: 3, primitives.Auth: 3, primitives.Timeout: 1} {
		s := rack(t)
		s.world.Fault(sim.Fault{Machine: "lab03", Power: "ipmi", Verb: "off", Kind: kind, Message: "made so"})
		s.ends(s.power("off", nil, "lab03"), exit, "unknown: lab03\n")
		s.told("made so")
	}
	s := rack(t)
	s.world.Fault(sim.Fault{Machine: "lab03", Power: "ipmi", Verb: "off", Kind: primitives.Denied})
	s.world.PowerOn("lab02")
	s.ends(s.power("off", nil, "lab02", "lab03"), 1, "off: lab02\nunknown: lab03\n")
}

func TestPowerIsTakenFromAsManyAsTheSiteAllows(t *testing.T) {
	for verb, limited := range map[string]bool{"off": true, "soft": true, "cycle": true, "reset": true, "diag": true, "status": false, "on": false, "identify": false, "sensors": false} {
		s := rack(t)
		s.world.PowerOn("lab02")
		s.site["max_targets"] = 1.0
		got := s.power(verb, nil, "lab02", "lab03")
		var script *luabind.ScriptError
		if limited != (errors.As(got.err, &script) && script.Kind == primitives.Denied && strings.Contains(got.err.Error(), "max_targets")) {
			t.Errorf("%s: exit %d, %v", verb, got.exit, got.err)
		}
		if limited && len(s.sent())+s.count("ipmi", "") > 0 {
			t.Errorf("%s: something was contacted", verb)
		}
		if s.yes = true; limited {
			if got := s.power(verb, nil, "lab02", "lab03"); got.err != nil {
				t.Errorf("%s --yes: %v", verb, got.err)
			}
		}
	}
}

func TestBadPowerRequests(t *testing.T) {
	for _, test := range []struct {
		verb    string
		with    arguments
		targets []string
		want    string
	}{
		{"off", nil, []string{"lab01", "web1", "db1", "ct1"}, "the inventory has no bmc for ct1,db1,web1"},
		{"sensors", nil, []string{"nobody01", "nobody02"}, "the inventory has no bmc for nobody[01-02]"},
		{"on", arguments{"native": true}, []string{"lab02"}, `"--native"`},
		{"off", arguments{"spacing": 1.0}, []string{"lab03"}, `"--spacing"`},
		{"cycle", arguments{"native": true, "spacing": 1.0}, []string{"lab03"}, `"--native" and "--spacing"`},
		{"bootdev", arguments{"uefi": true}, []string{"lab03"}, "go with --device"},
		{"identify", arguments{"seconds": 3.0, "forever": true}, []string{"lab03"}, "one of them"},
		{"status", arguments{"clear": true}, []string{"lab03"}, `"--clear"`},
	} {
		s := rack(t)
		got := s.power(test.verb, test.with, test.targets...)
		var script *luabind.ScriptError
		if !errors.As(got.err, &script) || script.Kind != primitives.Invalid || !strings.Contains(got.err.Error(), test.want) {
			t.Errorf("%s %v: exit %d, %v, want %q", test.verb, test.with, got.exit, got.err, test.want)
		}
		if calls := s.world.Log(); len(calls) > 0 {
			t.Errorf("%s %v: contacted: %v", test.verb, test.with, calls)
		}
	}
}

// bmcs is a world of so many machines with BMCs in chassis of ten, which have
// one too; what is off is told by off.
func bmcs(t testing.TB, count int, off func(i int) bool) *scene {
	s := newScene(t, func(clock *sim.Clock) *sim.World {
		w := sim.New(1, clock)
		w.Latency, w.Jitter = time.Millisecond, 0
		users := map[string]string{"admin": "secret"}
		for c := range (count + 9) / 10 {
			w.Add(sim.Machine{Name: fmt.Sprintf("chassis%d", c), Power: primitives.PowerOn, BMC: &sim.BMC{Host: fmt.Sprintf("10.9.%d.%d", c/250, c%250+1), Port: 623, Users: users}})
		}
		for i := range count {
			power := primitives.PowerOn
			if off(i) {
				power = primitives.PowerOff
			}
			w.Add(sim.Machine{Name: fmt.Sprintf("bmc%04d", i), Power: power, BMC: &sim.BMC{Host: fmt.Sprintf("10.1.%d.%d", i/250, i%250+1), Port: 623, Users: users}})
		}
		return w
	})
	for i := range count {
		s.rows[fmt.Sprintf("bmc%04d", i)] = fmt.Sprintf("parent = %q,", fmt.Sprintf("chassis%d", i/10))
	}
	return s
}

func TestAThousandAreFolded(t *testing.T) {
	s := bmcs(t, 1000, func(i int) bool { return i >= 980 })
	var names []string
	for i := range 1000 {
		names = append(names, fmt.Sprintf("bmc%04d", 999-i))
	}
	for _, dead := range []string{"bmc0007", "bmc0300", "bmc0301", "bmc0999"} {
		s.world.Fault(sim.Fault{Machine: dead, Power: "ipmi", Hang: true})
	}
	s.ends(s.power("status", nil, names...), 1, "on: bmc[0000-0006,0008-0299,0302-0979]\noff: bmc[0980-0998]\nunknown: bmc[0007,0300-0301,0999]\n")
	if elapsed := s.clock.Elapsed(); elapsed > 21*time.Second {
		t.Errorf("four dead BMCs took %s, want one deadline", elapsed)
	}
	progress := 0
	for _, event := range s.events {
		if event.Kind == luabind.KindProgress && strings.Contains(event.Text, " of 1000 done") {
			progress++
		}
	}
	if progress == 0 || progress > 60 {
		t.Errorf("%d lines of progress", progress)
	}
}

func TestADeadChassisIsBlamedOnce(t *testing.T) {
	for _, verb := range []string{"status", "off", "sensors"} {
		s := bmcs(t, 30, func(int) bool { return false })
		s.yes = true
		for _, dead := range []string{"chassis1", "bmc0010", "bmc0011", "bmc0012", "bmc0021"} {
			s.world.Fault(sim.Fault{Machine: dead, Power: "ipmi", Hang: true})
		}
		got := s.power(verb, nil, "bmc0010", "bmc0011", "bmc0012", "bmc0013", "bmc0021")
		if got.err != nil || got.exit != 1 {
			t.Errorf("%s: exit %d, %v\n%s", verb, got.exit, got.err, s.story())
		}
		for _, name := range []string{"bmc0010", "bmc0011", "bmc0012"} {
			if state, failure := s.result(name); state != "unknown" || failure != "skipped because of chassis1" {
				t.Errorf("%s %s: %s, %q", verb, name, state, failure)
			}
		}
		if state, failure := s.result("chassis1"); state != "unknown" || failure == "" {
			t.Errorf("%s chassis1: %s, %q", verb, state, failure)
		}
		if _, failure := s.result("bmc0013"); failure != "" {
			t.Errorf("%s: the one that answers: %q", verb, failure)
		}
		if _, failure := s.result("bmc0021"); failure == "" || strings.Contains(failure, "skipped") {
			t.Errorf("%s: a dead one in a chassis that lives: %q", verb, failure)
		}
		if n := s.asked("status", "10.9.0.2"); n != 1 {
			t.Errorf("%s: chassis1 was asked %d times", verb, n)
		}
	}
}

// Of several that are dead above each other the outermost is the cause.
func TestTheOutermostIsBlamed(t *testing.T) {
	s := bmcs(t, 10, func(int) bool { return false })
	s.rows["chassis0"] = `parent = "switch",`
	s.world.Add(sim.Machine{Name: "switch", Address: "10.8.0.1"})
	for _, dead := range []string{"chassis0", "bmc0003", "switch"} {
		s.world.Fault(sim.Fault{Machine: dead, Power: "ipmi", Hang: true})
	}
	s.ends(s.power("status", nil, "bmc0003", "chassis0"), 1, "unknown: bmc0003,chassis0,switch\n")
	for _, name := range []string{"bmc0003", "chassis0"} {
		if _, failure := s.result(name); failure != "skipped because of switch" {
			t.Errorf("%s: %q\n%s", name, failure, s.story())
		}
	}
	if _, failure := s.result("switch"); failure != "nothing answers at 10.8.0.1" {
		t.Errorf("%q", failure)
	}
}

// What was sent and got no answer is not explained away.
func TestADeadChassisExplainsNoLostReply(t *testing.T) {
	s := bmcs(t, 10, func(int) bool { return false })
	s.world.Fault(sim.Fault{Machine: "bmc0003", Power: "ipmi", Verb: "reset", LoseReply: true})
	s.world.Fault(sim.Fault{Machine: "chassis0", Power: "ipmi", Hang: true})
	s.power("reset", nil, "bmc0003")
	if _, failure := s.result("bmc0003"); !strings.Contains(failure, "unknown, not repeated") {
		t.Errorf("%q", failure)
	}
}

func TestSpacingKeepsTheSupply(t *testing.T) {
	for verb, with := range map[string]arguments{"on": {"spacing": 2.5}, "cycle": {"spacing": 2.5}} {
		s := bmcs(t, 10, func(i int) bool { return i != 4 && verb == "on" })
		s.yes = true
		var names []string
		for i := range 10 {
			names = append(names, fmt.Sprintf("bmc%04d", i))
		}
		s.ends(s.power(verb, with, names...), 0, "on: bmc[0000-0009]\n")
		var times []time.Duration
		for _, entry := range s.world.Log() {
			if entry.Call == "ipmi.on" {
				times = append(times, entry.At)
			}
		}
		want := map[string]int{"on": 9, "cycle": 10}[verb]
		if len(times) != want {
			t.Errorf("%s: %d were switched on, want %d", verb, len(times), want)
		}
		if !slices.IsSorted(times) {
			t.Fatal(times)
		}
		for i := 1; i < len(times); i++ {
			if gap := times[i] - times[i-1]; gap < 2500*time.Millisecond-10*time.Millisecond {
				t.Errorf("%s: %s between two", verb, gap)
			}
		}
		if last := times[len(times)-1]; last > time.Duration(want)*2600*time.Millisecond {
			t.Errorf("%s: the last after %s: one that is on takes no turn", verb, last)
		}
	}
}

func TestSensorsAndEventLogs(t *testing.T) {
	s := rack(t)
	s.ends(s.power("sensors", nil, "lab02", "lab01"), 0, `machine  sensor   type                     reading  unit       state
lab01    Ambient  temperature                   22  degrees C  ok
lab01    CPU      temperature                   41  degrees C  ok
lab01    Fan 1    fan                         5400  RPM        ok
lab01    12V      voltage                     12.1  volts      ok
lab01    Power    system ACPI power state                      ok: working
lab02    Ambient  temperature                   22  degrees C  ok
lab02    CPU      temperature                                  unavailable
lab02    Fan 1    fan                                          unavailable
lab02    12V      voltage                                      unavailable
lab02    Power    system ACPI power state                      ok: soft-off
`)
	s = rack(t)
	s.power("on", nil, "lab02")
	s.events = nil
	got := s.power("sel", arguments{"clear": true}, "lab02")
	if got.err != nil || got.exit != 0 || !strings.Contains(got.out, "lab02 1 2023-11-14T22:13:20Z Power: booting (bmc)\n") {
		t.Errorf("exit %d, %v\n%s", got.exit, got.err, got.out)
	}
	s.events = nil
	s.ends(s.power("sel", nil, "lab02"), 0, "")
	s.told("0 events")
}

func TestAPlanOfPowerChangesNothing(t *testing.T) {
	for verb, with := range map[string]arguments{
		"on": {"spacing": 5.0}, "off": nil, "soft": nil, "cycle": nil, "reset": nil, "diag": nil, "identify": nil,
		"bootdev": {"device": "pxe"}, "sel": {"clear": true}, "sensors": nil, "status": nil,
	} {
		s := rack(t)
		s.plan = true
		s.site["max_targets"] = 1.0
		before := s.world.Snapshot()
		if got := s.power(verb, with, "lab02", "lab03"); got.err != nil {
			t.Errorf("%s: %v", verb, got.err)
		}
		for i, after := range s.world.Snapshot() {
			if before[i] != after {
				t.Errorf("%s: %s was %s and is %s", verb, after.Name, before[i], after)
			}
		}
		for _, entry := range s.world.Log() {
			switch entry.Call {
			case "ipmi.status", "ipmi.boot", "ipmi.controller", "ipmi.sensors", "ipmi.events", "":
			default:
				if strings.HasPrefix(entry.Call, "ipmi.") {
					t.Errorf("%s: sent %s", verb, entry.Call)
				}
			}
		}
		if elapsed := s.clock.Elapsed(); elapsed > time.Second {
			t.Errorf("%s: planning waited %s", verb, elapsed)
		}
	}
}

// A BMC with via in its row is spoken to by that machine's agent, journal, plan
// and all.
func TestABMCIsReachedThroughAMachine(t *testing.T) {
	s := rack(t)
	via := func(text string) string {
		return strings.Replace(text, `bmc = { host = "127.77.1.2",`, `bmc = { host = "127.77.1.2", via = "lab03",`, 1)
	}
	s.edit = via
	s.ends(s.power("on", nil, "lab02", "lab01"), 0, "on: lab[01-02]\n")
	if got := s.power("sensors", nil, "lab02"); got.exit != 0 || !strings.Contains(got.out, "5400  RPM") {
		t.Errorf("%d, %v, %s", got.exit, got.err, got.out)
	}
	if got := s.power("sel", nil, "lab02"); got.exit != 0 || !strings.Contains(got.out, "booting (bmc)") {
		t.Errorf("%d, %v, %s", got.exit, got.err, got.out)
	}
	for _, entry := range s.world.Log() {
		if strings.HasPrefix(entry.Call, "ipmi.") && (entry.By == "lab03") != strings.HasPrefix(entry.Object, "127.77.1.2:") {
			t.Errorf("spoken to by the wrong machine: %s", entry)
		}
	}
	intents := 0
	for _, event := range s.events {
		if event.Kind == luabind.KindIntent && event.Op == "ipmi.power_on" && event.Host == "lab03" {
			intents++
		}
	}
	if intents != 1 {
		t.Errorf("%d intents from there\n%s", intents, s.story())
	}
	s = rack(t)
	s.edit, s.plan = via, true
	s.ends(s.power("on", nil, "lab02"), 0, "would be on: lab02\n")
	s.off("lab02")
	// Errors keep their kinds on the way.
	s = rack(t)
	s.edit = via
	s.world.Fault(sim.Fault{Machine: "lab02", Power: "ipmi", Verb: "on", Kind: primitives.Denied, Message: "made so"})
	s.ends(s.power("on", nil, "lab02"), 3, "unknown: lab02\n")
	s.told("made so")
}

// A site's power.lua is both the command and the module that scripts share.
func TestASiteReplacesAStepOfPower(t *testing.T) {
	s := rack(t)
	s.overrides = map[string]string{"power.lua": `
		local power = require "stock.power"
		function power.verbs.off(bmc, wanted, row) step.note("the smart plug of " .. row.name .. " is pulled") return { state = "off", seen_by = "plug" } end
		assert(require "power_reports" and power.state and power.head)
		return power`}
	s.ends(s.power("off", nil, "lab03"), 0, "off: lab03\n")
	s.told("the smart plug of lab03 is pulled")
	s.up("lab03")
	s.exits(s.cancel("pm", "self,poweroff:0", "lab03"), 0)
	s.off("lab03")
}

// The password of the BMCs is in nothing that a run tells, plans or keeps,
// whoever speaks to them and whatever goes wrong.
func TestTheBMCsPasswordIsNeverTold(t *testing.T) {
	const canary = "can4ry-Passw0rd"
	for _, plan := range []bool{false, true} {
		s := newScene(t, func(clock *sim.Clock) *sim.World { return sim.Rack(1, clock, sim.Shape{Password: canary}) })
		s.password, s.plan, s.yes = canary, plan, true
		var everything strings.Builder
		for _, verb := range []string{"status", "on", "off", "cycle", "reset", "diag", "identify", "bootdev", "sensors", "sel"} {
			got := s.power(verb, nil, "lab02", "lab03")
			fmt.Fprintln(&everything, got.out, got.err)
		}
		s.exits(s.create("pm", "reuse,ipmi,l:lab02", "lab01"), 0)
		s.exits(s.cancel("pm", "reset,self,timeout:20", "lab01"), 0)
		s.password = canary + "-wrong"
		for _, verb := range []string{"status", "off"} {
			got := s.power(verb, nil, "lab02", "lab03")
			fmt.Fprintln(&everything, got.out, got.err)
		}
		told, err := json.Marshal(s.events) // what the journal keeps
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&everything, string(told), s.story())
		if text := everything.String(); strings.Contains(text, canary) || !strings.Contains(text, "ipmi.power_reset") || !strings.Contains(text, "auth") {
			t.Errorf("plan %v: the password is told, or nothing was:\n%s", plan, text)
		}
	}
}
