package luabind

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"ctys/primitives"
	"ctys/primitives/bridge"
	"ctys/primitives/sim"
)

// bridgeScene is lab01, which has br0 with eth0.
type bridgeScene struct {
	t      *testing.T
	world  *sim.World
	events []Event
	rt     *Runtime
}

func newBridgeScene(t *testing.T, options Options) *bridgeScene {
	t.Helper()
	clock := sim.NewClock(time.Unix(1_700_000_000, 0))
	s := &bridgeScene{t: t, world: sim.Rack(1, clock, sim.Shape{})}
	t.Cleanup(s.world.Close)
	options.Events = func(event Event) { s.events = append(s.events, event) }
	options.Self = "lab01"
	view := s.world.At("lab01")
	s.rt = New(Capabilities{Clock: clock, Bridge: view.Bridge(), NIC: view.NIC()}, options)
	return s
}

func (s *bridgeScene) run(source string) ([]string, error) {
	s.t.Helper()
	result, err := s.rt.Run(context.Background(), Script{Name: "bridge.lua", Source: source})
	words := []string{}
	for _, value := range result.Values {
		words = append(words, Format(value))
	}
	return words, err
}

func (s *bridgeScene) must(source string) []string {
	s.t.Helper()
	words, err := s.run(source)
	if err != nil {
		s.t.Fatal(err)
	}
	return words
}

// steps are the steps of a kind of event, in words.
func (s *bridgeScene) steps(kind string) []string {
	var words []string
	for _, event := range s.events {
		args, planned := event.Data["args"].(map[string]any)
		if !planned {
			args = event.Data
		}
		if string(event.Kind) == kind && event.Op == "bridge.step" && event.Object == "machine lab01 bridge br0" {
			step, _ := args["step"].(string)
			words = append(words, step)
		}
	}
	return words
}

var dissolving = []string{"give 127.77.0.1/24 to eth0", "take eth0 out of br0", "take 127.77.0.1/24 from br0", "move route default from br0 to eth0"}

const looks = `
local function look()
  local card, bridge = nic.get("eth0"), nic.get("br0")
  return tostring(card.master) .. " " .. tostring(card.default_route) .. " " .. table.concat(card.addresses, ",") .. " | " .. table.concat(bridge.addresses, ",")
end
`

func TestEachStepOfABridgeIsAnOperation(t *testing.T) {
	s := newBridgeScene(t, Options{})
	got := s.must(looks + `
local before = look()
local snapshot = bridge.snapshot("br0")
local done = bridge.dissolve{snapshot = snapshot, port = "eth0"}
local apart, again = look(), bridge.dissolve{snapshot = snapshot, port = "eth0"}
bridge.restore{snapshot = snapshot}
return table.concat(done, "; "), apart, #again, before == look(), #bridge.restore{snapshot = snapshot}`)
	want := []string{strings.Join(dissolving, "; "), "nil true 127.77.0.1/24 | ", "0", "true", "0"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if steps := s.steps("intent"); len(steps) < 5 || !slices.Equal(steps[:4], dissolving) {
		t.Errorf("journalled: %q", steps)
	}
}

// A plan names each step, changes nothing, and its later reads see the bridge
// apart.
func TestABridgeIsPlanned(t *testing.T) {
	s := newBridgeScene(t, Options{Plan: true})
	got := s.must(looks + `
local snapshot = bridge.snapshot("br0")
bridge.dissolve{snapshot = snapshot, port = "eth0"}
local ports, again = #bridge.list()[1].ports, #bridge.dissolve{snapshot = snapshot, port = "eth0"}
bridge.restore{snapshot = snapshot}
return ports, again, #bridge.list()[1].ports, look()`)
	if want := []string{"0", "0", "1", "br0 false  | 127.77.0.1/24"}; !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	steps := s.steps("plan")
	if len(steps) != 8 || !slices.Equal(steps[:4], dissolving) || steps[5] != "put eth0 into br0" {
		t.Errorf("planned: %q", steps)
	}
}

// A step that fails ends a dissolution, and not a restoration.
func TestABridgeWhoseStepFails(t *testing.T) {
	s := newBridgeScene(t, Options{})
	s.world.Fault(sim.Fault{Machine: "lab01", Power: "bridge", Verb: "step", After: 1, Count: 2, Kind: primitives.Denied, Message: "no"})
	got := s.must(looks + `
local snapshot = bridge.snapshot("br0")
local ok, why = pcall(bridge.dissolve, {snapshot = snapshot, port = "eth0"})
local ports = #bridge.list()[1].ports
bridge.restore{snapshot = snapshot}
return why.kind, ports, look()`)
	if want := []string{"denied", "1", "br0 false  | 127.77.0.1/24"}; !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestASnapshotThatIsNone(t *testing.T) {
	s := newBridgeScene(t, Options{})
	for _, source := range []string{
		`bridge.restore{snapshot = {}}`,
		`bridge.restore{snapshot = {version = 1, boot_id = "x", bridge = {name = "../x", index = 1}}}`,
		`local s = bridge.snapshot("br0"); s.boot_id = "another"; bridge.restore{snapshot = s}`,
		`local s = bridge.snapshot("br0"); bridge.dissolve{snapshot = s, port = "br0"}`,
		`bridge.snapshot("br1")`,
	} {
		if _, err := s.run(source); kindOf(err) != primitives.Invalid {
			t.Errorf("%s: %v", source, err)
		}
	}
	if steps := s.steps("intent"); len(steps) != 0 {
		t.Errorf("done: %q", steps)
	}
}

func TestWhoWillFightForABridge(t *testing.T) {
	clock := sim.NewClock(time.Unix(1_700_000_000, 0))
	world := sim.New(1, clock)
	t.Cleanup(world.Close)
	world.Add(sim.Machine{Name: "m", Power: primitives.PowerOn, BridgeManagers: []bridge.Manager{{Name: "NetworkManager", FightsBack: true}}})
	rt := New(Capabilities{Clock: clock, Bridge: world.At("m").Bridge()}, Options{})
	if got := run(t, rt, `local m = bridge.managers("br0"); return #m, m[1].name, m[1].fights_back`); !slices.Equal(got, []string{"1", "NetworkManager", "true"}) {
		t.Errorf("%q", got)
	}
}
