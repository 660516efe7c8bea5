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
	values   []lua.LValue
	err      error
	observed bool // somebody has taken the error
}

// errCanceled is the cause of a task that was stopped by its parent or sibling.
var errCanceled = context.Canceled

// spawn makes a task below parent and puts it in line. The caller holds the
// baton, so tasks stand in line in the order in which they were spawned.
func (rt *Runtime) spawn(parent *Task, name string, fn *lua.LFunction, args ...lua.LValue) *Task {
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
	rt.start(task, parent.ctx)
	return task
}

func (rt *Runtime) start(task *Task, ctx context.Context) {
	task.wake = make(chan struct{}, 1)
	ctx, task.cancel = context.WithCancelCause(ctx)
	task.scope(rt.keyed(ctx, task.key))
	task.thread = rt.takeThread()
	rt.alive++
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

// endChildren waits for what the task has spawned and not waited for. A task
// that failed takes its children with it; a child that failed unobserved
// fails its parent and takes the siblings with it, those too that were spawned
// before it and would go on for long.
func (rt *Runtime) endChildren(task *Task) {
	task.ending = true
	stopped := false
	var awaited *Task
	for child := task.family.first; child != nil; child = task.family.first {
		if task.err == nil {
			task.err = task.unheard()
		}
		if !stopped && (task.err != nil || task.ctx.Err() != nil) {
			stopped = true
			rt.stopChildren(task)
		}
		if child.finished {
			task.family.remove(child)
			continue
		}
		if child != awaited {
			child.waiters = append(child.waiters, task)
			awaited = child
		}
		rt.parkForced(task, stopped)
	}
}

// unheard is what the first child raised that failed and that nobody waited for.
func (t *Task) unheard() error {
	for len(t.failed) > 0 && t.failed[0].observed {
		t.failed = t.failed[1:]
	}
	if len(t.failed) == 0 {
		return nil
	}
	return t.failed[0].err
}

// parkForced parks a task also where it is stopped itself: its children are
// then stopped too, so the wait is short.
func (rt *Runtime) parkForced(task *Task, stopped bool) {
	outer := task.ctx
	if stopped {
		task.scope(context.WithoutCancel(outer))
	}
	_ = rt.park()
	task.scope(outer)
}

// join waits until child has ended, or until the caller itself is stopped.
func (rt *Runtime) join(child *Task) error {
	child.waiters = append(child.waiters, rt.current)
	for !child.finished {
		if err := rt.park(); err != nil {
			return err
		}
	}
	rt.current.caughtUp(child)
	return nil
}

func (rt *Runtime) stopChildren(task *Task) {
	cause := task.err
	if cause == nil {
		cause = context.Cause(task.ctx)
	}
	for child := task.family.first; child != nil; child = child.next {
		if !child.finished {
			child.cancel(stopCause(cause))
		}
	}
	rt.noticeCanceled()
}

// stopCause keeps a deadline's error as the reason of those it stops, and
// says "canceled" for everything else.
func stopCause(cause error) error {
	if errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	return errCanceled
}

func (rt *Runtime) finish(task *Task) {
	task.finished = true
	task.cancel(nil)
	task.thread = nil
	rt.alive--
	for _, waiter := range task.waiters {
		rt.ready(waiter)
	}
	task.waiters = nil
	if task.group != nil {
		task.group.done = append(task.group.done, task)
		rt.ready(task.group.waiter)
	}
	if parent := task.parent; parent != nil {
		rt.report(task, parent)
	}
	if task.parent == nil {
		rt.workers.dismiss()
	}
	rt.queue.leave()
	if task.parent != nil {
		rt.count(-1)
		return
	}
	if !rt.nested() {
		rt.count(-1)
	}
	close(rt.ended)
}

// report tells a parent that a task below it has ended. One that failed stays
// with it until somebody waits for it, or the parent itself ends.
func (rt *Runtime) report(task, parent *Task) {
	if task.err == nil || task.observed {
		parent.family.remove(task)
		return
	}
	parent.failed = append(parent.failed, task)
	if parent.ending {
		rt.ready(parent)
	}
}

func (rt *Runtime) closeHandles(task *Task) {
	for i := len(task.closers) - 1; i >= 0; i-- {
		task.closers[i]()
	}
	task.closers = nil
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
