package luabind

import (
	"context"
	"io"
	"io/fs"

	"ctys/primitives"

	lua "github.com/yuin/gopher-lua"
)

// Loaded is a script that was loaded without any power, to read its head.
type Loaded struct {
	Head Head

	runtime *Runtime    // that loaded it; nil once another one has taken it
	watch   *lua.LTable // on its globals, see watchGlobals
}

// Load loads a script in a runtime that has no powers and reads its head.
// Modules are looked for in path and among the embedded ones. A script without
// a head gives a Head with its name alone. Errors are of kind invalid: a script
// that does not parse, does something while it loads, returns no table, or
// whose head is malformed; they name the file and what is accepted.
func Load(path []fs.FS, source Source) (*Loaded, error) {
	proto, err := compileFound(source)
	if err != nil {
		return nil, err
	}
	rt := powerless(path)
	loaded := &Loaded{runtime: rt, watch: rt.watchGlobals()}
	ctx, cancel := primitives.WithTimeout(context.Background(), rt.caps.Clock, headDeadline)
	defer cancel()
	var script lua.LValue
	_, err = rt.runFunction(ctx, source.File, rt.root.NewFunction(func(L *lua.LState) int {
		script = rt.load(L, source.Name, rt.root.NewFunctionFromProto(proto))
		return 0
	}), nil)
	if err != nil {
		return nil, &primitives.Error{Kind: primitives.Invalid, Op: "head", Host: source.File,
			Message: "the script cannot be loaded to read its head", Cause: err}
	}
	reader := &headReader{file: source.File}
	loaded.Head = reader.script(source.Name, script)
	return loaded, reader.err
}

// powerless is a runtime in which a script can be looked at.
func powerless(path []fs.FS) *Runtime {
	return New(Capabilities{Clock: primitives.SystemClock{}}, Options{
		Authority: &Authority{},
		Path:      path,
		Stdout:    io.Discard,
		Limits:    Limits{Instructions: headInstructions, Tasks: 16},
	})
}

// watchGlobals notes when a script looks for a global that is not there: it may
// be a power that another runtime has.
func (rt *Runtime) watchGlobals() *lua.LTable {
	watch := rt.root.CreateTable(0, 1)
	watch.RawSetString("__index", rt.root.NewFunction(func(*lua.LState) int {
		rt.used = true
		return 0
	}))
	rt.globals().Metatable = watch
	return watch
}

func (rt *Runtime) globals() *lua.LTable { return rt.root.G.Global }

// take gives the runtime to one that is to run the script with powers, if it may
// go on from here: to load the script once more would come to the same, since
// neither it nor its modules have called or seen anything that is different
// there.
func (l *Loaded) take() *Runtime {
	if l == nil || l.runtime == nil {
		return nil
	}
	rt := l.runtime
	l.runtime = nil
	if rt.used || rt.globals().Metatable != l.watch || entries(l.watch) != 1 {
		return nil
	}
	rt.globals().Metatable = lua.LNil
	return rt
}

func entries(table *lua.LTable) (n int) {
	table.ForEach(func(lua.LValue, lua.LValue) { n++ })
	return n
}
