// Package exec runs one program: argv without a shell, in the C locale, with a
// deadline and a bound on its output.
package exec

import (
	"context"

	"ctys/primitives"
)

// Request is one run of one program.
type Request struct {
	Argv   []string          // Argv[0] is looked up in PATH
	Stdin  string            // standard input; empty is /dev/null
	Env    map[string]string // added to the environment
	Secret primitives.Secret // where set, its value is standard input
	Limit  int               // bytes kept of each output stream; 0 means 1 MiB
}

// Result is what the program left.
type Result struct {
	Exit      int // 128 + the signal's number where a signal ended it, as a shell counts
	Stdout    string
	Stderr    string
	Truncated bool // more output than Limit
}

const defaultLimit = 1 << 20

// Client runs programs of this host. It may be used by many goroutines at once.
type Client struct {
	clock primitives.Clock
}

// New makes a Client that lives on clock.
func New(clock primitives.Clock) *Client { return &Client{clock: clock} }

// Run runs one program to its end. It is started directly, so no character of
// an argument has a meaning for a shell, with LC_ALL=C (unless Env sets
// LC_ALL), in a process group of its own.
//
// Each output stream is read to its end, and Limit bytes of it are kept, so a
// talkative program neither fills memory nor gets stuck. What it leaves running
// with its output open is not waited for longer than two seconds.
//
// When ctx ends first, the process group gets SIGTERM and, two seconds later,
// SIGKILL; the result then holds the output so far, and the error is of kind
// Timeout or Canceled.
//
// An exit status other than zero is no error: see Result.Exit. Other errors:
// Invalid for a request that cannot be run (no program, a NUL byte, Stdin beside
// Secret), Unsupported for a missing program or one of a foreign format, Denied
// for one that may not be executed, and what Secret.Reveal gives.
func (c *Client) Run(ctx context.Context, request Request) (Result, error) {
	if err := check(request); err != nil {
		return Result{}, err
	}
	if err := ctx.Err(); err != nil {
		return Result{}, primitives.Wrap(op, "", request.Argv[0]+" was not started", err)
	}
	path, err := find(request.Argv[0])
	if err != nil {
		return Result{}, err
	}
	input := request.Stdin
	if !request.Secret.IsZero() {
		if input, err = request.Secret.Reveal(ctx); err != nil {
			return Result{}, primitives.Wrap(op, "", request.Argv[0]+" was not started: its secret cannot be read", err)
		}
	}
	return c.run(ctx, path, input, request)
}
