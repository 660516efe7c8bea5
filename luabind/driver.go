package luabind

import (
	"context"
	"fmt"
	"sync"

	"ctys/primitives"
	"ctys/primitives/stack"

	lua "github.com/yuin/gopher-lua"
)

// driver is a hypervisor in Lua: a script drivers/NAME.lua with a table of
// verbs. It runs where there is no power at all: its functions make command
// lines and read what came out, and running the tool in between is done here,
// within what its head declares.
type driver struct {
	name  string
	uri   string
	head  Head
	exec  Exec
	clock primitives.Clock // of the world in which the tool runs

	kind      string       // of its guests
	asks      []stack.Mode // the ways in which it can ask a guest, the usual one first
	states    map[string]stack.State
	onRequest bool        // it is never looked for, only used by its URI
	givesWay  []string    // drivers that list its guests too; where one is here, it is left out
	probe     *driverVerb // nil only where onRequest
	list      *driverVerb
	state     *driverVerb // of one guest; nil: list tells
	verbs     driverVerbs // the writes

	lua   *driverLua
	items *lua.LFunction // calls list's reader for each item
}

// driverLua is the runtime that the drivers of a run share. It has no power.
type driverLua struct {
	mu sync.Mutex // one call at a time
	rt *Runtime
}

// call calls a function and gives what it returned.
func (l *driverLua) call(ctx context.Context, name string, fn *lua.LFunction, args ...lua.LValue) ([]lua.LValue, error) {
	result, err := l.rt.runFunction(ctx, name, fn, args)
	return result.Values, err
}

// driverVerbs are a driver's writes, by the verbs of package stack.
type driverVerbs map[string]*driverVerb

// openDriver loads a driver script and checks its table, whether or not ctx ends
// meanwhile. Errors are of kind invalid and name the file.
func openDriver(ctx context.Context, shared *driverLua, name string, exec Exec, clock primitives.Clock) (*driver, error) {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	rt := shared.rt
	source, err := Find(rt.options.Path, driversFolder+"."+name)
	if err != nil {
		return nil, err
	}
	proto, err := compileFound(source)
	if err != nil {
		return nil, err
	}
	d := &driver{name: name, uri: name + ":///system", exec: exec, clock: clock, lua: shared}
	ctx, cancel := primitives.WithTimeout(context.WithoutCancel(ctx), rt.caps.Clock, headDeadline)
	defer cancel()
	values, err := shared.call(ctx, source.File, rt.root.NewFunctionFromProto(proto))
	if err != nil {
		return nil, &primitives.Error{Kind: primitives.Invalid, Op: "driver", Host: source.File, Message: "it cannot be loaded", Cause: err}
	}
	d.items = rt.root.NewFunction(d.eachItem)
	reader := &driverReader{headReader{file: source.File}}
	reader.read(d, source.Name, values)
	return d, reader.err
}

// call calls a function of the driver and gives its first result as plain data.
func (d *driver) call(ctx context.Context, op string, fn *lua.LFunction, args ...any) (any, error) {
	d.lua.mu.Lock()
	defer d.lua.mu.Unlock()
	given := make([]lua.LValue, len(args))
	for i, arg := range args {
		given[i] = d.lua.rt.elementToLua(arg)
	}
	values, err := d.lua.call(ctx, d.name, fn, given...)
	if err != nil {
		return nil, d.fault(op, primitives.Internal, err, "the driver %s failed", d.name)
	}
	if len(values) == 0 {
		return nil, nil
	}
	return fromLua(values[0]), nil
}

// fault is an error about the driver or its tool.
func (d *driver) fault(op string, kind primitives.Kind, cause error, format string, args ...any) error {
	return &primitives.Error{Kind: kind, Op: op, Host: d.uri, Message: fmt.Sprintf(format, args...), Cause: cause}
}
