package sim

import (
	"context"
	"slices"
	"time"

	"ctys/primitives"
	"ctys/primitives/bridge"
	"ctys/primitives/guard"
)

// Guards watch over the bridges of one machine for one run.
type Guards struct {
	view  *View
	armed []*watch // World.mu guards it
	acted bool
}

// watch is one bridge that comes back unless it is disarmed.
type watch struct {
	snapshot bridge.Snapshot
	stop     func() // of its timer
}

// Guard gives the machine's power to guard its bridges to one run, at whose end
// Release is called.
func (v *View) Guard() *Guards { return &Guards{view: v} }

// Arm has the bridge restored when the run ends, or when the time is over.
func (p *Guards) Arm(ctx context.Context, snapshot bridge.Snapshot, after time.Duration) (guard.Guarded, error) {
	err := p.do(ctx, "arm", snapshot.Bridge.Name, func(c call) (string, error) {
		if p.view.machine == nil {
			return "", c.errorf(primitives.Denied, "the desk of a simulated world has no bridges")
		}
		w := p.view.world
		armed := &watch{snapshot: snapshot}
		armed.stop = w.time.At(w.time.Now().Add(after), Key{p.view.machine.index}, func() {
			w.locked(func() {
				if slices.Contains(p.armed, armed) {
					p.act(armed, "the time is over")
				}
			})
		})
		p.armed = append(p.armed, armed)
		return "armed for " + after.String(), nil
	})
	return guard.Guarded{After: after}, err
}

// Disarm ends the guards of the run.
func (p *Guards) Disarm(ctx context.Context) (acted bool, err error) {
	err = p.do(ctx, "disarm", "", func(call) (string, error) {
		for _, armed := range p.armed {
			armed.stop()
		}
		acted, p.armed = p.acted, nil
		return "disarmed", nil
	})
	return acted, err
}

// Release is the end of the run, however it came: guards that are not disarmed
// act.
func (p *Guards) Release() {
	p.view.world.locked(func() {
		for _, armed := range slices.Clone(p.armed) {
			armed.stop()
			p.act(armed, "its run has ended")
		}
	})
}

// rounds is how often it is asked what is left to restore: one step may make
// others necessary.
const rounds = 5

// act restores a bridge, unless the machine is going down, or has.
func (p *Guards) act(armed *watch, why string) {
	p.armed = slices.DeleteFunc(p.armed, func(other *watch) bool { return other == armed })
	m, bridges := p.view.machine, p.view.Bridge()
	if m.phase != Up || !m.runs() || armed.snapshot.BootID != bridges.boot() {
		return
	}
	p.acted = true
	for range rounds {
		steps := armed.snapshot.Restoration(bridges.observe(armed.snapshot.Bridge.Name, bridges.names()))
		if len(steps) == 0 {
			break
		}
		for _, step := range steps {
			bridges.write(bridges.observe(step.Bridge, bridges.names()).After(step))
		}
	}
	p.view.world.note(Entry{By: m.Name, Call: "guard.restore", Object: armed.snapshot.Bridge.Name, Result: why})
}

func (p *Guards) do(ctx context.Context, verb, object string, effect func(call) (string, error)) error {
	c := call{power: "guard", verb: verb, object: object, about: p.view.about("")}
	return p.view.do(ctx, c, func() (string, error) { return effect(c) })
}
