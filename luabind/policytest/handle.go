package policytest

import (
	"context"
	"time"

	"ctys/luabind"
	"ctys/primitives"
	"ctys/primitives/sim"
)

func (w *worlds) handle() luabind.HandleType {
	return luabind.HandleType{
		Name: "world",
		Help: "Simulated machines with their own virtual time, which goes on while something runs in it.",
		Methods: []luabind.Function{
			runMethod(),
			{
				Name: "state", Help: "What a machine is doing.", Args: machineArgument,
				Result:  `"off", "booting", "up", "shutting down", "halted", "paused", "saved", "suspended" or "hibernated"`,
				Errors:  []primitives.Kind{primitives.Invalid},
				Example: `assert(world:state("web1") == "off")`,
				Check:   knownMachine,
				Op: reads(func(c *luabind.Call, w *world) (any, error) {
					return string(w.sim.State(c.String("name")).Phase), nil
				}),
			},
			{
				Name: "went_off", Help: "The machines that went off so far, in that order, each as often as it did.",
				Result: "a list of names", Example: `assert(sim.in_order(world:went_off(), { "web1", "lab01" }))`,
				Op: reads(func(_ *luabind.Call, w *world) (any, error) { return w.entered(sim.Off), nil }),
			},
			{
				Name: "came_up", Help: "The machines that came up so far, in that order.",
				Result: "a list of names", Example: `assert(sim.in_order(world:came_up(), { "lab01", "db1" }))`,
				Op: reads(func(_ *luabind.Call, w *world) (any, error) { return w.entered(sim.Up), nil }),
			},
			{
				Name: "lost", Help: "The guests that ran when their host went down under them.",
				Result: "a list of names", Example: `assert(#world:lost() == 0)`,
				Op: reads(func(_ *luabind.Call, w *world) (any, error) { return w.lost(), nil }),
			},
			{
				Name: "log", Help: "Everything that happened so far, an entry a line.",
				Result: "a text", Example: `print(world:log())`,
				Op: reads(func(_ *luabind.Call, w *world) (any, error) { return w.sim.Transcript(), nil }),
			},
			laterMethod(),
			faultMethod(),
		},
	}
}

var machineArgument = []luabind.Param{{Name: "name", Type: luabind.String, Required: true, Help: "of a machine"}}

func worldOf(c *luabind.Call) *world { return c.Self.Data.(*world) }

func identity(c *luabind.Call) string { return c.Self.ID }

// reads makes the operation of a method that only looks at its world.
func reads(look func(c *luabind.Call, w *world) (any, error)) *luabind.Operation {
	return &luabind.Operation{Effect: luabind.Read, Object: identity,
		Do: func(_ context.Context, c *luabind.Call) (any, error) { return look(c, worldOf(c)) }}
}

func changes(change func(c *luabind.Call, w *world) error) *luabind.Operation {
	return &luabind.Operation{Effect: luabind.Write, Object: identity,
		Do: func(_ context.Context, c *luabind.Call) (any, error) { return nil, change(c, worldOf(c)) }}
}

func knownMachine(c *luabind.Call) error {
	name := c.String("name")
	if _, known := worldOf(c).sim.Machine(name); !known {
		return primitives.Errorf(primitives.Invalid, c.Verb(), name, "the world has no such machine (it has %v)", worldOf(c).sim.Names())
	}
	return nil
}

// entered lists who has come into a phase.
func (w *world) entered(phase sim.Phase) []string {
	names := []string{}
	for _, entry := range w.sim.Log() {
		if entry.Machine != "" && entry.To == phase {
			names = append(names, entry.Machine)
		}
	}
	return names
}

func (w *world) lost() []string {
	names := []string{}
	for _, loss := range w.sim.Lost() {
		names = append(names, loss.Guest)
	}
	return names
}

