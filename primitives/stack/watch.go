package stack

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"ctys/primitives"

	"github.com/digitalocean/go-libvirt"
)

// EventKind is something that happened to a guest.
type EventKind string

// The kinds of events.
const (
	EventReboot    EventKind = "reboot" // it has begun to boot anew, without having been off
	EventStarted   EventKind = "started"
	EventStopped   EventKind = "stopped"
	EventPaused    EventKind = "paused"
	EventResumed   EventKind = "resumed"
	EventShutdown  EventKind = "shutdown" // its own shutdown has finished
	EventSuspended EventKind = "suspended"
	EventCrashed   EventKind = "crashed"
)

// lifecycle are libvirt's lifecycle events in these words.
var lifecycle = map[libvirt.DomainEventType]EventKind{
	libvirt.DomainEventStarted:     EventStarted,
	libvirt.DomainEventStopped:     EventStopped,
	libvirt.DomainEventSuspended:   EventPaused,
	libvirt.DomainEventResumed:     EventResumed,
	libvirt.DomainEventShutdown:    EventShutdown,
	libvirt.DomainEventPmsuspended: EventSuspended,
	libvirt.DomainEventCrashed:     EventCrashed,
}

// Subscription collects what happens to one guest from Subscribe to Close.
type Subscription struct {
	client  *Client
	at      backend
	hub     *hub // nil where the hypervisor has no events
	ref     Ref
	id      uuid
	witness string // of the guest when it was subscribed to
	wake    chan struct{}

	mu   sync.Mutex
	seen map[EventKind]int // since Subscribe, not yet awaited
}

// Subscribe begins to collect a guest's events. It returns when none can be
// missed any more, so that a reboot which is asked afterwards is seen. Close it.
// Errors: as Inspect.
func (c *Client) Subscribe(ctx context.Context, ref Ref) (*Subscription, error) {
	const op = "stack.subscribe"
	s, err := c.newSubscription(ctx, op, ref)
	if err != nil {
		return nil, err
	}
	// the look also brings up the connection that brings the events
	seen, err := s.at.glance(ctx, op, s.id.String())
	if err != nil {
		s.Close()
		return nil, err
	}
	s.witness = seen.witness
	return s, nil
}

func (c *Client) newSubscription(ctx context.Context, op string, ref Ref) (*Subscription, error) {
	at, text, err := c.guest(ctx, op, ref)
	if err != nil {
		return nil, err
	}
	s := &Subscription{client: c, at: at, ref: ref, wake: make(chan struct{}, 1), seen: map[EventKind]int{}}
	if s.id, err = parseUUID(text); err != nil {
		return nil, err
	}
	if by, ok := at.(*libvirtd); ok {
		s.hub = by.hub
		s.hub.subscribe(s)
	}
	return s, nil
}

// Close ends the subscription.
func (s *Subscription) Close() {
	if s.hub != nil {
		s.hub.unsubscribe(s)
	}
}

// take notes an event and wakes who waits.
func (s *Subscription) take(kind EventKind) {
	s.mu.Lock()
	s.seen[kind]++
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// taken tells whether an event of the kind has come, and uses it up.
func (s *Subscription) taken(kind EventKind) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen[kind] == 0 {
		return false
	}
	s.seen[kind]--
	return true
}

// Await waits until an event of the kind has come since Subscribe, until ctx
// ends. A reboot is also seen by a guest that runs with another Witness than at
// Subscribe, which is how containers and Xen's guests reboot. Errors: timeout,
// unreachable, canceled; the state of the guest is then not known by this.
func (s *Subscription) Await(ctx context.Context, kind EventKind) error {
	_, err := s.watch(ctx, "stack.await-event", "no "+string(kind)+" was seen", func(now glance) bool {
		if kind == EventReboot && now.state == Running && now.witness != "" && s.witness != "" && now.witness != s.witness {
			return true
		}
		return s.taken(kind)
	})
	return err
}

