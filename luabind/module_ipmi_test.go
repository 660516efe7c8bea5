package luabind

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ctys/primitives"
	"ctys/primitives/sim"
)

// bmcScene is a rack, and a handle of the BMC of lab01 (on) and lab02 (off) in
// the globals one and two.
type bmcScene struct {
	t      *testing.T
	world  *sim.World
	events []Event
	rt     *Runtime
	out    strings.Builder
}

const canary = "can4ry-Passw0rd"

func newBMCScene(t *testing.T, options Options) *bmcScene {
	t.Helper()
	t.Setenv("CTYS_TEST_BMC", canary)
	clock := sim.NewClock(time.Unix(1_700_000_000, 0))
	s := &bmcScene{t: t, world: sim.Rack(1, clock, sim.Shape{Password: canary})}
	t.Cleanup(s.world.Close)
	options.Events = func(event Event) { s.events = append(s.events, event) }
	options.Stdout = &s.out
	s.rt = New(Capabilities{Clock: clock, IPMI: s.world.At("").IPMI()}, options)
	return s
}

const connectBMCs = `
local function bmc(n) return ipmi.connect{host = "127.77.1." .. n, port = 6230, user = "admin", password = secret.env("CTYS_TEST_BMC"), machine = "lab0" .. n} end
local one, two = bmc(1), bmc(2)
`

func (s *bmcScene) run(source string) ([]string, error) {
	s.t.Helper()
	result, err := s.rt.Run(context.Background(), Script{Name: "bmc.lua", Source: connectBMCs + source})
	words := []string{}
	for _, value := range result.Values {
		words = append(words, Format(value))
	}
	return words, err
}

func (s *bmcScene) must(source string) []string {
	s.t.Helper()
	words, err := s.run(source)
	if err != nil {
		s.t.Fatal(err)
	}
	return words
}

// sent are the requests that reached the BMCs and were no reads of the power.
func (s *bmcScene) sent() []string {
	var sent []string
	for _, entry := range s.world.Log() {
		if strings.HasPrefix(entry.Call, "ipmi.") && entry.Call != "ipmi.status" {
			sent = append(sent, strings.TrimPrefix(entry.Call, "ipmi."))
		}
	}
	return sent
}

// ops are the events of a kind: "ipmi.power_off machine:lab01".
func (s *bmcScene) ops(kind string) []string {
	var ops []string
	for _, event := range s.events {
		if string(event.Kind) == kind {
			ops = append(ops, strings.TrimPrefix(event.Op, "ipmi."))
		}
	}
	return ops
}

func TestACycleIsOffSeenOffOnSeenOn(t *testing.T) {
	s := newBMCScene(t, Options{})
	if got := s.must(`return one:power_cycle()`); got[0] != `"on"` && got[0] != "on" {
		t.Errorf("%v", got)
	}
	if sent := s.sent(); !slices.Equal(sent, []string{"off", "on"}) {
		t.Errorf("sent %v", sent)
	}
	if ops := s.ops("intent"); !slices.Equal(ops, []string{"power_off", "power_on"}) {
		t.Errorf("intents %v: each destructive packet has its own", ops)
	}
	for _, event := range s.events {
		if event.Kind == KindIntent && event.Durable != (event.Op == "ipmi.power_off") {
			t.Errorf("%s durable: %v", event.Op, event.Durable)
		}
	}
}

func TestACycleThatIsNotSeenOffSwitchesNothingOn(t *testing.T) {
	s := newBMCScene(t, Options{})
	s.world.Fault(sim.Fault{Machine: "lab01", Power: "ipmi", Verb: "off", Kind: primitives.Denied, Message: "made to refuse"})
	_, err := s.run(`one:power_cycle()`)
	if err == nil || !strings.Contains(err.Error(), "not seen off, so not switched on again") {
		t.Errorf("%v", err)
	}
	s = newBMCScene(t, Options{})
	s.world.Fault(sim.Fault{Machine: "lab01", Power: "ipmi", Verb: "on", Kind: primitives.Busy})
	_, err = s.run(`one:power_cycle()`)
	if err == nil || !strings.Contains(err.Error(), "seen off and then not on again") || !strings.Contains(err.Error(), "power_on") {
		t.Errorf("%v", err)
	}
	if s.world.State("lab01").Power != primitives.PowerOff {
		t.Error("lab01 is not off")
	}
}

func TestWhatIsSentOnceIsNotRepeated(t *testing.T) {
	for verb, call := range map[string]string{
		"power_reset()": "reset", "power_diag()": "diag", "power_cycle{native = true}": "cycle", "clear_events()": "clear_events",
		"raw{netfn = 6, command = 2}": "raw",
	} {
		s := newBMCScene(t, Options{})
		s.world.Fault(sim.Fault{Machine: "lab01", Power: "ipmi", Verb: call, LoseReply: true})
		_, err := s.run(`one:` + verb)
		var script *ScriptError
		if !errors.As(err, &script) || script.Kind != primitives.Timeout || !strings.Contains(err.Error(), "unknown, not repeated") {
			t.Errorf("%s: %v", verb, err)
		}
		if sent := s.sent(); !slices.Equal(sent, []string{call}) {
			t.Errorf("%s: sent %v", verb, sent)
		}
		intent := s.events[slices.IndexFunc(s.events, func(e Event) bool { return e.Kind == KindIntent })]
		if intent.Effect != string(WriteOnce) || !intent.Durable {
			t.Errorf("%s: %+v", verb, intent)
		}
	}
}

