package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"ctys/cmd/ctys/form"
	"ctys/cmd/ctys/render"
	"ctys/luabind"
)

// refuse reports a bad request; nothing was contacted.
func (a *app) refuse(err error) int {
	a.complain(err)
	return exitInvalid
}

// failed tells the error of a command that runs no script, and gives its exit code.
func (a *app) failed(err error) int {
	var typed *form.Error
	if errors.As(err, &typed) {
		return a.refuse(err)
	}
	a.complain(err)
	return luabind.ExitCode(err)
}

// complain writes one line about an error.
func (a *app) complain(err error) {
	fmt.Fprintf(a.stderr, "ctys: %s\n", oneLine(err.Error()))
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// afterWrites keeps the promise of 2 and 3, that nothing was changed: a run may
// be refused late, when some of its guests are down already.
func afterWrites(exit, writes int) int {
	if writes > 0 && (exit == exitInvalid || exit == exitRefused) {
		return exitFailed
	}
	return exit
}

// readable is the line about a script's error: for a request that is wrong the
// place in the script is of no use to who typed it.
func readable(err error, verbose int) error {
	var script *luabind.ScriptError
	if verbose == 0 && errors.As(err, &script) && script.Kind != luabind.Internal && script.Message != "" {
		return errors.New(script.Message)
	}
	return err
}

// interruption is the cause of a run that Ctrl-C or SIGTERM ended.
type interruption struct{}

func (interruption) Error() string { return render.Interrupted }

// Is makes it a cancellation to whoever asks.
func (interruption) Is(target error) bool { return target == context.Canceled }

var errInterrupted error = interruption{}

// errDeadline is the cause of a run that --deadline ended.
var errDeadline = &luabind.Error{Kind: luabind.Timeout, Op: "ctys", Message: "the deadline of the whole run (--deadline) has passed"}
