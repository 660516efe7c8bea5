package journal

import "time"

// History finds in what an earlier run wrote what a resumed one asks for, by
// Key. Where a key occurs more than once, the last entry counts.
type History struct {
	intents  map[string]Entry
	outcomes map[string]Entry
	keeps    map[string]Entry

	farewells map[string]Farewell
	once      map[string]bool // machines that have begun what must not be done twice
	entries   []Entry
}

// Farewell is what another machine has said before it went down.
type Farewell struct {
	At       time.Time      // of its intent to go down
	Accepted bool           // its system has taken the request
	Report   map[string]any // what it asked a receipt for
}

// NewHistory reads the entries about one machine, by the name that the run has
// for it ("" is the desk): those that others have told have keys of their own.
// None make the history of a run that is new.
func NewHistory(entries []Entry, host string) *History {
	h := &History{intents: map[string]Entry{}, outcomes: map[string]Entry{}, keeps: map[string]Entry{}, farewells: map[string]Farewell{}, once: map[string]bool{}, entries: entries}
	for _, entry := range entries {
		if entry.Host != host {
			h.hear(entry)
			continue
		}
		switch entry.Kind {
		case Intent:
			h.intents[entry.Key] = entry
			delete(h.outcomes, entry.Key) // meant again: the earlier outcome is not of this one
		case Outcome:
			h.outcomes[entry.Key] = entry
		case Keep:
			h.keeps[entry.Key] = entry
		}
	}
	return h
}

// Of gives what the same run has left behind about another machine.
func (h *History) Of(host string) *History { return NewHistory(h.entries, host) }

// BegunOnce tells whether another machine has begun what must not be done twice.
func (h *History) BegunOnce(host string) bool { return h.once[host] }

// hear notes what another machine tells of its going down, and of what must not
// be done twice.
func (h *History) hear(entry Entry) {
	if entry.Kind == Intent && entry.Effect == "write once" {
		h.once[entry.Host] = true
	}
	said := h.farewells[entry.Host]
	switch {
	case entry.Kind == Receipt:
		said.Report, _ = entry.Receipt()
	case entry.Op != "shutdown.apply":
		return
	case entry.Kind == Intent:
		said.At, said.Accepted = entry.At, false
	case entry.Kind == Outcome:
		said.Accepted = entry.Error == nil
	}
	h.farewells[entry.Host] = said
}

// Farewell gives what a machine has said before it went down; false where it has
// not said that its system took the request.
func (h *History) Farewell(host string) (Farewell, bool) {
	said := h.farewells[host]
	return said, said.Accepted
}

// Intent gives the write that was about to be done under key.
func (h *History) Intent(key string) (Entry, bool) { return found(h.intents, key) }

// Outcome gives how that write ended.
func (h *History) Outcome(key string) (Entry, bool) { return found(h.outcomes, key) }

// Kept gives what was kept under key.
func (h *History) Kept(key string) (Entry, bool) { return found(h.keeps, key) }

func found(entries map[string]Entry, key string) (Entry, bool) {
	entry, ok := entries[key]
	return entry, ok
}
