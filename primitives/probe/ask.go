package probe

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"ctys/primitives"
)

// interval is how often a question on a wire that may lose it is asked again.
const interval = time.Second

// past is a read deadline that ends every read at once.
var past = time.Unix(1, 0)

// silence is the Detail of a "no" for which nothing came at all.
const silence = "no answer"

// questioner is a socket on which the same question is asked until it is
// answered.
type questioner interface {
	// send asks for the n-th time, counted from 0.
	send(n int) error
	// receive reads one packet. The result tells which question it answers,
	// or that it answers none.
	receive() (n int, detail string, ok bool, err error)
	SetReadDeadline(deadline time.Time) error
}

// ask puts a question every interval until it is answered or ctx ends.
func (p *Prober) ask(ctx context.Context, q questioner, answer Answer) (Answer, error) {
	stop := context.AfterFunc(ctx, func() { _ = q.SetReadDeadline(past) })
	defer stop()
	var sent []time.Time
	answer.Detail = silence
	for n := 0; !p.over(ctx); n++ {
		sent = append(sent, p.clock.Now())
		if err := q.send(n); err != nil {
			if closed(err) {
				answer.Detail = reason(err)
				return answer, nil
			}
			return Answer{}, err
		}
		for {
			reply, detail, ok, err := p.next(ctx, q, sent[n].Add(interval))
			if err != nil {
				return Answer{}, err
			}
			if !ok {
				break
			}
			if reply < len(sent) {
				answer.Up, answer.RTT, answer.Detail = true, p.clock.Now().Sub(sent[reply]), detail
				return answer, nil
			}
		}
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return Answer{}, ctx.Err()
	}
	return answer, nil
}

// next waits for the next packet that is an answer. It is not ok where none
// came before until, or before ctx ended.
func (p *Prober) next(ctx context.Context, q questioner, until time.Time) (n int, detail string, ok bool, err error) {
	if deadline, bounded := ctx.Deadline(); bounded && deadline.Before(until) {
		until = deadline
	}
	if err := q.SetReadDeadline(until); err != nil {
		return 0, "", false, err
	}
	for ctx.Err() == nil {
		n, detail, ok, err := q.receive()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return 0, "", false, nil
		case err != nil && !closed(err):
			return 0, "", false, err
		case err == nil && ok:
			return n, detail, true, nil
		}
	}
	return 0, "", false, nil
}

// closed tells whether an error of the system says that there is no way to the
// machine, or that nobody is there.
func closed(err error) bool {
	for _, number := range []syscall.Errno{syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN,
		syscall.ENETDOWN, syscall.EADDRNOTAVAIL, syscall.EAFNOSUPPORT} {
		if errors.Is(err, number) {
			return true
		}
	}
	return false
}

// reason is the system's own short text for an error.
func reason(err error) string {
	var number syscall.Errno
	if errors.As(err, &number) {
		return number.Error()
	}
	return err.Error()
}

// finish gives an error of a probe its operation and host.
func finish(op, host string, answer Answer, err error) (Answer, error) {
	var own *primitives.Error
	if err == nil || errors.As(err, &own) {
		return answer, err
	}
	return Answer{}, primitives.Wrap(op, host, "the probe could not be made", err)
}
