package luabind

import (
	"context"

	"ctys/primitives"
	"ctys/primitives/guard"

	lua "github.com/yuin/gopher-lua"
)

// guardFunctions are the rows of module bridge that watch over a dissolved
// bridge; none where nobody can.
func (rt *Runtime) guardFunctions() []Function {
	if rt.caps.Guard == nil {
		return nil
	}
	return []Function{
		{
			Name: "guard", Help: "Has a bridge restored unless unguard is called in time: when this process ends without it, and when the time is over. Called before the bridge is dissolved; it raises where nothing can watch.",
			Options: []Param{
				{Name: "snapshot", Type: Table, Required: true, Help: "of bridge.snapshot"},
				{Name: "after", Type: Seconds, Required: true, Min: 1, Max: maxGuardSeconds, Help: "when the bridge is restored at the latest; it must outlast the run"},
			},
			Result: "{child=true, timer=true, after=seconds}: a child that watches this process, and a timer of systemd; in place of true the reason why there is none",
			Errors: []primitives.Kind{primitives.Invalid, primitives.Unsupported, primitives.Denied},
			Example: `local ok, all = pcall(bridge.list)
if ok and all[1] then print(bridge.guard{snapshot = bridge.snapshot(all[1].name), after = 600}.timer) end`,
			Return: func(c *Call, result any) lua.LValue { return c.Runtime.guarded(result.(guard.Guarded)) },
			Check:  holdSnapshot,
			Op: &Operation{
				// On disk before it is done: a guard keeps what it needs beside the journal.
				Effect: Write, Destructive: true,
				Object:  func(c *Call) string { return rt.bridgeObject(snapshotOf(c).Bridge.Name) + " guard" },
				Planned: func(c *Call) any { return guard.Guarded{After: seconds(c.Number("after"))} },
				Do: func(ctx context.Context, c *Call) (any, error) {
					return rt.caps.Guard.Arm(ctx, snapshotOf(c), seconds(c.Number("after")))
				},
			},
		},
		{
			Name: "unguard", Help: "Ends all guards of this run: the machine goes down, or its bridge is restored.",
			Result:  "true where a guard has restored its bridge before, else false",
			Errors:  []primitives.Kind{primitives.Timeout, primitives.Internal},
			Example: `bridge.unguard()`,
			Op: &Operation{
				Effect: Write, Object: func(*Call) string { return rt.here() + " bridge guards" },
				Planned: func(*Call) any { return false },
				Do:      func(ctx context.Context, _ *Call) (any, error) { return rt.caps.Guard.Disarm(ctx) },
			},
		},
	}
}

// maxGuardSeconds is 34 years: longer than the longest announcement that can be
// typed, nine digits of seconds, which a guard has to outlast.
const maxGuardSeconds = 1 << 30

// holdSnapshot puts the snapshot of a call in the place of its table.
func holdSnapshot(c *Call) error {
	taken, err := readSnapshot(c)
	if err == nil {
		c.set("snapshot", taken)
	}
	return err
}

// guarded is what scripts see of the guards that stand.
func (rt *Runtime) guarded(stand guard.Guarded) lua.LValue {
	table := rt.root.NewTable()
	for name, why := range map[string]error{"child": stand.Child, "timer": stand.Timer} {
		value := lua.LValue(lua.LTrue)
		if why != nil {
			value = lua.LString(why.Error())
		}
		table.RawSetString(name, value)
	}
	table.RawSetString("after", rt.toLua(stand.After))
	return table
}
