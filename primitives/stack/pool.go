package stack

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/digitalocean/go-libvirt"
)

// perLink is how many requests libvirtd takes from one connection before it
// stops reading from it: max_client_requests in libvirtd.conf. What is beyond
// waits here, where its context can end it.
const perLink = 5

// link is one connection to one libvirtd.
type link struct {
	rpc   *libvirt.Libvirt
	conn  *frames
	busy  int  // requests on it; guarded by its pool
	await int  // callers that still wait for one of them; guarded by its pool
	stale bool // no new requests: it has stopped answering; guarded by its pool
}

// pool shares up to max connections to one libvirtd among all callers.
type pool struct {
	max     int
	connect func(context.Context) (*link, error)
	tokens  chan struct{} // one for each request that may be under way

	mu      sync.Mutex
	links   []*link
	opening *opening
	closed  bool
}

// opening is an attempt to connect that several callers wait for.
type opening struct {
	callers int
	cancel  context.CancelFunc
	done    chan struct{}
	err     error
}

func newPool(max int, connect func(context.Context) (*link, error)) *pool {
	return &pool{max: max, connect: connect, tokens: make(chan struct{}, max*perLink)}
}

// errLost means that a request may or may not have been carried out: the
// connection ended before its reply came.
var errLost = errors.New("the connection to the hypervisor was lost before it answered")

// errClosed means that the client has been closed.
var errClosed = errors.New("the client has been closed")

// call runs work, which sends one or more requests, on a connection of the
// pool. It returns when work does or when ctx ends, whichever is first: the RPC
// library cannot be interrupted, so work is then left behind, and must look at
// ctx before each request that changes something.
func call[T any](ctx context.Context, p *pool, work func(context.Context, *libvirt.Libvirt) (T, error)) (T, error) {
	var none T
	on, err := p.take(ctx)
	if err != nil {
		return none, err
	}
	type outcome struct {
		value T
		err   error
	}
	before := on.conn.arrived.Load()
	done := make(chan outcome, 1)
	go func() {
		var result outcome
		defer func() {
			if fault := recover(); fault != nil {
				result.err = fmt.Errorf("the hypervisor's reply cannot be read: %v", fault)
			}
			p.finish(on)
			done <- result
		}()
		result.value, result.err = work(ctx, on.rpc)
	}()
	select {
	case result := <-done:
		p.leave(on, false)
		return result.value, on.explain(result.err)
	case <-ctx.Done():
		p.leave(on, on.conn.arrived.Load() == before)
		return none, ctx.Err()
	}
}

// explain tells a lost connection from an answer.
func (l *link) explain(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var answer libvirt.Error
	if errors.As(err, &answer) || errors.Is(err, libvirt.ErrUnsupported) {
		return err
	}
	if gone, cause := l.conn.isGone(); gone {
		return fmt.Errorf("%w (%w)", errLost, cause)
	}
	return err
}

// take waits for a connection that may carry one more request.
func (p *pool) take(ctx context.Context) (*link, error) {
	select {
	case p.tokens <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	on, err := p.pick(ctx)
	if err != nil {
		<-p.tokens
	}
	return on, err
}

// pick finds or opens a connection. As many tokens as the pool's connections
// can carry are out, so there is always room on one or room for one.
func (p *pool) pick(ctx context.Context) (*link, error) {
	for {
		on, attempt, err := p.free(ctx)
		if on != nil || err != nil {
			return on, err
		}
		select {
		case <-attempt.done:
			if attempt.err != nil {
				return nil, attempt.err
			}
		case <-ctx.Done():
			p.giveUp(attempt)
			return nil, ctx.Err()
		}
	}
}

// free reserves a place on the connection with the most room, or joins the
// attempt to open one.
func (p *pool) free(ctx context.Context) (*link, *opening, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, nil, errClosed
	}
	p.prune()
	var best *link
	for _, candidate := range p.links {
		if !candidate.stale && candidate.busy < perLink && (best == nil || candidate.busy < best.busy) {
			best = candidate
		}
	}
	if best != nil {
		best.busy++
		best.await++
		return best, nil, nil
	}
	if p.opening == nil {
		p.open(ctx)
	}
	p.opening.callers++
	return nil, p.opening, nil
}

// prune forgets connections that have ended.
func (p *pool) prune() {
	kept := p.links[:0]
	for _, l := range p.links {
		if gone, _ := l.conn.isGone(); gone {
			l.conn.Close()
		} else {
			kept = append(kept, l)
		}
	}
	clear(p.links[len(kept):])
	p.links = kept
}

// open connects in the background, for as long as anybody waits for it.
func (p *pool) open(ctx context.Context) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	attempt := &opening{cancel: cancel, done: make(chan struct{})}
	p.opening = attempt
	go func() {
		defer cancel()
		l, err := p.connect(ctx)
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.opening == attempt {
			p.opening = nil
		}
		switch {
		case err != nil:
			attempt.err = err
		case p.closed:
			l.conn.Close()
			attempt.err = errClosed
		default:
			p.links = append(p.links, l)
		}
		close(attempt.done)
	}()
}

func (p *pool) giveUp(attempt *opening) {
	p.mu.Lock()
	defer p.mu.Unlock()
	attempt.callers--
	if attempt.callers == 0 {
		attempt.cancel()
		if p.opening == attempt {
			p.opening = nil
		}
	}
}

// finish notes that a request has come to its end.
func (p *pool) finish(on *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	on.busy--
	<-p.tokens
}

// leave notes that a caller waits no longer. A connection that was silent all
// that time gets no new requests, and is closed when its last caller leaves:
// that frees the requests left behind on it, and keeps the replies of others.
func (p *pool) leave(on *link, silent bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	on.await--
	on.stale = on.stale || silent
	if on.stale && on.await == 0 {
		on.conn.Close()
	}
}

func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.opening != nil {
		p.opening.cancel()
	}
	for _, l := range p.links {
		l.conn.Close()
	}
	p.links = nil
}
