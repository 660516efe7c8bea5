package luabind

import (
	"context"

	"ctys/primitives"
)

// Recorder keeps the events of a run where a crash cannot take them.
type Recorder interface {
	// Append adds an event and gives its number; it does not wait for the disk.
	Append(event Event) (uint64, error)
	// Sync returns when everything up to number is on disk. Callers that wait
	// at the same time share one write.
	Sync(ctx context.Context, number uint64) error
}

// Tried is a Recorder that can be asked beforehand whether it could keep
// anything.
type Tried interface {
	Recorder
	// Usable gives the reason why nothing can be kept, or nil.
	Usable() error
}

// noJournal is why this run keeps no journal although one is due; empty where
// it does, or none is. It may touch the disk.
func (rt *Runtime) noJournal() string {
	var err error
	switch recorder := rt.options.Journal.(type) {
	case nil:
		err = rt.options.JournalRequired
	case Tried:
		if !rt.options.Plan {
			err = recorder.Usable()
		}
	}
	if err == nil {
		return ""
	}
	return err.Error()
}

// journal notes the intent before each write and the outcome after it. What
// takes power away begins only when its intent is on disk.
func (rt *Runtime) journal(op *Op, next Handler) (any, error) {
	if op.Effect == Read || rt.options.Plan {
		return next(op)
	}
	begun, err := rt.recordIntent(op)
	if err != nil && !begun {
		return nil, err
	}
	var result any
	if err == nil {
		result, err = next(op)
	}
	outcome := Event{Kind: KindOutcome, Op: op.Verb, Object: op.Object, Key: op.Key}
	switch {
	case err != nil:
		outcome.Error = eventError(err)
	case op.Effect == WriteOnce && result != nil:
		outcome.Data = map[string]any{"result": Plain(rt.toLua(result))}
	}
	rt.emit(outcome)
	return result, err
}

// recordIntent tells whether the intent stands in the journal. With an error
// nothing is to be done, which its outcome then says.
func (rt *Runtime) recordIntent(op *Op) (begun bool, err error) {
	durable := op.operation.Destructive || op.Effect == WriteOnce
	if rt.options.Journal == nil && durable && rt.options.JournalRequired != nil {
		return false, &primitives.Error{Kind: primitives.Denied, Op: op.Verb, Host: op.Object,
			Message: "what takes power away is only done with a journal", Cause: rt.options.JournalRequired}
	}
	intent := Event{Kind: KindIntent, Op: op.Verb, Object: op.Object, Effect: string(op.Effect), Key: op.Key, Data: op.Args, Durable: durable}
	if durable && (rt.options.Journal != nil || rt.options.Kept) {
		intent.Witness = rt.witness(op)
	}
	number, err := rt.record(intent)
	if err != nil {
		return false, primitives.Wrap(op.Verb, op.Object, "nothing was done", err)
	}
	if !durable || rt.options.Journal == nil {
		return true, nil
	}
	_, err = Wait(rt, func(ctx context.Context) (any, error) { return nil, rt.options.Journal.Sync(ctx, number) })
	return true, primitives.Wrap(op.Verb, op.Object, "nothing was done", err)
}
