package ipmi

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bougou/go-ipmi/pkg/types"

	"ctys/primitives"
)

// login is who opens a session, and with which privilege.
type login struct {
	user      string
	password  string
	privilege types.PrivilegeLevel
}

// opening is the search for a session with one BMC: with the suite that it
// took before; else with the best one, and when there is no answer at once,
// with those that it names; else with each preferred one in turn.
type opening struct {
	clock primitives.Clock
	line  *line
	bmc   *bmc
	who   login

	suites []types.CipherSuiteID // still worth trying, best first
	tried  []types.CipherSuiteID
	doubts int
	last   error // what the BMC said, where it said something
}

// Times of the set-up.
const (
	// eagerWait is how long the answer to a first proposal has before the BMC
	// is asked which suites it has: one that does not know the best suite may
	// drop the proposal without a word.
	eagerWait = 20 * time.Millisecond
	// cancelGrace bounds what a caller who gives up waits for the end of a
	// set-up that the BMC has begun, and closePatience for Close Session, of
	// which there are closeTries. A BMC that missed them frees the session
	// after its inactivity timeout (6.12.15).
	cancelGrace   = 800 * time.Millisecond
	lingerTime    = 250 * time.Millisecond
	closePatience = time.Second
	closeTries    = 5
	// refusedWait is between two tries at a BMC that has no room.
	refusedWait = 200 * time.Millisecond
)

// A refusal is asked again that a doubled packet may have caused; for the
// account only so often, since it may count as a false login.
const (
	maxDoubts        = 8
	maxAccountDoubts = 2
)

// open sets a session up and raises it to its privilege. What is lost on the
// way is tried again until ctx ends.
func open(ctx context.Context, l *line, bmc *bmc, who login) (*session, error) {
	o := &opening{clock: l.clock, line: l, bmc: bmc, who: who, suites: slices.Clone(preferred)}
	s, err := o.session(ctx)
	if err != nil {
		return nil, err
	}
	if who.privilege > types.PrivilegeLevelUser { // the level at which every session starts (22.18)
		if err := s.raise(ctx, who.privilege); err != nil {
			bmc.end(ctx, s)
			return nil, err
		}
	}
	return s, nil
}

func (o *opening) session(ctx context.Context) (*session, error) {
	for o.bmc.proven {
		suite := o.bmc.suite
		s, err := o.attempt(ctx, o.handshake(suite), o.share(ctx, 4))
		done, final := o.judge(ctx, suite, s, err)
		if done {
			return s, final
		}
		if errors.Is(err, errLost) || kindOf(err) == primitives.Unsupported {
			o.bmc.forget() // it is silent, or takes this suite no more
		}
	}
	o.suites = slices.Clone(preferred)
	if s, done, err := o.discover(ctx); done {
		return s, err
	}
	for round := time.Duration(8); ; round = max(2, round-1) {
		if len(o.suites) == 0 {
			return nil, failed(primitives.Unsupported, "the BMC takes none of the "+names(o.tried)+
				", and weaker ones are not used; enable one of them on it", o.last)
		}
		for _, suite := range slices.Clone(o.suites) {
			s, err := o.attempt(ctx, o.handshake(suite), o.share(ctx, round))
			if done, err := o.judge(ctx, suite, s, err); done {
				return s, err
			}
		}
	}
}

// share is the end of the part that one try gets of the time that is left.
func (o *opening) share(ctx context.Context, parts time.Duration) time.Time {
	return o.clock.Now().Add(within(remaining(ctx, o.clock)/parts, 200*time.Millisecond, 5*time.Second))
}

func (o *opening) handshake(suite types.CipherSuiteID) *handshake {
	if !slices.Contains(o.tried, suite) {
		o.tried = append(o.tried, suite)
	}
	o.bmc.settle(o.line)
	h := newHandshake(o.line, o.who, suite)
	h.careful = o.doubts > 0
	return h
}

// discover proposes the best suite to a BMC of which nothing is known, and asks
// which ones it has when it does not answer at once.
func (o *opening) discover(ctx context.Context) (s *session, done bool, err error) {
	best := o.suites[0]
	h := o.handshake(best)
	err = h.openSession(ctx, o.clock.Now().Add(eagerWait))
	if errors.Is(err, errLost) {
		o.line.yield()
		var list []types.CipherSuiteID
		list, err = o.survey(ctx, h, o.share(ctx, 8))
		if len(list) > 0 {
			o.suites = list
		}
	}
	s, err = o.proceed(ctx, h, err, o.share(ctx, 2))
	done, err = o.judge(ctx, best, s, err)
	return s, done, err
}