// happenings are what sim.world's later can have happen to a machine.
var happenings = map[string]func(w *sim.World, name string){
	"power_on":   (*sim.World).PowerOn,
	"power_off":  (*sim.World).PowerOff,
	"shut_down":  (*sim.World).ShutDown,
	"hang":       (*sim.World).Hang,
	"kill_ctys":  (*sim.World).KillRuns,
	"sticks":     func(w *sim.World, name string) { w.HangInShutdown(name, true) },
	"sticks_not": func(w *sim.World, name string) { w.HangInShutdown(name, false) },
}

func laterMethod() luabind.Function {
	return luabind.Function{
		Name: "later", Help: "Has something happen to a machine after a time, beside what runs: somebody starts it, it hangs (reacts to nothing), its shutdown will never end (sticks), ctys is killed there.",
		Args: []luabind.Param{
			{Name: "seconds", Type: luabind.Seconds, Required: true, Min: 0, Max: maxSeconds},
			{Name: "what", Type: luabind.String, Required: true, OneOf: sortedKeys(happenings)},
			machineArgument[0],
		},
		Result: "nothing", Errors: []primitives.Kind{primitives.Invalid},
		Example: `world:later(3, "power_on", "web2")`, Check: knownMachine,
		Op: changes(func(c *luabind.Call, w *world) error {
			happen, name := happenings[c.String("what")], c.String("name")
			w.sim.After(time.Duration(c.Number("seconds")*float64(time.Second)), func() { happen(w.sim, name) })
			return nil
		}),
	}
}

func faultMethod() luabind.Function {
	return luabind.Function{
		Name: "fault", Help: "Makes calls go wrong: those about a machine, of a power, a verb; all where nothing is said.",
		Options: []luabind.Param{
			{Name: "machine", Type: luabind.String, Help: "whom the call is about, or the host that carries it out"},
			{Name: "power", Type: luabind.String, OneOf: []string{"wol", "nic", "bridge", "guard", "ipmi", "shutdown", "stack", "probe", "line"}},
			{Name: "verb", Type: luabind.String, Help: "of the power: shutdown, list, …"},
			{Name: "after", Type: luabind.Integer, Min: 0, Max: 1 << 30, Help: "so many calls pass unharmed first"},
			{Name: "count", Type: luabind.Integer, Min: 0, Max: 1 << 30, Help: "so many are hit; 0: all that come"},
			{Name: "from", Type: luabind.Seconds, Min: 0, Max: maxSeconds, Help: "of the world's time"},
			{Name: "till", Type: luabind.Seconds, Min: 0, Max: maxSeconds, Help: "of the world's time; 0: for ever"},
			{Name: "kind", Type: luabind.String, OneOf: faultKinds, Help: "of the error: unreachable where left out"},
			{Name: "message", Type: luabind.String},
			{Name: "hangs", Type: luabind.Boolean, Help: "nothing is answered, and nothing done"},
			{Name: "loses_reply", Type: luabind.Boolean, Help: "it is done, and nothing answered"},
			{Name: "state", Type: luabind.String, Help: "the hypervisor calls the guest's state by this word, which nobody knows"},
		},
		Result: "nothing", Errors: []primitives.Kind{primitives.Invalid},
		Example: `world:fault{ machine = "lab01", power = "stack", verb = "list", kind = "unreachable" }`,
		Op: changes(func(c *luabind.Call, w *world) error {
			w.sim.Fault(sim.Fault{
				Machine: c.String("machine"), Power: c.String("power"), Verb: c.String("verb"),
				After: c.Int("after"), Count: c.Int("count"),
				From: time.Duration(c.Number("from") * float64(time.Second)), Until: time.Duration(c.Number("till") * float64(time.Second)),
				Kind: primitives.Kind(c.String("kind")), Message: c.String("message"),
				Hang: c.Bool("hangs"), LoseReply: c.Bool("loses_reply"), State: c.String("state"),
			})
			return nil
		}),
	}
}

var faultKinds = []string{
	string(primitives.Timeout), string(primitives.Auth), string(primitives.Unreachable), string(primitives.Unsupported),
	string(primitives.Denied), string(primitives.Busy), string(primitives.Invalid), string(primitives.Internal),
}
