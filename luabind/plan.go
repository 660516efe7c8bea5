package luabind

import (
	"context"
	"fmt"
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

// left looks a property of an object up. Whatever is within a machine that the
// plan has switched off is off too.
func (o overlay) left(object string, within []string, property string) (any, bool) {
	if value, ok := o[object][property]; ok {
		return value, true
	}
	if len(o) == 0 || property != PropertyState && property != PropertyPower {
		return nil, false
	}
	carried := slices.ContainsFunc(within, func(carrier string) bool {
		return o[carrier][PropertyPower] == "off"
	})
	return "off", carried
}

// adopt takes over what a planned run on another machine would have left.
func (o overlay) adopt(events []Event) {
	for _, event := range events {
		if property, ok := event.Data["property"].(string); ok && event.State != "" {
			o.leave(event.Object, property, event.State)
		}
	}
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
	event := Event{Kind: KindPlan, Op: op.Verb, Object: op.Object, Effect: string(op.Effect), Data: map[string]any{"args": op.Args}}
	if op.operation.Leaves != nil {
		left := op.operation.Leaves(op.call)
		rt.overlay.leave(op.Object, op.Property, left)
		event.State, event.Data["property"] = fmt.Sprint(left), op.Property
	}
	rt.emit(event)
	if op.operation.Planned == nil {
		return nil, nil
	}
	return op.operation.Planned(op.call), nil
}

func (rt *Runtime) planRead(op *Op, next Handler) (any, error) {
	operation := op.operation
	value, ok := rt.overlay.left(op.Object, op.Within, op.Property)
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
