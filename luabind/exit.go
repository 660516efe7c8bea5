package luabind

import (
	"errors"

	"ctys/primitives"

	lua "github.com/yuin/gopher-lua"
)

// The exit codes of a run that ended by itself.
const (
	ExitReached = 0 // everything reached its goal, and was seen there
	ExitFailed  = 1 // something did not, or something may have been changed
	ExitInvalid = 2 // a bad request; nothing was touched
	ExitRefused = 3 // refused, and nothing was changed
)

// ExitError is an error that says with which code the program is to end, where
// its kind alone would say another.
type ExitError struct {
	Err  error
	Exit int
}

// Error gives the message of the error itself.
func (e *ExitError) Error() string { return e.Err.Error() }

// Unwrap gives the error itself.
func (e *ExitError) Unwrap() error { return e.Err }

// ExitOf is the exit code that an error asks for: an ExitError's, or the field
// exit of an error value that a script raised. 0 leaves it to the kind, as does
// a field that is no exit code.
func ExitOf(err error) int {
	var own *ExitError
	if errors.As(err, &own) {
		return own.Exit
	}
	var script *ScriptError
	if errors.As(err, &script) {
		if table, ok := script.Value.(*lua.LTable); ok {
			exit, _ := table.RawGetString("exit").(lua.LNumber)
			if exit > 0 && exit <= 255 && exit == lua.LNumber(int(exit)) {
				return int(exit)
			}
		}
	}
	return 0
}

// ExitCode is the exit code for the error that ended a script: the one that it
// asks for, else that of its kind. Nil is ExitReached.
func ExitCode(err error) int {
	if err == nil {
		return ExitReached
	}
	if exit := ExitOf(err); exit != 0 {
		return exit
	}
	switch kindOf(err) {
	case primitives.Invalid:
		return ExitInvalid
	case primitives.Denied, primitives.Auth, primitives.Busy, primitives.Unsupported:
		return ExitRefused
	}
	return ExitFailed
}
