package sim

import (
	"context"
	"slices"
	"strings"

	"ctys/primitives"
	"ctys/primitives/nic"
)

// Arm lets an interface wake the machine; see nic.Client.Arm. Unsupported where
// its driver has no g (with a password no s), and where it is a bridge's port and
// its driver takes no mode then.
func (p *NICs) Arm(ctx context.Context, request nic.Arming) (nic.Interface, error) {
	modes := "g"
	if request.Password != nil {
		modes = "gs"
	}
	return p.change(ctx, "arm", request.Name, func(c call, n *NIC) error {
		if err := p.offers(c, *n, modes, request.Password); err != nil {
			return err
		}
		n.WakeSet, n.password = modes, slices.Clone(request.Password)
		n.WakeDevice = "enabled"
		return nil
	})
}

// Disarm switches all Wake-on modes of an interface off; see nic.Client.Disarm.
func (p *NICs) Disarm(ctx context.Context, name string) (nic.Interface, error) {
	return p.change(ctx, "disarm", name, func(c call, n *NIC) error {
		if n.WakeSupported == "" {
			return c.errorf(primitives.Unsupported, "%s: there is nothing to switch off", p.whose(*n))
		}
		n.WakeSet, n.password = "d", nil
		return nil
	})
}

func (p *NICs) change(ctx context.Context, verb, name string, do func(call, *NIC) error) (nic.Interface, error) {
	var changed nic.Interface
	c := call{power: "nic", verb: verb, object: name, about: p.view.about("")}
	err := p.view.do(ctx, c, func() (string, error) {
		if p.view.machine == nil {
			return "", c.errorf(primitives.Denied, "the desk of a simulated world is never asleep: it cannot be armed")
		}
		n := p.view.machine.nic(name)
		if n == nil {
			return "", p.unknown(c)
		}
		err := do(c, n)
		if err == nil {
			changed, err = p.one(c, name)
		}
		return changed.Wake.Set, err
	})
	return changed, err
}

func (p *NICs) offers(c call, n NIC, modes string, password []byte) error {
	for _, mode := range modes {
		if !strings.ContainsRune(n.WakeSupported, mode) {
			return c.errorf(primitives.Unsupported, "%s: it has no %c. Arm an interface that has, or wake the machine by its BMC", p.whose(n), mode)
		}
	}
	if password != nil && len(password) != 6 {
		return c.errorf(primitives.Invalid, "a SecureOn password that a card keeps has 6 bytes, not %d", len(password))
	}
	if master := p.view.machine.nic(n.Master); n.RefusesInBridge && master != nil && master.Kind == nic.KindBridge {
		return c.errorf(primitives.Unsupported, "%s: the driver refuses the Wake-on modes %s. Some drivers take it only outside of a bridge: take %s out of %s first",
			p.whose(n), modes, n.Name, n.Master)
	}
	return nil
}

// whose describes an interface as the real power's refusals do.
func (p *NICs) whose(n NIC) string {
	words := []string{"a " + n.Kind + " interface without a driver of its own"}
	if n.Driver != "" {
		words[0] = "driver " + n.Driver
	}
	if master := p.view.machine.nic(n.Master); master != nil {
		words = append(words, "a port of "+master.Kind+" "+master.Name)
	}
	if n.WakeSupported == "" {
		return strings.Join(append(words, "no Wake-on mode seen (operation not supported)"), ", ")
	}
	return strings.Join(append(words, "supports "+n.WakeSupported+" for Wake-on-LAN"), ", ")
}
