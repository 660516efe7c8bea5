package remote

import (
	"sync"
	"time"

	"ctys/primitives"
)

// patience ends a connection attempt when the peer keeps silent for too long.
// It rests while a person is asked for something.
type patience struct {
	clock  primitives.Clock
	length time.Duration
	end    func()

	mu      sync.Mutex
	stop    func()
	over    bool // it has run out
	settled bool // the attempt is over, one way or the other
}

func newPatience(clock primitives.Clock, length time.Duration, end func()) *patience {
	return &patience{clock: clock, length: length, end: end}
}

// renew begins the wait anew.
func (p *patience) renew() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.halt()
	if p.settled {
		return
	}
	var stopped bool
	cancel := p.clock.AfterFunc(p.length, func() { p.expire(&stopped) })
	p.stop = func() {
		stopped = true
		cancel()
	}
}

// expire ends the attempt, unless the wait was stopped while it fired.
func (p *patience) expire(stopped *bool) {
	p.mu.Lock()
	if *stopped || p.settled {
		p.mu.Unlock()
		return
	}
	p.over, p.settled = true, true
	p.mu.Unlock()
	p.end()
}

// pause lets time pass.
func (p *patience) pause() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.halt()
}

// settle ends the watch and tells whether it had run out.
func (p *patience) settle() (over bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.halt()
	p.settled = true
	return p.over
}

func (p *patience) halt() {
	if p.stop != nil {
		p.stop()
		p.stop = nil
	}
}