// A reset that the BMC has taken did happen, though nobody can look afterwards.
func TestAStateThatCannotBeReadAfterAResetIsUnknown(t *testing.T) {
	s := newBMCScene(t, Options{})
	s.world.Fault(sim.Fault{Machine: "lab01", Power: "ipmi", Verb: "status"})
	if got := s.must(`return one:power_reset()`); !strings.Contains(got[0], "unknown") {
		t.Errorf("%v", got)
	}
}

func TestAMachineThatIsOffCannotBeReset(t *testing.T) {
	s := newBMCScene(t, Options{})
	got := s.must(`local kinds = {}
		for _, verb in ipairs{"power_reset", "power_diag"} do local ok, err = pcall(two[verb], two) kinds[#kinds + 1] = err.kind end
		local ok, err = pcall(two.power_cycle, two, {native = true}) kinds[#kinds + 1] = err.kind
		return table.concat(kinds, " ")`)
	if !strings.Contains(got[0], "unsupported unsupported unsupported") {
		t.Errorf("%v", got)
	}
}

func TestAPlanOfPowerVerbs(t *testing.T) {
	s := newBMCScene(t, Options{Plan: true})
	got := s.must(`
		local words = {}
		local function see(word) words[#words + 1] = tostring(word) end
		see(one:power_off()) see(one:power_status()) see(one:chassis().power)
		see(one:power_cycle()) see(one:power_status())
		one:power_off() see(one:power_reset()) see(one:power_status())
		see(two:power_status())
		see(one:set_boot_device{device = "pxe", uefi = true}.device)
		local boot = one:boot_device() see(boot.device) see(boot.uefi) see(boot.persistent)
		see(two:boot_device().device)
		one:clear_events() see(#one:events()) one:identify{} one:raw{netfn = 0, command = 2, data = {0}}
		return table.concat(words, " ")`)
	if want := "off off off on on on on off pxe pxe true false none 0"; !strings.Contains(got[0], want) {
		t.Errorf("%v, want %s", got, want)
	}
	if sent := s.sent(); !slices.Equal(sent, []string{"boot"}) {
		t.Errorf("sent %v: a plan reads and writes nothing", sent)
	}
	want := []string{"power_off", "power_off", "power_on", "power_off", "power_reset", "set_boot_device", "clear_events", "identify", "raw"}
	if ops := s.ops("plan"); !slices.Equal(ops, want) {
		t.Errorf("planned %v", ops)
	}
	if at := s.world.Clock().Now(); at.Sub(time.Unix(1_700_000_000, 0)) > time.Second {
		t.Error("a plan waits")
	}
}

func TestEveryBMCVerbNeedsItsAuthority(t *testing.T) {
	for verb, call := range map[string]string{
		"power_status": "power_status()", "chassis": "chassis()", "power_on": "power_on()", "power_off": "power_off()", "power_soft": "power_soft()",
		"power_reset": "power_reset()", "power_diag": "power_diag()", "identify": "identify{}", "boot_device": "boot_device()",
		"set_boot_device": `set_boot_device{device = "pxe"}`, "controller": "controller()", "sensors": "sensors()", "events": "events()",
		"clear_events": "clear_events()", "raw": "raw{netfn = 6, command = 1}", "power_cycle": "power_cycle()",
	} {
		s := newBMCScene(t, Options{Authority: &Authority{Touch: []string{"ipmi." + verb}}})
		if _, err := s.run("one:" + call); err != nil {
			t.Errorf("%s: %v", verb, err)
		}
		s = newBMCScene(t, Options{Authority: &Authority{Touch: []string{"ipmi.other"}}})
		_, err := s.run("one:" + call)
		var script *ScriptError
		if !errors.As(err, &script) || script.Kind != primitives.Denied || !strings.Contains(err.Error(), `"ipmi.`+verb+`"`) {
			t.Errorf("%s without authority: %v", verb, err)
		}
		if log := s.world.Log(); len(log) > 0 {
			t.Errorf("%s without authority: %v", verb, log)
		}
	}
}

