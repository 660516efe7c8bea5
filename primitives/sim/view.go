package sim

import (
	"context"
	"slices"

	"ctys/primitives"
)

// View is the world's powers as one machine has them. Its parts have the
// methods of the real powers.
//
// Each call first waits for its latency, and all that it does comes after that
// wait: on a virtual clock calls happen one at a time, in a reproducible order.
// A call from a machine that is not running fails with Unreachable.
type View struct {
	world   *World
	machine *machine // nil is the desk
	age     int      // of the world when it was made
}

// At gives the view of a machine; "" and Desk are the operator's own machine.
// A name that there is not is a fault of the caller: At panics.
func (w *World) At(name string) *View {
	w.mu.Lock()
	defer w.mu.Unlock()
	if name == "" || name == Desk {
		return &View{world: w, age: w.age}
	}
	return &View{world: w, machine: w.must(name), age: w.age}
}

// Abandon takes the world away from those who use it now, as when all their
// processes are killed: what they do from here on fails, and changes nothing.
// Views that are made later have it.
func (w *World) Abandon() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.age++
}

func (v *View) name() string {
	if v.machine == nil {
		return Desk
	}
	return v.machine.Name
}

func (v *View) segment() string {
	if v.machine == nil {
		return ""
	}
	return v.machine.Segment
}

// here tells whether host means the view's own machine.
func (v *View) here(host string) bool {
	switch host {
	case "", "localhost", "127.0.0.1", "::1":
		return true
	}
	return v.machine != nil && v.world.find(host) == v.machine || v.machine == nil && host == Desk
}

// machineOf gives the machine that host means; nil is the desk itself.
func (v *View) machineOf(c call, host string) (*machine, error) {
	if v.here(host) {
		return v.machine, nil
	}
	if m := v.world.find(host); m != nil {
		return m, nil
	}
	return nil, c.errorf(primitives.Unreachable, "there is no host %q", host)
}

func namesOf(host string, machines ...*machine) []string {
	names := []string{host}
	for _, m := range machines {
		if m != nil && !slices.Contains(names, m.Name) {
			names = append(names, m.Name)
		}
	}
	return names
}

// Enter tells whether an SSH login on a machine would succeed now: nil, or an
// error of kind Unreachable, or that of a fault of power "line".
func (v *View) Enter(ctx context.Context, host string) error {
	c := call{power: "line", verb: "enter", object: host, about: v.about(host)}
	return v.do(ctx, c, func() (string, error) {
		m, err := v.machineOf(c, host)
		if err != nil {
			return "", err
		}
		if m != nil && !m.enterable() {
			return "", c.errorf(primitives.Unreachable, "no SSH server answers; the machine is %s", m.phase)
		}
		return "ok", nil
	})
}

// Confirmed waits until the desk has confirmed what the machine has told it: nil,
// or the error of a fault of power "line".
func (v *View) Confirmed(ctx context.Context) error {
	c := call{power: "line", verb: "confirmed", object: v.name(), about: v.about("")}
	return v.do(ctx, c, func() (string, error) { return "ok", nil })
}

// about gives the names under which faults may speak of a host.
func (v *View) about(host string) []string {
	v.world.mu.Lock()
	defer v.world.mu.Unlock()
	if v.here(host) {
		return namesOf(host, v.machine)
	}
	return namesOf(host, v.world.find(host))
}

// Line gives a context that ends, with a cause of kind Unreachable, when the
// machine or one that carries it goes down: what is connected to it by SSH is
// cut then. It is cut at once where the machine does not run. The CancelFunc is
// to be called when the connection is no longer needed.
func (v *View) Line(ctx context.Context, host string) (context.Context, context.CancelFunc) {
	ctx, cut := context.WithCancelCause(ctx)
	w := v.world
	l := &line{cut: cut}
	var m *machine
	w.locked(func() {
		m = w.find(host)
		switch {
		case v.here(host):
			m = v.machine
		case m == nil || !m.runs():
			cut(primitives.Errorf(primitives.Unreachable, "line", host, "the machine does not run"))
			w.cut = true
			m = nil
		}
		if m != nil {
			m.lines[l] = struct{}{}
		}
	})
	return ctx, func() {
		w.locked(func() {
			if m != nil {
				delete(m.lines, l)
			}
			cut(nil)
			w.cut = true
		})
	}
}
