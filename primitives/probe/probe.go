// Package probe asks whether a machine answers: by ARP, ICMP, TCP or the
// banner of its SSH server. Silence proves nothing; it is the answer "no".
package probe

import (
	"context"
	"time"

	"ctys/primitives"
)

// Answer is what one probe saw.
type Answer struct {
	Up      bool
	Way     string        // "arp", "icmp", "tcp", "ssh"
	Address string        // what answered, or was asked
	RTT     time.Duration // round trip, where Up
	Detail  string        // MAC of an ARP reply, SSH banner, "connection refused" (which is an answer: Up)
}

// DefaultPatience bounds a probe whose context has no deadline.
const DefaultPatience = 3 * time.Second

// Options are what a Prober needs from its surroundings.
type Options struct {
	Clock primitives.Clock // nil means the system's
}

// Prober asks. It keeps nothing between two calls and may be used by many
// goroutines at once.
//
// All its calls agree in this: what does not answer before ctx ends (or before
// DefaultPatience has passed where ctx has no deadline) is Up=false and no
// error, and Detail then says what is known of why. The errors are: Unreachable
// for a name that does not resolve, Denied where a privilege is missing,
// Invalid for an argument that is wrong in itself, Canceled where the caller
// gave up. The way to a machine being closed (no route, "host unreachable") is
// no error either: that machine does not answer.
type Prober struct {
	clock primitives.Clock
}

// New makes a Prober.
func New(options Options) *Prober {
	clock := options.Clock
	if clock == nil {
		clock = primitives.SystemClock{}
	}
	return &Prober{clock: clock}
}

// bounded gives ctx a deadline where it has none.
func (p *Prober) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return primitives.WithTimeout(ctx, p.clock, DefaultPatience)
}

// over tells whether ctx has ended, or is about to: a socket's deadline may be
// noticed before the context's.
func (p *Prober) over(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && !p.clock.Now().Before(deadline)
}
