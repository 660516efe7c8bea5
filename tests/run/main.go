// Run runs the tests of the whole module and says plainly what ran, what did
// not, and why. It is what make test calls.
//
// Packages that boot machines come last. With CI=1 a test that was left out
// and is not listed in tests/skips.txt is a failure.
//
// The last line of its output is "N passed, N failed, N skipped"; the exit
// status is 0 or 1.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const skipsFile = "tests/skips.txt"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	passed, err := run(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "tests/run:", err)
	}
	if !passed {
		os.Exit(1)
	}
}

func run(ctx context.Context) (passed bool, err error) {
	began := time.Now()
	allowed, err := readAllowed(skipsFile)
	if err != nil {
		return false, err
	}
	stages, err := plan(ctx)
	if err != nil {
		return false, err
	}
	var t tally
	for _, stage := range stages {
		if err := t.run(ctx, stage); err != nil {
			return false, err
		}
	}
	if race := raceMissing(ctx); race != "" {
		t.skips = append(t.skips, skip{what: "data races (-race)", why: race, how: "make test-deps (package gcc)"})
	}
	fmt.Printf("\n%s\n", time.Since(began).Round(time.Second))
	ok := t.report(os.Stdout, os.Getenv("CI") == "1", allowed)
	return ok, ctx.Err()
}
