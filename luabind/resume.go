package luabind

import (
	"context"
	"fmt"

	"ctys/luabind/journal"
	"ctys/primitives"
)

// resumed keeps a run that goes on where an earlier one was cut short from doing
// a thing twice that must be done at most once. Any other write is decided anew
// by the script, from what it sees.
func (rt *Runtime) resumed(op *Op, next Handler) (any, error) {
	if op.Effect != WriteOnce || rt.options.History == nil || rt.options.Plan {
		return next(op)
	}
	intent, meant := rt.options.History.Intent(op.Key)
	if !meant {
		return next(op)
	}
	outcome, ended := rt.options.History.Outcome(op.Key)
	switch {
	case ended && outcome.Error == nil:
		rt.noteResumed(op, "was done by the earlier run, and is not repeated")
		return outcome.Data["result"], nil
	case ended && isRefusal(primitives.Kind(outcome.Error.Kind)):
		return next(op)
	}
	switch now := rt.witness(op); {
	case intent.Witness == "" || now == "":
		return nil, primitives.Errorf(primitives.Timeout, op.Verb, op.Object,
			"unknown, not repeated: the earlier run was cut short when it had begun this, and nothing can tell whether it happened; look yourself")
	case now != intent.Witness:
		rt.noteResumed(op, fmt.Sprintf("happened in the earlier run (%s then, %s now), and is not repeated", intent.Witness, now))
		return nil, nil
	}
	rt.noteResumed(op, "did not happen in the earlier run ("+intent.Witness+" then and now)")
	return next(op)
}

func (rt *Runtime) noteResumed(op *Op, text string) {
	rt.emit(Event{Kind: KindNote, Op: op.Verb, Object: op.Object, Text: fmt.Sprintf("%s of %s %s", op.Verb, op.Object, text)})
}

// witness is what changes when an operation happens; empty where nothing does.
func (rt *Runtime) witness(op *Op) string {
	if op.operation.Witness == nil {
		return ""
	}
	seen, _ := Wait(rt, func(ctx context.Context) (string, error) { return op.operation.Witness(ctx, op.call), nil })
	return seen
}

// keptBefore is what the earlier run has kept under a key.
func (rt *Runtime) keptBefore(key string) (any, bool) {
	if rt.options.History == nil {
		return nil, false
	}
	entry, ok := rt.options.History.Kept(key)
	return entry.Data["value"], ok
}

// What an order is kept as in the caller's journal: the job that has it, and
// whether it was heard how that ended.
const (
	keptValue = "value"
	keptTold  = "told"
)

// OrderGiven is the data of an entry of kind Keep that says which job has an order.
func OrderGiven(job string, told bool) map[string]any {
	return map[string]any{keptValue: job, keptTold: told}
}

// resumeOrder names an order in this run's journal and finds the job that the
// earlier run has given it to.
func (rt *Runtime) resumeOrder(order *Order, about string) {
	order.Key = rt.orderKey(*order, about)
	if rt.options.History == nil {
		return
	}
	if entry, given := rt.options.History.Kept(order.Key); given {
		order.Resume, _ = entry.Data[keptValue].(string)
		order.Again, _ = entry.Data[keptTold].(bool)
		order.Once = rt.options.History.BegunOnce(order.Machine.Name)
	}
}

// orderKey names an order for another machine so that a resumed run finds the
// job that it was given to. What it is about tells those apart that go to one
// machine side by side.
func (rt *Runtime) orderKey(order Order, about string) string {
	object := order.Script + "." + order.Function + " on "
	if order.Machine.User != "" {
		object += order.Machine.User + "@"
	}
	object += order.Machine.Name
	if about != "" {
		object += " about " + about
	}
	rt.occurrences["action.at "+object]++
	return journal.Key("action.at", object, rt.occurrences["action.at "+object])
}

// wentDownBefore is the result of an order whose machine is not there any more,
// since it had said in the earlier run that it goes down: the same that a run
// gets whose line ends with its machine.
func (rt *Runtime) wentDownBefore(order Order, err error) (map[string]any, bool) {
	if rt.options.History == nil || !order.MayDown || kindOf(err) != primitives.Unreachable && kindOf(err) != primitives.Timeout {
		return nil, false
	}
	said, down := rt.options.History.Farewell(order.Machine.Name)
	if !down {
		return nil, false
	}
	result := map[string]any{"lost": true, "down": true, "accepted": true, "receipt": said.Report != nil, "at": float64(said.At.UnixMilli()) / 1000}
	for key, value := range said.Report {
		if _, ours := result[key]; !ours {
			result[key] = value
		}
	}
	return result, true
}
