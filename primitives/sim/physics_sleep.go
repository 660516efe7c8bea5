package sim

import "time"

// Sleep of a machine by its own system: what runs goes on after it, in the same
// boot. All of these are called with World.mu held.

// fallAsleep is from the request until the machine sleeps.
const fallAsleep = 2 * time.Second

// sleep lets the machine's own system suspend or hibernate it.
func (w *World) sleep(m *machine, phase Phase) {
	if m.phase != Up {
		return
	}
	w.note(Entry{Machine: m.Name, Why: "its own system: it will be " + string(phase)})
	if !m.HangsInShutdown {
		w.begin(m, fallAsleep, func() { w.fallenAsleep(m, phase) })
	}
}

func (w *World) fallenAsleep(m *machine, phase Phase) {
	m.sleeping = w.time.Now()
	w.enter(m, phase, "went to sleep")
	for _, guest := range m.children {
		w.holdUp(guest)
	}
}

// wakeUp brings a machine back: one that was suspended at once, one that was
// hibernated after it has booted and read its image.
func (w *World) wakeUp(m *machine, why string) {
	if m.phase == Suspended {
		w.awake(m, why)
		return
	}
	w.enter(m, Booting, why)
	w.begin(m, m.Boot, func() { w.awake(m, "resumed from disk") })
}

func (w *World) awake(m *machine, why string) {
	m.slept += w.time.Now().Sub(m.sleeping)
	w.enter(m, Up, why)
	for _, guest := range m.children {
		w.goOn(guest)
	}
}

// frozen: held up by its hypervisor, and so not by the sleep of its host.
func (m *machine) frozen() bool { return m.phase == Paused || m.phase == Saved }

// holdUp stops what is under way in a guest and those that it carries.
func (w *World) holdUp(m *machine) {
	if m.step != nil && !m.frozen() {
		m.step.stop()
		m.step.left = m.step.ends.Sub(w.time.Now())
	}
	for _, guest := range m.children {
		w.holdUp(guest)
	}
}

// goOn takes up again what holdUp has stopped.
func (w *World) goOn(m *machine) {
	if held := m.step; held != nil && !m.frozen() {
		m.step = nil
		w.begin(m, held.left, held.then)
	}
	for _, guest := range m.children {
		w.goOn(guest)
	}
}
