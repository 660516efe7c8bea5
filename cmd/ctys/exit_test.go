package main

import (
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"testing"

	"ctys/luabind"
	"ctys/primitives"
)

func exitStatus(err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return strconv.Itoa(exit.ExitCode())
	}
	return err.Error()
}

func TestExitCodes(t *testing.T) {
	for _, test := range []struct {
		kind   primitives.Kind
		writes int
		want   int
	}{
		{primitives.Invalid, 0, exitInvalid},
		{primitives.Denied, 0, exitRefused},
		{primitives.Auth, 0, exitRefused},
		{primitives.Busy, 0, exitRefused},
		{primitives.Unsupported, 0, exitRefused},
		{primitives.Timeout, 0, exitFailed},
		{primitives.Unreachable, 0, exitFailed},
		{primitives.Internal, 0, exitFailed},
		{primitives.Canceled, 0, exitFailed},
		{primitives.Invalid, 1, exitFailed},
		{primitives.Denied, 2, exitFailed},
	} {
		for _, err := range []error{
			&luabind.ScriptError{Kind: test.kind, Message: "x"},
			primitives.Errorf(test.kind, "op", "", "x"),
			fmt.Errorf("around: %w", &luabind.ScriptError{Kind: test.kind, Message: "x"}),
		} {
			if got := afterWrites(luabind.ExitCode(err), test.writes); got != test.want {
				t.Errorf("%s after %d writes (%T): exit %d, want %d", test.kind, test.writes, err, got, test.want)
			}
		}
	}
	if got := luabind.ExitCode(nil); got != exitReached {
		t.Errorf("no error: exit %d", got)
	}
	asks := &luabind.ExitError{Err: primitives.Errorf(primitives.Invalid, "op", "", "no such guest"), Exit: exitFailed}
	if got := luabind.ExitCode(asks); got != exitFailed {
		t.Errorf("an error that asks for 1: exit %d", got)
	}
}

func TestExitOfAResult(t *testing.T) {
	for _, test := range []struct {
		result any
		want   int
		wrong  bool
	}{
		{nil, 0, false}, {"text", 0, false}, {map[string]any{}, 0, false}, {[]any{}, 0, false},
		{map[string]any{"exit": 3.0}, 3, false}, {map[string]any{"exit": 130.0}, 130, false},
		{map[string]any{"exit": 256.0}, 0, true}, {map[string]any{"exit": -1.0}, 0, true},
		{map[string]any{"exit": 1.5}, 0, true}, {map[string]any{"exit": "1"}, 0, true},
	} {
		got, err := exitIn(test.result)
		if got != test.want || (err != nil) != test.wrong {
			t.Errorf("%v: %d, %v", test.result, got, err)
		}
	}
}

func TestCommandLineCanBePasted(t *testing.T) {
	got := commandLine([]string{"-t", "pm", "-a", "cancel=poweroff:0", "hostX(-Z SUDO)", "it's", ""})
	if want := `ctys -t pm -a cancel=poweroff:0 'hostX(-Z SUDO)' 'it'\''s' ''`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestNothingWasChangedIsNotSaidAfterWrites(t *testing.T) {
	for _, test := range []struct{ exit, writes, want int }{
		{exitReached, 1, exitReached}, {exitFailed, 1, exitFailed}, {exitRefused, 0, exitRefused}, {exitInvalid, 0, exitInvalid},
		{exitRefused, 1, exitFailed}, {exitInvalid, 1, exitFailed}, {exitInterrupted, 1, exitInterrupted},
	} {
		if got := afterWrites(test.exit, test.writes); got != test.want {
			t.Errorf("exit %d after %d writes: %d, want %d", test.exit, test.writes, got, test.want)
		}
	}
}
