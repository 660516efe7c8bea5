package probe

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"ctys/primitives"
)

// The bounds of what is read of a server: the length of the identification
// string (RFC 4253, 4.2), which is taken for the lines before it as well, and
// how many of those a server may have.
const (
	maxBannerLine  = 255
	maxBannerLines = 64
)

// SSH connects to "host:port" (port 22 where it is left out) and reads the
// server's identification string. It is Up where that says "SSH-2.0-" or
// "SSH-1.99-"; Detail is the string. A refused connection and a server that
// says something else are Up=false: what was asked for is not there, and
// Detail says what is.
func (p *Prober) SSH(ctx context.Context, address string) (Answer, error) {
	const op = "probe.ssh"
	ctx, cancel := p.bounded(ctx)
	defer cancel()
	host, port, err := split(op, address, "22")
	if err != nil {
		return Answer{}, err
	}
	addresses, err := resolve(ctx, op, host)
	if err != nil {
		return Answer{}, err
	}
	var ways []way
	for _, addr := range addresses {
		ways = append(ways, p.greet(op, address, addr, port))
	}
	return race(ctx, ways)
}

// greet is the way to one address and port.
func (p *Prober) greet(op, asked string, addr netip.Addr, port string) way {
	return func(ctx context.Context) (Answer, error) {
		answer := Answer{Way: "ssh", Address: net.JoinHostPort(addr.String(), port)}
		conn, rtt, err := p.dial(ctx, answer.Address)
		if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) {
			answer.Detail = reason(err)
			return answer, nil
		}
		if err != nil {
			return p.unanswered(ctx, op, asked, answer, err)
		}
		defer conn.Close()
		stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(past) })
		defer stop()
		banner, err := readBanner(conn)
		switch {
		case err == nil:
			answer.Up, answer.RTT, answer.Detail = true, rtt, banner
		case errors.Is(ctx.Err(), context.Canceled):
			return finish(op, asked, Answer{}, ctx.Err())
		case primitives.KindOf(err) == primitives.Timeout:
			answer.Detail = "connected, but no SSH banner came"
		default:
			answer.Detail = "connected, but " + err.Error()
		}
		return answer, nil
	}
}

// What can be wrong with a banner.
var (
	errBannerEnd   = errors.New("the connection ended before an SSH banner")
	errBannerLong  = errors.New("a line is longer than the 255 bytes that SSH allows")
	errBannerLines = errors.New("it says too much before an SSH banner")
	errBannerOld   = errors.New("it speaks an SSH protocol other than 2.0")
	errBannerShort = errors.New("its SSH banner names no software")
)

// readBanner reads lines up to the identification string of an SSH server and
// gives that without the end of line (RFC 4253, 4.2 and 5.1).
func readBanner(r io.Reader) (string, error) {
	lines := bufio.NewReaderSize(r, maxBannerLine)
	for range maxBannerLines {
		line, err := lines.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return "", errBannerLong
		case errors.Is(err, io.EOF):
			return "", errBannerEnd
		case err != nil:
			return "", err
		}
		if text := string(line); strings.HasPrefix(text, "SSH-") {
			return banner(strings.TrimRight(text, "\r\n"))
		}
	}
	return "", errBannerLines
}

// banner checks an identification string. What a terminal could take for a
// command is shown as "?".
func banner(text string) (string, error) {
	software, ok := strings.CutPrefix(text, "SSH-2.0-")
	if !ok {
		software, ok = strings.CutPrefix(text, "SSH-1.99-")
	}
	switch {
	case !ok:
		return "", errBannerOld
	case software == "":
		return "", errBannerShort
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text), nil
}
