package luabind

import lua "github.com/yuin/gopher-lua"

// Plain turns what a script returned into plain data (nil, bool, float64,
// string, []any, map[string]any) as JSON has it. Handles become their
// identity; a secret never gives its value.
func Plain(value lua.LValue) any { return fromLua(value) }
