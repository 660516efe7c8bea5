package shutdown

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"ctys/primitives"
)

// kernel is what puts the machine to sleep where neither logind nor systemd
// does. Tests put something in its place.
type kernel struct {
	write    func(path, text string) error
	writable func(path string) error
	// start runs a program in a session of its own, which outlives this process;
	// ended is told how it ended, where this process lives to see it.
	start func(argv []string, stdin *os.File, ended func(output string, err error)) error
}

var systemKernel = kernel{write: writeFile, writable: isWritable, start: startDetached}

// sleepHold is how long a sleep is held up at most: logind does so for five
// seconds (InhibitDelayMaxSec, logind.conf(5)), where nothing can be told any
// more on a machine that is busy; nobody waits for a sleep to come sooner.
const sleepHold = 15 * time.Second

// kernelPermits is Supported where the kernel is asked itself.
func (c *Client) kernelPermits(op string, method Method) error {
	if c.euid != 0 {
		return c.needsRoot(op, Request{Method: method}, []string{"writing to", sleepStates})
	}
	if err := c.kernel.writable(sleepStates); err != nil {
		return primitives.Errorf(primitives.Unsupported, op, "", "cannot %s: %s cannot be written here (is this a container?): %v", method, sleepStates, err)
	}
	return nil
}

// askKernel starts a shell that waits for the end of its input, which Release,
// the end of this process, or sleepHold bring about, and then writes to
// sleepStates: that returns only when the machine is awake again.
func (c *Client) askKernel(ctx context.Context, op string, method Method) (Accepted, error) {
	if err := c.kernelPermits(op, method); err != nil {
		return Accepted{}, err
	}
	if err := c.selectDeep(op, method); err != nil {
		return Accepted{}, err
	}
	if err := ctx.Err(); err != nil {
		return Accepted{}, primitives.Wrap(op, "", "nothing was asked", err)
	}
	input, lock, err := os.Pipe()
	if err != nil {
		return Accepted{}, primitives.Wrap(op, "", "nothing was asked", err)
	}
	defer func() { _ = input.Close() }()
	if err := c.kernel.start(sleepCommand(sleepStates, method), input, c.woken(method)); err != nil {
		_ = lock.Close()
		return Accepted{}, primitives.Wrap(op, "", "nothing was asked: /bin/sh did not run", err)
	}
	c.hold(lock)
	c.releaseIn(sleepHold, lock)
	return Accepted{Via: "sysfs"}, nil
}

// sleepCommand is one for a POSIX shell; its words are fixed.
func sleepCommand(file string, method Method) []string {
	return []string{"/bin/sh", "-c", "cat >/dev/null; echo " + method.sleepState() + " >" + file}
}

// woken tells what the kernel said where it did not sleep.
func (c *Client) woken(method Method) func(string, error) {
	return func(output string, err error) {
		if err != nil {
			c.Warn("the kernel did not " + string(method) + " the machine: " + strings.TrimSpace(output) + " (" + err.Error() + "); see its log (dmesg)")
		}
	}
}

// selectDeep makes mem mean suspend to RAM where something else is selected.
func (c *Client) selectDeep(op string, method Method) error {
	if method != Suspend {
		return nil
	}
	modes, err := c.words(memorySleep)
	if errors.Is(err, os.ErrNotExist) || modeIn(modes, "deep") == "[deep]" {
		return nil
	}
	return primitives.Wrap(op, "", memorySleep+" cannot be set to deep", c.kernel.write(memorySleep, "deep"))
}

// releaseIn lets go of a lock after a while, where Release has not.
func (c *Client) releaseIn(wait time.Duration, lock *os.File) {
	limit, cancel := primitives.WithTimeout(context.Background(), c.Clock, wait)
	go func() {
		defer cancel()
		<-limit.Done()
		_ = lock.Close()
	}()
}

func writeFile(path, text string) error { return os.WriteFile(path, []byte(text), 0) }

// isWritable opens a file for writing and writes nothing.
func isWritable(path string) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return file.Close()
}

func startDetached(argv []string, stdin *os.File, ended func(string, error)) error {
	var output bytes.Buffer
	command := exec.Command(argv[0], argv[1:]...)
	command.Env = append(primitives.Environment(), "LC_ALL=C")
	command.Stdin, command.Stdout, command.Stderr = stdin, &output, &output
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := command.Start(); err != nil {
		return err
	}
	go func() { err := command.Wait(); ended(output.String(), err) }()
	return nil
}
