package policy

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"ctys/luabind"
	"ctys/luabind/simulated"
	"ctys/primitives"
	"ctys/primitives/sim"
)

// stack runs "ctys stack" at the desk; further arguments are those of its head.
func (s *scene) stack(arguments map[string]any, names ...string) (exit int, results map[string]luabind.Event) {
	s.t.Helper()
	s.t.Setenv("LAB_PW", s.bmcPassword())
	list := []any{}
	for _, name := range names {
		list = append(list, map[string]any{"name": name, "options": map[string]any{}})
	}
	powers := simulated.Desk(s.world, s.desk, s.kept)
	defer simulated.Release(powers)
	results = map[string]luabind.Event{}
	runtime := luabind.New(powers, luabind.Options{
		Authority: s.authority(nil, "stack"), Machines: s.kept, Inventory: s.inventory(), Settings: s.site,
		Events: func(event luabind.Event) {
			s.events = append(s.events, event)
			if event.Kind == luabind.KindResult {
				results[event.Object] = event
			}
		},
	})
	if arguments == nil {
		arguments = map[string]any{}
	}
	result, err := runtime.CallScript(context.Background(), "stack", "action", map[string]any{
		"arguments": arguments, "targets": list, "options": map[string]any{"json": true},
	})
	if err != nil {
		s.t.Fatalf("%v\n%s", err, s.story())
	}
	code, _ := result.(map[string]any)["exit"].(float64)
	return int(code), results
}

func (s *scene) marked(results map[string]luabind.Event, path, mark, why string) {
	s.t.Helper()
	event, seen := results[path]
	if got, _ := event.Data["mark"].(string); !seen || got != mark {
		s.t.Errorf("%s: seen %v, mark %q, want %q\n%s", path, seen, got, mark, s.story())
	}
	if got, _ := event.Data["why"].(string); !strings.Contains(got, why) {
		s.t.Errorf("%s: %q, want %q", path, got, why)
	}
}

func (s *scene) writes() int {
	return s.count("stack", "shutdown") + s.count("stack", "destroy") + s.count("shutdown", "do") + s.count("nic", "arm")
}

func TestStackShowsEveryLevel(t *testing.T) {
	s := rack(t)
	s.rows["db1"] = `deadline = 45, at_deadline = "destroy",`
	exit, seen := s.stack(nil, "lab01")
	s.exits(exit, 0)
	for path, way := range map[string]string{"lab01": "ssh", "lab01/web1": "ssh", "lab01/ct1": "ssh", "lab01/ct1/db1": "ssh", "lab01/ct1/app1": "ssh"} {
		if got := seen[path].Data["way"]; got != way {
			t.Errorf("%s: way %v, want %s\n%s", path, got, way, s.story())
		}
	}
	if data := seen["lab01/ct1/db1"].Data; data["deadline"] != 45.0 || data["at_deadline"] != "destroy" || seen["lab01/ct1/db1"].State != "running" {
		t.Errorf("db1: %v", seen["lab01/ct1/db1"])
	}
	if wake := seen["lab01"].Data["wake"]; wake != "not known without an agent there (--agent)" {
		t.Errorf("wake: %v", wake)
	}
	if s.writes() > 0 {
		t.Errorf("something was changed\n%s", s.story())
	}
}

func TestStackByAnAgentKnowsTheCard(t *testing.T) {
	s := rack(t)
	exit, seen := s.stack(map[string]any{"agent": true}, "lab01")
	s.exits(exit, 0)
	if wake := seen["lab01"].Data["wake"]; wake != "a magic packet on eth0 wakes it" {
		t.Errorf("wake: %v\n%s", wake, s.story())
	}
}

