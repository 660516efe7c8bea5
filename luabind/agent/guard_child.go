package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"ctys/primitives"
	"ctys/primitives/guard"
)

// restore is `restore [--check] FILE`, for the guards and for people. It is not
// stopped by what ends the session or service around it.
func (a *agent) restore(ctx context.Context, words ...string) int {
	signal.Ignore(syscall.SIGHUP, syscall.SIGTERM, syscall.SIGINT)
	r := newRestorer(a.host.Clock, func(text string) { fmt.Fprintln(a.stderr, text) })
	if len(words) == 2 {
		return a.restored(r.check(ctx, words[1]))
	}
	return a.restored(r.restore(ctx, words[0]))
}

func (a *agent) restored(err error) int {
	var nothing errNothingDone
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &nothing):
		fmt.Fprintln(a.stderr, "ctys agent: nothing restored:", err)
		return exitDeclined
	}
	fmt.Fprintln(a.stderr, "ctys agent: not all is restored:", err)
	return exitFailed
}

// goingDownWait is how long the system may take to say whether it goes down.
const goingDownWait = 10 * time.Second

// guard is `guard FILE AFTER`, the child of a process that has armed it: see
// primitives/guard.
func (a *agent) guard(ctx context.Context, file, text string) int {
	guard.CloseInherited()
	signal.Ignore(syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGPIPE)
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)

	after, err := time.ParseDuration(text)
	r := newRestorer(a.host.Clock, func(text string) { fmt.Fprintln(a.stderr, text) })
	if err == nil {
		err = r.check(ctx, file)
	}
	if err != nil {
		fmt.Fprintln(os.Stdout, err) // its parent takes it for the reason
		return exitDeclined
	}
	verdict := guard.Watch(ctx, guard.Watching{
		Clock: a.host.Clock, Words: os.Stdin, Says: os.Stdout, After: after, Terminated: terminated,
		GoingDown: func(ctx context.Context) (bool, error) {
			ctx, cancel := primitives.WithTimeout(ctx, a.host.Clock, goingDownWait)
			defer cancel()
			return r.system.GoingDown(ctx)
		},
	})
	if verdict == guard.Disarmed {
		return exitDone
	}
	fmt.Fprintf(a.stderr, "guard of %s: %s\n", file, verdict)
	if verdict == guard.GoingDown {
		return exitDone
	}
	return a.restored(r.restore(ctx, file))
}
