package shutdown

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
	"unicode"

	"ctys/primitives"
)

const opAnnounce = "shutdown.announce"

// announceWait bounds each half of an announcement: a terminal or a log that is
// stuck must not hold up a shutdown.
const announceWait = 10 * time.Second

// Announce tells the users who are logged in (wall(1)) and the system log. It
// is an error only where neither could be reached; Options.Warn is told which
// half is missing. Control characters in the message become blanks; its lines
// are kept. An empty message is Invalid.
func (c *Client) Announce(ctx context.Context, message string) error {
	message = strings.TrimSpace(strings.Map(printable, message))
	if message == "" {
		return primitives.Errorf(primitives.Invalid, opAnnounce, "", "the message is empty")
	}
	ctx, cancel := primitives.WithTimeout(ctx, c.Clock, 2*announceWait)
	defer cancel()
	wall := c.wall(ctx, message)
	log := c.log(ctx, message)
	if wall != nil && log != nil {
		return primitives.Wrap(opAnnounce, "", "nobody was told", errors.Join(wall, log))
	}
	for _, err := range []error{wall, log} {
		if err != nil {
			c.Warn(err.Error())
		}
	}
	return nil
}

func printable(r rune) rune {
	if r != '\n' && unicode.IsControl(r) {
		return ' '
	}
	return r
}

func (c *Client) wall(ctx context.Context, message string) error {
	path := c.find("wall")
	if path == "" {
		return primitives.Errorf(primitives.Unsupported, opAnnounce, "",
			"users were not told: program wall is missing (Debian package bsdutils)")
	}
	ctx, cancel := primitives.WithTimeout(ctx, c.Clock, announceWait)
	defer cancel()
	output, exit, err := c.Run(ctx, []string{path}, message+"\n")
	if err != nil {
		return primitives.Wrap(opAnnounce, "", "users were not told: "+path+" did not run", err)
	}
	if exit != 0 {
		return primitives.Errorf(primitives.Internal, opAnnounce, "",
			"users were not told: %s failed (exit status %d): %s", path, exit, strings.TrimSpace(output))
	}
	return nil
}

// log writes to the first socket of the system log that takes it.
func (c *Client) log(ctx context.Context, message string) error {
	var failures []error
	for _, socket := range c.logs {
		err := c.logTo(ctx, socket, message)
		if err == nil {
			return nil
		}
		failures = append(failures, err)
	}
	return primitives.Wrap(opAnnounce, "", "the system log was not told", errors.Join(failures...))
}

func (c *Client) logTo(ctx context.Context, socket, message string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "unixgram", socket)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(c.Clock.Now().Add(announceWait)); err != nil {
		return err
	}
	for _, line := range strings.Split(message, "\n") {
		if _, err := conn.Write(logLine(c.Clock.Now(), line)); err != nil {
			return err
		}
	}
	return nil
}

// logLine is one message in the form that syslog(3) sends to the local daemon:
// priority, time and tag of RFC 3164, without its host name.
func logLine(at time.Time, line string) []byte {
	const daemon, notice = 3, 5
	return fmt.Appendf(nil, "<%d>%s ctys[%d]: %s", daemon<<3|notice, at.Format(time.Stamp), os.Getpid(), line)
}
