package luabind

import (
	"context"
	"time"
)

// A plan waits for nothing, and yet its time goes on: what a task would have
// waited is added to the time that it sees, and counts towards its deadlines.
// Otherwise a loop that waits for what a plan does not bring about (an answer
// from a machine that was not really woken) would never end.

// plannedEnd is a deadline as the waits of a plan reach it.
type plannedEnd struct {
	at    time.Duration // of Task.ahead
	end   func()        // what happens then
	outer *plannedEnd
}

// now is the time that the current task sees.
func (rt *Runtime) now() time.Time { return rt.caps.Clock.Now().Add(rt.current.ahead) }

// pretend is a wait in a plan. It raises as the wait would have, where a
// deadline is the sooner.
func (rt *Runtime) pretend(d time.Duration) error {
	task := rt.current
	until := task.ahead + min(d, maxAhead-task.ahead)
	var reached *plannedEnd
	for end := task.planned; end != nil; end = end.outer {
		if end.at < until {
			reached, until = end, end.at
		}
	}
	task.ahead = max(task.ahead, until)
	if reached != nil {
		reached.end()
	}
	return context.Cause(task.ctx)
}

// maxAhead keeps the sum of waits, and a deadline after it, within a duration.
const maxAhead = time.Duration(1<<62 - 1)

// caughtUp takes the time of a task that has ended, for one that waited for it.
func (t *Task) caughtUp(ended *Task) { t.ahead = max(t.ahead, ended.ahead) }
