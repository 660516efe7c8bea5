//go:build unix

package exec

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"time"

	"ctys/primitives"
)

// grace is what a program gets between SIGTERM and SIGKILL, and what is left to
// its output to end after the program itself has.
const grace = 2 * time.Second

func (c *Client) run(ctx context.Context, path, input string, request Request) (Result, error) {
	command := &exec.Cmd{
		Path:        path,
		Args:        request.Argv,
		Env:         environment(request.Env),
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true},
	}
	streams, err := openStreams(command, input, request.Limit)
	if err != nil {
		return Result{}, primitives.Wrap(op, "", request.Argv[0]+" was not started: no pipe", err)
	}
	defer streams.close()
	if err := command.Start(); err != nil {
		return Result{}, startError(request.Argv[0], err)
	}
	streams.begin()

	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = command.Wait() // the exit status is read from ProcessState
	}()
	how := c.await(ctx, command.Process.Pid, ended)
	c.drain(streams.done)

	result := streams.result()
	result.Exit = exitStatus(command.ProcessState)
	if how != "" {
		return result, primitives.Wrap(op, "", request.Argv[0]+" had not ended in time, and "+how, ctx.Err())
	}
	return result, nil
}

// await waits for the program's end. When ctx ends first it ends the process
// group and says how.
func (c *Client) await(ctx context.Context, group int, ended <-chan struct{}) string {
	select {
	case <-ended:
		return ""
	case <-ctx.Done():
	}
	select {
	case <-ended: // in the same moment
		return ""
	default:
	}
	signal(group, syscall.SIGTERM)
	kill := make(chan struct{})
	stop := c.clock.AfterFunc(grace, func() { close(kill) })
	defer stop()
	select {
	case <-ended:
		// Its children may have ignored the signal that it heeded.
		signal(group, syscall.SIGKILL)
		return "its process group was ended (SIGTERM)"
	case <-kill:
	}
	signal(group, syscall.SIGKILL)
	<-ended
	return "its process group was killed (SIGKILL, after it ignored SIGTERM)"
}

// drain waits for the output to end, but not for ever: a daemon that the
// program started may hold it open.
func (c *Client) drain(done <-chan struct{}) {
	enough := make(chan struct{})
	stop := c.clock.AfterFunc(grace, func() { close(enough) })
	defer stop()
	select {
	case <-done:
	case <-enough:
	}
}

// signal goes to the whole group. An error means that nobody is left in it.
func signal(group int, number syscall.Signal) { _ = syscall.Kill(-group, number) }

// environment is this process's with LC_ALL=C, so that output is in the form
// that scripts parse, and what the request adds. Of two entries the later wins.
func environment(added map[string]string) []string {
	list := append(primitives.Environment(), "LC_ALL=C")
	for key, value := range added {
		list = append(list, key+"="+value)
	}
	return list
}

func exitStatus(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}

func startError(program string, cause error) error {
	if errors.Is(cause, syscall.ENOEXEC) {
		return &primitives.Error{Kind: primitives.Unsupported, Op: op, Cause: cause,
			Message: "program " + program + " cannot run on this machine (another architecture, or a script without #!)"}
	}
	if errors.Is(cause, syscall.E2BIG) {
		return &primitives.Error{Kind: primitives.Invalid, Op: op, Cause: cause,
			Message: "the arguments and environment of " + program + " are longer than this system takes: give data on standard input"}
	}
	return primitives.Wrap(op, "", "program "+program+" cannot be started", cause)
}
