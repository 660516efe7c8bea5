package luabind

import (
	"context"
	"fmt"
	"slices"

	"ctys/primitives"
	"ctys/primitives/nic"

	lua "github.com/yuin/gopher-lua"
)

// nicModule reads and arms network interfaces.
func (rt *Runtime) nicModule() *Module {
	name := Param{Name: "name", Type: String, Required: true, Help: "an interface"}
	return &Module{
		Name: "nic",
		Help: "This machine's network interfaces and their Wake-on-LAN settings.",
		Functions: []Function{
			{
				Name: "list", Help: "All interfaces.",
				Result:  "a list of {name, kind, driver, bus, mac, permanent_mac, up, carrier, mtu, addresses, master, lower, active_slave, default_route, wake={supported, set, device, cause, beyond}}; the letters of wake are ethtool's (g is the magic packet); device is its power/wakeup, which must be \"enabled\" too; beyond says what decides beside them and cannot be seen from here, as the firmware's settings",
				Example: `for _, i in ipairs(nic.list()) do print(i.name, i.mac, i.wake.set) end`, Return: rt.interfaceValue,
				Op: &Operation{Effect: Read, Object: func(*Call) string { return rt.here() },
					Do: func(ctx context.Context, _ *Call) (any, error) { return rt.caps.NIC.List(ctx) }},
			},
			{
				Name: "get", Help: "One interface.", Args: []Param{name}, Result: "as one element of nic.list",
				Errors: []primitives.Kind{primitives.Invalid}, Example: `print(nic.get("lo").kind)`, Return: rt.interfaceValue,
				Op: &Operation{Effect: Read, Object: rt.namedInterface,
					Do: func(ctx context.Context, c *Call) (any, error) { return rt.caps.NIC.Get(ctx, c.String("name")) }},
			},
			{
				Name: "default", Help: "The interface of the default route, else the first physical one.", Result: "as one element of nic.list",
				Errors: []primitives.Kind{primitives.Unsupported}, Example: `local ok, first = pcall(nic.default)`, Return: rt.interfaceValue,
				Op: &Operation{Effect: Read, Object: func(*Call) string { return rt.here() },
					Do: func(ctx context.Context, _ *Call) (any, error) { return rt.caps.NIC.Default(ctx) }},
			},
			{
				Name: "descend", Help: "What carries an interface physically: of a bond its active slave, of a bridge its physical port, of a VLAN its parent.",
				Args: []Param{name}, Result: "a list of interface names",
				Errors: []primitives.Kind{primitives.Invalid, primitives.Unsupported}, Example: `local ok, ports = pcall(nic.descend, "br0")`,
				Op: &Operation{Effect: Read, Object: rt.namedInterface,
					Do: func(ctx context.Context, c *Call) (any, error) { return rt.caps.NIC.Descend(ctx, c.String("name")) }},
			},
			rt.nicArm(name),
			rt.nicDisarm(name),
		},
	}
}

func (rt *Runtime) nicArm(name Param) Function {
	return Function{
		Name: "arm", Help: "Lets an interface wake this machine on a magic packet: Wake-on mode g, with a password g and s, its device's power/wakeup enabled, and both read back. What the firmware then does cannot be seen from here: see wake.beyond.",
		Options: []Param{name, {Name: "password", Type: Secret, Help: "SecureOn, 6 bytes in etherwake's notation, where the driver supports s"}},
		Result:  "as one element of nic.list, read afterwards",
		Errors:  []primitives.Kind{primitives.Invalid, primitives.Unsupported, primitives.Denied, primitives.Internal},
		Example: `local ok, why = pcall(nic.arm, {name = "eth0"})`, Return: rt.interfaceValue,
		Op: rt.nicWrite(
			func(c *Call) string {
				if c.Secret("password").IsZero() {
					return "g"
				}
				return "gs"
			},
			func(ctx context.Context, c *Call) (any, error) {
				request := nic.Arming{Name: c.String("name")}
				if secret := c.Secret("password"); !secret.IsZero() {
					password, err := revealPassword(ctx, secret)
					if err != nil {
						return nil, err
					}
					request.Password = password
				}
				return rt.caps.NIC.Arm(ctx, request)
			}),
	}
}

func (rt *Runtime) nicDisarm(name Param) Function {
	return Function{
		Name: "disarm", Help: "Switches all Wake-on modes of an interface off and reads that back; power/wakeup is left as it is.",
		Args: []Param{name}, Result: "as one element of nic.list, read afterwards",
		Errors:  []primitives.Kind{primitives.Invalid, primitives.Unsupported, primitives.Denied, primitives.Internal},
		Example: `local ok, why = pcall(nic.disarm, "eth0")`, Return: rt.interfaceValue,
		Op: rt.nicWrite(
			func(*Call) string { return "d" },
			func(ctx context.Context, c *Call) (any, error) { return rt.caps.NIC.Disarm(ctx, c.String("name")) }),
	}
}

// propertyWake is what arming leaves on an interface: the letters that are set.
const propertyWake = "wake"

func (rt *Runtime) nicWrite(set func(*Call) string, do func(context.Context, *Call) (any, error)) *Operation {
	return &Operation{
		Effect: Write, Property: propertyWake, Object: rt.namedInterface,
		Leaves: func(c *Call) any { return set(c) },
		Planned: func(c *Call) any {
			seen, err := Wait(rt, func(ctx context.Context) (nic.Interface, error) { return rt.caps.NIC.Get(ctx, c.String("name")) })
			if err != nil {
				return nic.Interface{Name: c.String("name")}
			}
			return seen
		},
		Do: do,
	}
}

func (rt *Runtime) namedInterface(c *Call) string { return rt.interfaceObject(c.String("name")) }

// interfaceObject is the identity of an interface of this machine in operations.
func (rt *Runtime) interfaceObject(name string) string { return rt.here() + " interface " + name }

// interfaceValue gives interfaces to a script, in a plan with the Wake-on modes
// that it has set so far; to arm one lets its device wake the machine, too.
func (rt *Runtime) interfaceValue(_ *Call, result any) lua.LValue {
	switch seen := result.(type) {
	case nic.Interface:
		return rt.toLua(rt.asArmed(seen))
	case []nic.Interface:
		planned := slices.Clone(seen)
		for i := range planned {
			planned[i] = rt.asArmed(planned[i])
		}
		return rt.toLua(planned)
	}
	return rt.toLua(result)
}

func (rt *Runtime) asArmed(seen nic.Interface) nic.Interface {
	set, ok := rt.overlay.left(rt.interfaceObject(seen.Name), nil, propertyWake)
	if !ok {
		return seen
	}
	seen.Wake.Set = fmt.Sprint(set)
	if seen.Wake.Set != "d" && seen.Wake.Device != "" {
		seen.Wake.Device = "enabled"
	}
	return seen
}

// here is the identity of the machine that this runtime runs on.
func (rt *Runtime) here() string { return machineObject(rt.options.Self) }

// machineObject is the identity of a machine in operations.
func machineObject(name string) string { return "machine " + name }
