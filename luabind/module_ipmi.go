package luabind

import (
	"context"
	"fmt"

	"ctys/primitives"
	"ctys/primitives/ipmi"

	lua "github.com/yuin/gopher-lua"
)

// ipmiModule speaks to BMCs.
func (rt *Runtime) ipmiModule() *Module {
	errors := []primitives.Kind{primitives.Timeout, primitives.Auth, primitives.Denied, primitives.Busy, primitives.Unsupported, primitives.Unreachable}
	deadline := Param{Name: "deadline", Type: Seconds, Default: 20.0}
	return &Module{
		Name: "ipmi",
		Help: "IPMI 2.0: ask and command the BMC of a machine.",
		Functions: []Function{{
			Name: "connect", Help: "Names a BMC and the account to use on it. A session is opened with the first request.",
			Options: []Param{
				{Name: "host", Type: String, Required: true}, {Name: "port", Type: Integer, Min: 1, Max: 65535, Default: float64(ipmi.DefaultPort)},
				{Name: "user", Type: String}, {Name: "password", Type: Secret},
				{Name: "machine", Type: String, Help: "the machine that the BMC belongs to"},
			},
			Result: "a BMC handle", Example: `local bmc = ipmi.connect{host = "10.0.0.7", user = "admin", password = secret.file("bmc.pw")}`,
			Run: rt.ipmiConnect,
		}},
		Handles: []HandleType{{
			Name: "bmc", Help: "A BMC.",
			Methods: []Function{
				{Name: "power_status", Help: "The chassis power as the BMC sees it.", Options: []Param{deadline}, Result: `"on" or "off"; a BMC that cannot be asked raises`,
					Errors: errors, Example: `print(bmc:power_status())`, Op: rt.bmcStatus()},
				{Name: "power_on", Help: "Switches the machine on; one that is on is sent nothing.", Options: []Param{deadline}, Result: "the power seen afterwards",
					Errors: errors, Example: `bmc:power_on()`, Op: rt.bmcControl(ipmi.PowerOn, "on")},
				{Name: "power_off", Help: "Cuts the power at once, without asking the operating system.", Options: []Param{deadline}, Result: "the power seen afterwards",
					Errors: errors, Example: `bmc:power_off()`, Op: rt.bmcControl(ipmi.PowerOff, "off")},
				{Name: "power_soft", Help: "Presses the power button (ACPI). The machine goes off later, or never.", Options: []Param{deadline}, Result: "the power seen afterwards",
					Errors: errors, Example: `bmc:power_soft()`, Op: rt.bmcControl(ipmi.PowerSoft, "")},
			},
		}},
	}
}

type bmcData struct {
	target  ipmi.Target
	machine string
}

func (rt *Runtime) ipmiConnect(c *Call) ([]lua.LValue, error) {
	data := bmcData{
		target:  ipmi.Target{Host: c.String("host"), Port: c.Int("port"), User: c.String("user"), Password: c.Secret("password")},
		machine: c.String("machine"),
	}
	id := fmt.Sprintf("bmc %s:%d", data.target.Host, data.target.Port)
	return []lua.LValue{c.NewHandle("bmc", id, data, lua.LNil)}, nil
}

func (rt *Runtime) bmcObject(c *Call) string {
	if machine := c.Self.Data.(bmcData).machine; machine != "" {
		return machineObject(machine)
	}
	return c.Self.ID
}

func (rt *Runtime) bmcStatus() *Operation {
	return &Operation{
		Effect: Read, Property: PropertyPower, Object: rt.bmcObject,
		Do: func(ctx context.Context, c *Call) (any, error) { return rt.chassisPower(ctx, c) },
	}
}

func (rt *Runtime) chassisPower(ctx context.Context, c *Call) (any, error) {
	target := c.Self.Data.(bmcData).target
	ctx, cancel := primitives.WithTimeout(ctx, rt.caps.Clock, seconds(c.Number("deadline")))
	defer cancel()
	status, err := rt.caps.IPMI.Status(ctx, target)
	if err != nil {
		return nil, err
	}
	if status.Power == primitives.PowerUnknown {
		return nil, primitives.Errorf(primitives.Internal, c.Verb(), target.Host, "the BMC does not say whether the power is on or off")
	}
	return status.Power, nil
}

func (rt *Runtime) bmcControl(control ipmi.Control, leaves string) *Operation {
	operation := &Operation{
		Effect: Write, Property: PropertyPower, Object: rt.bmcObject, Destructive: control != ipmi.PowerOn,
		Do: func(ctx context.Context, c *Call) (any, error) {
			limited, cancel := primitives.WithTimeout(ctx, rt.caps.Clock, seconds(c.Number("deadline")))
			err := rt.caps.IPMI.Control(limited, c.Self.Data.(bmcData).target, control)
			cancel()
			if err != nil {
				return nil, err
			}
			return rt.chassisPower(ctx, c)
		},
	}
	if leaves != "" {
		operation.Leaves = func(*Call) any { return leaves }
		operation.Planned = func(*Call) any { return leaves }
	}
	return operation
}
