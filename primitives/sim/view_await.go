package sim

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"ctys/primitives"
	"ctys/primitives/stack"
)

// Await waits until the guest is in one of the states and returns it as it is
// then. It hears of a change at the very instant of it. Errors: Unreachable
// where the hypervisor's host goes down meanwhile, or does not answer when ctx
// ends; else Timeout or Canceled when ctx ends, with the guest as it was seen
// last.
func (p *Stack) Await(ctx context.Context, ref stack.Ref, states ...stack.State) (stack.Guest, error) {
	words := make([]string, len(states))
	for i, state := range states {
		words[i] = string(state)
	}
	look := p.lookout("await", ref, "it did not become "+strings.Join(words, " or "))
	err := look.until(ctx, func() bool { return slices.Contains(states, look.last.State) })
	return look.last, err
}

// Subscription collects what happens to one guest from Subscribe to Close.
type Subscription struct {
	stack   *Stack
	ref     stack.Ref
	guest   *machine
	from    int                     // of the guest's events
	used    map[stack.EventKind]int // events that were awaited already
	witness string
}

// Subscribe begins to collect a guest's events. Errors: as Inspect.
func (p *Stack) Subscribe(ctx context.Context, ref stack.Ref) (*Subscription, error) {
	s := &Subscription{stack: p, ref: ref, used: map[stack.EventKind]int{}}
	err := p.onGuest(ctx, "subscribe", ref, func(_ call, guest *machine) (string, error) {
		s.guest = guest
		if guest != nil {
			s.from, s.witness = len(guest.events), p.glance(ref, guest, "subscribe").Witness
		}
		return "ok", nil
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Close ends the subscription.
func (s *Subscription) Close() {}

// Await waits until an event of the kind has come since Subscribe that was not
// awaited yet, or ctx ends. A reboot is also seen by a guest that runs with
// another witness than at Subscribe. Errors: as Stack.Await.
func (s *Subscription) Await(ctx context.Context, kind stack.EventKind) error {
	look := s.stack.lookout("await-event", s.ref, "no "+string(kind)+" was seen")
	return look.until(ctx, func() bool {
		if kind == stack.EventReboot && look.last.State == stack.Running && s.witness != "" && look.last.Witness != s.witness {
			return true
		}
		return s.take(kind)
	})
}

func (s *Subscription) take(kind stack.EventKind) bool {
	if s.guest == nil {
		return false
	}
	seen := 0
	for _, event := range s.guest.events[s.from:] {
		if event == kind {
			seen++
		}
	}
	if seen <= s.used[kind] {
		return false
	}
	s.used[kind]++
	return true
}

// lookout waits for something to become true of a guest.
type lookout struct {
	stack   *Stack
	ref     stack.Ref
	call    call
	driver  string
	host    string
	missing string
	invalid error
	guest   *machine
	last    stack.Guest
}

func (p *Stack) lookout(verb string, ref stack.Ref, missing string) *lookout {
	c, driver, host, guest, err := p.find(verb, ref)
	last := stack.Guest{Ref: ref, State: stack.Unknown, Cause: "not seen"}
	return &lookout{stack: p, ref: ref, call: c, driver: driver, host: host, guest: guest, missing: missing, invalid: err, last: last}
}

// until waits. It travels to the hypervisor once and then hears of changes
// without delay. enough is called under the world's lock.
func (l *lookout) until(ctx context.Context, enough func() bool) error {
	if l.invalid != nil {
		return l.invalid
	}
	view := l.stack.view
	look := view.do
	for {
		var watch waiter
		err := look(ctx, l.call, func() (string, error) {
			if _, err := l.stack.hypervisor(l.call, l.driver, l.host); err != nil {
				return "", err
			}
			l.last = l.stack.glance(l.ref, l.guest, l.call.verb)
			if !enough() {
				watch = view.world.watch(ctx, l.guest)
			}
			return string(l.last.State), nil
		})
		if err == nil && watch == nil {
			return nil
		}
		if err == nil {
			err = view.world.sit(watch, l.guest)
		}
		switch {
		case ctx.Err() != nil:
			return l.late(ctx)
		case err != nil:
			return err
		}
		look = view.act
	}
}

// late says how waiting ended with ctx: the guest did not get there, or its
// hypervisor had fallen silent.
func (l *lookout) late(ctx context.Context) error {
	w := l.stack.view.world
	silent := false
	w.locked(func() {
		_, err := l.stack.hypervisor(l.call, l.driver, l.host)
		silent = err != nil || w.troubled(l.call) || l.last.At.IsZero()
		w.note(Entry{By: l.stack.view.name(), Call: l.call.op(), Object: l.call.object, Result: l.missing})
	})
	kind, why := primitives.KindOf(ctx.Err()), l.missing
	if silent {
		kind, why = primitives.Unreachable, why+"; its hypervisor does not answer"
	}
	return &primitives.Error{Kind: kind, Op: l.call.op(), Host: l.call.object, Cause: ctx.Err(),
		Message: fmt.Sprintf("%s; last seen %s", why, l.last.State)}
}
