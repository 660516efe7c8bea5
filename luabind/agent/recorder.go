package agent

import (
	"context"
	"strings"
	"sync"

	"ctys/luabind"
	"ctys/luabind/journal"
)

// recorder keeps a job's events: on disk where there is a journal, and for the
// desk. It keeps both in one order.
type recorder struct {
	mu      sync.Mutex
	journal *journal.Journal // nil: a plan, or no folder to write to
	refusal error            // why there is none although one is due
	last    uint64
	log     *eventLog
}

// Append is luabind.Recorder.
func (r *recorder) Append(event luabind.Event) (uint64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.journal != nil {
		number, err := r.journal.Append(event)
		if err != nil {
			return 0, err
		}
		r.last = number
	} else {
		r.last++
	}
	event.Seq = r.last
	r.log.add(event)
	return r.last, nil
}

// Sync is luabind.Recorder. Without a journal that is due, what waits for it is
// not done.
func (r *recorder) Sync(ctx context.Context, number uint64) error {
	if r.journal == nil {
		return r.refusal
	}
	return r.journal.Sync(ctx, number)
}

// printed makes events of what a script prints.
type printed struct{ to *recorder }

func (p printed) Write(text []byte) (int, error) {
	for _, words := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		if _, err := p.to.Append(luabind.Event{Kind: luabind.KindOutput, Text: words}); err != nil {
			return 0, err
		}
	}
	return len(text), nil
}
