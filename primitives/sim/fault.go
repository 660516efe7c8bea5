package sim

import (
	"slices"
	"time"

	"ctys/primitives"
)

// Fault makes calls go wrong. A call is hit where everything that the fault
// names fits it, from its beginning to its end.
type Fault struct {
	Machine string // whom the call is about, or the host that carries it out; empty is any
	Power   string // "wol", "nic", "bridge", "guard", "ipmi", "shutdown", "stack", "probe", "line"; empty is any
	Verb    string // "shutdown", "list", …; empty is any

	After int           // so many fitting calls pass unharmed first
	Count int           // so many are hit, then it is over; 0 is without end
	From  time.Duration // world time at which it begins
	Until time.Duration // world time at which it is over; 0 is never

	// What happens. Hang: nothing is answered, and nothing done, until the
	// caller's context ends. LoseReply: it is done, and then as Hang, for
	// World.Patience at most. State: a hypervisor calls the guest's state by
	// this word, which nobody knows. Else Kind is the error; nothing is done.
	Kind      primitives.Kind // empty is Unreachable
	Message   string
	Hang      bool
	LoseReply bool
	State     string
}

type fault struct {
	Fault
	seen int
}

// Fault adds a fault; the function that it returns mends it.
func (w *World) Fault(description Fault) (mend func()) {
	f := &fault{Fault: description}
	w.locked(func() { w.faults = append(w.faults, f) })
	return func() {
		w.locked(func() {
			w.faults = slices.DeleteFunc(w.faults, func(other *fault) bool { return other == f })
		})
	}
}

// faultOf is the fault that hits a call, and counts the call.
func (w *World) faultOf(c call) *fault {
	now := w.elapsed()
	var hit *fault
	for _, f := range w.faults {
		if f.State == "" && f.fits(c, now) && f.due() && hit == nil {
			hit = f
		}
	}
	return hit
}

// troubled tells whether a call would be hit now. It counts nothing.
func (w *World) troubled(c call) bool {
	now := w.elapsed()
	return slices.ContainsFunc(w.faults, func(f *fault) bool {
		return f.State == "" && f.fits(c, now) && f.seen >= f.After && (f.Count == 0 || f.seen < f.After+f.Count)
	})
}

// wordOf is the unknown word by which a hypervisor calls a guest's state.
func (w *World) wordOf(guest *machine, verb string) string {
	now := w.elapsed()
	for _, f := range w.faults {
		if f.State != "" && f.fits(call{power: "stack", verb: verb, about: []string{guest.Name}}, now) && f.due() {
			return f.State
		}
	}
	return ""
}

func (f *fault) fits(c call, now time.Duration) bool {
	return (f.Machine == "" || slices.Contains(c.about, f.Machine)) &&
		(f.Power == "" || f.Power == c.power) &&
		(f.Verb == "" || f.Verb == c.verb) &&
		now >= f.From && (f.Until == 0 || now < f.Until)
}

func (f *fault) due() bool {
	f.seen++
	return f.seen > f.After && (f.Count == 0 || f.seen <= f.After+f.Count)
}
