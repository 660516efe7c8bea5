// Package simulated gives the host the powers of a simulated world: in the
// same process for tests of policy, or behind real sockets for the lab.
package simulated

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"testing/fstest"
	"time"

	"ctys/luabind"
	"ctys/luabind/journal"
	"ctys/primitives"
	"ctys/primitives/shutdown"
	"ctys/primitives/sim"
)

// Capabilities are the powers that a machine of the world has; "" is the desk.
// Orders for other machines run in nested runtimes with those machines' powers.
func Capabilities(world *sim.World, machine string) luabind.Capabilities {
	return Desk(world, machine, nil)
}

// Desk is Capabilities for a desk that keeps what machines ask it to keep.
func Desk(world *sim.World, machine string, kept *journal.Machines) luabind.Capabilities {
	return capabilities(world, machine, &Relocator{world: world, view: world.At(machine), kept: kept})
}

func capabilities(world *sim.World, machine string, relocator *Relocator) luabind.Capabilities {
	view := world.At(machine)
	return luabind.Capabilities{
		Clock:    world.Clock(),
		WOL:      view.WOL(),
		NIC:      view.NIC(),
		Bridge:   view.Bridge(),
		Guard:    view.Guard(),
		IPMI:     view.IPMI(),
		Shutdown: view.Shutdown(),
		Stack:    view.Stack(),
		Probe:    view.Probe(),
		Relocate: relocator,
	}
}

// Relocator carries orders to machines of a simulated world. As in the real
// one, the desk is the hub: an agent that must enter a guest asks the desk.
type Relocator struct {
	world *sim.World
	view  *sim.View
	desk  *Relocator        // nil at the desk
	kept  *journal.Machines // at the desk; nil: nothing is kept
}

// hub is the desk's relocator.
func (r *Relocator) hub() *Relocator {
	if r.desk == nil {
		return r
	}
	return r.desk
}

// Run runs the order in a nested runtime that has the machine's powers. The
// caller's line ends when the machine goes down; the nested run ends with it.
func (r *Relocator) Run(ctx context.Context, order luabind.Order, events func(luabind.Event)) (any, error) {
	if err := r.view.Enter(ctx, order.Machine.Name); err != nil {
		return nil, primitives.Errorf(primitives.KindOf(err), "remote.connect", order.Machine.Name, "%v", err)
	}
	line, closeLine := r.view.Line(ctx, order.Machine.Name)
	defer closeLine()
	end := farewell{machine: order.Machine.Name}
	if !order.Plan {
		end.kept = r.hub().kept
	}
	own := &Relocator{world: r.world, view: r.world.At(order.Machine.Name), desk: r.hub()}
	powers := capabilities(r.world, order.Machine.Name, own)
	defer Release(powers)
	runtime := own.nested(ctx, order, powers, &end, func(event luabind.Event) {
		lost := end.lost
		end.take(event)
		events(event)
		if end.lost != nil && lost == nil {
			events(luabind.Event{Kind: luabind.KindWarning, At: r.world.Clock().Now(), Text: end.lost.Error()})
		}
	})
	result, err := runtime.CallScript(line, order.Script, order.Function, order.Request)
	if line.Err() != nil && ctx.Err() == nil && end.down {
		return end.words(), nil
	}
	if line.Err() != nil && ctx.Err() == nil {
		return nil, context.Cause(line)
	}
	return result, crossed(err, order.Machine.Name)
}

// crossed is what an agent's line leaves of a script's error: its kind, its
// message and its exit code, and none of the other fields that a script has put
// there.
func crossed(err error, machine string) error {
	var script *luabind.ScriptError
	if !errors.As(err, &script) {
		return err
	}
	plain := primitives.Errorf(script.Kind, "agent.run", machine, "%s", script.Error())
	if exit := luabind.ExitOf(err); exit != 0 {
		return &luabind.ExitError{Err: plain, Exit: exit}
	}
	return plain
}

// farewell is what a machine's events say of its own going down. Those of the
// machines in it come the same way and say nothing of it.
type farewell struct {
	machine        string
	down, accepted bool
	at             time.Time
	report         map[string]any // for the case that there is no result

	kept *journal.Machines
	lost error // why something was not kept, so that no receipt is given
}

