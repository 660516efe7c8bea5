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

	step    *stepNode // what the user sees this task do
	mayDown bool      // it may take this machine down
	family  family
	spawned uint32
	closers []func()

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
	task.thread = rt.newThread()
	rt.alive++
	rt.count(+1)
	rt.queue.enter(task)
	go rt.run(task)
}

// scope makes ctx the innermost one of the task.
func (t *Task) scope(ctx context.Context) {
	t.ctx, t.done = ctx, ctx.Done()
}

func (rt *Runtime) run(task *Task) {
	<-task.wake
	rt.take(task, task.thread)
	task.values, task.err = rt.first(task.thread, task.fn, task.args)
	task.fn, task.args = nil, nil
	rt.endChildren(task)
	rt.closeHandles(task)
	rt.finish(task)
}

// first is call for a thread that runs nothing yet: there is nobody whose
// variables are to be protected.
func (rt *Runtime) first(thread *lua.LState, fn *lua.LFunction, args []lua.LValue) ([]lua.LValue, error) {
	err := thread.CallByParam(lua.P{Fn: fn, NRet: lua.MultRet, Protect: true}, args...)
	return rt.results(thread, 0, err)
}

// call runs a Lua function on a thread and turns what it raises into an error.
func (rt *Runtime) call(thread *lua.LState, fn *lua.LFunction, args []lua.LValue) ([]lua.LValue, error) {
	base := thread.GetTop()
	thread.Push(rt.barrier)
	thread.Push(fn)
	for _, arg := range args {
		thread.Push(arg)
	}
	return rt.results(thread, base, protect(thread, len(args)))
}

// results takes what a call has left above base.
func (rt *Runtime) results(thread *lua.LState, base int, err error) ([]lua.LValue, error) {
	if err != nil {
		return nil, rt.goError(err)
	}
	values := make([]lua.LValue, 0, thread.GetTop()-base)
	for i := base + 1; i <= thread.GetTop(); i++ {
		values = append(values, thread.Get(i))
	}
	thread.SetTop(base)
	return values, nil
}

// endChildren waits for what the task has spawned and not waited for. A task
// that failed takes its children with it; a child that failed unobserved
// fails its parent and takes the siblings with it.
func (rt *Runtime) endChildren(task *Task) {
	for child := task.family.first; child != nil; child = task.family.first {
		if task.err != nil {
			rt.cancelChildren(task, task.err)
		}
		rt.joinForced(child)
		if child.err != nil && !child.observed && task.err == nil {
			task.err = child.err
		}
		task.family.remove(child)
	}
}

// join waits until child has ended, or until the caller itself is stopped.
func (rt *Runtime) join(child *Task) error {
	child.waiters = append(child.waiters, rt.current)
	for !child.finished {
		if err := rt.park(); err != nil {
			return err
		}
	}
	return nil
}

// joinForced waits until child has ended even where the caller is stopped:
// its children are then stopped too, so the wait is short.
func (rt *Runtime) joinForced(child *Task) {
	task := rt.current
	if !child.finished {
		child.waiters = append(child.waiters, task)
	}
	for !child.finished {
		if err := task.ctx.Err(); err != nil {
			rt.cancelChildren(task, context.Cause(task.ctx))
			outer := task.ctx
			task.scope(context.WithoutCancel(outer))
			_ = rt.park()
			task.scope(outer)
			continue
		}
		_ = rt.park()
	}
}

func (rt *Runtime) cancelChildren(task *Task, cause error) {
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
	if task.parent != nil && (task.err == nil || task.observed) {
		task.parent.family.remove(task)
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

func (rt *Runtime) closeHandles(task *Task) {
	for i := len(task.closers) - 1; i >= 0; i-- {
		task.closers[i]()
	}
	task.closers = nil
}

// withDeadline runs fn inside a scope of the current task that ends after d.
func (rt *Runtime) withDeadline(d time.Duration, fn func() error) error {
	task := rt.current
	outer := task.ctx
	ctx, cancel := context.WithCancelCause(outer)
	stop := rt.caps.Clock.AfterFunc(d, func() {
		cancel(context.DeadlineExceeded)
		rt.noticeCanceled()
	})
	task.scope(ctx)
	err := fn()
	stop()
	task.scope(outer)
	cancel(nil)
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
