package remote

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"ctys/primitives"
)

// Conn is a login on another machine. It is safe for concurrent use: commands,
// sockets and terminals share the one line.
type Conn struct {
	owner    *Client
	settings *settings
	client   *ssh.Client
	wire     *wire
	from     *Conn // the jump host that carries this line
	banner   string

	lending lending // of the operator's agent to sessions there

	done   chan struct{} // closed when the line is gone
	closed atomic.Bool   // by Close
	mu     sync.Mutex
	silent error // set where the keepalive gave the line up
}

func newConn(owner *Client, s *settings, client *ssh.Client, line *wire, from *Conn, banner string) *Conn {
	c := &Conn{owner: owner, settings: s, client: client, wire: line, from: from, banner: banner, done: make(chan struct{})}
	go func() {
		client.Wait()
		line.Close()
		if from != nil {
			from.Close()
		}
		close(c.done)
	}()
	return c
}

// Close ends the connection, what runs over it, and the jump hosts under it.
func (c *Conn) Close() error {
	c.closed.Store(true)
	// The bytes first: an orderly end could wait for a peer that is gone.
	c.wire.Close()
	<-c.done
	return nil
}

// Done is closed when the line is lost or was closed.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Host is the name that the machine was asked for by.
func (c *Conn) Host() string { return c.settings.alias }

// User is the account that is logged in.
func (c *Conn) User() string { return c.settings.user }

// Banner is what the machine showed before the login (RFC 4252, section 5.4),
// without control characters; mostly empty.
func (c *Conn) Banner() string { return c.banner }

// ServerVersion is the peer's identification (RFC 4253, section 4.2), such as
// "SSH-2.0-OpenSSH_9.2p1 Debian-2".
func (c *Conn) ServerVersion() string { return cleanText(string(c.client.ServerVersion())) }

// keepAlive asks for a sign of life whenever the line has been silent for an
// interval, as ssh(1) does with ServerAliveInterval, and gives it up when none
// came in time. Any byte that arrives is one.
func (c *Conn) keepAlive(setting KeepAlive) {
	if setting.Interval < 0 {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		<-c.done
		cancel()
	}()
	answered := make(chan struct{}, 1)
	waiting, misses := false, 0
	for heard := c.wire.heard.Load(); ; {
		if c.owner.options.Clock.Sleep(ctx, setting.Interval) != nil {
			return
		}
		select {
		case <-answered:
			waiting = false
		default:
		}
		if now := c.wire.heard.Load(); now != heard {
			heard, misses = now, 0
			continue
		}
		if misses++; misses > setting.Misses {
			c.giveUp(setting)
			return
		}
		if !waiting {
			waiting = true
			go func() {
				c.client.SendRequest("keepalive@openssh.com", true, nil)
				answered <- struct{}{}
			}()
		}
	}
}

func (c *Conn) giveUp(setting KeepAlive) {
	c.mu.Lock()
	c.silent = fmt.Errorf("no sign of life for %s", setting.Interval*time.Duration(setting.Misses+1))
	c.mu.Unlock()
	c.wire.Close()
}

// lost is the error of whatever was cut short by the end of the line.
func (c *Conn) lost(op, message string) error {
	if c.closed.Load() {
		return &primitives.Error{Kind: primitives.Canceled, Op: op, Host: c.settings.alias,
			Message: message + ": the connection was closed"}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return &primitives.Error{Kind: primitives.Unreachable, Op: op, Host: c.settings.alias,
		Message: message + ": the connection was lost", Cause: c.silent}
}

// gone tells whether the line has ended, also where that is only just noticed.
func (c *Conn) gone() bool {
	select {
	case <-c.done:
		return true
	default:
		return c.wire.broken.Load()
	}
}

// await runs a conversation with the peer that knows no cancelling. Where ctx
// ends first, its error is returned at once and undo is called if the
// conversation still succeeds. The end of the line is io.EOF: x/crypto/ssh
// itself waits for ever on a channel that is asked for while the line goes.
func await[T any](ctx context.Context, c *Conn, talk func() (T, error), undo func(T)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	answers := make(chan answer, 1)
	go func() {
		value, err := talk()
		answers <- answer{value, err}
	}()
	late := func() {
		if a := <-answers; a.err == nil {
			undo(a.value)
		}
	}
	select {
	case a := <-answers:
		return a.value, a.err
	case <-ctx.Done():
		go late()
		return none, ctx.Err()
	case <-c.done:
		go late()
		return none, io.EOF
	}
}

// cleanText makes a peer's text safe to show: no control character but the
// line end and the tabulator gets through.
func cleanText(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return r
		}
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "�"))
}