// Await waits until the guest is in one of the states and returns it as it is
// then, or until ctx ends. It looks at once, after each event of the guest, and
// each second. A hypervisor that is silent for ten seconds, or when ctx ends,
// is an error of kind unreachable; a guest in another state at the end of ctx
// is kind timeout, with that state. The guest returned with an error is as it
// was last seen, with State Unknown where it was not seen.
func (c *Client) Await(ctx context.Context, ref Ref, states ...State) (Guest, error) {
	const op = "stack.await"
	s, err := c.newSubscription(ctx, op, ref)
	if err != nil {
		return Guest{Ref: ref, State: Unknown, Cause: err.Error()}, err
	}
	defer s.Close()
	last, err := s.watch(ctx, op, "it did not become "+orWords(states), func(now glance) bool {
		return slices.Contains(states, now.state)
	})
	if err != nil {
		guest := Guest{Ref: ref, State: last.state, Cause: last.cause, Witness: last.witness, At: c.clock.Now()}
		if guest.State == "" {
			guest.State, guest.Cause = Unknown, err.Error()
		}
		return guest, err
	}
	guest, err := c.Inspect(ctx, ref)
	if err != nil || !slices.Contains(states, guest.State) {
		// it has been seen in that state, whatever came after
		guest.Ref, guest.State, guest.Cause = ref, last.state, last.cause
		guest.At = c.clock.Now()
	}
	return guest, nil
}

func orWords(states []State) string {
	text := ""
	for i, state := range states {
		if i > 0 {
			text += " or "
		}
		text += string(state)
	}
	return text
}

// watch looks at the guest until enough is content with what it sees.
func (s *Subscription) watch(ctx context.Context, op, missing string, enough func(glance) bool) (glance, error) {
	clock := s.client.clock
	var last glance
	var failed error
	heard := clock.Now()
	for {
		now, err := s.glance(ctx, op)
		switch {
		case err == nil:
			last, failed, heard = now, nil, clock.Now()
			if enough(now) {
				return now, nil
			}
		case ctx.Err() != nil:
			// says nothing of the hypervisor: the caller's time is up
		case !mayPass(err):
			return last, err
		default:
			failed = err
			if clock.Now().Sub(heard) >= patience {
				return last, s.silent(op, missing, last, heard, failed)
			}
		}
		s.pause(ctx)
		if ctx.Err() != nil {
			return last, s.late(ctx, op, missing, last, heard, failed)
		}
	}
}

// glance bounds one look, so that a hypervisor that hangs is noticed.
func (s *Subscription) glance(ctx context.Context, op string) (glance, error) {
	ctx, cancel := primitives.WithTimeout(ctx, s.client.clock, patience)
	defer cancel()
	return s.at.glance(ctx, op, s.id.String())
}

// mayPass tells whether looking again may help.
func mayPass(err error) bool {
	switch primitives.KindOf(err) {
	case primitives.Unreachable, primitives.Timeout, primitives.Busy, primitives.Internal:
		return true
	}
	return false
}

// pause waits for an event or for the next turn to look.
func (s *Subscription) pause(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	var waking sync.WaitGroup
	waking.Go(func() {
		select {
		case <-s.wake:
			cancel()
		case <-ctx.Done():
		}
	})
	_ = s.client.clock.Sleep(ctx, pollEvery)
	cancel()
	waking.Wait()
}

// late says how waiting ended with ctx: the guest did not get there, or its
// hypervisor fell silent before.
func (s *Subscription) late(ctx context.Context, op, missing string, last glance, heard time.Time, failed error) error {
	silence := s.client.clock.Now().Sub(heard)
	if failed != nil || last.state != "" && silence > 3*pollEvery {
		return s.silent(op, missing, last, heard, failed)
	}
	cause := ctx.Err()
	return &primitives.Error{Kind: primitives.KindOf(cause), Op: op, Host: s.ref.URI,
		Message: fmt.Sprintf("guest %s: %s; %s", s.id, missing, last), Cause: cause}
}

func (s *Subscription) silent(op, missing string, last glance, heard time.Time, failed error) error {
	silence := s.client.clock.Now().Sub(heard).Round(time.Second)
	return &primitives.Error{Kind: primitives.Unreachable, Op: op, Host: s.ref.URI,
		Message: fmt.Sprintf("guest %s: %s; its hypervisor has not answered for %s; %s", s.id, missing, silence, last), Cause: failed}
}

// String says what was seen.
func (g glance) String() string {
	switch {
	case g.state == "":
		return "not seen at all"
	case g.cause != "":
		return "last seen " + string(g.state) + " (" + g.cause + ")"
	}
	return "last seen " + string(g.state)
}
