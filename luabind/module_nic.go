package luabind

import (
	"context"

	"ctys/primitives"
)

// nicModule reads network interfaces.
func (rt *Runtime) nicModule() *Module {
	name := Param{Name: "name", Type: String, Required: true, Help: "an interface"}
	object := func(c *Call) string { return rt.here() + " interface " + c.String("name") }
	return &Module{
		Name: "nic",
		Help: "This machine's network interfaces and their Wake-on-LAN settings.",
		Functions: []Function{
			{
				Name: "list", Help: "All interfaces.",
				Result:  "a list of {name, kind, driver, bus, mac, permanent_mac, up, carrier, mtu, addresses, master, lower, active_slave, default_route, wake={supported, set, device, cause}}; the letters of wake are ethtool's (g is the magic packet)",
				Example: `for _, i in ipairs(nic.list()) do print(i.name, i.mac, i.wake.set) end`,
				Op: &Operation{Effect: Read, Object: func(*Call) string { return rt.here() },
					Do: func(ctx context.Context, _ *Call) (any, error) { return rt.caps.NIC.List(ctx) }},
			},
			{
				Name: "get", Help: "One interface.", Args: []Param{name}, Result: "as one element of nic.list",
				Errors: []primitives.Kind{primitives.Invalid}, Example: `print(nic.get("lo").kind)`,
				Op: &Operation{Effect: Read, Object: object,
					Do: func(ctx context.Context, c *Call) (any, error) { return rt.caps.NIC.Get(ctx, c.String("name")) }},
			},
			{
				Name: "default", Help: "The interface of the default route, else the first physical one.", Result: "as one element of nic.list",
				Errors: []primitives.Kind{primitives.Unsupported}, Example: `local ok, first = pcall(nic.default)`,
				Op: &Operation{Effect: Read, Object: func(*Call) string { return rt.here() },
					Do: func(ctx context.Context, _ *Call) (any, error) { return rt.caps.NIC.Default(ctx) }},
			},
			{
				Name: "descend", Help: "What carries an interface physically: of a bond its active slave, of a bridge its physical port, of a VLAN its parent.",
				Args: []Param{name}, Result: "a list of interface names",
				Errors: []primitives.Kind{primitives.Invalid, primitives.Unsupported}, Example: `local ok, ports = pcall(nic.descend, "br0")`,
				Op: &Operation{Effect: Read, Object: object,
					Do: func(ctx context.Context, c *Call) (any, error) { return rt.caps.NIC.Descend(ctx, c.String("name")) }},
			},
		},
	}
}

// here is the identity of the machine that this runtime runs on.
func (rt *Runtime) here() string { return machineObject(rt.options.Self) }

// machineObject is the identity of a machine in operations.
func machineObject(name string) string { return "machine " + name }
