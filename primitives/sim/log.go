package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"ctys/primitives"
)

// Entry is one line of a world's log: a call, or what happened to a machine.
type Entry struct {
	At time.Duration // since the world was made

	// A call.
	By     string // machine from which it was made
	Call   string // "stack.shutdown"
	Object string // on what
	Result string // "ok", what was answered, or the error

	// A change.
	Machine  string
	From, To Phase // both empty where something other than the phase changed
	Why      string
}

// String gives the entry as one line.
func (e Entry) String() string {
	switch {
	case e.Call != "":
		return fmt.Sprintf("%s %s: %s %s: %s", e.At, e.By, e.Call, e.Object, e.Result)
	case e.To != "":
		return fmt.Sprintf("%s %s: %s → %s (%s)", e.At, e.Machine, e.From, e.To, e.Why)
	}
	return fmt.Sprintf("%s %s: %s", e.At, e.Machine, e.Why)
}

// Loss is a guest that ran when its host went down.
type Loss struct {
	Guest, Host string
	At          time.Duration
}

// Status is one machine in a Snapshot.
type Status struct {
	Name    string
	Phase   Phase
	Power   primitives.Power
	Boots   int // how often its system was started
	Presses int // of its power button since then
	Level   int // run level, where one was asked for
	Armed   bool
}

// String gives the status as one line.
func (s Status) String() string {
	return fmt.Sprintf("%s %s, boots %d, presses %d, level %d, armed %v", s.Name, s.Phase, s.Boots, s.Presses, s.Level, s.Armed)
}

func (w *World) note(entry Entry) {
	entry.At = w.elapsed()
	w.log = append(w.log, entry)
	for _, hear := range w.heard {
		hear(entry)
	}
}

// Hear calls fn with every entry of the log from now on, in their order and one
// at a time. fn must not use the world: it is told at the instant at which the
// thing happens.
func (w *World) Hear(fn func(Entry)) {
	w.locked(func() { w.heard = append(w.heard, fn) })
}

// Log is everything that happened so far.
func (w *World) Log() []Entry {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.log)
}

// Transcript is Log as text, one line an entry.
func (w *World) Transcript() string {
	var b strings.Builder
	for _, entry := range w.Log() {
		b.WriteString(entry.String())
		b.WriteByte('\n')
	}
	return b.String()
}

// Lost tells which guests were killed because their host went down under them.
func (w *World) Lost() []Loss {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.lost)
}

// Snapshot is the state of all machines, in the order in which they were added.
func (w *World) Snapshot() []Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := make([]Status, 0, len(w.machines))
	for _, m := range w.machines {
		all = append(all, m.status())
	}
	return all
}

// State is the state of one machine, found by name or address. An unknown one
// gives the zero value.
func (w *World) State(name string) Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	if m := w.find(name); m != nil {
		return m.status()
	}
	return Status{}
}

// Machine is the description of a machine, completed, found by name or address.
func (w *World) Machine(name string) (Machine, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := w.find(name)
	if m == nil {
		return Machine{}, false
	}
	description := m.Machine
	description.NICs = slices.Clone(m.NICs)
	return description, true
}

// Names are the names of all machines, in the order in which they were added.
func (w *World) Names() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	names := make([]string, 0, len(w.machines))
	for _, m := range w.machines {
		names = append(names, m.Name)
	}
	return names
}

func (m *machine) status() Status {
	return Status{
		Name: m.Name, Phase: m.phase, Power: m.phase.Power(),
		Boots: m.boots, Presses: m.presses, Level: m.level, Armed: m.armed(m.MAC),
	}
}
