package luabind

import (
	"fmt"
	"strings"

	"ctys/primitives"

	lua "github.com/yuin/gopher-lua"
)

// openSandbox gives scripts the parts of Lua's libraries that touch nothing
// outside: no io, os, debug, package, dofile or loadfile.
func (rt *Runtime) openSandbox() {
	L := rt.root
	for _, library := range []struct {
		name string
		open lua.LGFunction
	}{
		{lua.BaseLibName, lua.OpenBase},
		{lua.TabLibName, lua.OpenTable},
		{lua.StringLibName, lua.OpenString},
		{lua.MathLibName, lua.OpenMath},
		{lua.CoroutineLibName, lua.OpenCoroutine},
	} {
		L.Push(L.NewFunction(library.open))
		L.Push(lua.LString(library.name))
		L.Call(1, 0)
	}
	for _, name := range []string{"dofile", "loadfile", "module", "collectgarbage", "newproxy", "_printregs", "load", "getfenv", "setfenv"} {
		L.SetGlobal(name, lua.LNil)
	}
	L.SetGlobal("print", L.NewFunction(rt.print))
	L.SetGlobal("require", L.NewFunction(rt.require))
	rt.openRandom()
	rt.openCoroutines()
	rt.boundStrings()
}

func (rt *Runtime) print(L *lua.LState) int {
	rt.used = true
	words := make([]string, L.GetTop())
	for i := range words {
		words[i] = L.ToStringMeta(L.Get(i + 1)).String()
	}
	fmt.Fprintln(rt.options.Stdout, strings.Join(words, "\t"))
	return 0
}

// openRandom makes math.random follow the runtime's seed.
func (rt *Runtime) openRandom() {
	library := rt.root.GetGlobal("math").(*lua.LTable)
	library.RawSetString("randomseed", lua.LNil)
	library.RawSetString("random", rt.root.NewFunction(func(L *lua.LState) int {
		rt.used = true
		low, high := 1, 0
		switch L.GetTop() {
		case 0:
			L.Push(lua.LNumber(rt.rand.Float64()))
			return 1
		case 1:
			high = L.CheckInt(1)
		default:
			low, high = L.CheckInt(1), L.CheckInt(2)
		}
		if high < low {
			L.ArgError(1, "interval is empty")
		}
		L.Push(lua.LNumber(low + rt.rand.IntN(high-low+1)))
		return 1
	}))
}

// boundStrings refuses the two functions that can make a huge string in one
// step, which nothing could interrupt.
func (rt *Runtime) boundStrings() {
	text := rt.root.GetGlobal("string").(*lua.LTable)
	text.RawSetString("dump", lua.LNil)
	repeat := text.RawGetString("rep").(*lua.LFunction).GFunction
	text.RawSetString("rep", rt.root.NewFunction(func(L *lua.LState) int {
		if count := L.CheckInt(2); count > 0 && len(L.CheckString(1)) > rt.limits.StringBytes/count {
			rt.raise(L, rt.tooLong("string.rep"))
		}
		return repeat(L)
	}))
	tables := rt.root.GetGlobal("table").(*lua.LTable)
	concat := tables.RawGetString("concat").(*lua.LFunction).GFunction
	tables.RawSetString("concat", rt.root.NewFunction(func(L *lua.LState) int {
		if rt.concatLength(L) > rt.limits.StringBytes {
			rt.raise(L, rt.tooLong("table.concat"))
		}
		return concat(L)
	}))
}

func (rt *Runtime) concatLength(L *lua.LState) int {
	table, total := L.CheckTable(1), 0
	separator := len(L.OptString(2, ""))
	for i := 1; i <= table.Len() && total <= rt.limits.StringBytes; i++ {
		total += len(table.RawGetInt(i).String()) + separator
	}
	return total
}

func (rt *Runtime) tooLong(op string) error {
	return primitives.Errorf(primitives.Denied, op, "", "the string would be longer than %d bytes", rt.limits.StringBytes)
}
