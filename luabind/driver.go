package luabind

import (
	"context"
	"fmt"
	"io/fs"
	"sync"

	"ctys/primitives"
	"ctys/primitives/stack"

	lua "github.com/yuin/gopher-lua"
)

// driver is a hypervisor in Lua: a script drivers/NAME.lua with a table of
// verbs. It is loaded in a runtime of its own that has no power at all: its
// functions make command lines and read what came out, and running the tool in
// between is done here, within what its head declares.
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
	probe     *driverVerb // nil only where onRequest
	list      *driverVerb //
	state     *driverVerb // of one guest; nil: list tells
	verbs     driverVerbs // the writes

	mu    sync.Mutex // one call into rt at a time
	rt    *Runtime
	items *lua.LFunction // calls list's reader for each item
}

// driverVerbs are a driver's writes, by the verbs of package stack.
type driverVerbs map[string]*driverVerb

// openDriver loads a driver script and checks its table. Errors are of kind
// invalid and name the file.
func openDriver(path []fs.FS, name string, exec Exec, clock primitives.Clock) (*driver, error) {
	source, err := Find(path, driversFolder+"."+name)
	if err != nil {
		return nil, err
	}
	proto, err := compileFound(source)
	if err != nil {
		return nil, err
	}
	d := &driver{name: name, uri: name + ":///system", exec: exec, clock: clock, rt: powerless(path)}
	ctx, cancel := primitives.WithTimeout(context.Background(), d.rt.caps.Clock, headDeadline)
	defer cancel()
	result, err := d.rt.runFunction(ctx, source.File, d.rt.root.NewFunctionFromProto(proto), nil)
	if err != nil {
		return nil, &primitives.Error{Kind: primitives.Invalid, Op: "driver", Host: source.File, Message: "it cannot be loaded", Cause: err}
	}
	d.items = d.rt.root.NewFunction(d.eachItem)
	reader := &driverReader{headReader{file: source.File}}
	reader.read(d, source.Name, result.Values)
	return d, reader.err
}

// call calls a function of the driver and gives its first result as plain data.
func (d *driver) call(ctx context.Context, op string, fn *lua.LFunction, args ...any) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	values := make([]lua.LValue, len(args))
	for i, arg := range args {
		values[i] = d.rt.elementToLua(arg)
	}
	result, err := d.rt.runFunction(ctx, d.name, fn, values)
	if err != nil {
		return nil, d.fault(op, primitives.Internal, err, "the driver %s failed", d.name)
	}
	if len(result.Values) == 0 {
		return nil, nil
	}
	return fromLua(result.Values[0]), nil
}

// fault is an error about the driver or its tool.
func (d *driver) fault(op string, kind primitives.Kind, cause error, format string, args ...any) error {
	return &primitives.Error{Kind: kind, Op: op, Host: d.uri, Message: fmt.Sprintf(format, args...), Cause: cause}
}
