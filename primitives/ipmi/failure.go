package ipmi

import (
	"errors"

	"github.com/bougou/go-ipmi/pkg/client"
	"github.com/bougou/go-ipmi/pkg/types"

	"ctys/primitives"
)

// failure is an error of this package before it knows its operation and host.
type failure struct {
	kind    primitives.Kind
	message string
	cause   error
	code    byte // completion code with which the BMC refused; 0: it did not
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

// answer translates what a BMC said, or what the network said for it, into a
// failure with a kind and words. An error of another sort is returned as is.
func answer(err error) error {
	var status *types.RmcpStatusError
	var completion *types.ResponseError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &status):
		return statusFailure(uint8(status.StatusCode()))
	case errors.As(err, &completion):
		return completionFailure(uint8(completion.CompletionCode()), err)
	case errors.Is(err, client.ErrRAKPAuthentication):
		return failed(primitives.Auth, "the BMC and this side do not hold the same password (or the BMC wants a key K_G, which is not supported)", nil)
	case primitives.KindOf(err) == primitives.Unreachable:
		return failed(primitives.Unreachable, "the BMC's host refuses the port, or there is no way to it", err)
	}
	return err
}
