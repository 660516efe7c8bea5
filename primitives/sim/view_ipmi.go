package sim

import (
	"context"
	"net"
	"strconv"

	"ctys/primitives"
	"ctys/primitives/ipmi"
)

// IPMI speaks to the BMCs of the world.
type IPMI struct{ view *View }

// IPMI gives the power to speak to BMCs, which any machine reaches.
func (v *View) IPMI() *IPMI { return &IPMI{v} }

// Status tells the power that the BMC sees. Errors: Unreachable where there is
// no such BMC, Auth for a wrong account or password.
func (p *IPMI) Status(ctx context.Context, target ipmi.Target) (ipmi.Status, error) {
	var status ipmi.Status
	err := p.speak(ctx, target, "status", func(_ call, m *machine) (string, error) {
		status = ipmi.Status{Power: m.phase.Power(), At: p.view.world.time.Now()}
		return status.Power.String(), nil
	})
	return status, err
}

// Control asks for a chassis control. As for the real client, off, on and soft
// do nothing where the goal is reached already; cycle and reset are refused
// while the machine is off (Unsupported), as IPMI 2.0, 28.3 lets a BMC do. A
// soft power-off is accepted whether or not the machine notices it.
func (p *IPMI) Control(ctx context.Context, target ipmi.Target, control ipmi.Control) error {
	return p.speak(ctx, target, string(control), func(c call, m *machine) (string, error) {
		return "ok", p.view.world.chassis(c, m, control)
	})
}

// chassis is what the chassis of m does when its BMC is asked for control.
func (w *World) chassis(c call, m *machine, control ipmi.Control) error {
	off := m.phase.Power() == primitives.PowerOff
	switch control {
	case ipmi.PowerOn:
		w.powerOn(m, "bmc")
		return nil
	case ipmi.PowerOff:
		w.powerOff(m, "bmc")
		return nil
	case ipmi.PowerSoft:
		w.pressButton(m, toOff, "bmc")
		return nil
	case ipmi.Cycle, ipmi.Reset:
		if off {
			return c.errorf(primitives.Unsupported, "the BMC cannot do this in the machine's present state (completion code 0xd5)")
		}
	default:
		return c.errorf(primitives.Invalid, "%q is no chassis control", control)
	}
	if control == ipmi.Cycle {
		w.powerOff(m, "bmc cycle")
		w.powerOn(m, "bmc cycle")
	} else {
		w.restart(m, "bmc reset")
	}
	return nil
}

func (p *IPMI) speak(ctx context.Context, target ipmi.Target, verb string, effect func(c call, m *machine) (string, error)) error {
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
		return effect(c, m)
	})
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
	for _, m := range w.machines {
		if m.BMC != nil && bmcAddress(m.BMC.Host, m.BMC.Port) == address {
			return m
		}
	}
	return nil
}
