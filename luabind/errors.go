package luabind

import (
	"errors"
	"fmt"
	"strings"

	"ctys/primitives"

	lua "github.com/yuin/gopher-lua"
)

// ScriptError is what a script raised and nobody caught: an error value with
// its kind and place, or whatever else it raised.
type ScriptError struct {
	Kind    primitives.Kind
	Message string
	Where   string // "cancel.lua:41"
	Value   lua.LValue
	Cause   error
}

// Error gives the message behind its place.
func (e *ScriptError) Error() string {
	if e.Where != "" && !strings.HasPrefix(e.Message, e.Where) {
		return e.Where + ": " + e.Message
	}
	return e.Message
}

// Unwrap gives the Go error that the value stands for, if any.
func (e *ScriptError) Unwrap() error { return e.Cause }

// kindOf finds the kind also of what the runtime itself stops a script with.
func kindOf(err error) primitives.Kind {
	var script *ScriptError
	if errors.As(err, &script) {
		return script.Kind
	}
	var budget errBudget
	if errors.As(err, &budget) {
		return primitives.Denied
	}
	return primitives.KindOf(err)
}

const errorType = "ctys.error"

// errorValue makes the table that scripts see: kind, op, host, message, cause.
func (rt *Runtime) errorValue(err error) lua.LValue {
	var script *ScriptError
	if errors.As(err, &script) && script.Value != nil {
		if table, ok := script.Value.(*lua.LTable); ok {
			setExit(table, err)
		}
		return script.Value
	}
	table := rt.root.CreateTable(0, 6)
	table.RawSetString("kind", lua.LString(kindOf(err)))
	var own *primitives.Error
	if errors.As(err, &own) {
		table.RawSetString("op", lua.LString(own.Op))
		if own.Host != "" {
			table.RawSetString("host", lua.LString(own.Host))
		}
		table.RawSetString("message", lua.LString(messageOf(own)))
		if own.Cause != nil {
			table.RawSetString("cause", rt.errorValue(own.Cause))
		}
	} else {
		table.RawSetString("message", lua.LString(err.Error()))
	}
	setExit(table, err)
	table.Metatable = rt.errorMeta
	return table
}

func setExit(table *lua.LTable, err error) {
	if exit := ExitOf(err); exit != 0 {
		table.RawSetString("exit", lua.LNumber(exit))
	}
}

func messageOf(err *primitives.Error) string {
	if err.Cause == nil {
		return err.Message
	}
	return strings.TrimPrefix(err.Message+": "+err.Cause.Error(), ": ")
}

// raise ends the call with an error value that knows the script's position.
func (rt *Runtime) raise(L *lua.LState, err error) { L.Error(rt.raised(L, err), 0) }

// raised is the value that an error is raised with, with the place.
func (rt *Runtime) raised(L *lua.LState, err error) lua.LValue {
	value := rt.errorValue(err)
	if table, ok := value.(*lua.LTable); ok && table.RawGetString("where") == lua.LNil {
		if where := rt.position(L); where != "" {
			table.RawSetString("where", lua.LString(where))
		}
	}
	return value
}

// position is the innermost line of Lua that is running: on L, or on a thread
// that waits for it.
func (rt *Runtime) position(L *lua.LState) string {
	where := positionOn(L)
	for i := len(rt.current.callers) - 1; i >= 0 && where == ""; i-- {
		where = positionOn(rt.current.callers[i])
	}
	return where
}

func positionOn(L *lua.LState) string {
	for level := 0; level < 16; level++ {
		frame, ok := L.GetStack(level)
		if !ok {
			return ""
		}
		if _, err := L.GetInfo("Sl", frame, lua.LNil); err == nil && frame.CurrentLine > 0 {
			return fmt.Sprintf("%s:%d", frame.Source, frame.CurrentLine)
		}
	}
	return ""
}

// errorString is __tostring of an error value: one readable line.
func errorString(table *lua.LTable) string {
	var b strings.Builder
	for _, key := range []string{"where", "op"} {
		if word, ok := table.RawGetString(key).(lua.LString); ok && word != "" {
			b.WriteString(string(word))
			if host, ok := table.RawGetString("host").(lua.LString); ok && key == "op" {
				b.WriteString(" " + string(host))
			}
			b.WriteString(": ")
		}
	}
	message := lua.LVAsString(table.RawGetString("message"))
	if message == "" {
		message = lua.LVAsString(table.RawGetString("kind"))
	}
	b.WriteString(message)
	return b.String()
}

