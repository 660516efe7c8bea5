package luabind

import (
	"context"
	"errors"
	"strconv"
	"sync"

	"ctys/luabind/journal"
	"ctys/primitives"
)

// Event is what a run tells about itself: one type with one writer. The
// journal, the live tree, the lines in a pipe and JSON are its readers.
type Event = journal.Entry

// Failure is an error as an event carries it.
type Failure = journal.Failure

// The kinds of events.
const (
	KindRequest  = journal.Request
	KindIntent   = journal.Intent
	KindOutcome  = journal.Outcome
	KindPlan     = journal.Plan
	KindWait     = journal.Wait
	KindStep     = journal.StepBegin
	KindProgress = journal.Progress
	KindStepEnd  = journal.StepEnd
	KindNote     = journal.Note
	KindWarning  = journal.Warning
	KindDetail   = journal.Detail
	KindOutput   = journal.Output
	KindKeep     = journal.Keep
	KindReceipt  = journal.Receipt
	KindResult   = journal.Result
	KindEnd      = journal.End
)

// emit writes an event; a journal that fails is noticed by the next write op.
func (rt *Runtime) emit(event Event) uint64 {
	number, _ := rt.record(event)
	return number
}

func (rt *Runtime) record(event Event) (uint64, error) {
	event.At = rt.caps.Clock.Now()
	if event.Host == "" {
		event.Host = rt.options.Self
	}
	if task := rt.current; task != nil {
		if event.Task == "" {
			event.Task = task.path()
		}
		if event.Step == 0 && task.step != nil && event.Kind != KindStep {
			event.Step = task.step.number
		}
	}
	return rt.write(event)
}

// write is the one writer of events. Those of other machines come in while
// tasks run, so it has a lock of its own.
func (rt *Runtime) write(event Event) (uint64, error) {
	rt.eventMu.Lock()
	defer rt.eventMu.Unlock()
	rt.events++
	event.Seq = rt.events
	var err error
	if rt.options.Journal != nil {
		event.Seq, err = rt.options.Journal.Append(event)
	}
	if rt.options.Events != nil {
		rt.options.Events(event)
	}
	return event.Seq, err
}

// forwarder takes the events of another machine into this run: its numbers
// become ours, and its outermost steps stand below the step of the caller.
type forwarder struct {
	rt *Runtime

	mu      sync.Mutex
	numbers map[uint64]uint64
	planned []Event
	writes  int // begun there and not turned away
}

func (rt *Runtime) forwarder() *forwarder {
	return &forwarder{rt: rt, numbers: map[uint64]uint64{0: rt.current.step.id()}}
}

func (f *forwarder) take(ctx context.Context, event Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	theirs := event.Seq
	event.Step = f.numbers[event.Step]
	switch {
	case event.Kind == KindPlan:
		f.planned = append(f.planned, event)
	case event.Kind == KindIntent:
		f.writes++
	case event.Kind == KindOutcome && event.Error != nil && isRefusal(primitives.Kind(event.Error.Kind)):
		f.writes--
	}
	if event.Kind == KindKeep && event.Host == "" {
		f.given(ctx, event)
		return
	}
	ours, _ := f.rt.write(event)
	if theirs != 0 { // else the caller itself has said it
		f.numbers[theirs] = ours
	}
	if event.Kind == KindReceipt {
		f.keep(ctx, ours)
	}
}

// given notes which job has the order: no machine says that, but the desk that
// has given it, for a run that resumes this one. That it has ended need not be on
// disk: where it is lost, the job tells it again.
func (f *forwarder) given(ctx context.Context, event Event) {
	event.Host = f.rt.options.Self
	number, _ := f.rt.write(event)
	if ended, _ := event.Data[keptTold].(bool); !ended {
		f.keep(ctx, number)
	}
}

// keep puts what was heard up to number on disk here, before the machine that
// has told it gets its receipt and goes down.
func (f *forwarder) keep(ctx context.Context, number uint64) {
	if f.rt.options.Journal == nil || f.rt.options.Plan {
		return
	}
	if err := f.rt.options.Journal.Sync(ctx, number); err != nil {
		_, _ = f.rt.write(Event{Kind: KindWarning, At: f.rt.caps.Clock.Now(), Text: "what was heard is not on disk here: " + err.Error()})
	}
}

// settle takes over what the other machine has planned and written. Events that
// come later are those of a call that was given up. The baton is held.
func (f *forwarder) settle() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rt.overlay.adopt(f.planned)
	f.rt.planned += len(f.planned)
	f.rt.writes += f.writes
}

// stepNode is the step that a task is in.
type stepNode struct {
	number uint64 // Seq of its beginning
	outer  *stepNode
}

// path gives the task's numbers from the first one: "1.4.2".
func (t *Task) path() string {
	path := make([]byte, 0, 32)
	for i, number := range t.key {
		if i > 0 {
			path = append(path, '.')
		}
		path = strconv.AppendUint(path, uint64(number), 10)
	}
	return string(path)
}

func eventError(err error) *Failure {
	failure := &Failure{Kind: string(kindOf(err)), Message: err.Error()}
	var own *primitives.Error
	if errors.As(err, &own) {
		failure.Op, failure.Host = own.Op, own.Host
	}
	return failure
}
