package agent

import (
	"errors"

	"ctys/luabind"
	"ctys/primitives"
)

// failureOf gives an error the form in which it travels; nil for nil.
func failureOf(err error) *luabind.Failure {
	if err == nil {
		return nil
	}
	var script *luabind.ScriptError
	if errors.As(err, &script) {
		return &luabind.Failure{Kind: string(script.Kind), Message: script.Error(), Exit: luabind.ExitOf(err)}
	}
	var own *primitives.Error
	if !errors.As(err, &own) {
		return &luabind.Failure{Kind: string(primitives.KindOf(err)), Message: err.Error()}
	}
	message := own.Message
	if own.Cause != nil {
		if message != "" {
			message += ": "
		}
		message += own.Cause.Error()
	}
	return &luabind.Failure{Kind: string(own.Kind), Op: own.Op, Host: own.Host, Message: message, Detail: primitives.DetailOf(own), Exit: luabind.ExitOf(err)}
}

var kinds = map[primitives.Kind]bool{
	primitives.Timeout: true, primitives.Auth: true, primitives.Unreachable: true, primitives.Unsupported: true, primitives.Denied: true,
	primitives.Busy: true, primitives.Invalid: true, primitives.Canceled: true, primitives.Internal: true,
}

// failed turns a failure that has come over the line into an error again; op
// and host stand for those that it does not name.
func failed(failure *luabind.Failure, op, host string) error {
	if failure == nil {
		return nil
	}
	kind := primitives.Kind(failure.Kind)
	if !kinds[kind] {
		kind = primitives.Internal
	}
	if failure.Op != "" {
		op, host = failure.Op, failure.Host
	}
	err := &primitives.Error{Kind: kind, Op: op, Host: host, Message: failure.Message, Detail: failure.Detail}
	if failure.Exit != 0 {
		return &luabind.ExitError{Err: err, Exit: failure.Exit}
	}
	return err
}
