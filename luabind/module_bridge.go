package luabind

import "context"

// bridgeModule reads network bridges.
func (rt *Runtime) bridgeModule() *Module {
	return &Module{
		Name: "bridge",
		Help: "This machine's network bridges.",
		Functions: []Function{{
			Name: "list", Help: "All bridges with their ports.", Result: "a list of {name, mac, ports, stp, up}",
			Example: `for _, b in ipairs(bridge.list()) do print(b.name, table.concat(b.ports, " ")) end`,
			Op: &Operation{Effect: Read, Object: func(*Call) string { return rt.here() },
				Do: func(ctx context.Context, _ *Call) (any, error) { return rt.caps.Bridge.List(ctx) }},
		}},
	}
}
