package luabind

import (
	"context"

	lua "github.com/yuin/gopher-lua"
)

// A task that begins later costs a timer until then: it has no goroutine and no
// thread of Lua, so that thousands may stand by for what rarely comes.

// taskLater makes a task that begins after some time, or as soon as somebody
// waits for it.
func (rt *Runtime) taskLater(c *Call) ([]lua.LValue, error) {
	if err := rt.room(c, 1); err != nil {
		return nil, err
	}
	task := rt.child(rt.current, "", c.Callback("fn"), c.rest...)
	rt.prepare(task, rt.current.ctx)
	task.later = rt.caps.Clock.AfterFunc(seconds(c.Number("seconds")), func() { rt.due(task) })
	return []lua.LValue{c.NewHandle("task", task.path(), task, lua.LNil)}, nil
}

// due begins a task whose time has come. It is called without the baton, and
// stands in line for it.
func (rt *Runtime) due(task *Task) {
	rt.count(+1) // a simulated clock waits for what follows
	go func() {
		turn := &Task{wake: make(chan struct{}, 1)}
		rt.queue.enter(turn)
		<-turn.wake
		rt.begin(task)
		rt.queue.leave()
		rt.count(-1)
	}()
}

// begin starts a task that was to begin later; another one is left alone. The
// caller holds the baton.
func (rt *Runtime) begin(task *Task) {
	if task.later == nil {
		return
	}
	task.later()
	task.later = nil
	rt.start(task)
}

// drop ends a task that has not begun. The caller holds the baton.
func (rt *Runtime) drop(task *Task) {
	if task.later == nil {
		return
	}
	task.later()
	task.later = nil
	task.err = context.Cause(task.ctx)
	rt.end(task)
}
