package luabind

import (
	"context"
	"errors"
)

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
	for child := task.family.first; child != nil; {
		next := child.next // dropping takes it out of the family
		if !child.finished {
			child.cancel(stopCause(cause))
			rt.drop(child)
		}
		child = next
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

// end notes that a task is over and lets those go on that wait for it.
func (rt *Runtime) end(task *Task) {
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
}

// finish ends the current task, which puts the baton down for the last time.
func (rt *Runtime) finish(task *Task) {
	rt.end(task)
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
