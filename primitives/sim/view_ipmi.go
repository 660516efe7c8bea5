package sim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	"ctys/primitives"
	"ctys/primitives/ipmi"
	"ctys/primitives/sim/bmc"
)

// IPMI speaks to the BMCs of the world.
type IPMI struct{ view *View }

// IPMI gives the power to speak to BMCs, which any machine reaches.
func (v *View) IPMI() *IPMI { return &IPMI{v} }

// Status tells the power that the BMC sees. Errors: Unreachable where there is
// no such BMC, Auth for a wrong account or password.
func (p *IPMI) Status(ctx context.Context, target ipmi.Target) (ipmi.Status, error) {
	var status ipmi.Status
	err := p.speak(ctx, target, "status", bmc.User, func(_ call, m *machine) (string, error) {
		status = p.view.world.chassisStatus(m)
		return status.Power.String(), nil
	})
	return status, err
}

// Control asks for a chassis control. As for the real client, off, on and soft
// do nothing where the goal is reached already; cycle, reset and diag are refused
// while the machine is off (Unsupported), as IPMI 2.0, 28.3 lets a BMC do. A
// soft power-off is accepted whether or not the machine notices it. An account
// that is no operator is refused (Denied). A lost reply of what must not be sent
// twice is Timeout, "unknown, not repeated".
func (p *IPMI) Control(ctx context.Context, target ipmi.Target, control ipmi.Control) error {
	err := p.speak(ctx, target, string(control), bmc.Operator, func(c call, m *machine) (string, error) {
		return "ok", p.view.world.chassis(c, m, control)
	})
	return onceOnly(err, control == ipmi.Cycle || control == ipmi.Reset || control == ipmi.Diag)
}

// onceOnly words the end of a request that must not be sent twice and that
// nobody answered.
func onceOnly(err error, once bool) error {
	var unanswered *primitives.Error
	if !once || !errors.As(err, &unanswered) || unanswered.Kind != primitives.Timeout {
		return err
	}
	return primitives.Errorf(primitives.Timeout, unanswered.Op, unanswered.Host,
		"unknown, not repeated: the request was sent and no answer came, so whether it was carried out is not known")
}

// chassis is what the chassis of m does when its BMC is asked for control.
func (w *World) chassis(c call, m *machine, control ipmi.Control) error {
	off := m.phase.Power() == primitives.PowerOff
	switch control {
	case ipmi.PowerOn:
		w.powerOn(m, WhyBMC)
		return nil
	case ipmi.PowerOff:
		w.powerOff(m, WhyBMC)
		return nil
	case ipmi.PowerSoft:
		w.pressButton(m, toOff, WhyBMC)
		return nil
	case ipmi.Cycle, ipmi.Reset, ipmi.Diag:
		if off {
			return c.errorf(primitives.Unsupported, "the BMC cannot do this in the machine's present state (completion code 0xd5)")
		}
	default:
		return c.errorf(primitives.Invalid, "%q is no chassis control", control)
	}
	switch control {
	case ipmi.Cycle:
		w.powerOff(m, WhyCycle)
		w.powerOn(m, WhyCycle)
	case ipmi.Reset:
		w.restart(m, WhyReset)
	default: // the machine's system notes it and goes on
		w.note(Entry{Machine: m.Name, Why: diagnosticInterrupt})
	}
	return nil
}

func (p *IPMI) speak(ctx context.Context, target ipmi.Target, verb string, privilege bmc.Privilege, effect func(c call, m *machine) (string, error)) error {
	address := bmcAddress(target.Host, target.Port)
	m := p.view.world.behind(address)
	c := call{power: "ipmi", verb: verb, object: address, about: namesOf(target.Host, m)}
	password, err := reveal(ctx, target.Password)
	if err != nil {
		return primitives.Wrap(c.op(), address, "the password is not to be had", err)
	}
	return p.view.do(ctx, c, func() (string, error) {
		if m == nil {
			return "", c.errorf(primitives.Unreachable, "no BMC answers there")
		}
		if known, ok := m.BMC.Users[target.User]; !ok || known != password {
			return "", c.errorf(primitives.Auth, "the BMC refuses user %q with this password", target.User)
		}
		if limit, limited := m.BMC.Limits[target.User]; limited && limit < privilege {
			return "", c.errorf(primitives.Denied, "user %q may not have the privilege that this takes (completion code 0x81)", target.User)
		}
		return effect(c, m)
	})
}

// Chassis is the chassis of one machine, as its BMC switches it: without an
// account, but with the faults of the world and its log.
type Chassis struct {
	view    *View
	machine string
	address string
}

// Chassis gives that of a machine that has a BMC. Another one is a fault of the
// caller: Chassis panics.
func (w *World) Chassis(name string) *Chassis {
	view := w.At(Desk)
	m, known := w.Machine(name)
	if !known || m.BMC == nil {
		panic(fmt.Sprintf("sim.World.Chassis: %q has no BMC", name))
	}
	return &Chassis{view, name, bmcAddress(m.BMC.Host, m.BMC.Port)}
}

// Power tells the power that the BMC sees.
func (p *Chassis) Power(ctx context.Context) (power primitives.Power, err error) {
	err = p.do(ctx, "status", func(_ call, m *machine) (string, error) {
		power = m.phase.Power()
		return power.String(), nil
	})
	return power, err
}

// Control is IPMI.Control, but a soft power-off is refused, too, while the
// machine is off (Unsupported), as most BMCs do.
func (p *Chassis) Control(ctx context.Context, control ipmi.Control) error {
	return p.do(ctx, string(control), func(c call, m *machine) (string, error) {
		if control == ipmi.PowerSoft && m.phase.Power() == primitives.PowerOff {
			return "", c.errorf(primitives.Unsupported, "the machine is off")
		}
		return "ok", p.view.world.chassis(c, m, control)
	})
}

func (p *Chassis) do(ctx context.Context, verb string, effect func(c call, m *machine) (string, error)) error {
	m := p.view.world.behind(p.address)
	c := call{power: "ipmi", verb: verb, object: p.address, about: namesOf(p.address, m)}
	return p.view.do(ctx, c, func() (string, error) { return effect(c, m) })
}

func reveal(ctx context.Context, secret primitives.Secret) (string, error) {
	if secret.IsZero() {
		return "", nil
	}
	return secret.Reveal(ctx)
}

func bmcAddress(host string, port int) string {
	if port == 0 {
		port = ipmi.DefaultPort
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

// behind gives the machine of a BMC.
func (w *World) behind(address string) *machine {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.byBMC[address]
}
