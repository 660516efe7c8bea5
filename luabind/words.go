package luabind

import "ctys/primitives"

// The words of package primitives that a program which embeds the host needs to
// read and to make errors, and to say what time it lives in.
type (
	Error       = primitives.Error
	Kind        = primitives.Kind
	SystemClock = primitives.SystemClock
)

// The kinds of errors.
const (
	Timeout     = primitives.Timeout
	Auth        = primitives.Auth
	Unreachable = primitives.Unreachable
	Unsupported = primitives.Unsupported
	Denied      = primitives.Denied
	Busy        = primitives.Busy
	Invalid     = primitives.Invalid
	Canceled    = primitives.Canceled
	Internal    = primitives.Internal
)

// KindOf is primitives.KindOf: the kind of an error, or of the first in its
// chain that has one.
func KindOf(err error) Kind { return primitives.KindOf(err) }

// Errorf is primitives.Errorf: an error of a kind, of an operation on a host.
func Errorf(kind Kind, op, host, format string, args ...any) error {
	return primitives.Errorf(kind, op, host, format, args...)
}

// Wrap is primitives.Wrap: an error with what was tried before it.
func Wrap(op, host, message string, cause error) error {
	return primitives.Wrap(op, host, message, cause)
}
