package luabind

import (
	"context"

	"ctys/luabind/journal"
	"ctys/primitives"

	lua "github.com/yuin/gopher-lua"
)

// journalModule is what a script says to the journal besides its steps.
func (rt *Runtime) journalModule() *Module {
	return &Module{
		Name: "journal",
		Help: "What this run has seen and done, kept on disk.",
		Functions: []Function{
			{
				Name: "keep", Help: "Calls fn once and keeps what it returns under a key: what cannot be observed later, such as what ran before. A run that is resumed gets what the earlier one has kept.",
				Args:    []Param{{Name: "key", Type: String, Required: true}, {Name: "fn", Type: Callback, Required: true}},
				Result:  "what fn returned, as plain data; the same for every later call with the key",
				Example: `local began = journal.keep("began", task.now)`,
				Run:     rt.journalKeep,
			},
			{
				Name: "receipt", Help: "Waits until the caller has everything up to here, for a script that is about to take its own machine down.",
				Options: []Param{
					{Name: "deadline", Type: Seconds, Default: 5.0},
					{Name: "report", Type: Table, Help: "plain data that the caller gets as the result where the machine is gone before there is one"},
					{Name: "keep", Type: Table, Help: "plain data about this machine that the caller has on disk before it answers, for later runs; see inventory.kept"},
					{Name: "machine", Type: String, Default: "localhost", Help: "what this machine is called in what is kept, where it is the caller itself"},
				},
				Result:  "true; false where the caller did not answer in time, or could not keep what it was to",
				Errors:  []primitives.Kind{primitives.Denied},
				Example: `local told = journal.receipt{deadline = 5, report = {ran = {"web1"}}}`,
				Run:     rt.journalReceipt,
			},
		},
	}
}

func (rt *Runtime) journalKeep(c *Call) ([]lua.LValue, error) {
	key := c.String("key")
	if kept, ok := rt.kept[key]; ok {
		return []lua.LValue{rt.toLua(kept)}, nil
	}
	if kept, ok := rt.keptBefore(key); ok {
		rt.kept[key] = kept
		return []lua.LValue{rt.toLua(kept)}, nil
	}
	values, err := rt.call(c.L, c.Callback("fn"), nil)
	if err != nil {
		return nil, err
	}
	var value lua.LValue = lua.LNil
	if len(values) > 0 {
		value = values[0]
	}
	rt.kept[key] = fromLua(value)
	return []lua.LValue{rt.toLua(rt.kept[key])}, rt.putDown(key)
}

// putDown keeps a value where a later run finds it; without a journal there is
// no such place.
func (rt *Runtime) putDown(key string) error {
	if rt.options.Journal == nil && !rt.options.Kept {
		return nil
	}
	number, err := rt.record(Event{Kind: KindKeep, Key: key, Data: map[string]any{"value": rt.kept[key]}})
	if err != nil {
		return err
	}
	return rt.syncJournal(number)
}

func (rt *Runtime) syncJournal(number uint64) error {
	if rt.options.Journal == nil || rt.options.Plan {
		return nil
	}
	_, err := Wait(rt, func(ctx context.Context) (any, error) { return nil, rt.options.Journal.Sync(ctx, number) })
	return err
}

func (rt *Runtime) journalReceipt(c *Call) ([]lua.LValue, error) {
	if rt.options.Plan {
		return []lua.LValue{lua.LTrue}, nil
	}
	report, _ := fromLua(c.Lua("report")).(map[string]any)
	keep, _ := fromLua(c.Lua("keep")).(map[string]any)
	event := Event{Kind: KindReceipt, Text: "the caller is asked for a receipt", Data: journal.ReceiptData(report, keep)}
	number, err := rt.record(event)
	if err == nil {
		err = rt.syncJournal(number)
	}
	if err != nil {
		return nil, err
	}
	if rt.options.Receipt == nil {
		return rt.keepHere(c.String("machine"), event)
	}
	limit := seconds(c.Number("deadline"))
	told, err := Wait(rt, func(ctx context.Context) (bool, error) { return rt.options.Receipt(ctx, number, limit), nil })
	return []lua.LValue{lua.LBool(told)}, err
}

// keepHere is for a run whose caller is here. A script speaks for the machine
// that it runs on, and for no other.
func (rt *Runtime) keepHere(machine string, event Event) ([]lua.LValue, error) {
	if _, keep := event.Receipt(); keep == nil {
		return []lua.LValue{lua.LTrue}, nil
	}
	lost, err := Wait(rt, func(ctx context.Context) (lost, err error) {
		if !rt.isSelf(ctx, machine) {
			return nil, primitives.Errorf(primitives.Denied, "journal.receipt", machine, "this machine is not called so, and only what it says of itself is kept")
		}
		return KeepFor(machine, event, rt.options.Machines), nil
	})
	if lost != nil {
		rt.emit(Event{Kind: KindWarning, Text: lost.Error()})
	}
	return []lua.LValue{lua.LBool(lost == nil)}, err
}
