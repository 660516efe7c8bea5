package agent

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"ctys/luabind"
	"ctys/primitives"
)

// hub is the desk as a job sees it: there or not, at most one at a time. The
// desk that came last is the one, since the line of the one before may be dead
// without anybody having noticed.
type hub struct {
	clock   primitives.Clock
	machine string

	mu        sync.Mutex
	peer      *peer
	questions map[uint64]*question
	lastID    uint64
	receipt   uint64
	changed   chan struct{} // closed and replaced when receipt grows
	arrived   chan struct{} // closed when the first desk is there
	first     sync.Once
}

// question is an ask that waits for its answer.
type question struct {
	peer   *peer
	reply  chan answer
	events func(luabind.Event)
}

func newHub(clock primitives.Clock, machine string) *hub {
	return &hub{clock: clock, machine: machine, questions: map[uint64]*question{}, changed: make(chan struct{}), arrived: make(chan struct{})}
}

// arrival is how long a job waits for the desk that has ordered it.
const arrival = 10 * time.Second

// awaitDesk waits for the first desk. A job whose desk never came does
// nothing, since nobody could know of it.
func (h *hub) awaitDesk(ctx context.Context) error {
	ctx, cancel := primitives.WithTimeout(ctx, h.clock, arrival)
	defer cancel()
	select {
	case <-h.arrived:
		return nil
	case <-ctx.Done():
		return primitives.Errorf(primitives.Canceled, "agent.run", h.machine, "the line was cut before anything was begun, so nothing was")
	}
}

// connected makes p the desk.
func (h *hub) connected(p *peer) {
	h.mu.Lock()
	before := h.peer
	h.peer = p
	h.mu.Unlock()
	h.first.Do(func() { close(h.arrived) })
	if before != nil {
		before.cut()
		h.lost(before)
	}
}

func (h *hub) isAttached() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.peer != nil
}

// lost lets go of p; what was asked of it is not answered any more.
func (h *hub) lost(p *peer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.peer == p {
		h.peer = nil
	}
	for id, q := range h.questions {
		if q.peer == p {
			delete(h.questions, id)
			q.reply <- answer{Error: failureOf(primitives.Errorf(primitives.Unreachable, opLine, h.machine,
				"the line to the desk was cut before it had answered; what it was asked for may go on"))}
		}
	}
}

func (h *hub) noDesk() error {
	return primitives.Errorf(primitives.Unreachable, "agent.ask", h.machine,
		"only the desk can do this, and the line to it is cut; the run goes on without it")
}

// ask has the desk do what only it can, and puts what it answers into result,
// which may be nil. Events of a nested run are told to events.
func (h *hub) ask(ctx context.Context, service string, argument, result any, events func(luabind.Event)) error {
	text, err := json.Marshal(argument)
	if err != nil {
		return primitives.Wrap("agent.ask", h.machine, "the question cannot be written down", err)
	}
	h.mu.Lock()
	p := h.peer
	if p == nil {
		h.mu.Unlock()
		return h.noDesk()
	}
	h.lastID++
	id := h.lastID
	q := &question{peer: p, reply: make(chan answer, 1), events: events}
	h.questions[id] = q
	h.mu.Unlock()

	p.post(ctx, line{Ask: &ask{ID: id, Service: service, Argument: text}})
	select {
	case a := <-q.reply:
		return h.take(a, service, result)
	case <-ctx.Done():
		h.forget(id, p)
		return primitives.Wrap("agent.ask", h.machine, "the desk was not waited for any longer", ctx.Err())
	}
}

func (h *hub) take(a answer, service string, result any) error {
	if a.Error != nil || result == nil {
		return failed(a.Error, "agent."+service, h.machine)
	}
	text, err := json.Marshal(a.Value)
	if err == nil {
		err = json.Unmarshal(text, result)
	}
	return primitives.Wrap("agent."+service, h.machine, "the desk's answer is not understood", err)
}

func (h *hub) forget(id uint64, p *peer) {
	h.mu.Lock()
	delete(h.questions, id)
	h.mu.Unlock()
	go p.post(context.Background(), line{Forget: id})
}

// answered passes an answer on to who has asked.
func (h *hub) answered(p *peer, a answer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if q := h.questions[a.ID]; q != nil && q.peer == p {
		delete(h.questions, a.ID)
		q.reply <- a
	}
}

func (h *hub) told(p *peer, t told) {
	h.mu.Lock()
	q := h.questions[t.ID]
	h.mu.Unlock()
	if q != nil && q.peer == p && q.events != nil {
		q.events(t.Event)
	}
}

func (h *hub) confirmed(seq uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if seq > h.receipt {
		h.receipt = seq
		close(h.changed)
		h.changed = make(chan struct{})
	}
}

// awaitReceipt waits until the desk has confirmed event number, for at most
// limit.
func (h *hub) awaitReceipt(ctx context.Context, number uint64, limit time.Duration) bool {
	ctx, cancel := primitives.WithTimeout(ctx, h.clock, limit)
	defer cancel()
	for {
		h.mu.Lock()
		receipt, changed := h.receipt, h.changed
		h.mu.Unlock()
		if receipt >= number {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}
