package agent

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ctys/luabind"
	"ctys/primitives"
	"ctys/primitives/ipmi"
)

// fakeBMC notes what it is asked.
type fakeBMC struct {
	mu    sync.Mutex
	calls []string
	fails error // of the controller
}

func (f *fakeBMC) note(ctx context.Context, what string, target ipmi.Target) error {
	password, err := target.Password.Reveal(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, what+" "+target.Host+" "+target.User+" "+password)
	return err
}

func (f *fakeBMC) Status(ctx context.Context, target ipmi.Target) (ipmi.Status, error) {
	return ipmi.Status{Power: primitives.PowerOn, At: time.Unix(1e9, 0), Restore: "previous", LastEvent: []string{"overload"}, Faults: []string{"fan fault"}, Identify: "off"},
		f.note(ctx, "status", target)
}

func (f *fakeBMC) Control(ctx context.Context, target ipmi.Target, control ipmi.Control) error {
	return f.note(ctx, string(control), target)
}

func (f *fakeBMC) Identify(ctx context.Context, target ipmi.Target, identify ipmi.Identify) error {
	return f.note(ctx, fmt.Sprint("identify ", identify.For, identify.Forever), target)
}

func (f *fakeBMC) Boot(ctx context.Context, target ipmi.Target) (ipmi.Boot, error) {
	return ipmi.Boot{Device: ipmi.BootDisk, UEFI: true}, f.note(ctx, "boot", target)
}

func (f *fakeBMC) SetBoot(ctx context.Context, target ipmi.Target, boot ipmi.Boot) (ipmi.Boot, error) {
	return boot, f.note(ctx, "set boot", target)
}

func (f *fakeBMC) Controller(ctx context.Context, target ipmi.Target) (ipmi.Controller, error) {
	return ipmi.Controller{Firmware: "2.41", Manufacturer: 674}, errors.Join(f.fails, f.note(ctx, "controller", target))
}

func (f *fakeBMC) Sensors(ctx context.Context, target ipmi.Target) ([]ipmi.Sensor, error) {
	reading := 41.5
	return []ipmi.Sensor{{Name: "CPU", Reading: &reading, Unit: "degrees C"}, {Name: "Fan"}}, f.note(ctx, "sensors", target)
}

func (f *fakeBMC) Addresses(ctx context.Context, target ipmi.Target) ([]string, error) {
	return []string{"10.0.1.1:623"}, f.note(ctx, "addresses", target)
}

func (f *fakeBMC) Events(ctx context.Context, target ipmi.Target) ([]ipmi.Event, error) {
	return []ipmi.Event{{ID: 7, At: time.Unix(1e9, 0), Text: "hot", Asserted: true, Data: []byte{0, 255}}}, f.note(ctx, "events", target)
}

func (f *fakeBMC) ClearEvents(ctx context.Context, target ipmi.Target) error {
	return f.note(ctx, "clear", target)
}

func (f *fakeBMC) Raw(ctx context.Context, target ipmi.Target, request ipmi.Request) (ipmi.Reply, error) {
	return ipmi.Reply{Code: 0xc1, Data: request.Data}, f.note(ctx, fmt.Sprintf("raw %02x %02x", request.NetFn, request.Command), target)
}

// everyVerb calls each method once; what it returns is plain data of all.
const everyVerb = `
local function bmc()
  local row = inventory.machine("host").bmc
  return ipmi.connect{host = row.host, user = row.user, password = row.password}
end
local verbs = {
  chassis = function(b) local c = b:chassis() return {c.power, c.at, c.restore, c.last_event, c.faults, c.identify} end,
  power_reset = function(b) return b:power_reset() end,
  power_diag = function(b) return b:power_diag() end,
  power_cycle = function(b) return b:power_cycle{native = true} end,
  identify = function(b) b:identify{seconds = 9} end,
  boot_device = function(b) return b:boot_device() end,
  set_boot_device = function(b) return b:set_boot_device{device = "pxe", persistent = true} end,
  addresses = function(b) return b:addresses() end,
  controller = function(b) return b:controller().firmware end,
  sensors = function(b) local s = b:sensors() return {s[1].reading, s[1].unit, #s} end,
  events = function(b) local e = b:events()[1] return {e.id, e.at, e.text, e.asserted, e.data:byte(2)} end,
  clear_events = function(b) b:clear_events() end,
  raw = function(b) local r = b:raw{netfn = 6, command = 1, data = {0, 255}} return {r.code, #r.data, r.data:byte(2)} end,
}
function M.here(request)
  local ok, value = pcall(verbs[request.verb], bmc())
  if ok then return {value = value} end
  return {kind = value.kind}
end`