// goError turns what CallByParam caught into an error. What the runtime itself
// stopped the task with takes precedence over the string gopher-lua made of it.
func (rt *Runtime) goError(err error) error {
	var caught *lua.ApiError
	if !errors.As(err, &caught) {
		return err
	}
	if reason := rt.stopReason(); reason != nil && isStopString(caught.Object, reason) {
		return reason
	}
	switch value := caught.Object.(type) {
	case *lua.LTable:
		kind := primitives.Kind(lua.LVAsString(value.RawGetString("kind")))
		if kind == "" {
			kind = primitives.Internal
		}
		return &ScriptError{Kind: kind, Value: value, Message: tableMessage(value),
			Where: lua.LVAsString(value.RawGetString("where"))}
	case *lua.LNilType, nil:
		return &ScriptError{Kind: primitives.Internal, Message: err.Error(), Cause: err}
	}
	return &ScriptError{Kind: primitives.Internal, Value: caught.Object, Message: strings.TrimSpace(caught.Object.String())}
}

func tableMessage(value *lua.LTable) string {
	if value.RawGetString("message") == lua.LNil {
		return Format(value)
	}
	text := errorString(value)
	if where := lua.LVAsString(value.RawGetString("where")); where != "" {
		text = strings.TrimPrefix(text, where+": ")
	}
	return text
}

// isStopString recognises the text that gopher-lua raises when the context of
// the task ended.
func isStopString(value lua.LValue, reason error) bool {
	text, ok := value.(lua.LString)
	return ok && strings.Contains(string(text), reason.Error())
}

// openErrors gives scripts pcall, xpcall and error in forms that know error
// values and cannot swallow the stop of a task.
func (rt *Runtime) openErrors() {
	rt.errorMeta = rt.root.NewTypeMetatable(errorType)
	rt.errorMeta.RawSetString("__tostring", rt.root.NewFunction(func(L *lua.LState) int {
		L.Push(lua.LString(errorString(L.CheckTable(1))))
		return 1
	}))
	rt.root.SetGlobal("pcall", rt.root.NewFunction(rt.pcall))
	rt.root.SetGlobal("xpcall", rt.root.NewFunction(rt.xpcall))
	rt.root.SetGlobal("error", rt.root.NewFunction(rt.luaError))
}

func (rt *Runtime) pcall(L *lua.LState) int {
	fn := L.CheckAny(1)
	args := make([]lua.LValue, L.GetTop()-1)
	for i := range args {
		args[i] = L.Get(i + 2)
	}
	values, err := rt.apart(L, fn, args)
	if err != nil {
		rt.restop(L)
		L.Push(lua.LFalse)
		L.Push(rt.caughtValue(err))
		return 2
	}
	return pushAll(L, lua.LTrue, values)
}

func pushAll(L *lua.LState, first lua.LValue, values []lua.LValue) int {
	L.Push(first)
	for _, value := range values {
		L.Push(value)
	}
	return 1 + len(values)
}

func (rt *Runtime) xpcall(L *lua.LState) int {
	handler := L.CheckFunction(2)
	values, err := rt.apart(L, L.Get(1), nil)
	if err != nil {
		rt.restop(L)
		L.Push(lua.LFalse)
		L.Push(handler)
		L.Push(rt.caughtValue(err))
		L.Call(1, 1)
		return 2
	}
	return pushAll(L, lua.LTrue, values)
}

// restop raises again what stopped the task, so that pcall cannot swallow it.
func (rt *Runtime) restop(L *lua.LState) {
	if reason := rt.stopReason(); reason != nil {
		rt.raise(L, reason)
	}
}

func (rt *Runtime) caughtValue(err error) lua.LValue {
	var caught *lua.ApiError
	if errors.As(err, &caught) {
		if caught.Type == lua.ApiErrorPanic {
			return rt.errorValue(primitives.Errorf(primitives.Internal, "ctys", "", "%s", caught.Error()))
		}
		return caught.Object
	}
	return rt.errorValue(err)
}

// luaError is error(): a table with a kind becomes an error value with the
// script's position; everything else is as in Lua 5.1.
func (rt *Runtime) luaError(L *lua.LState) int {
	level := L.OptInt(2, 1)
	if table, ok := L.Get(1).(*lua.LTable); ok && table.RawGetString("kind") != lua.LNil {
		if table.Metatable == nil || table.Metatable == lua.LNil {
			table.Metatable = rt.errorMeta
		}
		if where := rt.position(L); where != "" && level > 0 && table.RawGetString("where") == lua.LNil {
			table.RawSetString("where", lua.LString(where))
		}
		L.Error(table, 0)
		return 0
	}
	L.Error(L.CheckAny(1), level)
	return 0
}

var _ error = (*ScriptError)(nil)
