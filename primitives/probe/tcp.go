package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"

	"ctys/primitives"
)

// TCP tries to connect to "host:port", on every address of host at once. A
// connection and a refusal are both answers, so both are Up: somebody is there
// and sent them. The connection is closed at once.
func (p *Prober) TCP(ctx context.Context, address string) (Answer, error) {
	const op = "probe.tcp"
	ctx, cancel := p.bounded(ctx)
	defer cancel()
	host, port, err := split(op, address, "")
	if err != nil {
		return Answer{}, err
	}
	addresses, err := resolve(ctx, op, host)
	if err != nil {
		return Answer{}, err
	}
	var ways []way
	for _, addr := range addresses {
		ways = append(ways, p.connect(op, address, addr, port))
	}
	return race(ctx, ways)
}

// connect is the way to one address and port.
func (p *Prober) connect(op, asked string, addr netip.Addr, port string) way {
	return func(ctx context.Context) (Answer, error) {
		answer := Answer{Way: "tcp", Address: net.JoinHostPort(addr.String(), port)}
		conn, rtt, err := p.dial(ctx, answer.Address)
		switch {
		case err == nil:
			_ = conn.Close() // there is nothing in it that could be lost
			answer.Up, answer.RTT, answer.Detail = true, rtt, "connected"
			return answer, nil
		case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ECONNRESET):
			answer.Up, answer.RTT, answer.Detail = true, rtt, reason(err)
			return answer, nil
		}
		return p.unanswered(ctx, op, asked, answer, err)
	}
}

func (p *Prober) dial(ctx context.Context, address string) (net.Conn, time.Duration, error) {
	var dialer net.Dialer
	start := p.clock.Now()
	conn, err := dialer.DialContext(ctx, "tcp", address)
	return conn, p.clock.Now().Sub(start), err
}

// unanswered sorts the errors of a connection that did not come about: those
// which say "no", and those which are errors for the caller too.
func (p *Prober) unanswered(ctx context.Context, op, asked string, answer Answer, err error) (Answer, error) {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return finish(op, asked, Answer{}, ctx.Err())
	case closed(err):
		answer.Detail = reason(err)
		return answer, nil
	case primitives.KindOf(err) == primitives.Timeout:
		answer.Detail = silence
		return answer, nil
	}
	return finish(op, asked, Answer{}, err)
}

// split takes "host:port" apart; with a standard port it may be left out.
func split(op, address, standard string) (host, port string, err error) {
	if standard != "" {
		if _, err := netip.ParseAddr(address); err == nil {
			return address, standard, nil
		}
	}
	host, port, err = net.SplitHostPort(address)
	var bad *net.AddrError
	if errors.As(err, &bad) && bad.Err == "missing port in address" && standard != "" {
		return address, standard, nil
	}
	number := 0
	if err == nil {
		number, err = net.LookupPort("tcp", port)
	}
	if err != nil || host == "" || number == 0 {
		return "", "", &primitives.Error{Kind: primitives.Invalid, Op: op, Host: address,
			Message: "no host and port: write 10.0.0.5:22, name:22 or [fe80::1%eth0]:22", Cause: err}
	}
	return host, port, nil
}