func askVerb(t *testing.T, w *world, verb string, authority luabind.Authority) map[string]any {
	t.Helper()
	order := w.order("host", everyVerb)
	order.Request = map[string]any{"verb": verb}
	order.Authority = authority
	value, err := run(t, w, order, &heard{})
	if err != nil {
		t.Fatal(verb, err)
	}
	return value.(map[string]any)
}

func TestEveryVerbIsCarriedOutByTheDesk(t *testing.T) {
	t.Setenv("CTYS_TEST_BMC", "s3cret")
	bmc := &fakeBMC{}
	w := newWorld(t, familyRows, DeskOptions{IPMI: bmc})
	for verb, want := range map[string]struct {
		call  string
		value any
	}{
		"chassis":         {"status", []any{"on", 1e9, "previous", []any{"overload"}, []any{"fan fault"}, "off"}},
		"power_reset":     {"reset", "on"},
		"power_diag":      {"diag", "on"},
		"power_cycle":     {"cycle", "on"},
		"identify":        {"identify 9s false", nil},
		"boot_device":     {"boot", map[string]any{"device": "disk", "uefi": true, "persistent": false}},
		"set_boot_device": {"set boot", map[string]any{"device": "pxe", "uefi": false, "persistent": true}},
		"addresses":       {"addresses", []any{"10.0.1.1:623"}},
		"controller":      {"controller", "2.41"},
		"sensors":         {"sensors", []any{41.5, "degrees C", 2.0}},
		"events":          {"events", []any{7.0, 1e9, "hot", true, 255.0}},
		"clear_events":    {"clear", nil},
		"raw":             {"raw 06 01", []any{193.0, 2.0, 255.0}},
	} {
		bmc.calls = nil
		got := askVerb(t, w, verb, luabind.Authority{Touch: []string{"ipmi." + verb}})
		if got["kind"] != nil || !reflect.DeepEqual(got["value"], want.value) {
			t.Errorf("%s: %v, want %v", verb, got, want.value)
		}
		if len(bmc.calls) == 0 || bmc.calls[0] != want.call+" 10.0.1.1 admin s3cret" {
			t.Errorf("%s: calls %q", verb, bmc.calls)
		}
	}
}

