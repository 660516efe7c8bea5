package luabind

import (
	"context"

	"ctys/primitives"
	"ctys/primitives/ipmi"
)

// bmcPower are the rows about the chassis and its power.
func (rt *Runtime) bmcPower() []Function {
	const seen = `the power seen afterwards, "on" or "off"`
	deadline := []Param{bmcDeadline}
	return []Function{
		rt.rowPowerStatus(),
		{
			Name: "chassis", Help: "What the BMC says of the chassis. In a plan that has switched the machine before, only its power.", Options: deadline, Errors: bmcErrors,
			Result:  `{power=…, at=…, restore="off"|"previous"|"on", last_event={…}, faults={…}, identify="off"|"timed"|"on"}; restore and identify are nil where the BMC does not say`,
			Example: `for _, fault in ipairs(bmc:chassis().faults) do print(fault) end`,
			Op: &Operation{Effect: Read, Property: PropertyPower, Object: rt.bmcObject,
				Answer: func(_ *Call, left any) any { return leftChassis(left) },
				Do: bmcAsk(rt, func(ctx context.Context, _ *Call, target ipmi.Target) (ipmi.Status, error) {
					return rt.caps.IPMI.Status(ctx, target)
				})},
		},
		rt.rowPowerOn(),
		rt.rowPowerOff(),
		{
			Name: "power_soft", Help: "Presses the power button (ACPI). The machine goes off later, or never; one that is off is sent nothing.", Options: deadline, Result: seen,
			Errors: bmcErrors, Example: `bmc:power_soft()`, Op: rt.bmcControl(ipmi.PowerSoft, ""),
		},
		rt.rowPowerCycle(),
		{
			Name: "power_reset", Help: "Resets the machine at once. It is sent at most once: a lost reply raises timeout, \"unknown, not repeated\". A machine that is off raises unsupported.",
			Options: deadline, Result: `the power seen afterwards, "unknown" where it could not be read`, Errors: bmcErrors, Example: `bmc:power_reset()`, Op: rt.bmcOnce(ipmi.Reset, "on"),
		},
		{
			Name: "power_diag", Help: "Sends the processors a diagnostic interrupt (NMI), which most systems answer with a crash dump. At most once, as power_reset.",
			Options: deadline, Result: `the power seen afterwards, "unknown" where it could not be read`, Errors: bmcErrors, Example: `bmc:power_diag()`, Op: rt.bmcOnce(ipmi.Diag, "on"),
		},
	}
}

func (rt *Runtime) rowPowerStatus() Function {
	return Function{
		Name: "power_status", Help: "The chassis power as the BMC sees it.", Options: []Param{bmcDeadline}, Result: `"on" or "off"; a BMC that cannot be asked raises`,
		Errors: bmcErrors, Example: `print(bmc:power_status())`,
		Op: &Operation{Effect: Read, Property: PropertyPower, Object: rt.bmcObject, Do: bmcAsk(rt, rt.chassisPower)},
	}
}

func (rt *Runtime) rowPowerOn() Function {
	return Function{
		Name: "power_on", Help: "Switches the machine on; one that is on is sent nothing.", Options: []Param{bmcDeadline}, Result: `the power seen afterwards, "on" or "off"`,
		Errors: bmcErrors, Example: `bmc:power_on()`, Op: rt.bmcControl(ipmi.PowerOn, "on"),
	}
}

func (rt *Runtime) rowPowerOff() Function {
	return Function{
		Name: "power_off", Help: "Cuts the power at once, without asking the operating system; a machine that is off is sent nothing.", Options: []Param{bmcDeadline},
		Result: `the power seen afterwards, "on" or "off"`, Errors: bmcErrors, Example: `bmc:power_off()`, Op: rt.bmcControl(ipmi.PowerOff, "off"),
	}
}

func leftChassis(left any) ipmi.Status {
	word, _ := left.(string)
	power, _ := primitives.ParsePower(word)
	return ipmi.Status{Power: power}
}

// chassisPower is the power as the BMC sees it.
func (rt *Runtime) chassisPower(ctx context.Context, c *Call, target ipmi.Target) (primitives.Power, error) {
	status, err := rt.caps.IPMI.Status(ctx, target)
	if err == nil && status.Power == primitives.PowerUnknown {
		err = primitives.Errorf(primitives.Internal, c.Verb(), target.Host, "the BMC does not say whether the power is on or off")
	}
	return status.Power, err
}

// bmcControl is a chassis control that may be sent again, since the BMC's
// client looks first whether its goal is reached.
func (rt *Runtime) bmcControl(control ipmi.Control, leaves string) *Operation {
	operation := &Operation{
		Effect: Write, Property: PropertyPower, Object: rt.bmcObject, Destructive: control != ipmi.PowerOn,
		Do: bmcAsk(rt, func(ctx context.Context, c *Call, target ipmi.Target) (primitives.Power, error) {
			if err := rt.caps.IPMI.Control(ctx, target, control); err != nil {
				return primitives.PowerUnknown, err
			}
			return rt.chassisPower(ctx, c, target)
		}),
	}
	if leaves != "" {
		operation.Leaves = func(*Call) any { return leaves }
		operation.Planned = operation.Leaves
	}
	return operation
}

// bmcOnce is a chassis control that is sent at most once. When the BMC has
// taken it, a state that cannot be read afterwards is no failure of it.
func (rt *Runtime) bmcOnce(control ipmi.Control, leaves string) *Operation {
	return &Operation{
		Effect: WriteOnce, Property: PropertyPower, Object: rt.bmcObject, Destructive: true,
		Leaves:  func(*Call) any { return leaves },
		Planned: func(*Call) any { return leaves },
		Do: bmcAsk(rt, func(ctx context.Context, c *Call, target ipmi.Target) (primitives.Power, error) {
			if err := rt.caps.IPMI.Control(ctx, target, control); err != nil {
				return primitives.PowerUnknown, err
			}
			if seen, err := rt.chassisPower(ctx, c, target); err == nil {
				return seen, nil
			}
			return primitives.PowerUnknown, nil
		}),
	}
}
