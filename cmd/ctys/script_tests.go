package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"ctys/cmd/ctys/form"
	"ctys/luabind"
	"ctys/luabind/policytest"
)

// scriptTest runs the tests of the named scripts; without names all that there
// are. It ends with 1 where one fails.
func (a *app) scriptTest(names []string, verbose int) int {
	path := a.path()
	tests, err := testsOf(path, names)
	if err != nil {
		return a.refuse(err)
	}
	if len(tests) == 0 {
		return a.refuse(&form.Error{Option: "script test", Message: "there are no tests here; ctys script new makes a script with one"})
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	failed, count := 0, 0
	for _, test := range tests {
		if ctx.Err() != nil {
			return exitInterrupted
		}
		outcomes, err := policytest.Run(ctx, test, policytest.Options{Path: path, Clock: clock, Output: a.stdout})
		if err != nil {
			return a.refuse(err)
		}
		for _, outcome := range outcomes {
			count++
			if outcome.Err != nil {
				failed++
			}
			a.tellTest(test, outcome, verbose)
		}
	}
	fmt.Fprintf(a.stdout, "%d tests, %d failed\n", count, failed)
	if failed > 0 {
		return exitFailed
	}
	return exitReached
}

// testsOf are the tests of scripts and drivers, by the names of these or their own.
func testsOf(path []fs.FS, names []string) ([]string, error) {
	all := luabind.Tests(path)
	if len(names) == 0 {
		return all, nil
	}
	var tests []string
	for _, name := range names {
		test := strings.TrimSuffix(name, luabind.TestSuffix) + luabind.TestSuffix
		switch driver := "drivers." + test; {
		case slices.Contains(all, test):
		case slices.Contains(all, driver):
			test = driver
		default:
			return nil, &form.Error{Option: name, Message: fmt.Sprintf("there is no test of it: %s.lua beside the script", test)}
		}
		tests = append(tests, test)
	}
	return tests, nil
}

func (a *app) tellTest(test string, outcome policytest.Outcome, verbose int) {
	name := strings.TrimSuffix(test, luabind.TestSuffix) + ": " + strings.ReplaceAll(outcome.Name, "_", " ")
	switch {
	case outcome.Err != nil:
		fmt.Fprintf(a.stdout, "FAILED  %s\n    %s\n", name, strings.ReplaceAll(strings.TrimSpace(outcome.Err.Error()), "\n", "\n    "))
	case verbose > 0:
		fmt.Fprintf(a.stdout, "passed  %s (%.2f s)\n", name, outcome.Took.Seconds())
	default:
		fmt.Fprintf(a.stdout, "passed  %s\n", name)
	}
}
