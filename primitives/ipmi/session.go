package ipmi

import (
	"context"
	"errors"
	"time"

	"github.com/bougou/go-ipmi/pkg/client"
	"github.com/bougou/go-ipmi/pkg/command/chassis"

	"ctys/primitives"
)

// closePatience bounds the closing of a session. It is short, because it may
// come after the caller's deadline; a BMC that missed it frees the session
// after its inactivity timeout.
const closePatience = 400 * time.Millisecond

// session is one open RMCP+ session with a BMC.
type session struct {
	clock  primitives.Clock
	lib    *client.Client
	wire   *wire
	active bool // the BMC holds it open
}

// errLost says that no reply came in time. It never leaves the package.
var errLost = errors.New("no reply")

// power reads the power state, again with growing patience where the reply is
// lost, until ctx ends.
func (s *session) power(ctx context.Context) (primitives.Power, error) {
	var status *chassis.GetChassisStatusResponse
	err := s.repeat(ctx, func(ctx context.Context) (err error) {
		status, err = s.lib.GetChassisStatus(ctx)
		return err
	})
	switch {
	case err != nil:
		return primitives.PowerUnknown, err
	case status.PowerIsOn:
		return primitives.PowerOn, nil
	}
	return primitives.PowerOff, nil
}

// reach sends a control that may be repeated, unless the machine is where it
// leads already. A lost reply is followed by a look, and only then by the
// control again.
func (s *session) reach(ctx context.Context, control Control, code chassis.ChassisControl, goal primitives.Power) error {
	patience := firstPatience(ctx, s.clock)
	for {
		power, err := s.power(ctx)
		if err != nil || power == goal {
			return err
		}
		err = s.exchange(ctx, patience, s.control(code))
		if !errors.Is(err, errLost) {
			return err
		}
		if over(ctx, s.clock) {
			return ended(ctx, "the control \""+string(control)+"\" was sent and no reply came; whether it is obeyed is unknown: read the state")
		}
		patience *= 2
	}
}

// controlOnce sends a control that must not be repeated.
func (s *session) controlOnce(ctx context.Context, control Control, code chassis.ChassisControl) error {
	if over(ctx, s.clock) {
		return ended(ctx, "the session took all the time; the control \""+string(control)+"\" was not sent")
	}
	err := s.exchange(ctx, replyPatience, s.control(code))
	if err == nil || refused(err) {
		return err
	}
	return ended(ctx, "the control \""+string(control)+"\" was sent and no reply came: unknown, not repeated; read the state before another one")
}

// refused tells whether the BMC itself said that it did not carry a command out.
func refused(err error) bool {
	var own *failure
	return errors.As(err, &own) && own.cause == nil && own.kind != primitives.Timeout
}

func (s *session) control(code chassis.ChassisControl) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := s.lib.ChassisControl(ctx, code)
		return err
	}
}

// repeat does an exchange until its reply comes or ctx ends. Each time it is a
// new command with a new sequence number: a BMC drops the same packet twice.
func (s *session) repeat(ctx context.Context, command func(context.Context) error) error {
	for patience := firstPatience(ctx, s.clock); ; patience *= 2 {
		err := s.exchange(ctx, patience, command)
		if !errors.Is(err, errLost) {
			return err
		}
		if over(ctx, s.clock) {
			return ended(ctx, "the BMC opened a session and then gave no more reply")
		}
	}
}

// exchange sends one command once and waits for its reply. The error is
// errLost, or a failure that says what the BMC or the network answered.
func (s *session) exchange(ctx context.Context, patience time.Duration, command func(context.Context) error) error {
	ctx, cancel := primitives.WithTimeout(ctx, s.clock, patience)
	defer cancel()
	// The context alone bounds the wait, and nothing is sent a second time.
	s.lib.WithTimeout(time.Hour).WithRetry(0)
	return s.verdict(ctx, command(ctx))
}

// verdict sorts the library's errors.
func (s *session) verdict(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	s.wire.interrupt()
	err = answer(err)
	var own *failure
	switch {
	case errors.As(err, &own):
		return own
	case over(ctx, s.clock) || s.wire.timeout():
		return errLost
	}
	return failed(primitives.Internal, "the exchange with the BMC failed", err)
}

// close ends the session on the BMC, also where ctx has ended, and frees the
// socket. What the BMC says to it changes nothing for anybody.
func (s *session) close(ctx context.Context) {
	if s.active {
		ctx, cancel := primitives.WithTimeout(context.WithoutCancel(ctx), s.clock, closePatience)
		defer cancel()
		s.lib.WithTimeout(closePatience / 2).WithRetry(1)
		_ = s.lib.Close(ctx)
		s.wire.interrupt()
		s.active = false
	}
	_ = s.wire.Close()
}

// firstPatience is how long the first try of several waits for its reply: a
// small part of what is left, so that there can be several.
func firstPatience(ctx context.Context, clock primitives.Clock) time.Duration {
	return within(remaining(ctx, clock)/16, 100*time.Millisecond, 500*time.Millisecond)
}

// remaining is the time to the deadline of ctx, which always has one here.
func remaining(ctx context.Context, clock primitives.Clock) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return DefaultPatience
	}
	return deadline.Sub(clock.Now())
}

func within(d, least, most time.Duration) time.Duration {
	return max(least, min(d, most))
}

// over tells whether a context has ended, or is about to: a socket's deadline
// may be noticed before the context's.
func over(ctx context.Context, clock primitives.Clock) bool {
	return ctx.Err() != nil || remaining(ctx, clock) <= 0
}

// ended is the failure for a context that is over.
func ended(ctx context.Context, message string) *failure {
	return failed(endKind(ctx), message, nil)
}

// endKind tells a caller who gave up from a deadline that passed.
func endKind(ctx context.Context) primitives.Kind {
	if errors.Is(ctx.Err(), context.Canceled) {
		return primitives.Canceled
	}
	return primitives.Timeout
}
