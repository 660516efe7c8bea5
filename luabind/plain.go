package luabind

import (
	"maps"
	"reflect"
	"slices"

	lua "github.com/yuin/gopher-lua"
)

// Plain turns what a script returned into plain data (nil, bool, float64,
// string, []any, map[string]any) as JSON has it. Handles become their
// identity; a secret never gives its value.
func Plain(value lua.LValue) any { return fromLua(value) }

// plainToLua turns plain data into Lua values, each map into one table however
// often it is met: made holds those that were.
func (rt *Runtime) plainToLua(value any, made map[uintptr]*lua.LTable) lua.LValue {
	switch v := value.(type) {
	case string:
		return lua.LString(v)
	case []any:
		list := rt.root.CreateTable(len(v), 0)
		for i, element := range v {
			list.RawSetInt(i+1, rt.plainToLua(element, made))
		}
		return list
	case map[string]any:
		identity := reflect.ValueOf(v).Pointer()
		if table, met := made[identity]; met {
			return table
		}
		table := rt.root.CreateTable(0, len(v))
		made[identity] = table
		for _, key := range slices.Sorted(maps.Keys(v)) {
			table.RawSetString(key, rt.plainToLua(v[key], made))
		}
		return table
	}
	return rt.toLua(value)
}
