package luabind

import (
	"context"

	"ctys/primitives"

	lua "github.com/yuin/gopher-lua"
)

func (rt *Runtime) actionAt(c *Call) ([]lua.LValue, error) {
	machine := machineOf(c)
	here, err := Wait(rt, func(ctx context.Context) (bool, error) { return rt.isSelf(ctx, machine.Name), nil })
	if err != nil {
		return nil, err
	}
	if here {
		return rt.callHere(c)
	}
	if rt.caps.Relocate == nil {
		return nil, noWay(c)
	}
	order, err := rt.newOrder(machine, c.String("script"), c.String("call"), fromLua(c.Lua("request")), c.Strings("rows"))
	if err != nil {
		return nil, err
	}
	order.MayDown = c.Bool("take_down")
	rt.resumeOrder(&order, c.String("about"))
	task, forward := rt.current, rt.forwarder()
	result, err := Wait(rt, func(ctx context.Context) (any, error) {
		order.NoJournal = rt.noJournal()
		return rt.caps.Relocate.Run(withTaskKey(ctx, task.key), order, func(event Event) { forward.take(ctx, event) })
	})
	forward.settle()
	if said, down := rt.wentDownBefore(order, err); down {
		result, err = said, nil
	}
	if err != nil {
		return nil, err
	}
	return []lua.LValue{rt.toLua(result)}, nil
}

// callHere calls the script's function in the calling task. The leave to take
// this machine down is the task's, so that tasks beside it do not get it.
func (rt *Runtime) callHere(c *Call) ([]lua.LValue, error) {
	task := rt.current
	outer := task.mayDown
	task.mayDown = outer || c.Bool("take_down")
	defer func() { task.mayDown = outer }()
	values, err := rt.callField(c.L, c.String("script"), c.String("call"), c.Table("request"))
	return values, err
}

// callField calls a field of a script's table.
func (rt *Runtime) callField(L *lua.LState, script, field string, args ...lua.LValue) ([]lua.LValue, error) {
	values, err := rt.call(L, rt.root.GetGlobal("require").(*lua.LFunction), []lua.LValue{lua.LString(script)})
	if err != nil {
		return nil, err
	}
	table, ok := values[0].(*lua.LTable)
	if !ok {
		return nil, primitives.Errorf(primitives.Invalid, script, "", "the script does not return a table")
	}
	fn, ok := table.RawGetString(field).(*lua.LFunction)
	if !ok {
		return nil, primitives.Errorf(primitives.Invalid, script, "", "the script's table has no function %q", field)
	}
	return rt.call(L, fn, args)
}

type taskKey struct{}

// withTaskKey tells a simulated relocator where a nested runtime stands.
func withTaskKey(ctx context.Context, key []uint32) context.Context {
	return context.WithValue(ctx, taskKey{}, key)
}

// TaskKey is the path of task numbers of the task that ctx waits for, or nil.
func TaskKey(ctx context.Context) []uint32 {
	key, _ := ctx.Value(taskKey{}).([]uint32)
	return key
}
