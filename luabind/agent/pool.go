package agent

import (
	"context"
	"strconv"
	"time"

	"ctys/primitives"
	"ctys/primitives/remote"
)

// directShare is how long a guest may take to answer without its host, before
// the way through the host is tried.
const directShare = 3 * time.Second

// link is the one connection to a place. Who holds the token may make it.
type link struct {
	token chan struct{}
	conn  *remote.Conn
	way   int // index in ways that has led there
}

func (p place) key() string {
	return p.user + "\x00" + p.name + "\x00" + strconv.Itoa(p.port) + "\x00" + p.via
}

func (d *Desk) link(p place) (*link, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, primitives.Errorf(primitives.Canceled, "remote.connect", p.name, "the desk was closed")
	}
	l := d.links[p.key()]
	if l == nil {
		l = &link{token: make(chan struct{}, 1)}
		l.token <- struct{}{}
		d.links[p.key()] = l
	}
	return l, nil
}

// connect gives the connection to a place, which is made when it is first
// needed and made again after a loss.
func (d *Desk) connect(ctx context.Context, p place) (*remote.Conn, error) {
	l, err := d.link(p)
	if err != nil {
		return nil, err
	}
	select {
	case <-l.token:
	case <-ctx.Done():
		return nil, primitives.Wrap("remote.connect", p.name, "waiting for the connection was given up", ctx.Err())
	}
	defer func() { l.token <- struct{}{} }()
	if l.conn != nil && isOpen(l.conn) {
		return l.conn, nil
	}
	conn, err := d.reach(ctx, l, p)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		conn.Close()
		return nil, primitives.Errorf(primitives.Canceled, "remote.connect", p.name, "the desk was closed")
	}
	l.conn = conn
	return conn, nil
}

func isOpen(conn *remote.Conn) bool {
	select {
	case <-conn.Done():
		return false
	default:
		return true
	}
}

// reach tries the ways to a place, beginning with the one that has led there
// before. What a machine has refused is refused; only one that does not answer
// is looked for on another way.
func (d *Desk) reach(ctx context.Context, l *link, p place) (*remote.Conn, error) {
	targets, err := ways(d.options.Inventory, p)
	if err != nil {
		return nil, err
	}
	var last error
	for i := range targets {
		n := (l.way + i) % len(targets)
		conn, err := d.tryWay(ctx, targets[n], i < len(targets)-1)
		if err == nil {
			l.way = n
			return conn, nil
		}
		last = err
		if kind := primitives.KindOf(err); ctx.Err() != nil || kind != primitives.Unreachable && kind != primitives.Timeout {
			return nil, err
		}
	}
	return nil, last
}

func (d *Desk) tryWay(ctx context.Context, target remote.Target, more bool) (*remote.Conn, error) {
	if more {
		share := directShare * time.Duration(len(target.Via)+1)
		limited, cancel := primitives.WithTimeout(ctx, d.clock, share)
		defer cancel()
		ctx = limited
	}
	return d.options.Remote.Connect(ctx, target)
}

func (d *Desk) isClosed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.closed
}

// Close ends all connections. What agents do goes on without us.
func (d *Desk) Close() error {
	d.mu.Lock()
	d.closed = true
	var open []*remote.Conn
	for _, l := range d.links {
		if l.conn != nil {
			open = append(open, l.conn)
		}
	}
	d.mu.Unlock()
	for _, conn := range open {
		conn.Close()
	}
	return nil
}
