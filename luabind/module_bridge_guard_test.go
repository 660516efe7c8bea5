package luabind

import (
	"slices"
	"strings"
	"testing"
	"time"

	"ctys/luabind/journal"
	"ctys/primitives"
	"ctys/primitives/guard"
	"ctys/primitives/sim"
)

func newGuardScene(t *testing.T, options Options) (*bridgeScene, *sim.Guards) {
	t.Helper()
	s := newBridgeScene(t, options)
	view := s.world.At("lab01")
	guards := view.Guard()
	s.rt = New(Capabilities{Clock: s.rt.caps.Clock, Bridge: view.Bridge(), NIC: view.NIC(), Guard: guards}, s.rt.options)
	return s, guards
}

const guardsAndDissolves = looks + `
before = look()
local snapshot = bridge.snapshot("br0")
stand = bridge.guard{snapshot = snapshot, after = 90}
bridge.dissolve{snapshot = snapshot, port = "eth0"}
assert(look() ~= before)
`

func TestGuardOfABridge(t *testing.T) {
	s, _ := newGuardScene(t, Options{})
	got := s.must(guardsAndDissolves + `
task.sleep(80)
local early = look() == before
task.sleep(20)
return early, look() == before, stand.child, stand.timer, stand.after, bridge.unguard()`)
	if want := []string{"false", "true", "true", "true", "90", "true"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	intent := slices.IndexFunc(s.events, func(event Event) bool { return event.Kind == KindIntent && event.Op == "bridge.guard" })
	if intent < 0 || s.events[intent].Object != "machine lab01 bridge br0 guard" || !s.events[intent].Durable {
		t.Errorf("%+v", s.events)
	}
}

func TestUnguard(t *testing.T) {
	s, guards := newGuardScene(t, Options{})
	s.must(guardsAndDissolves + `assert(bridge.unguard() == false) task.sleep(100)`)
	guards.Release()
	if got := s.must(looks + `return nic.get("eth0").master`); got[0] != "nil" {
		t.Errorf("a guard that was disarmed has put eth0 into %s", got[0])
	}
}

func TestGuardInAPlan(t *testing.T) {
	s, guards := newGuardScene(t, Options{Plan: true})
	got := s.must(`
local snapshot = bridge.snapshot("br0")
local stand = bridge.guard{snapshot = snapshot, after = 90}
return stand.child, stand.timer, stand.after, bridge.unguard()`)
	if want := []string{"true", "true", "90", "false"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	var planned []string
	for _, event := range s.events {
		if event.Kind == journal.Plan {
			planned = append(planned, event.Op+" "+event.Object)
		}
	}
	if want := []string{"bridge.guard machine lab01 bridge br0 guard", "bridge.unguard machine lab01 bridge guards"}; !slices.Equal(planned, want) {
		t.Errorf("%q, want %q", planned, want)
	}
	guards.Release()
}

func TestGuardRefuses(t *testing.T) {
	s, _ := newGuardScene(t, Options{})
	for source, says := range map[string]string{
		`bridge.guard{snapshot = {}, after = 90}`:                         "snapshot",
		`bridge.guard{snapshot = bridge.snapshot("br0"), after = 0}`:      "after",
		`bridge.guard{snapshot = bridge.snapshot("br0"), after = 2e9}`:    "after",
		`bridge.guard{snapshot = bridge.snapshot("br0")}`:                 "after",
		`bridge.guard{snapshot = "br0", after = 90}`:                      "snapshot",
		`bridge.guard{snapshot = bridge.snapshot("br0"), after = "soon"}`: "after",
	} {
		if _, err := s.run(source); err == nil || !strings.Contains(err.Error(), says) || kindOf(err) != primitives.Invalid {
			t.Errorf("%s: %v", source, err)
		}
	}
}

// What stands is true; what does not, the reason.
func TestGuardedInLua(t *testing.T) {
	rt := New(Capabilities{}, Options{})
	stand := guard.Guarded{Timer: primitives.Errorf(primitives.Denied, "guard.arm", "", "run as root"), After: time.Minute}
	if got := Format(rt.guarded(stand)); !strings.Contains(got, `timer = "guard.arm: run as root"`) || !strings.Contains(got, "child = true") {
		t.Error(got)
	}
}
