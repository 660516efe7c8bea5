package sim

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"ctys/primitives"
	"ctys/primitives/stack"
)

// Stack speaks to hypervisors from one machine: to its own by URIs such as
// qemu:///system, lxc:///system and xen:///system, to those of other machines
// by qemu+ssh://HOST/system and so on, for which HOST must be enterable.
type Stack struct{ view *View }

// Stack gives the machine's power to speak to hypervisors.
func (v *View) Stack() *Stack { return &Stack{v} }

// drivers are the words that a hypervisor's URI begins with.
var drivers = []string{"qemu", "lxc", "xen", "vbox", "vmw"}

// Hypervisors gives those of a host; "" is the view's own machine. A host
// without any gives none.
func (p *Stack) Hypervisors(ctx context.Context, host string) ([]stack.Hypervisor, error) {
	c := call{power: "stack", verb: "hypervisors", object: host, about: p.view.about(host)}
	var found []stack.Hypervisor
	err := p.view.do(ctx, c, func() (string, error) {
		m, err := p.hostOf(c, host)
		if err != nil || m == nil {
			return "none", err
		}
		for _, driver := range drivers {
			if m.offers(driver) {
				found = append(found, stack.Hypervisor{URI: p.uri(driver, host), Type: driver, Version: "simulated"})
			}
		}
		return fmt.Sprint(len(found)), nil
	})
	return found, err
}

func (m *machine) offers(driver string) bool {
	for _, guest := range m.children {
		if guest.scheme() == driver {
			return true
		}
	}
	return slices.ContainsFunc(m.Hypervisors, func(word string) bool { return schemeOf(word) == driver })
}

func (p *Stack) uri(driver, host string) string {
	if p.view.here(host) {
		return driver + ":///system"
	}
	return driver + "+ssh://" + host + "/system"
}

// hostOf gives a machine whose hypervisors answer. A nil machine is the desk,
// which has none.
func (p *Stack) hostOf(c call, host string) (*machine, error) {
	m, err := p.view.machineOf(c, host)
	switch {
	case err != nil || m == nil:
		return nil, err
	case !m.Enterable && m != p.view.machine:
		return nil, c.errorf(primitives.Unreachable, "%s has no SSH server", m.Name)
	case m.phase == Off || m.phase == Booting:
		return nil, c.errorf(primitives.Unreachable, "%s is %s", m.Name, m.phase)
	case !m.runs():
		return nil, errNoAnswer
	}
	return m, nil
}

// parseURI gives the driver and host of a hypervisor's URI; host "" is here.
func parseURI(c call, text string) (driver, host string, err error) {
	parsed, err := url.Parse(text)
	if err != nil {
		return "", "", c.errorf(primitives.Invalid, "%q is no hypervisor URI", text)
	}
	driver, transport, _ := strings.Cut(parsed.Scheme, "+")
	host = parsed.Hostname()
	if !slices.Contains(drivers, driver) || (transport == "ssh") != (host != "") {
		return "", "", c.errorf(primitives.Invalid, "%q is no hypervisor URI (qemu:///system, lxc+ssh://host/system, …)", text)
	}
	return driver, host, nil
}

// List gives the guests of a hypervisor, in the order in which they were added
// to the world; not those that are transient and off.
func (p *Stack) List(ctx context.Context, uri string) ([]stack.Guest, error) {
	c := call{power: "stack", verb: "list", object: uri}
	driver, host, err := parseURI(c, uri)
	if err != nil {
		return nil, err
	}
	c.about = p.view.about(host)
	var guests []stack.Guest
	err = p.view.do(ctx, c, func() (string, error) {
		m, err := p.hypervisor(c, driver, host)
		if err != nil {
			return "", err
		}
		for _, guest := range m.children {
			if guest.scheme() == driver && guest.known() {
				guests = append(guests, p.view.world.describe(guest, uri, c.verb))
			}
		}
		return fmt.Sprint(len(guests), " guests"), nil
	})
	return guests, err
}

// hypervisor gives the host whose hypervisor of that kind answers.
func (p *Stack) hypervisor(c call, driver, host string) (*machine, error) {
	m, err := p.hostOf(c, host)
	if err != nil {
		return nil, err
	}
	if m == nil || !m.offers(driver) {
		return nil, c.errorf(primitives.Unreachable, "no hypervisor %s is there", driver)
	}
	return m, nil
}

// known tells whether the hypervisor has a definition of the guest, or a run.
func (m *machine) known() bool { return !m.Transient || m.phase != Off }

// describe is what a hypervisor says of a guest.
func (w *World) describe(m *machine, uri, verb string) stack.Guest {
	guest := stack.Guest{
		Ref: stack.Ref{URI: uri, UUID: m.UUID}, Name: m.Name, Type: m.guestType(), State: m.phase.stackState(),
		Persistent: !m.Transient, Autostart: m.Autostart, Asks: asks[m.scheme()], ManagedBy: m.Owner, At: w.time.Now(),
	}
	for _, n := range m.NICs {
		guest.MACs = append(guest.MACs, n.MAC)
	}
	if m.phase.Power() == primitives.PowerOn {
		guest.ID = m.starts
		if !m.NoWitness {
			guest.Witness = m.witness()
		}
	}
	if m.runs() {
		guest.Agent = m.Agent
		if address, err := netip.ParseAddr(m.Address); err == nil {
			guest.Addresses = []netip.Addr{address}
		}
	}
	if word := w.wordOf(m, verb); word != "" {
		guest.State, guest.Cause = stack.Unknown, fmt.Sprintf("the hypervisor calls it %q, which is not known", word)
	}
	return guest
}

