package luabind

import (
	"context"
	"encoding/json"

	"ctys/primitives"
	"ctys/primitives/bridge"
)

// propertyBridge is what the steps leave of a bridge: its planned Snapshot.
const propertyBridge = "bridge"

// bridgeRounds bounds how often it is asked what is left to do. Two are usual:
// the steps, and what only shows when they are done.
const bridgeRounds = 5

// stepping is how a composite call goes through the steps of a bridge.
type stepping struct {
	remaining Function // a read: the steps that are left
	goOn      bool     // past a step that failed
}

func (rt *Runtime) rowDissolution() stepping {
	return stepping{remaining: Function{Name: "dissolution", Op: rt.bridgeSteps(true)}}
}

func (rt *Runtime) rowRestoration() stepping {
	return stepping{remaining: Function{Name: "restoration", Op: rt.bridgeSteps(false)}, goOn: true}
}

// bridgeSteps reads the steps that are left, in a plan by what its earlier
// steps would have left.
func (rt *Runtime) bridgeSteps(dissolve bool) *Operation {
	return &Operation{
		Effect: Read, Property: propertyBridge,
		Object:  func(c *Call) string { return rt.bridgeObject(snapshotOf(c).Bridge.Name) },
		Settled: func(_ *Call, left any) bool { _, ok := left.(bridge.Snapshot); return ok },
		Answer: func(c *Call, left any) any {
			if dissolve {
				return snapshotOf(c).Dissolution(left.(bridge.Snapshot), c.String("port"))
			}
			return snapshotOf(c).Restoration(left.(bridge.Snapshot))
		},
		Do: func(ctx context.Context, c *Call) (any, error) {
			if dissolve {
				return rt.caps.Bridge.Dissolution(ctx, snapshotOf(c), c.String("port"))
			}
			return rt.caps.Bridge.Restoration(ctx, snapshotOf(c))
		},
	}
}

// rowStep is one step, an operation of its own.
func (rt *Runtime) rowStep() Function {
	stepOf := func(c *Call) bridge.Step { step, _ := c.get("step").(bridge.Step); return step }
	return Function{Name: "step", Op: &Operation{
		Effect: Write, Property: propertyBridge,
		Object: func(c *Call) string { return rt.bridgeObject(stepOf(c).Bridge) },
		Leaves: func(c *Call) any {
			object := rt.bridgeObject(stepOf(c).Bridge)
			before, ok := rt.overlay[object][propertyBridge].(bridge.Snapshot)
			if !ok {
				before = snapshotOf(c)
			}
			return before.After(stepOf(c))
		},
		Do: func(ctx context.Context, c *Call) (any, error) { return nil, rt.caps.Bridge.Apply(ctx, stepOf(c)) },
	}}
}

// snapshotOf is the snapshot that a call was given, checked.
func snapshotOf(c *Call) bridge.Snapshot {
	taken, _ := c.get("snapshot").(bridge.Snapshot)
	return taken
}

// takeSteps does what is left, one operation a step, until nothing is.
func (rt *Runtime) takeSteps(c *Call, way stepping) (any, bool, error) {
	taken, err := readSnapshot(c)
	if err != nil {
		return nil, false, err
	}
	done := []string{}
	var failed error
	for range bridgeRounds {
		left, err := c.part(way.remaining, argument{"snapshot", taken}, argument{"port", c.get("port")})
		if err != nil {
			return nil, false, err
		}
		steps, _ := left.([]bridge.Step)
		if len(steps) == 0 {
			return done, true, nil
		}
		failed = nil
		for _, step := range steps {
			_, err := c.part(rt.rowStep(), argument{"step", step}, argument{"snapshot", taken})
			switch {
			case err == nil:
				done = append(done, step.String())
			case !way.goOn || kindOf(err) == primitives.Canceled:
				return nil, false, err
			case failed == nil:
				failed = err
			}
		}
		if rt.options.Plan {
			return done, true, nil
		}
	}
	if failed == nil {
		failed = primitives.Errorf(primitives.Internal, c.Verb(), taken.Bridge.Name,
			"there is still something to do after %d rounds; something else on this machine changes it at the same time (see bridge.managers)", bridgeRounds)
	}
	return nil, false, failed
}

// nameSteps gives the steps that are left of a dissolution, in words.
func (rt *Runtime) nameSteps(c *Call) (any, bool, error) {
	taken, err := readSnapshot(c)
	if err != nil {
		return nil, false, err
	}
	left, err := c.part(rt.rowDissolution().remaining, argument{"snapshot", taken}, argument{"port", c.get("port")})
	if err != nil {
		return nil, false, err
	}
	words := []string{}
	for _, step := range left.([]bridge.Step) {
		words = append(words, step.String())
	}
	return words, true, nil
}

// readSnapshot reads what a script hands back.
func readSnapshot(c *Call) (bridge.Snapshot, error) {
	text, err := json.Marshal(fromLua(c.Lua("snapshot")))
	if err != nil {
		return bridge.Snapshot{}, c.invalid("option \"snapshot\" is no plain data: %v", err)
	}
	var taken bridge.Snapshot
	if err := json.Unmarshal(text, &taken); err != nil {
		return bridge.Snapshot{}, c.invalid("option \"snapshot\": %v; accepted: what bridge.snapshot gave, as it is", err)
	}
	return taken, nil
}