// survey asks for the BMC's suites until it has named them, has answered the
// proposal that is on its way, or the time until has come. The error is that of
// the proposal; errLost says that it was not answered.
func (o *opening) survey(ctx context.Context, h *handshake, until time.Time) ([]types.CipherSuiteID, error) {
	var list survey
	wait := o.line.pace.first(until.Sub(o.clock.Now()))
	for round := 0; !list.done && o.clock.Now().Before(until); round++ {
		if round > 0 {
			wait = o.line.pace.next(wait, until.Sub(o.clock.Now()))
			if err := h.send(h.opening); err != nil {
				return nil, err
			}
		}
		for _, question := range list.questions() {
			if err := o.line.send(question); err != nil {
				return nil, err
			}
		}
		for again := earlier(o.clock.Now().Add(wait), until); ; {
			packet, err := o.line.await(ctx, again)
			if errors.Is(err, errLost) {
				break
			}
			if err != nil {
				return nil, err
			}
			if r, ok := parseSetUp(packet); ok && h.isOpening(r) {
				return nil, h.opened(r)
			}
			if list.take(packet) {
				round, wait = -1, o.line.pace.first(until.Sub(o.clock.Now())) // of the next part
				break
			}
			h.stray(packet)
		}
	}
	if !list.done {
		return nil, errLost
	}
	return list.offered(), errLost
}

// attempt opens a session with one suite until the time until.
func (o *opening) attempt(ctx context.Context, h *handshake, until time.Time) (*session, error) {
	return o.proceed(ctx, h, h.openSession(ctx, until), until)
}

// proceed goes on after Open Session, with its error. Where the caller has
// given up, what the BMC has begun is finished and closed, so that no place of
// it stays taken.
func (o *opening) proceed(ctx context.Context, h *handshake, err error, until time.Time) (*session, error) {
	own, release := outlive(ctx, o.clock, cancelGrace)
	defer release()
	if err != nil && errors.Is(ctx.Err(), context.Canceled) && h.managed == 0 && h.sent > 0 {
		err = h.linger(own, o.clock.Now().Add(lingerTime))
	}
	if err != nil {
		return nil, err
	}
	s, err := h.authenticate(own, until)
	switch {
	case err != nil && h.halfway:
		o.bmc.end(ctx, s) // it may hold the session open
		return nil, err
	case err == nil && ctx.Err() != nil:
		o.bmc.end(ctx, s)
		return nil, ctx.Err()
	}
	return s, err
}

// judge sorts what came of a try. It is done where there is a session, or an
// error that no other try would change.
func (o *opening) judge(ctx context.Context, suite types.CipherSuiteID, s *session, err error) (bool, error) {
	var doubtful *doubt
	switch {
	case err == nil:
		o.bmc.remember(suite)
		return true, nil
	case errors.As(err, &doubtful):
		o.doubts++
		o.last = doubtful.error
		if o.doubts > maxDoubts || o.doubts > maxAccountDoubts && kindOf(err) == primitives.Auth {
			return true, doubtful.error
		}
	case errors.Is(err, errLost), ctx.Err() != nil:
	case kindOf(err) == primitives.Unsupported:
		o.last = err
		o.suites = slices.DeleteFunc(slices.Clone(o.suites), func(id types.CipherSuiteID) bool { return id == suite })
	case kindOf(err) == primitives.Busy:
		o.last = err
		o.line.yield()
		_ = o.clock.Sleep(ctx, refusedWait) // its end is seen below
	default:
		return true, err
	}
	if over(ctx, o.clock) {
		return true, o.ended(ctx)
	}
	return false, nil
}

// ended is the failure of a search that ran out of time: what the BMC said
// last, if it said something.
func (o *opening) ended(ctx context.Context) *failure {
	var said *failure
	if errors.As(o.last, &said) && endKind(ctx) == primitives.Timeout && said.kind == primitives.Busy {
		return said
	}
	if endKind(ctx) == primitives.Canceled {
		return ended(ctx, "given up before a session was open")
	}
	return ended(ctx, silence(o.tried))
}

// kindOf is the kind of an error of this package.
func kindOf(err error) primitives.Kind {
	var own *failure
	if errors.As(err, &own) {
		return own.kind
	}
	return primitives.KindOf(err)
}

func silence(suites []types.CipherSuiteID) string {
	return "no reply to the session set-up (" + names(suites) +
		" tried): is the BMC powered, is IPMI over LAN enabled on it, does its UDP port reach here?"
}

// names lists cipher suites for a message.
func names(suites []types.CipherSuiteID) string {
	var numbers []string
	for _, suite := range suites {
		numbers = append(numbers, fmt.Sprint(uint8(suite)))
	}
	if len(numbers) == 1 {
		return "cipher suite " + numbers[0]
	}
	return "cipher suites " + strings.Join(numbers, " and ")
}
