package luabind

import (
	"context"
	"errors"
	"slices"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// Task is one thread of Lua on its own goroutine. A script is a task, and so
// is everything it spawns. A task ends only after the tasks it has spawned.
type Task struct {
	key    []uint32 // path of task numbers from the first one: the order of a simulated world
	name   string
	parent *Task
	prev   *Task // siblings, see family
	next   *Task
	thread *lua.LState
	fn     *lua.LFunction
	args   []lua.LValue
	wake   chan struct{}
	nudged bool // guarded by Runtime.queue.mu: it is not to park once, see nudge

	// ctx is that of the innermost deadline; done caches its Done channel for
	// the check before every instruction.
	ctx    context.Context
	done   <-chan struct{}
	cancel context.CancelCauseFunc
	steps  int64 // instructions since the task last waited

	callers []*lua.LState // the threads that wait for another one to return, see nest
	shown   bool          // a script has seen its thread (coroutine.running) and may hold it

	ahead   time.Duration // in a plan: how long its waits would have taken so far
	planned *plannedEnd   // in a plan: the innermost deadline that these waits may reach

	later   func()    // stops the timer that begins it; nil: it has begun, see begin
	step    *stepNode // what the user sees this task do
	mayDown bool      // it may take this machine down
	family  family
	spawned uint32
	closers []func()

	ending   bool    // its own function is over, and it waits for its children
	failed   []*Task // children that raised what nobody had waited for by then
	finished bool
	waiters  []*Task // parked until this task ends
	group    *group
	place    int // in its group, from 1 on
	values   []lua.LValue
	err      error
	observed bool // somebody has taken the error
}

// errCanceled is the cause of a task that was stopped by its parent or sibling.
var errCanceled = context.Canceled

// spawn makes a task below parent and puts it in line. The caller holds the
// baton, so tasks stand in line in the order in which they were spawned.
func (rt *Runtime) spawn(parent *Task, name string, fn *lua.LFunction, args ...lua.LValue) *Task {
	task := rt.child(parent, name, fn, args...)
	rt.prepare(task, parent.ctx)
	rt.start(task)
	return task
}

// child makes a task below parent that has not begun.
func (rt *Runtime) child(parent *Task, name string, fn *lua.LFunction, args ...lua.LValue) *Task {
	parent.spawned++
	task := &Task{
		key:    append(slices.Clone(parent.key), parent.spawned),
		name:   name,
		parent: parent,
		fn:     fn,
		args:   args,
		step:   parent.step,

		ahead:   parent.ahead,
		planned: parent.planned,
		mayDown: parent.mayDown,
	}
	parent.family.add(task)
	return task
}

// prepare gives a task what it can be stopped and waited for by.
func (rt *Runtime) prepare(task *Task, ctx context.Context) {
	ctx, task.cancel = context.WithCancelCause(ctx)
	task.scope(rt.keyed(ctx, task.key))
	rt.alive++
}

func (rt *Runtime) start(task *Task) {
	task.wake = make(chan struct{}, 1)
	task.thread = rt.takeThread()
	rt.count(+1)
	rt.queue.enter(task)
	rt.workers.give(rt, task)
}

// scope makes ctx the innermost one of the task.
func (t *Task) scope(ctx context.Context) {
	t.ctx, t.done = ctx, ctx.Done()
}

// run is a task's whole life, on the worker behind next.
func (rt *Runtime) run(task *Task, next chan *Task) {
	<-task.wake
	rt.take(task, task.thread)
	task.values, task.err = rt.body(task)
	task.fn, task.args = nil, nil
	again := task.err == nil && !task.shown
	rt.endChildren(task)
	rt.closeHandles(task)
	if again {
		rt.giveThread(task.thread)
	}
	rt.workers.rest(next)
	rt.finish(task)
}

// call calls a Lua function from L and turns what it raises into an error.
func (rt *Runtime) call(L *lua.LState, fn *lua.LFunction, args []lua.LValue) ([]lua.LValue, error) {
	values, err := rt.apart(L, fn, args)
	if err != nil {
		return nil, rt.goError(err)
	}
	return values, nil
}

// body runs the task's own function.
func (rt *Runtime) body(task *Task) ([]lua.LValue, error) {
	err := task.thread.CallByParam(lua.P{Fn: task.fn, NRet: lua.MultRet, Protect: true}, task.args...)
	if err != nil {
		return nil, rt.goError(err)
	}
	return valuesOf(task.thread), nil
}

// withDeadline runs fn inside a scope of the current task that ends after d.
// What fn has spawned and not waited for has the rest of that time.
func (rt *Runtime) withDeadline(d time.Duration, fn func() error) error {
	task := rt.current
	outer := task.ctx
	ctx, cancel := context.WithCancelCause(outer)
	end := func() {
		cancel(context.DeadlineExceeded)
		rt.noticeCanceled()
	}
	stop := rt.caps.Clock.AfterFunc(d, end)
	planned, spawned := task.planned, task.spawned
	task.planned = &plannedEnd{at: task.ahead + min(d, maxAhead), end: end, outer: planned}
	task.scope(ctx)
	err := fn()
	task.planned = planned
	task.scope(outer)
	if err != nil || !task.family.after(spawned) {
		stop()
		cancel(nil)
	}
	if err != nil && outer.Err() == nil && errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return errDeadline{after: d, cause: err}
	}
	return err
}

// noticeCanceled wakes the parked tasks whose context has ended, in the order
// of their keys, and tells a simulated clock to look at its sleepers.
func (rt *Runtime) noticeCanceled() {
	rt.queue.mu.Lock()
	var stopped []*Task
	for task := range rt.parked {
		if task.ctx.Err() != nil {
			stopped = append(stopped, task)
		}
	}
	rt.queue.mu.Unlock()
	slices.SortFunc(stopped, func(a, b *Task) int { return slices.Compare(a.key, b.key) })
	for _, task := range stopped {
		rt.ready(task)
	}
	if rt.virtual != nil {
		rt.virtual.Cancelled()
	}
}