func TestStackEndsAtItsLimits(t *testing.T) {
	s := rack(t)
	exit, seen := s.stack(map[string]any{"depth": 1.0}, "lab01")
	s.exits(exit, 0)
	s.marked(seen, "lab01/ct1", "depth", "ends at depth 1")
	if _, there := seen["lab01/ct1/db1"]; there {
		t.Error("a guest below the depth was shown")
	}
	s = rack(t)
	s.world.Fault(sim.Fault{Machine: "lab01", Power: "stack", Verb: "list", Hang: true})
	exit, seen = s.stack(map[string]any{"within": 20.0, "timeout": 40.0}, "lab01", "lab03")
	s.exits(exit, 1)
	if seen["lab01"].Error == nil || seen["lab01"].Error.Kind != "timeout" {
		t.Errorf("lab01: %v\n%s", seen["lab01"], s.story())
	}
	s.marked(seen, "lab03/mail1", "time", "20 s of the walk were over")

	s = rack(t) // what there was no time for is no success, even where nothing else failed
	s.world.Fault(sim.Fault{Machine: "web1", Power: "stack", Hang: true})
	exit, seen = s.stack(map[string]any{"within": 20.0, "timeout": 40.0}, "lab01")
	s.exits(exit, 1)
	s.marked(seen, "lab01/ct1/db1", "time", "20 s of the walk were over")
}

func TestStackMarksClonesAndCycles(t *testing.T) {
	s := newScene(t, func(clock *sim.Clock) *sim.World {
		world := sim.Rack(1, clock, sim.Shape{})
		web, _ := world.Machine("web1")
		world.Add(sim.Machine{Name: "copy", Parent: "lab03", UUID: web.UUID, Address: "127.77.2.9", Power: primitives.PowerOn, Enterable: true})
		return world
	})
	s.instead = map[string]string{"copy": ""}
	exit, seen := s.stack(nil, "lab03", "lab01")
	s.exits(exit, 0)
	s.marked(seen, "lab03/copy", "clone", "it has the UUID of lab01/web1")
	s.marked(seen, "lab01/web1", "", "another has its UUID: lab03/copy")

	// what was asked for by itself is shown there
	s = rack(t)
	exit, seen = s.stack(nil, "lab01", "db1")
	s.exits(exit, 0)
	s.marked(seen, "lab01/ct1/db1", "again", "it is db1")
}

// The row of a guest has the address of the host that carries it: what is seen
// there is what carries the guest, over and over.
func TestStackEndsInACycle(t *testing.T) {
	s := rack(t)
	host, _ := s.world.Machine("lab01")
	s.instead = map[string]string{"ct1": fmt.Sprintf("[%q] = { address = %q, uuid = %q, parent = \"lab01\" },\n", host.Address, "127.77.9.9", uuidOf(t, s, "ct1")), "db1": "", "app1": ""}
	exit, seen := s.stack(nil, "lab01")
	s.exits(exit, 0)
	s.marked(seen, "lab01/ct1", "cycle", "it shows lab01/ct1")
	if _, again := seen["lab01/ct1/web1"]; again || len(seen) != 3 {
		t.Errorf("the cycle was entered\n%s", s.story())
	}
}

func uuidOf(t *testing.T, s *scene, name string) string {
	t.Helper()
	m, _ := s.world.Machine(name)
	return m.UUID
}

func TestStackMarksWhatCannotBeEntered(t *testing.T) {
	s := rack(t)
	s.instead = map[string]string{"web1": ""}
	s.rows["ct1"] = `hypervisors = { "kvm" },`
	s.world.Fault(sim.Fault{Machine: "ct1", Power: "stack", Kind: primitives.Auth})
	exit, seen := s.stack(nil, "lab01")
	s.exits(exit, 1) // ct1 is known to carry guests
	s.marked(seen, "lab01/web1", "no way in", "no row")
	s.marked(seen, "lab01/ct1", "no way in", "")
	if seen["lab01/ct1"].Error == nil {
		t.Errorf("ct1: %v", seen["lab01/ct1"])
	}
	s = rack(t)
	exit, seen = s.stack(nil, "lab02")
	s.exits(exit, 1)
	if seen["lab02"].State != "unknown" || seen["lab02"].Error.Kind != "unreachable" {
		t.Errorf("a host that is off: %v", seen["lab02"])
	}
}
