package luabind

import (
	"context"
	"fmt"

	"ctys/luabind/journal"
	"ctys/primitives"

	lua "github.com/yuin/gopher-lua"
)

// Op is one call of a power as the interceptors see it.
type Op struct {
	Verb     string // "stack.shutdown"
	Effect   Effect
	Object   string   // stable identity of what it acts on
	Within   []string // what carries the object; only a plan asks
	Property string
	Args     map[string]any // of a write, for plans and journals; secrets are hidden
	Key      string         // verb, object and occurrence: the same in a second run of the same script
	Of       string         // the verb of the composite call that it is a part of; empty: none

	call      *Call
	operation *Operation
}

// Handler carries out an Op. It is called with the baton held.
type Handler func(op *Op) (any, error)

// Interceptor stands between a script's call and the power. It may answer
// itself, refuse, or call next.
type Interceptor func(op *Op, next Handler) (any, error)

// chain puts the interceptors in front of the base, first one outermost.
func chain(base Handler, interceptors ...Interceptor) Handler {
	handler := base
	for i := len(interceptors) - 1; i >= 0; i-- {
		intercept, next := interceptors[i], handler
		handler = func(op *Op) (any, error) { return intercept(op, next) }
	}
	return handler
}

// base carries the operation out on the world, without the baton.
func (rt *Runtime) base(op *Op) (any, error) {
	if op.Effect != Read {
		rt.writes++
	}
	result, err := Wait(rt, func(ctx context.Context) (any, error) {
		return op.operation.Do(ctx, op.call)
	})
	if op.Effect != Read && refused(err) {
		rt.writes--
	}
	if detail := primitives.DetailOf(err); detail != "" {
		rt.emit(Event{Kind: KindDetail, Op: op.Verb, Object: op.Object, Text: detail})
	}
	return result, err
}

// refused tells whether a write was turned away before it did anything.
func refused(err error) bool { return err != nil && isRefusal(kindOf(err)) }

func isRefusal(kind primitives.Kind) bool {
	switch kind {
	case primitives.Denied, primitives.Auth, primitives.Busy, primitives.Unsupported, primitives.Invalid:
		return true
	}
	return false
}

func (rt *Runtime) newOp(c *Call) *Op {
	operation := c.Function.Op
	op := &Op{
		Verb:      c.Verb(),
		Effect:    operation.Effect,
		Property:  operation.Property,
		call:      c,
		operation: operation,
	}
	if operation.Object != nil {
		op.Object = operation.Object(c)
	}
	if operation.Within != nil && rt.options.Plan {
		op.Within = operation.Within(c)
	}
	if op.Effect != Read {
		op.Args = c.display()
		op.Key = rt.occurrence(op)
	}
	return op
}

// occurrence numbers the writes of one verb on one object: siblings interleave
// differently from run to run, their own writes do not.
func (rt *Runtime) occurrence(op *Op) string {
	id := op.Verb + " " + op.Object
	rt.occurrences[id]++
	return journal.Key(op.Verb, op.Object, rt.occurrences[id])
}

// display gives the arguments as plans and journals may show them.
func (c *Call) display() map[string]any {
	shown := make(map[string]any, len(c.values))
	for _, given := range c.values {
		name := given.name
		switch v := given.value.(type) {
		case lua.LValue:
			if _, isFunction := v.(*lua.LFunction); !isFunction {
				shown[name] = fromLua(v)
			}
		case fmt.Stringer:
			shown[name] = v.String()
		default:
			shown[name] = v
		}
	}
	return shown
}
