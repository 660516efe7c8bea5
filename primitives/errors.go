package primitives

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
)

// Kind classifies why a power could not do its work. Scripts branch on it.
type Kind string

// The kinds. Scripts see them as strings.
const (
	Timeout     Kind = "timeout"     // no answer within the deadline; the state is not known
	Auth        Kind = "auth"        // credentials or host key were refused
	Unreachable Kind = "unreachable" // no way to the peer, or the peer is gone
	Unsupported Kind = "unsupported" // the peer, driver or kernel cannot do this
	Denied      Kind = "denied"      // a privilege or an authority is missing
	Busy        Kind = "busy"        // somebody else holds it
	Invalid     Kind = "invalid"     // the request itself is wrong
	Canceled    Kind = "canceled"    // the caller gave up
	Internal    Kind = "internal"    // a peer spoke nonsense, or ctys has a fault
)

// Error is what every power returns when it cannot do its work.
type Error struct {
	Kind    Kind
	Op      string // what was tried: "wol.send"
	Host    string // on what: a host, guest, interface; may be empty
	Message string // what happened and what the user can do
	Cause   error
	// Detail is for who looks closer, as the bytes that a peer sent and that make
	// no sense. It is no part of the line that Error gives.
	Detail string
}

// Error gives one readable line: what was tried, on what, what happened.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Host != "" {
		fmt.Fprintf(&b, " %s", e.Host)
	}
	b.WriteString(": ")
	b.WriteString(e.Message)
	if e.Cause != nil {
		if e.Message != "" {
			b.WriteString(": ")
		}
		b.WriteString(e.Cause.Error())
	}
	return b.String()
}

// Unwrap gives the cause to errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Cause }

// DetailOf finds the detail of any error in its chain; empty where there is none.
func DetailOf(err error) string {
	var own *Error
	for errors.As(err, &own) {
		if own.Detail != "" {
			return own.Detail
		}
		err = own.Cause
	}
	return ""
}

// Errorf makes an Error without a cause.
func Errorf(kind Kind, op, host, format string, args ...any) *Error {
	return &Error{Kind: kind, Op: op, Host: host, Message: fmt.Sprintf(format, args...)}
}

// Wrap makes an Error of cause, with the kind that KindOf finds in it. A nil
// cause gives nil.
func Wrap(op, host, message string, cause error) error {
	if cause == nil {
		return nil
	}
	return &Error{Kind: KindOf(cause), Op: op, Host: host, Message: message, Cause: cause}
}

// KindOf finds the kind of any error: that of an Error in its chain, else what
// the context, network and system errors in it mean, else Internal.
func KindOf(err error) Kind {
	var own *Error
	if errors.As(err, &own) {
		return own.Kind
	}
	switch {
	case errors.Is(err, context.Canceled):
		return Canceled
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return Timeout
	case errors.Is(err, os.ErrPermission):
		return Denied
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.EHOSTUNREACH),
		errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.ECONNRESET),
		errors.Is(err, syscall.EPIPE):
		return Unreachable
	case errors.Is(err, syscall.EOPNOTSUPP), errors.Is(err, syscall.ENOSYS):
		return Unsupported
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return Unreachable
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return Timeout
	}
	return Internal
}
