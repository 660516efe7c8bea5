package agent

import (
	"sync"

	"ctys/luabind"
)

// eventLog is what a job has told so far, for desks that come and go.
type eventLog struct {
	mu      sync.Mutex
	events  []luabind.Event
	changed chan struct{} // closed and replaced with each event
}

func newEventLog() *eventLog { return &eventLog{changed: make(chan struct{})} }

func (l *eventLog) add(event luabind.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, event)
	close(l.changed)
	l.changed = make(chan struct{})
}

// after gives the events behind the first skip ones, and a channel that is
// closed when there are more.
func (l *eventLog) after(skip int) ([]luabind.Event, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.events[min(skip, len(l.events)):], l.changed
}

// last is the number of the newest event; 0 where there is none.
func (l *eventLog) last() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.events) == 0 {
		return 0
	}
	return l.events[len(l.events)-1].Seq
}
