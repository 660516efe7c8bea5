package agent

import (
	"ctys/luabind"
	"ctys/primitives"
)

// take tells an event, unless it was told on an earlier line.
func (s *session) take(event luabind.Event, c *channel) {
	if event.Seq <= s.last.Seq {
		return
	}
	if event.Host == "" { // only a desk speaks for itself, and its journal is not for others to write
		event.Host = s.host()
	}
	s.last = event
	s.watch(event)
	asked := event.Kind == luabind.KindReceipt && event.Host == s.host()
	if asked { // before it stands in our journal, by which a resumed run knows of it
		s.keep(event)
	}
	if event.Kind != luabind.KindRequest && event.Kind != luabind.KindEnd { // those frame the agent's own journal
		s.events(event)
	}
	if (s.down || asked) && !s.unkept {
		s.receipt = c.to.send(line{Receipt: event.Seq}) == nil
	}
}

// keep puts what the agent has reported where a later run finds it. The name of
// the machine is ours, whatever the agent calls it.
func (s *session) keep(event luabind.Event) {
	s.report, _ = event.Receipt()
	if s.order.Plan {
		return
	}
	err := luabind.KeepFor(s.host(), event, s.desk.options.Machines)
	if event.Text == tooLong {
		err = primitives.Errorf(primitives.Invalid, "journal.receipt", s.host(), "what %s asks to be kept is too long to be passed on", s.host())
	}
	if s.unkept = err != nil; s.unkept {
		s.events(luabind.Event{Kind: luabind.KindWarning, At: s.desk.clock.Now(), Text: err.Error()})
	}
}

// watch notes when the machine is about to go down, and when that was refused.
func (s *session) watch(event luabind.Event) {
	if event.Op != "shutdown.apply" || event.Host != s.host() {
		return
	}
	switch event.Kind {
	case luabind.KindIntent:
		s.down, s.downAt = true, event.At
	case luabind.KindOutcome:
		s.accepted = event.Error == nil
		s.down = s.accepted || isInterrupted(event.Error)
	}
}

// isInterrupted tells of a failure that it leaves open what happened: a system
// that goes down ends the agent in the middle of its own request.
func isInterrupted(failure *luabind.Failure) bool {
	return failure.Kind == string(primitives.Canceled) || failure.Kind == string(primitives.Timeout)
}
