package simulated_test

import (
	"slices"
	"testing"
	"time"

	"ctys/luabind"
	"ctys/luabind/inventory"
	"ctys/luabind/simulated"
	"ctys/primitives/sim"
)

const maintenance = `
return { head = { touches = { "bridge" } }, here = function()
  local snapshot = bridge.snapshot("br0")
  bridge.guard{snapshot = snapshot, after = 3600}
  bridge.dissolve{snapshot = snapshot, port = "eth0"}
  task.sleep(60)
  bridge.unguard()
  return "off the bridge"
end }`

// TestGuardsActWhenARunIsKilledThere has a script dissolve a bridge on another
// machine, and kills it there before it can say that all is well.
func TestGuardsActWhenARunIsKilledThere(t *testing.T) {
	for name, test := range map[string]struct {
		kill time.Duration // 0: it is not
		want []string      // ports of br0
	}{
		"killed":     {30 * time.Second, []string{"eth0"}},
		"to its end": {0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			clock := sim.NewClock(time.Unix(1_700_000_000, 0))
			world := sim.Rack(1, clock, sim.Shape{})
			t.Cleanup(world.Close)
			inv, err := inventory.Parse("machines.lua", []byte(`return { lab01 = { address = "127.77.0.1" } }`))
			if err != nil {
				t.Fatal(err)
			}
			if test.kill > 0 {
				world.After(test.kill, func() { world.KillRuns("lab01") })
			}
			desk := luabind.New(simulated.Capabilities(world, ""), luabind.Options{
				Inventory: inv, Path: simulated.Path(map[string]string{"maintenance.lua": maintenance}),
			})
			result, err := desk.Run(t.Context(), luabind.Script{Name: "desk.lua", Source: `return pcall(action.at, "lab01", "maintenance", {})`})
			if err != nil {
				t.Fatal(err)
			}
			if ended := luabind.Format(result.Values[0]) == "true"; ended != (test.kill == 0) {
				t.Errorf("the run says %s", luabind.Format(result.Values[1]))
			}
			looked, err := luabind.New(simulated.Capabilities(world, "lab01"), luabind.Options{}).
				Run(t.Context(), luabind.Script{Name: "look.lua", Source: `return unpack(bridge.list()[1].ports)`})
			if err != nil {
				t.Fatal(err)
			}
			var ports []string
			for _, value := range looked.Values {
				ports = append(ports, luabind.Format(value))
			}
			if !slices.Equal(ports, test.want) {
				t.Errorf("br0 has %q, want %q\n%s", ports, test.want, world.Transcript())
			}
		})
	}
}
