package agent

import (
	"path/filepath"

	"ctys/luabind"
	"ctys/luabind/journal"
)

// record is the journal of a restoration; one that cannot be written is left
// out, since the network comes first.
type record struct{ journal *journal.Journal }

func (r *restorer) open(path string) *record {
	id, err := journal.NewID(r.clock.Now(), nil)
	if err != nil {
		return &record{}
	}
	kept, err := journal.Create(filepath.Dir(path), id, r.clock)
	if err != nil {
		r.say("without a journal: " + err.Error())
		return &record{}
	}
	return &record{journal: kept}
}

func (r *record) append(event luabind.Event) {
	if r.journal != nil {
		_, _ = r.journal.Append(event)
	}
}

func (r *record) close() {
	if r.journal != nil {
		_ = r.journal.Close()
	}
}
