package guard

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"ctys/primitives"
)

// The two words of the protocol, a line each: the child's when it watches, and
// its parent's when nothing is to be done.
const (
	watching = "watching"
	disarmed = "disarmed"
)

// childWait is how long the child may take to begin, or to end when it is told
// to: a program is started, and reads one file.
const childWait = 20 * time.Second

// child is the guard that outlives this process.
type child struct {
	word  *os.File // only this process has it open: it ends with it
	said  *os.File
	ended chan struct{} // closed when the child is gone
}

// startChild starts the child and waits until it watches. It has a session of
// its own (setsid(2)), so that neither a hangup nor what ends this process's
// group reaches it; of this process's descriptors it gets two pipes, and of its
// environment nothing.
func (c *Client) startChild(ctx context.Context, request Request) (*child, error) {
	program, err := c.program()
	if err != nil {
		return nil, primitives.Wrap(opArm, request.File, "this program's own file is not known", err)
	}
	command := exec.Command(program, append(append([]string{}, c.Watch...), request.File, request.After.String())...)
	command.Dir = "/"
	command.Env = []string{}
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if request.Words != "" {
		words, err := os.OpenFile(request.Words, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			return nil, primitives.Wrap(opArm, request.File, "the file for the child's words cannot be written", err)
		}
		defer words.Close()
		command.Stderr = words
	}
	started, err := startWithPipes(command)
	if err != nil {
		return nil, primitives.Wrap(opArm, request.File, "the child that watches cannot be started", err)
	}
	if err := started.awaitWatching(ctx, c.Clock); err != nil {
		_ = command.Process.Kill()
		started.close()
		return nil, primitives.Wrap(opArm, request.File, "the child "+filepath.Base(program)+" does not watch", err)
	}
	return started, nil
}

func startWithPipes(command *exec.Cmd) (*child, error) {
	hears, word, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer hears.Close()
	said, says, err := os.Pipe()
	if err != nil {
		word.Close()
		return nil, err
	}
	defer says.Close()
	started := &child{word: word, said: said, ended: make(chan struct{})}
	command.Stdin, command.Stdout = hears, says
	if err := command.Start(); err != nil {
		started.close()
		return nil, err
	}
	go func() {
		defer close(started.ended)
		_ = command.Wait()
	}()
	return started, nil
}

func (g *child) close() {
	g.word.Close()
	g.said.Close()
}

func (g *child) awaitWatching(ctx context.Context, clock primitives.Clock) error {
	ctx, cancel := primitives.WithTimeout(ctx, clock, childWait)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = g.said.SetReadDeadline(time.Unix(1, 0)) })()
	line, err := bufio.NewReader(io.LimitReader(g.said, 4096)).ReadString('\n')
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case strings.TrimSpace(line) == watching:
		return nil
	case err != nil && line == "":
		return primitives.Wrap(opArm, "", "it has ended without a word", err)
	}
	return errors.New(strings.TrimSpace(line))
}

// disarm tells the child to end, and waits until it has. One that is gone
// already cannot be told, and will do nothing.
func (g *child) disarm(ctx context.Context, clock primitives.Clock) error {
	defer g.close()
	if _, err := io.WriteString(g.word, disarmed+"\n"); err != nil && !errors.Is(err, syscall.EPIPE) {
		return err
	}
	ctx, cancel := primitives.WithTimeout(ctx, clock, childWait)
	defer cancel()
	select {
	case <-g.ended:
		return nil
	case <-ctx.Done():
		return primitives.Wrap("guard.disarm", "", "the child was told, and has not ended", ctx.Err())
	}
}
