package ipmi

import (
	"errors"
	"fmt"
	"strings"

	"github.com/bougou/go-ipmi/pkg/types"

	"ctys/primitives"
)

// failure is an error of this package before it knows its operation and host.
type failure struct {
	kind    primitives.Kind
	message string
	cause   error
	code    byte // completion code with which the BMC refused; 0: it did not
	unsent  bool // nothing was sent
	detail  string
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
		return &primitives.Error{Kind: own.kind, Op: op, Host: host, Message: own.message, Cause: own.cause, Detail: detailOf(own)}
	}
	return primitives.Wrap(op, host, "the exchange with the BMC failed", err)
}

// atLevel says in a denial with which privilege level it was met.
func atLevel(err error, level types.PrivilegeLevel) error {
	var own *failure
	if !errors.As(err, &own) || own.kind != primitives.Denied || strings.Contains(own.message, level.String()) {
		return err
	}
	told := *own
	told.message += "; asked for was the privilege level " + level.String()
	return &told
}

// received is a failure for bytes that make no sense, which only its detail
// shows.
func received(what string, bytes []byte, cause error) *failure {
	f := failed(primitives.Internal, what, cause)
	f.detail = fmt.Sprintf("received % x", bytes)
	return f
}

// detailOf finds the detail of a failure or of its causes.
func detailOf(f *failure) string {
	for f.detail == "" && errors.As(f.cause, &f) {
	}
	return f.detail
}
