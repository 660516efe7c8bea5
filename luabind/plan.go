package luabind

import (
	"context"
	"slices"
)

// overlay is what the writes of a plan would have left behind: per object and
// property the value that a later read answers first.
type overlay map[string]map[string]any

func (o overlay) leave(object, property string, value any) {
	if o[object] == nil {
		o[object] = map[string]any{}
	}
	o[object][property] = value
}

// left looks a property up. Whatever is carried by a machine that the plan has
// switched off is off too.
func (o overlay) left(op *Op) (any, bool) {
	if value, ok := o[op.Object][op.Property]; ok {
		return value, true
	}
	if op.Property != PropertyState && op.Property != PropertyPower {
		return nil, false
	}
	carried := slices.ContainsFunc(op.Within, func(carrier string) bool {
		return o[carrier][PropertyPower] == "off"
	})
	return "off", carried
}

// Properties that more than one power reads or leaves.
const (
	PropertyPower = "power" // of a machine: "on", "off"
	PropertyState = "state" // of a guest: the words of stack.State
)

// plan answers reads from the overlay first, lets other reads pass, and only
// records writes.
func (rt *Runtime) plan(op *Op, next Handler) (any, error) {
	if !rt.options.Plan {
		return next(op)
	}
	if op.Effect == Read {
		return rt.planRead(op, next)
	}
	rt.planned++
	rt.emit(Event{Kind: KindPlan, Op: op.Verb, Object: op.Object, Effect: string(op.Effect), Data: op.Args})
	if op.operation.Leaves != nil {
		rt.overlay.leave(op.Object, op.Property, op.operation.Leaves(op.call))
	}
	if op.operation.Planned == nil {
		return nil, nil
	}
	return op.operation.Planned(op.call), nil
}

func (rt *Runtime) planRead(op *Op, next Handler) (any, error) {
	operation := op.operation
	value, ok := rt.overlay.left(op)
	if op.Property != "" && ok && (operation.Settled == nil || operation.Settled(op.call, value)) {
		if operation.Answer == nil {
			return value, nil
		}
		return operation.Answer(op.call, value), nil
	}
	if operation.Peek == nil {
		return next(op)
	}
	rt.emit(Event{Kind: KindWait, Op: op.Verb, Object: op.Object, Seconds: op.call.Number("deadline")})
	return Wait(rt, func(ctx context.Context) (any, error) { return operation.Peek(ctx, op.call) })
}
