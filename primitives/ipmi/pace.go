package ipmi

import (
	"context"
	"errors"
	"time"

	"ctys/primitives"
)

// How long a reply is waited for before its request is sent again. Most
// networks answer within a millisecond or two, the firmware of a small BMC may
// take a hundred.
const (
	firstWait   = 100 * time.Millisecond // nothing is known of the BMC yet
	knownWait   = 50 * time.Millisecond  // at least, where its round trip is known
	leastWait   = 30 * time.Millisecond  // where the deadline is near
	longestWait = time.Second
	// tries are to fit into the time that is left: where 36 % of them fail, as at
	// 20 % loss each way, eight in a row fail once in 3,500 times.
	tries = 8
)

// pace is what a call knows of the speed of its BMC.
type pace struct{ trip time.Duration }

// learn takes a round trip of a request that was sent only once: of another
// one nobody knows which copy was answered.
func (p *pace) learn(trip time.Duration) { p.trip = max(p.trip, trip) }

// first is how long the first try of a request waits for its reply, with so
// much time left for all tries.
func (p *pace) first(left time.Duration) time.Duration {
	return within(min(p.usual(), left/tries), leastWait, longestWait)
}

// next is how long the try waits that follows one which has waited in vain:
// longer, but not so long that a few more losses would use the rest of the time
// up, unless the BMC is known to be that slow.
func (p *pace) next(wait, left time.Duration) time.Duration {
	return min(longestWait, max(p.usual(), min(2*wait, left/tries)))
}

// usual is how long a reply may take.
func (p *pace) usual() time.Duration {
	if p.trip > 0 {
		return max(knownWait, 3*p.trip)
	}
	return firstWait
}

// longer is how long the next pause is.
func longer(wait time.Duration) time.Duration { return min(2*wait, longestWait) }

// remaining is the time to the deadline of ctx, which always has one in a call.
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

// over tells whether a context has ended, or is about to.
func over(ctx context.Context, clock primitives.Clock) bool {
	return ctx.Err() != nil || remaining(ctx, clock) <= 0
}

// ended is the failure for a context that is over: the deadline passed, or the
// caller gave up.
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

// outlive gives a context that goes on for a grace after ctx has ended, to
// finish what must not be left half done.
func outlive(ctx context.Context, clock primitives.Clock, grace time.Duration) (context.Context, context.CancelFunc) {
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { clock.AfterFunc(grace, cancel) })
	return own, func() { stop(); cancel() }
}
