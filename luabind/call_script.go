package luabind

import (
	"context"

	lua "github.com/yuin/gopher-lua"
)

// CallScript loads a script by name, calls a field of the table that it
// returns with request, and gives the first result. Request and result are
// plain data: nil, bool, numbers, string, []any and map[string]any, as JSON has
// them; a map that stands in several places of the request is one table there.
// The error is a *ScriptError; one whose kind is invalid may stand for a
// script that does not exist or has no such field.
func (rt *Runtime) CallScript(ctx context.Context, script, function string, request any) (any, error) {
	entry := rt.root.NewFunction(func(L *lua.LState) int {
		values, err := rt.callField(L, script, function, rt.plainToLua(request, map[uintptr]*lua.LTable{}))
		if err != nil {
			rt.raise(L, err)
		}
		for _, value := range values {
			L.Push(value)
		}
		return len(values)
	})
	result, err := rt.runFunction(ctx, script, entry, nil)
	if err != nil || len(result.Values) == 0 {
		return nil, err
	}
	return fromLua(result.Values[0]), nil
}

// Writes is how many operations that change something the run has begun, on
// other machines too.
func (rt *Runtime) Writes() int { return rt.writes }
