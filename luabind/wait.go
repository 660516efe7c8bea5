package luabind

import (
	"context"

	lua "github.com/yuin/gopher-lua"
)

// Wait is the one place where a task puts the baton down. It runs fn on the
// task's own goroutine, with the context of the task's innermost deadline,
// while other tasks run Lua; then it stands in line for the baton again.
//
// It must be called by the goroutine that holds the baton, that is from
// inside a function that a script has called. fn must not touch Lua values.
func Wait[T any](rt *Runtime, fn func(ctx context.Context) (T, error)) (T, error) {
	task := rt.current
	thread := rt.root.G.CurrentThread
	rt.queue.leave()
	defer rt.resume(task, thread)
	return fn(task.ctx)
}

// park blocks the current task until ready is called for it or its context
// ends. Unlike Wait it waits for another task, so a simulated clock may run
// on: the task is not counted as one that can still act.
func (rt *Runtime) park() error {
	task := rt.current
	if err := task.ctx.Err(); err != nil {
		return context.Cause(task.ctx)
	}
	thread := rt.root.G.CurrentThread
	if !rt.enterParked(task) {
		return context.Cause(task.ctx)
	}
	rt.queue.leave()
	rt.count(-1)
	<-task.wake
	rt.take(task, thread)
	return context.Cause(task.ctx)
}

// enterParked looks at the context again under the lock, so that a stop which
// comes between the two looks is not lost.
func (rt *Runtime) enterParked(task *Task) bool {
	rt.queue.mu.Lock()
	defer rt.queue.mu.Unlock()
	if task.nudged || task.ctx.Err() != nil {
		task.nudged = false
		return false
	}
	rt.parked[task] = struct{}{}
	return true
}

// resume stands in line for the baton and takes it.
func (rt *Runtime) resume(task *Task, thread *lua.LState) {
	rt.queue.enter(task)
	<-task.wake
	rt.take(task, thread)
}

// take notes who holds the baton. gopher-lua keeps the running thread in one
// field for all threads, so each task puts its own back.
func (rt *Runtime) take(task *Task, thread *lua.LState) {
	rt.current = task
	rt.root.G.CurrentThread = thread
	task.steps = 0
}

// ready puts a parked task in line; one that is not parked is left alone.
func (rt *Runtime) ready(task *Task) {
	rt.queue.mu.Lock()
	defer rt.queue.mu.Unlock()
	rt.unpark(task)
}

// nudge is ready for what happens without the baton: a task that is not parked
// may be about to, and then goes on at once.
func (rt *Runtime) nudge(task *Task) {
	rt.queue.mu.Lock()
	defer rt.queue.mu.Unlock()
	task.nudged = !rt.unpark(task)
}

// unpark puts a parked task in line; rt.queue.mu is held.
func (rt *Runtime) unpark(task *Task) bool {
	_, parked := rt.parked[task]
	if parked {
		delete(rt.parked, task)
		rt.count(+1)
		rt.queue.append(task)
	}
	return parked
}
