package journal

// History finds in what an earlier run wrote what a resumed one asks for, by
// Key. Where a key occurs more than once, the last entry counts.
type History struct {
	intents  map[string]Entry
	outcomes map[string]Entry
	keeps    map[string]Entry
	order    []string // keys of intents, by first mention
}

// NewHistory reads entries; none make the history of a run that is new.
func NewHistory(entries []Entry) *History {
	h := &History{intents: map[string]Entry{}, outcomes: map[string]Entry{}, keeps: map[string]Entry{}}
	for _, entry := range entries {
		switch entry.Kind {
		case Intent:
			if _, known := h.intents[entry.Key]; !known {
				h.order = append(h.order, entry.Key)
			}
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

// Intent gives the write that was about to be done under key.
func (h *History) Intent(key string) (Entry, bool) { return found(h.intents, key) }

// Outcome gives how that write ended.
func (h *History) Outcome(key string) (Entry, bool) { return found(h.outcomes, key) }

// Kept gives what was kept under key.
func (h *History) Kept(key string) (Entry, bool) { return found(h.keeps, key) }

// Open gives the intents without an outcome, in the order of the file: of
// these it is not known whether they happened.
func (h *History) Open() []Entry {
	var open []Entry
	for _, key := range h.order {
		if _, ended := h.outcomes[key]; !ended {
			open = append(open, h.intents[key])
		}
	}
	return open
}

func found(entries map[string]Entry, key string) (Entry, bool) {
	entry, ok := entries[key]
	return entry, ok
}