// The desk does not take an agent's word for what its order covers: it is asked
// here past the checks of the agent's own runtime.
func TestTheDeskChecksEachVerb(t *testing.T) {
	t.Setenv("CTYS_TEST_BMC", "s3cret")
	bmc := &fakeBMC{}
	w := newWorld(t, familyRows, DeskOptions{IPMI: bmc})
	all := bmcRequest{Host: "10.0.1.1", User: "admin", Identify: &ipmi.Identify{}, Boot: &ipmi.Boot{}, Raw: &ipmi.Request{}}
	for name, service := range bmcServices {
		for _, test := range []struct {
			touch  []string
			plan   bool
			permit bool
		}{
			{[]string{"wol"}, false, name == serviceStatus},
			{[]string{"ipmi.power_status"}, false, name == serviceStatus},
			{[]string{"ipmi"}, false, true},
			{[]string{"ipmi"}, true, service.effect == luabind.Read},
		} {
			request := all
			if name == serviceControl {
				request.Control = ipmi.Reset
			}
			bmc.calls = nil
			s := &session{desk: w.desk, shipped: w.desk.options.Inventory}
			s.order.Authority, s.order.Plan = luabind.Authority{Touch: test.touch}, test.plan
			_, err := s.bmc(context.Background(), name, request)
			if permitted := err == nil; permitted != test.permit || permitted != (len(bmc.calls) > 0) {
				t.Errorf("%s with %v, plan %v: %v, calls %q", name, test.touch, test.plan, err, bmc.calls)
			}
			if err != nil && primitives.KindOf(err) != primitives.Denied {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestACycleCoversOffAndOn(t *testing.T) {
	for control, want := range map[ipmi.Control]bool{ipmi.PowerOff: true, ipmi.PowerOn: true, ipmi.Cycle: true, ipmi.Reset: false, ipmi.PowerSoft: false} {
		s := &session{}
		s.order.Authority = luabind.Authority{Touch: []string{"ipmi.power_cycle"}}
		if got := s.permits(bmcServices[serviceControl], bmcRequest{Control: control}); got != want {
			t.Errorf("%s: %v", control, got)
		}
	}
}

func TestAnIncompleteQuestionIsRefused(t *testing.T) {
	bmc := &fakeBMC{}
	w := newWorld(t, familyRows, DeskOptions{IPMI: bmc})
	for _, name := range []string{serviceIdentify, serviceSetBoot, serviceRaw} {
		s := &session{desk: w.desk, shipped: w.desk.options.Inventory}
		s.order.Authority = luabind.Everything
		if _, err := s.bmc(context.Background(), name, bmcRequest{Host: "10.0.1.1", User: "admin"}); primitives.KindOf(err) != primitives.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(bmc.calls) > 0 {
		t.Errorf("calls %s", strings.Join(bmc.calls, ", "))
	}
}

// What a BMC sent that makes no sense is told where -v is typed, also where an
// agent asked.
func TestADetailComesFromTheDesk(t *testing.T) {
	t.Setenv("CTYS_TEST_BMC", "s3cret")
	bmc := &fakeBMC{fails: &primitives.Error{Kind: primitives.Internal, Op: "ipmi.controller", Message: "nonsense", Detail: "received 20 de ad"}}
	w := newWorld(t, familyRows, DeskOptions{IPMI: bmc})
	order := w.order("host", everyVerb)
	order.Request = map[string]any{"verb": "controller"}
	h := &heard{}
	value, err := run(t, w, order, h)
	if err != nil || value.(map[string]any)["kind"] != "internal" || !slices.Equal(h.texts(luabind.KindDetail), []string{"received 20 de ad"}) {
		t.Errorf("%v, %v, %q", value, err, h.texts(luabind.KindDetail))
	}
}

// gatewayRows has two BMCs with one address, each in a network of its own, and
// one in a network that only another machine reaches.
const gatewayRows = `return {
  far = { address = "10.0.0.5", bmc = { host = "10.0.9.9", user = "admin", password = secret.env("CTYS_TEST_BMC"), via = "gate" } },
  gate = { address = "10.0.0.6" },
  chassis = { address = "10.0.0.7", bmc = { host = "169.254.0.17", user = "admin", password = secret.env("CTYS_TEST_BMC") } },
  blade = { address = "10.0.0.8", parent = "chassis", bmc = { host = "169.254.0.17", user = "admin", password = secret.env("CTYS_TEST_BMC"), via = "blade" } },
}`

// askState has an agent on a machine ask a BMC; the answer is the error's kind,
// or nil.
func askState(t *testing.T, w *world, on, whose string) any {
	t.Helper()
	order := w.order(on, `
function M.here(request)
  local row = inventory.machine(request.whose).bmc
  local bmc = ipmi.connect{host = row.host, user = row.user, password = row.password, machine = request.whose}
  local ok, err = pcall(bmc.power_status, bmc)
  return {kind = not ok and err.kind or nil, message = not ok and err.message or nil}
end`)
	order.Request = map[string]any{"whose": whose}
	value, err := run(t, w, order, &heard{})
	if err != nil {
		t.Fatal(err)
	}
	return value.(map[string]any)["kind"]
}

// What answers at an address from the desk may be another machine than the one
// behind a gateway.
func TestTheDeskDoesNotGoRoundAVia(t *testing.T) {
	t.Setenv("CTYS_TEST_BMC", "s3cret")
	desk := &fakeBMC{}
	w := newWorld(t, gatewayRows, DeskOptions{IPMI: desk})
	if kind := askState(t, w, "far", "far"); kind != "unreachable" || len(desk.calls) > 0 {
		t.Errorf("%v, the desk asked %q", kind, desk.calls)
	}
}

func TestBMCsOfOneAddress(t *testing.T) {
	t.Setenv("CTYS_TEST_BMC", "s3cret")
	desk, own := &fakeBMC{}, &fakeBMC{}
	w := newWorld(t, gatewayRows, DeskOptions{IPMI: desk})
	w.host = func(machine string) Host { return w.plainHost(machine, luabind.Capabilities{IPMI: own}) }
	for whose, want := range map[string][2]int{"blade": {0, 1}, "chassis": {1, 0}} {
		desk.calls, own.calls = nil, nil
		if kind := askState(t, w, "blade", whose); kind != nil || len(desk.calls) != want[0] || len(own.calls) != want[1] {
			t.Errorf("%s: %v, the desk asked %q, the agent %q", whose, kind, desk.calls, own.calls)
		}
	}
}