// words are the result where the machine is gone before there is one.
func (f *farewell) words() map[string]any {
	result := maps.Clone(f.report)
	if result == nil {
		result = map[string]any{}
	}
	maps.Copy(result, map[string]any{"lost": true, "down": true, "accepted": f.accepted, "at": float64(f.at.UnixMilli()) / 1000})
	return result
}

func (f *farewell) take(event luabind.Event) {
	if event.Kind == luabind.KindReceipt && event.Host == f.machine {
		f.report, _ = event.Receipt()
		f.lost = luabind.KeepFor(f.machine, event, f.kept)
	}
	if event.Op != "shutdown.apply" || event.Host != f.machine {
		return
	}
	switch event.Kind {
	case luabind.KindIntent:
		f.down, f.at = true, event.At
	case luabind.KindOutcome:
		f.accepted = event.Error == nil
		f.down = f.accepted || event.Error.Kind == string(primitives.Canceled) || event.Error.Kind == string(primitives.Timeout)
	}
}

// Release ends what a run has armed with these powers of a simulated machine, as
// its end does.
func Release(powers luabind.Capabilities) {
	if guards, ok := powers.Guard.(*sim.Guards); ok {
		guards.Release()
	}
}

// nested is a runtime for an order, on the machine that has the powers.
func (r *Relocator) nested(ctx context.Context, order luabind.Order, powers luabind.Capabilities, end *farewell, events func(luabind.Event)) *luabind.Runtime {
	authority := order.Authority
	return luabind.New(powers, luabind.Options{
		Authority: &authority,
		Plan:      order.Plan,
		Yes:       order.Yes,
		MayDown:   order.MayDown,
		Inventory: order.Machines,
		Settings:  order.Settings,
		Path:      []fs.FS{Modules(order.Modules)},
		Self:      order.Machine.Name,
		Events:    events,
		History:   order.History,
		Kept:      order.Kept,
		KeyPrefix: luabind.TaskKey(ctx),
		Receipt: func(ctx context.Context, _ uint64, limit time.Duration) bool {
			ctx, cancel := primitives.WithTimeout(ctx, r.world.Clock(), limit)
			defer cancel()
			return end.lost == nil && r.view.Confirmed(ctx) == nil
		},
	})
}

// Modules is a file tree of scripts by file name.
func Modules(files map[string]string) fs.FS {
	tree := fstest.MapFS{}
	for name, text := range files {
		tree[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return tree
}

// ShutDown asks a machine's own system, which must be one that can be entered.
func (r *Relocator) ShutDown(ctx context.Context, machine luabind.Machine, request shutdown.Request) error {
	if err := r.view.Enter(ctx, machine.Name); err != nil {
		return err
	}
	_, err := r.world.At(machine.Name).Shutdown().Do(ctx, request)
	return err
}

// Carry looks into those that can be entered.
func (r *Relocator) Carry(ctx context.Context, machines []string) (map[string]bool, error) {
	seen := map[string]bool{}
	for _, name := range machines {
		if r.hub().view.Enter(ctx, name) != nil {
			continue
		}
		if hypervisors, err := r.world.At(name).Stack().Hypervisors(ctx, ""); err == nil {
			seen[name] = len(hypervisors) > 0
		}
	}
	return seen, ctx.Err()
}

// Login is let in where the machine can be entered.
func (r *Relocator) Login(ctx context.Context, machine luabind.Machine) error {
	return r.view.Enter(ctx, machine.Name)
}

// Console is not part of a simulation.
func (r *Relocator) Console(_ context.Context, machine luabind.Machine) (int, error) {
	return 0, primitives.Errorf(primitives.Unsupported, "action.console", machine.Name, "a simulated world in memory has no consoles; use ctys lab")
}

// Path is a search path of one folder with these scripts; nil has none.
func Path(files map[string]string) []fs.FS {
	if len(files) == 0 {
		return nil
	}
	return []fs.FS{Modules(files)}
}
