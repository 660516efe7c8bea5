package luabind

import (
	"context"
	"encoding/json"

	"ctys/primitives"
	"ctys/primitives/bridge"

	lua "github.com/yuin/gopher-lua"
)

var bridgeErrors = []primitives.Kind{primitives.Invalid, primitives.Unsupported, primitives.Denied, primitives.Internal}

// bridgeModule reads network bridges, dissolves and restores them.
func (rt *Runtime) bridgeModule() *Module {
	name := Param{Name: "name", Type: String, Required: true, Help: "a bridge"}
	snapshot := Param{Name: "snapshot", Type: Table, Required: true, Help: "what bridge.snapshot gave, as it is"}
	return &Module{
		Name: "bridge",
		Help: "This machine's network bridges.",
		Functions: append([]Function{
			{
				Name: "list", Help: "All bridges with their ports. In a plan that has dissolved one, without these.", Result: "a list of {name, mac, ports, stp, up}",
				Example: `for _, b in ipairs(bridge.list()) do print(b.name, table.concat(b.ports, " ")) end`,
				Op: &Operation{Effect: Read, Object: func(*Call) string { return rt.here() },
					Do: func(ctx context.Context, _ *Call) (any, error) { return rt.caps.Bridge.List(ctx) }},
				Return: func(_ *Call, result any) lua.LValue { return rt.toLua(rt.withPlannedPorts(result.([]bridge.Bridge))) },
			},
			{
				Name: "snapshot", Help: "All that has to come back after a bridge was dissolved: its ports, addresses, routes of all tables, rules, MAC, settings and VLANs. Plain data, to be kept as it is.",
				Args: []Param{name}, Errors: bridgeErrors,
				Result:  "a table {version, boot_id, bridge={name, mac, addresses, routes, settings, vlans, …}, ports={…}, rules={…}}",
				Example: `local ok, snapshot = pcall(bridge.snapshot, "br0")`,
				Op: &Operation{Effect: Read, Object: func(c *Call) string { return rt.bridgeObject(c.String("name")) },
					Do: func(ctx context.Context, c *Call) (any, error) { return rt.caps.Bridge.Snapshot(ctx, c.String("name")) }},
				Return: func(_ *Call, result any) lua.LValue { return rt.plainTable(result) },
			},
			{
				Name: "dissolve", Help: "Moves the addresses, routes and MAC of a bridge to one of its ports and takes all ports out of it; the bridge stays, empty. Each step is an operation of its own, bridge.step, and what is done already is left out. If one fails, the rest is not done: bridge.restore is the way back.",
				Options: []Param{snapshot, {Name: "port", Type: String, Required: true, Help: "the port that carries on"}},
				Result:  "a list of the steps done, in words", Errors: bridgeErrors,
				Example: `local ok, why = pcall(bridge.dissolve, {snapshot = {}, port = "eth0"})`,
				Op:      rt.rowStep().Op, Compose: func(c *Call) (any, bool, error) { return rt.takeSteps(c, rt.rowDissolution()) },
			},
			{
				Name: "dissolution", Help: "What bridge.dissolve would do now, step by step; raises unsupported where that would cut the machine off.",
				Options: []Param{snapshot, {Name: "port", Type: String, Required: true, Help: "the port that would carry on"}},
				Result:  "a list of the steps, in words; empty where it is dissolved already", Errors: bridgeErrors,
				Example: `local ok, why = pcall(bridge.dissolution, {snapshot = {}, port = "eth0"})`,
				Op:      rt.bridgeSteps(true), Compose: func(c *Call) (any, bool, error) { return rt.nameSteps(c) },
			},
			{
				Name: "restore", Help: "Gives a bridge back all that a snapshot has, from whatever was left of it, as bridge.dissolve one step after another. If one fails, the others are done all the same. A snapshot of an earlier boot is refused.",
				Options: []Param{snapshot}, Result: "a list of the steps done, in words; empty where nothing was missing", Errors: bridgeErrors,
				Example: `local ok, why = pcall(bridge.restore, {snapshot = {}})`,
				Op:      rt.rowStep().Op, Compose: func(c *Call) (any, bool, error) { return rt.takeSteps(c, rt.rowRestoration()) },
			},
			{
				Name: "managers", Help: "The programs that have a bridge in their hands, and whether they will fight back while it is dissolved.",
				Args: []Param{name}, Errors: bridgeErrors,
				Result:  `a list of {name="NetworkManager"|"systemd-networkd"|"ifupdown", running, seen={…}, fights_back, advice}`,
				Example: `for _, m in ipairs(select(2, pcall(bridge.managers, "br0"))) do print(m.name, m.advice) end`,
				Op: &Operation{Effect: Read, Object: func(c *Call) string { return rt.bridgeObject(c.String("name")) },
					Do: func(ctx context.Context, c *Call) (any, error) { return rt.caps.Bridge.Managers(ctx, c.String("name")) }},
			},
		}, rt.guardFunctions()...),
	}
}

// bridgeObject is the identity of a bridge of this machine in operations.
func (rt *Runtime) bridgeObject(name string) string { return rt.here() + " bridge " + name }

// plainTable gives a record as its JSON form has it, so that it can be kept,
// sent, and read again.
func (rt *Runtime) plainTable(record any) lua.LValue {
	var plain any
	text, err := json.Marshal(record)
	if err == nil {
		err = json.Unmarshal(text, &plain)
	}
	if err != nil {
		return lua.LNil
	}
	return rt.toLua(plain)
}

// withPlannedPorts gives bridges as the steps that a plan has noted would leave them.
func (rt *Runtime) withPlannedPorts(all []bridge.Bridge) []bridge.Bridge {
	for i := range all {
		left, _ := rt.overlay.left(rt.bridgeObject(all[i].Name), nil, propertyBridge)
		if planned, ok := left.(bridge.Snapshot); ok {
			all[i].Ports = planned.PortNames()
		}
	}
	return all
}