// onGuest carries out a call on one guest, which is nil where there is none.
func (p *Stack) onGuest(ctx context.Context, verb string, ref stack.Ref, effect func(c call, guest *machine) (string, error)) error {
	c, driver, host, guest, err := p.find(verb, ref)
	if err != nil {
		return err
	}
	return p.view.do(ctx, c, func() (string, error) {
		if _, err := p.hypervisor(c, driver, host); err != nil {
			return "", err
		}
		return effect(c, guest)
	})
}

// find gives what a reference means. Machines are never taken out of a world,
// so it may be done before the call.
func (p *Stack) find(verb string, ref stack.Ref) (c call, driver, host string, guest *machine, err error) {
	c = call{power: "stack", verb: verb, object: ref.UUID}
	if driver, host, err = parseURI(c, ref.URI); err != nil {
		return c, "", "", nil, err
	}
	guest = p.locate(driver, host, ref.UUID)
	c.about = p.view.about(host)
	if guest != nil {
		c.object = guest.path()
		c.about = append(c.about, guest.Name)
	}
	return c, driver, host, guest, nil
}

// locate finds a guest by its reference; nil where there is none.
func (p *Stack) locate(driver, host, uuid string) *machine {
	w := p.view.world
	w.mu.Lock()
	defer w.mu.Unlock()
	m := p.view.machine
	if !p.view.here(host) {
		m = w.find(host)
	}
	if m == nil {
		return nil
	}
	for _, guest := range m.children {
		if guest.scheme() == driver && plainUUID(guest.UUID) == plainUUID(uuid) {
			return guest
		}
	}
	return nil
}

func plainUUID(text string) string {
	return strings.ToLower(strings.ReplaceAll(text, "-", ""))
}

// Inspect gives one guest; one that the hypervisor does not know is Off,
// without a name.
func (p *Stack) Inspect(ctx context.Context, ref stack.Ref) (stack.Guest, error) {
	return p.inspect(ctx, "inspect", ref)
}

func (p *Stack) inspect(ctx context.Context, verb string, ref stack.Ref) (stack.Guest, error) {
	var found stack.Guest
	err := p.onGuest(ctx, verb, ref, func(_ call, guest *machine) (string, error) {
		found = p.glance(ref, guest, verb)
		return string(found.State), nil
	})
	return found, err
}

func (p *Stack) glance(ref stack.Ref, guest *machine, verb string) stack.Guest {
	if guest == nil || !guest.known() {
		return stack.Guest{Ref: ref, State: stack.Off, At: p.view.world.time.Now()}
	}
	return p.view.world.describe(guest, ref.URI, verb)
}

func (p *Stack) onRunning(ctx context.Context, verb string, ref stack.Ref, effect func(c call, guest *machine) (string, error)) error {
	return p.onGuest(ctx, verb, ref, func(c call, guest *machine) (string, error) {
		switch {
		case guest == nil || !guest.known():
			return "", c.errorf(primitives.Invalid, "the hypervisor has no such guest")
		case guest.phase.Power() != primitives.PowerOn:
			return "", c.errorf(primitives.Invalid, "the guest does not run")
		}
		return effect(c, guest)
	})
}

// Reset presses the guest's reset button. Xen and containers have none: Unsupported.
func (p *Stack) Reset(ctx context.Context, ref stack.Ref) error {
	return p.onRunning(ctx, "reset", ref, func(c call, guest *machine) (string, error) {
		if guest.scheme() == "xen" || guest.scheme() == "lxc" {
			return "", c.errorf(primitives.Unsupported, "guests of this kind have no reset button")
		}
		p.view.world.restart(guest, "reset")
		return "ok", nil
	})
}

// Destroy cuts the guest off at once. Guests that it carries itself are lost.
func (p *Stack) Destroy(ctx context.Context, ref stack.Ref) error {
	return p.onRunning(ctx, "destroy", ref, func(_ call, guest *machine) (string, error) {
		p.view.world.powerOff(guest, "destroyed")
		return "ok", nil
	})
}

// Start starts a guest that is off or saved; Invalid for any other.
func (p *Stack) Start(ctx context.Context, ref stack.Ref) error {
	return p.onGuest(ctx, "start", ref, func(c call, guest *machine) (string, error) {
		w := p.view.world
		switch {
		case guest == nil || !guest.known():
			return "", c.errorf(primitives.Invalid, "the hypervisor has no such guest")
		case guest.phase == Off:
			w.powerOn(guest, "hypervisor")
		case guest.phase == Saved:
			w.unpause(guest, "restored")
		default:
			return "", c.errorf(primitives.Invalid, "the guest runs already")
		}
		return "ok", nil
	})
}

// Suspend pauses the guest in memory.
func (p *Stack) Suspend(ctx context.Context, ref stack.Ref) error {
	return p.onRunning(ctx, "suspend", ref, func(_ call, guest *machine) (string, error) {
		if guest.phase != Paused {
			p.view.world.pause(guest, Paused, "suspended")
		}
		return "ok", nil
	})
}

// Resume lets a paused guest go on; Invalid for any other.
func (p *Stack) Resume(ctx context.Context, ref stack.Ref) error {
	return p.onRunning(ctx, "resume", ref, func(c call, guest *machine) (string, error) {
		if guest.phase != Paused {
			return "", c.errorf(primitives.Invalid, "the guest is not paused")
		}
		p.view.world.unpause(guest, "resumed")
		return "ok", nil
	})
}

// ManagedSave puts the guest's memory away and ends it.
func (p *Stack) ManagedSave(ctx context.Context, ref stack.Ref) error {
	return p.onRunning(ctx, "save", ref, func(c call, guest *machine) (string, error) {
		if guest.Transient {
			return "", c.errorf(primitives.Invalid, "a transient guest cannot be saved")
		}
		p.view.world.pause(guest, Saved, "saved")
		return "ok", nil
	})
}
