package ipmi

import (
	"errors"

	"ctys/primitives"
)

// failure is an error of this package before it knows its operation and host.
type failure struct {
	kind    primitives.Kind
	message string
	cause   error
	code    byte // completion code with which the BMC refused; 0: it did not
	unsent  bool // nothing was sent
}

func failed(kind primitives.Kind, message string, cause error) *failure {
	return &failure{kind: kind, message: message, cause: cause}
}

func (f *failure) Error() string { return f.message }

func (f *failure) Unwrap() error { return f.cause }

// explain turns any error from below into the one that callers see.
func explain(op, host string, err error) error {
	if err == nil {
		return nil
	}
	var own *failure
	if errors.As(err, &own) {
		return &primitives.Error{Kind: own.kind, Op: op, Host: host, Message: own.message, Cause: own.cause}
	}
	return primitives.Wrap(op, host, "the exchange with the BMC failed", err)
}
