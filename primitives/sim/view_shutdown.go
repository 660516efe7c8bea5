package sim

import (
	"cmp"
	"context"
	"strconv"
	"strings"
	"time"

	"ctys/primitives"
	"ctys/primitives/shutdown"
)

// Shutdown takes one machine down.
type Shutdown struct{ view *View }

// Shutdown gives the machine's power to take itself down.
func (v *View) Shutdown() *Shutdown { return &Shutdown{v} }

// Supported tells whether Do would accept the request.
func (p *Shutdown) Supported(ctx context.Context, request shutdown.Request) error {
	return p.ask(ctx, "supported", string(request.Method), func(c call) (string, error) {
		return "ok", p.check(c, request)
	})
}

// Announce tells the machine's users; it is seen in the log.
func (p *Shutdown) Announce(ctx context.Context, message string) error {
	return p.ask(ctx, "announce", "", func(call) (string, error) { return message, nil })
}

// Do begins the shutdown, reboot or change of run level of the machine. Guests
// that still run at its end are lost.
func (p *Shutdown) Do(ctx context.Context, request shutdown.Request) (shutdown.Accepted, error) {
	var accepted shutdown.Accepted
	err := p.ask(ctx, "do", string(request.Method), func(c call) (string, error) {
		if err := p.check(c, request); err != nil {
			return "", err
		}
		w, m := p.view.world, p.view.machine
		accepted = shutdown.Accepted{Via: "logind", Prepare: true, BootID: w.bootID(m), At: w.time.Now()}
		w.begun(m, request)
		return "accepted", nil
	})
	return accepted, err
}

// begun is what a machine does that took the request.
func (w *World) begun(m *machine, request shutdown.Request) {
	switch request.Method {
	case shutdown.PowerOff:
		w.shutDown(m, toOff, "its own system")
	case shutdown.Reboot:
		w.shutDown(m, toReboot, "its own system")
	case shutdown.Halt:
		w.shutDown(m, toHalt, "its own system")
	case shutdown.Suspend:
		w.sleep(m, Suspended)
	case shutdown.Hibernate:
		w.sleep(m, Hibernated)
	case shutdown.RunLevel:
		switch request.Level {
		case 0:
			w.shutDown(m, toOff, "run level 0")
		case 6:
			w.shutDown(m, toReboot, "run level 6")
		default:
			m.level = request.Level
		}
	}
}

// InRunLevel tells whether the machine is in a run level; none was asked for
// since its boot is 5.
func (p *Shutdown) InRunLevel(ctx context.Context, level int) (bool, error) {
	var reached bool
	err := p.ask(ctx, "in_run_level", strconv.Itoa(level), func(call) (string, error) {
		if m := p.view.machine; m != nil {
			reached = cmp.Or(m.level, 5) == level
		}
		return strconv.FormatBool(reached), nil
	})
	return reached, err
}

// BootID is the kernel's boot_id.
func (p *Shutdown) BootID(ctx context.Context) (string, error) {
	identity, err := p.identity(ctx, "boot_id")
	return identity.BootID, err
}

// Identity tells the machine, and this boot of it, from others.
func (p *Shutdown) Identity(ctx context.Context) (shutdown.Identity, error) {
	return p.identity(ctx, "identity")
}

func (p *Shutdown) identity(ctx context.Context, verb string) (shutdown.Identity, error) {
	var identity shutdown.Identity
	err := p.ask(ctx, verb, "", func(call) (string, error) {
		w, m := p.view.world, p.view.machine
		if m == nil {
			m = &machine{Machine: Machine{Name: Desk}, boots: 1}
		}
		identity = shutdown.Identity{
			Hostname:  m.Name,
			MachineID: strings.ReplaceAll(w.uuid("machine-id", m.Name), "-", ""),
			BootID:    w.bootID(m),
			Slept:     m.slept.Round(time.Second),

			ProductUUID: m.UUID,
		}
		return "ok", nil
	})
	return identity, err
}

func (p *Shutdown) ask(ctx context.Context, verb, object string, effect func(call) (string, error)) error {
	c := call{power: "shutdown", verb: verb, object: strings.TrimSpace(p.view.name() + " " + object), about: p.view.about("")}
	return p.view.do(ctx, c, func() (string, error) { return effect(c) })
}

func (p *Shutdown) check(c call, request shutdown.Request) error {
	switch request.Method {
	case shutdown.PowerOff, shutdown.Reboot, shutdown.Halt:
	case shutdown.Suspend, shutdown.Hibernate:
		if why := p.sleepless(request.Method); why != "" {
			return c.errorf(primitives.Unsupported, "cannot %s: %s", request.Method, why)
		}
	case shutdown.RunLevel:
		if request.Level < 0 || request.Level > 6 {
			return c.errorf(primitives.Invalid, "there is no run level %d; they are 0 to 6", request.Level)
		}
	default:
		return c.errorf(primitives.Unsupported, "this system has no method %q", request.Method)
	}
	if p.view.machine == nil {
		return c.errorf(primitives.Denied, "the desk of a simulated world cannot be taken down")
	}
	return nil
}

// sleepless is why the machine cannot sleep by a method; empty where it can.
func (p *Shutdown) sleepless(method shutdown.Method) string {
	m := p.view.machine
	switch {
	case m == nil:
		return ""
	case m.parent != nil:
		return "its hypervisor offers this guest no sleep of its own"
	case method == shutdown.Suspend:
		return m.NoSuspend
	}
	return m.NoHibernate
}
