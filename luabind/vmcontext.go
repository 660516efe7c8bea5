package luabind

import (
	"context"
	"fmt"
	"time"
)

// vmContext is the context of every Lua thread of a runtime. gopher-lua asks
// for its Done channel before each instruction; that is where instructions are
// counted and where a stopped task learns of it. It stands for whichever task
// holds the baton, so coroutines need none of their own.
type vmContext struct{ rt *Runtime }

var alwaysDone = func() <-chan struct{} {
	ch := make(chan struct{})
	close(ch)
	return ch
}()

// Done counts one instruction.
func (c vmContext) Done() <-chan struct{} {
	task := c.rt.current
	task.steps++
	if task.steps > c.rt.limits.Instructions {
		return alwaysDone
	}
	return task.done
}

// Err says why the current task must stop.
func (c vmContext) Err() error {
	return c.rt.stopReason()
}

// Deadline is unknown: deadlines belong to tasks.
func (c vmContext) Deadline() (time.Time, bool) { return time.Time{}, false }

// Value has none.
func (c vmContext) Value(any) any { return nil }

// stopReason is nil while the current task may go on.
func (rt *Runtime) stopReason() error {
	task := rt.current
	if task.steps > rt.limits.Instructions {
		return errBudget{limit: rt.limits.Instructions}
	}
	if task.ctx.Err() != nil {
		return context.Cause(task.ctx)
	}
	return nil
}

// errBudget stops a script that computes without ever waiting.
type errBudget struct{ limit int64 }

func (e errBudget) Error() string {
	return fmt.Sprintf("the script ran %d instructions without waiting and was stopped", e.limit)
}

// errDeadline is what task.deadline raises.
type errDeadline struct {
	after time.Duration
	cause error
}

func (e errDeadline) Error() string { return fmt.Sprintf("not done after %s", e.after) }
func (e errDeadline) Unwrap() error { return context.DeadlineExceeded }