func TestBMCArgumentsAreChecked(t *testing.T) {
	s := newBMCScene(t, Options{Plan: true})
	for call, want := range map[string]string{
		`identify{seconds = 5, forever = true}`:                   "exclude each other",
		`identify{seconds = 5, off = true}`:                       "exclude each other",
		`identify{seconds = 256}`:                                 "from 1 to 255",
		`set_boot_device{device = "floppy"}`:                      `"pxe"`,
		`set_boot_device{}`:                                       "missing",
		`raw{netfn = 7, command = 1}`:                             "odd",
		`raw{netfn = 64, command = 1}`:                            "from 0 to 62",
		`raw{netfn = 6, command = 1, data = ("x"):rep(241)}`:      "at most 240",
		`raw{netfn = 6, command = 256}`:                           "from 0 to 255",
		`raw{netfn = 6, command = 1, lun = 4}`:                    "from 0 to 3",
		`raw{netfn = 6, command = 1, data = {1, 256}}`:            "element, number 2",
		`raw{netfn = 6, command = 1, data = {1, x = 2}}`:          "is no list",
		`raw{netfn = 6, command = 1, data = 7}`:                   "is a number",
		`raw{netfn = 6, command = 1, data = ("x"):rep(256)}`:      "256 bytes",
		`raw{netfn = 6, command = 71, data = {"` + canary + `"}}`: "element, number 1",
	} {
		_, err := s.run("one:" + call)
		var script *ScriptError
		if !errors.As(err, &script) || script.Kind != primitives.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", call, err, want)
		} else if strings.Contains(err.Error(), canary) {
			t.Errorf("%s: the error shows what may be a password: %v", call, err)
		}
	}
	if len(s.events)+len(s.world.Log()) > 0 {
		t.Errorf("something went on: %v %v", s.events, s.world.Log())
	}
}

func TestWhatABMCReports(t *testing.T) {
	s := newBMCScene(t, Options{})
	got := s.must(`
		local words = {}
		local function see(...) for _, word in ipairs{...} do words[#words + 1] = tostring(word) end end
		local function sensor(bmc, name) for _, s in ipairs(bmc:sensors()) do if s.name == name then return s end end end
		see(sensor(one, "CPU").reading, sensor(one, "CPU").unit, sensor(two, "CPU").state, tostring(sensor(two, "CPU").reading))
		two:identify{forever = true} see(two:chassis().identify) two:identify{off = true} see(two:chassis().identify)
		two:power_on() see(two:chassis().last_event[1], #two:events(), two:events()[1].text, #two:events()[1].data)
		two:clear_events() see(#two:events())
		see(two:controller().ipmi, two:raw{netfn = 6, command = 1}.code, two:raw{netfn = 6, command = 2, data = "\0\255"}.code)
		return table.concat(words, "|")`)
	want := "41|degrees C|unavailable|nil|on|off|switched on by IPMI|1|booting (bmc)|16|0|2.0|0|193"
	if !strings.Contains(got[0], want) {
		t.Errorf("%v\nwant %s", got, want)
	}
}

// Nothing that a person or a file sees has the password in it: not what is
// printed, not an event of a run or of a plan, not an error.
func TestAPasswordIsNeverShown(t *testing.T) {
	const script = `
		print(one, tostring(one), secret.env("CTYS_TEST_BMC"))
		one:power_cycle() one:set_boot_device{device = "pxe"} one:sensors() one:identify{}
		one:raw{netfn = 6, command = 0x47, data = "\2\2` + canary + `"}
		one:raw{netfn = 6, command = 0x56, data = "\1\1` + canary + `"}
		one:raw{netfn = 12, command = 1, data = "\1\16` + canary + `"}
		one:raw{netfn = 12, command = 16, data = "\1\38` + canary + `"}
		one:raw{netfn = 6, command = 52, data = "\0\130\24\0\32\4\71\2\2` + canary + `"}
		local wrong = ipmi.connect{host = "127.77.1.1", port = 6230, user = "nobody", password = secret.env("CTYS_TEST_BMC")}
		local ok, err = pcall(wrong.power_status, wrong)
		print(err.kind, err.message, err)
		error(err, 0)`
	for _, plan := range []bool{false, true} {
		s := newBMCScene(t, Options{Plan: plan})
		_, err := s.run(script)
		if err == nil || !strings.Contains(err.Error(), "nobody") {
			t.Fatalf("plan %v: %v", plan, err)
		}
		told, _ := json.Marshal(s.events)
		everything := s.out.String() + string(told) + err.Error() + fmt.Sprintf("%+v", err) + s.world.Transcript()
		if strings.Contains(everything, canary) || strings.Contains(everything, fmt.Sprintf("%x", canary)) {
			t.Errorf("plan %v: the password is shown:\n%s", plan, everything)
		}
		if !strings.Contains(everything, "ipmi.raw") || !strings.Contains(everything, "<secret>") {
			t.Errorf("plan %v: the canary had no cage:\n%s", plan, everything)
		}
	}
}

func TestEveryBMCRowIsDocumented(t *testing.T) {
	s := newBMCScene(t, Options{})
	module := s.rt.ipmiModule()
	for _, row := range append(module.Functions, module.Handles[0].Methods...) {
		help := s.rt.Help("ipmi." + row.Name)
		if row.Help == "" || row.Result == "" || help == "" || row.Op != nil && len(row.Errors) == 0 {
			t.Errorf("%s lacks help, result or errors", row.Name)
		}
		if _, err := compileSource("example.lua", row.Example); err != nil {
			t.Errorf("%s: %v", row.Name, err)
		}
	}
}
