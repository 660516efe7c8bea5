package stack

import (
	"context"
	"errors"
	"os/user"
	"strings"

	"ctys/primitives"

	"github.com/digitalocean/go-libvirt"
)

// errAbsent means that the hypervisor answered that it has no such guest.
var errAbsent = errors.New("the hypervisor has no such guest")

// kinds are the meanings of libvirt's error numbers.
// Source: virErrorNumber in https://libvirt.org/html/libvirt-virterror.html
var kinds = map[libvirt.ErrorNumber]primitives.Kind{
	libvirt.ErrNoSupport:            primitives.Unsupported,
	libvirt.ErrOperationUnsupported: primitives.Unsupported,
	libvirt.ErrConfigUnsupported:    primitives.Unsupported,
	libvirt.ErrArgumentUnsupported:  primitives.Unsupported,
	libvirt.ErrInvalidArg:           primitives.Unsupported, // of a mode: "unsupported flags"
	libvirt.ErrNoConnect:            primitives.Unsupported,
	libvirt.ErrNoDomain:             primitives.Invalid,
	libvirt.ErrOperationInvalid:     primitives.Invalid,
	libvirt.ErrOperationDenied:      primitives.Denied,
	libvirt.ErrAccessDenied:         primitives.Denied,
	libvirt.ErrAuthFailed:           primitives.Denied,
	libvirt.ErrAuthCancelled:        primitives.Denied,
	libvirt.ErrAuthUnavailable:      primitives.Denied,
	libvirt.ErrAgentUnresponsive:    primitives.Timeout,
	libvirt.ErrAgentUnsynced:        primitives.Timeout,
	libvirt.ErrAgentCommandTimeout:  primitives.Timeout,
	libvirt.ErrAgentCommandFailed:   primitives.Unsupported,
	libvirt.ErrOperationTimeout:     primitives.Busy, // somebody else's job on the guest did not end
	libvirt.ErrResourceBusy:         primitives.Busy,
	libvirt.ErrRPC:                  primitives.Unreachable,
	libvirt.ErrInvalidConn:          primitives.Unreachable,
	libvirt.ErrNoServer:             primitives.Unreachable,
}

// hypervisorError makes an Error of what the RPC library returned.
func hypervisorError(op, uri, what string, err error) error {
	if err == nil {
		return nil
	}
	made := &primitives.Error{Op: op, Host: uri, Message: what, Cause: err, Kind: primitives.KindOf(err)}
	var answer libvirt.Error
	switch {
	case errors.Is(err, errClosed):
		made.Kind = primitives.Canceled
	case errors.Is(err, errLost):
		made.Kind = primitives.Unreachable
	case errors.Is(err, errAbsent):
		made.Kind = primitives.Invalid
	case errors.Is(err, libvirt.ErrUnsupported):
		made.Kind = primitives.Unsupported
	case errors.As(err, &answer):
		made.Kind = kindOfAnswer(answer)
		if made.Kind == primitives.Denied {
			made.Message = joinWords(what, joinGroup(""))
		}
	case errors.Is(err, context.DeadlineExceeded):
		made.Message = joinWords(what, "no answer from the hypervisor within the deadline")
	}
	return made
}

func kindOfAnswer(answer libvirt.Error) primitives.Kind {
	number := libvirt.ErrorNumber(answer.Code)
	if number == libvirt.ErrAgentUnresponsive && strings.Contains(answer.Message, "not connected") {
		return primitives.Unsupported
	}
	if kind, known := kinds[number]; known {
		return kind
	}
	return primitives.Internal
}

func joinWords(what, more string) string {
	if what == "" {
		return more
	}
	return what + ": " + more
}

// joinGroup is the line that grants access to libvirt's sockets.
func joinGroup(host string) string {
	name := "USER"
	if account, _, given := strings.Cut(host, "@"); given {
		name = account
	} else if current, err := user.Current(); err == nil {
		name = current.Username
	}
	return "run `usermod -aG libvirt " + name + "` as root there and log in again"
}
