package agent

import (
	"context"

	"ctys/luabind"
	"ctys/primitives"
)

// begin hands the order over, or finds the job that has it already.
func (s *session) begin(ctx context.Context) (*channel, error) {
	if s.order.Resume == "" {
		return s.start(ctx)
	}
	s.job = s.order.Resume
	words := []string{"resume", s.job}
	if s.order.Again {
		words = append(words, again)
	}
	return s.desk.open(ctx, s.order.Machine, words...)
}

func (s *session) start(ctx context.Context) (*channel, error) {
	c, err := s.desk.open(ctx, s.order.Machine, "start")
	if err != nil {
		return nil, err
	}
	if err := c.to.send(line{Order: &s.order}); err != nil {
		c.close()
		return nil, &primitives.Error{Kind: primitives.Unreachable, Op: opRun, Host: s.host(), Message: "the order could not be sent", Cause: err}
	}
	return c, nil
}

// isForgotten tells that a job which is to be resumed is not known there any
// more: its folder was on a disk that forgets, or was removed.
func (s *session) isForgotten(result *outcome) bool {
	return s.order.Resume != "" && s.job == s.order.Resume && s.last.Seq == 0 &&
		result.Vanished && result.Error != nil && result.Error.Kind == string(primitives.Invalid)
}

// begun tells the caller's journal which job has the order.
func (s *session) begun(job string) {
	s.job = job
	s.note(false)
}

// note has the caller's journal say which job has the order, and whether it was
// heard how that ended.
func (s *session) note(told bool) {
	s.events(luabind.Event{At: s.desk.clock.Now(), Kind: luabind.KindKeep, Key: s.order.Key, Data: luabind.OrderGiven(s.job, told)})
}
