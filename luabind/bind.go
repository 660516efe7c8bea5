package luabind

import (
	"reflect"

	"ctys/primitives"

	lua "github.com/yuin/gopher-lua"
)

// openModules makes globals of Lua from the modules' tables.
func (rt *Runtime) openModules(modules []*Module) {
	rt.modules = append(rt.modules, modules...)
	for _, module := range modules {
		table := rt.root.CreateTable(0, len(module.Functions))
		for i := range module.Functions {
			function := &module.Functions[i]
			table.RawSetString(function.Name, rt.bind(module.Name, function, false))
		}
		for i := range module.Handles {
			rt.openHandle(module.Name, &module.Handles[i])
		}
		rt.root.SetGlobal(module.Name, table)
	}
}

// row is what a Lua function was made of.
type row struct {
	module   string
	function *Function
	method   bool
}

// bind makes the Lua function of one row.
func (rt *Runtime) bind(module string, function *Function, method bool) *lua.LFunction {
	bound := rt.root.NewFunction(func(L *lua.LState) int {
		call := &Call{Runtime: rt, L: L, Function: function, Module: module, task: rt.current}
		values, err := rt.serve(call, method)
		if err != nil {
			rt.raise(L, err)
		}
		for _, value := range values {
			L.Push(value)
		}
		return len(values)
	})
	rt.bound[bound] = row{module, function, method}
	return bound
}

// serve reads the arguments of a call and carries it out.
func (rt *Runtime) serve(call *Call, method bool) ([]lua.LValue, error) {
	rt.used = true
	if method {
		if call.Self = selfOf(call); call.Self == nil {
			return nil, call.invalid("this is a method: write object:%s(…), with a colon", call.Function.Name)
		}
	}
	if err := call.unpack(); err != nil {
		return nil, err
	}
	return rt.invoke(call)
}

func (rt *Runtime) invoke(call *Call) ([]lua.LValue, error) {
	if check := call.Function.Check; check != nil {
		if err := check(call); err != nil {
			return nil, err
		}
	}
	if call.Function.Op == nil {
		return call.Function.Run(call)
	}
	result, err := rt.carryOut(call)
	if err != nil {
		return nil, err
	}
	if call.Function.Return != nil {
		return []lua.LValue{call.Function.Return(call, result)}, nil
	}
	return []lua.LValue{rt.toLua(result)}, nil
}

// carryOut makes the call one operation, or those that it is composed of.
func (rt *Runtime) carryOut(call *Call) (any, error) {
	if call.Function.Compose != nil {
		if result, composed, err := call.Function.Compose(call); composed || err != nil {
			return result, err
		}
	}
	return rt.operate(rt.newOp(call))
}

// part carries out one operation of a composite call: a row of the same module
// on the same handle, with these arguments. Who may call the composite may
// call its parts.
func (c *Call) part(function Function, arguments ...argument) (any, error) {
	inner := &Call{Runtime: c.Runtime, L: c.L, Function: &function, Module: c.Module, Self: c.Self, values: arguments, task: c.task}
	op := c.Runtime.newOp(inner)
	op.Of = c.Verb()
	return c.Runtime.operate(op)
}

// Handle is a reference that scripts hold: power, kind and stable identity,
// never the Go object that does the work, so that each use of it is an
// operation of its own.
type Handle struct {
	Type string // "guest"
	ID   string // "qemu:///system 5254…"
	// Data is what the handle's operations need to find the object again.
	Data any
	// Fields are what was seen when the handle was made.
	Fields *lua.LTable
	// Record stands for Fields: a Go struct whose fields become Lua values
	// when a script asks for them, since most are never asked for.
	Record any
	Name   string // for people, where it has one
	module string
}

// field is what was seen of the handle's object under a key.
func (rt *Runtime) field(h *Handle, key lua.LValue) lua.LValue {
	if h.Fields != nil {
		return h.Fields.RawGet(key)
	}
	name, ok := key.(lua.LString)
	if !ok || h.Record == nil {
		return lua.LNil
	}
	record := reflect.ValueOf(h.Record)
	for _, field := range fieldsOf(record.Type()) {
		if field.key == string(name) {
			return rt.toLua(record.FieldByIndex(field.index).Interface())
		}
	}
	return lua.LNil
}

func handleType(module, name string) string { return module + "." + name }

// openHandle makes the metatable of a kind of handle.
func (rt *Runtime) openHandle(module string, kind *HandleType) {
	methods := rt.root.CreateTable(0, len(kind.Methods))
	for i := range kind.Methods {
		function := &kind.Methods[i]
		methods.RawSetString(function.Name, rt.bind(module, function, true))
	}
	meta := rt.root.NewTable()
	meta.RawSetString("__index", rt.root.NewFunction(func(L *lua.LState) int {
		key := L.Get(2)
		if method := methods.RawGet(key); method != lua.LNil {
			L.Push(method)
			return 1
		}
		handle, _ := L.CheckUserData(1).Value.(*Handle)
		if handle == nil {
			L.Push(lua.LNil)
			return 1
		}
		L.Push(rt.field(handle, key))
		return 1
	}))
	meta.RawSetString("__newindex", rt.root.NewFunction(func(L *lua.LState) int {
		rt.raise(L, primitives.Errorf(primitives.Invalid, module+"."+kind.Name, "", "a handle's fields are read only: %s", L.Get(2).String()))
		return 0
	}))
	meta.RawSetString("__eq", rt.root.NewFunction(func(L *lua.LState) int {
		a, _ := L.CheckUserData(1).Value.(*Handle)
		b, _ := L.CheckUserData(2).Value.(*Handle)
		L.Push(lua.LBool(a != nil && b != nil && a.Type == b.Type && a.ID == b.ID))
		return 1
	}))
	meta.RawSetString("__tostring", rt.root.NewFunction(func(L *lua.LState) int {
		L.Push(lua.LString(Format(L.Get(1))))
		return 1
	}))
	meta.RawSetString("__metatable", lua.LString(kind.Name))
	rt.handleMeta[handleType(module, kind.Name)] = meta
}

// NewHandle gives a script a reference to an object of a module.
func (c *Call) NewHandle(kind, id string, data any, fields lua.LValue) lua.LValue {
	handle := &Handle{Type: kind, ID: id, Data: data, module: c.Module}
	if table, ok := fields.(*lua.LTable); ok {
		handle.Fields, handle.Name = table, lua.LVAsString(table.RawGetString("name"))
	}
	value := c.Runtime.root.NewUserData()
	value.Value = handle
	value.Metatable = c.Runtime.handleMeta[handleType(c.Module, kind)]
	return value
}

func selfOf(call *Call) *Handle {
	if data, ok := call.argument(1).(*lua.LUserData); ok {
		if handle, ok := data.Value.(*Handle); ok && handle.module == call.Module {
			return handle
		}
	}
	return nil
}

// Defer closes something when the calling task ends.
func (c *Call) Defer(close func()) {
	task := c.Runtime.current
	task.closers = append(task.closers, close)
}
