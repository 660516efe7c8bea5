// Package repl reads Lua line by line, runs each chunk when it is complete, and
// prints its values. It stands on the host's public interface alone.
package repl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"ctys/luabind"
)

// The prompts: for a new chunk, and for one that goes on.
const (
	first = "ctys> "
	more  = " ...> "
)

// ErrAborted is what an Editor returns for a line that was given up by Ctrl-C.
var ErrAborted = errors.New("aborted")

// Editor reads lines.
type Editor interface {
	// Line reads one line. io.EOF ends the session.
	Line(prompt string) (string, error)
	// Remember puts a line in the history.
	Remember(line string)
}

// Session is what a loop needs.
type Session struct {
	Editor Editor
	Out    io.Writer // values
	Err    io.Writer // errors
	// Run runs a chunk that parses and gives what it returned, as text.
	Run func(ctx context.Context, text string) ([]string, error)

	abandoned bool // a chunk still runs
}

// Loop reads and runs chunks until the input ends: it is then true. It is false
// where a chunk did not stop at the first Ctrl-C and was left by a second one;
// that chunk has the runtime in its hands, so the session cannot go on.
func (s *Session) Loop() bool {
	var chunk []string
	for !s.abandoned {
		prompt := first
		if len(chunk) > 0 {
			prompt = more
		}
		line, err := s.Editor.Line(prompt)
		if errors.Is(err, ErrAborted) {
			chunk = nil
			continue
		}
		if err != nil {
			s.leftover(chunk)
			return true
		}
		if strings.TrimSpace(line) != "" {
			s.Editor.Remember(line)
		}
		chunk = s.take(append(chunk, line))
	}
	return false
}

// take runs the chunk if it is complete, and gives what is still open.
func (s *Session) take(lines []string) []string {
	text := strings.Join(lines, "\n")
	if strings.TrimSpace(text) == "" {
		return nil
	}
	ready, open, err := Complete(text)
	switch {
	case open:
		return lines
	case err != nil:
		s.fail(err)
	default:
		s.run(ready)
	}
	return nil
}

// leftover complains of a chunk that the end of the input cut off.
func (s *Session) leftover(lines []string) {
	if len(lines) == 0 {
		return
	}
	if _, _, err := Complete(strings.Join(lines, "\n")); err != nil {
		s.fail(err)
	}
}

// Complete gives the chunk as it is run: an expression returns its values, with
// or without "=" before it. Open tells that more lines are needed.
func Complete(text string) (ready string, open bool, err error) {
	if expression, ok := strings.CutPrefix(strings.TrimLeft(text, " \t"), "="); ok {
		text = "return " + expression
		open, err = luabind.CheckSyntax(chunkName, text)
		return text, open, err
	}
	expression := "return " + text
	moreExpression, failure := luabind.CheckSyntax(chunkName, expression)
	if failure == nil {
		return expression, false, nil
	}
	open, err = luabind.CheckSyntax(chunkName, text)
	if err == nil {
		return text, false, nil
	}
	return text, open || moreExpression, err
}

// chunkName is what errors call the input.
const chunkName = "input"

// ChunkName is the name under which Run is to run a chunk, for its errors.
const ChunkName = chunkName

// result is what a chunk came to.
type result struct {
	values []string
	err    error
}

// run runs a chunk. The first Ctrl-C stops it; a second one leaves it, since not
// everything can be stopped (a pattern of string.find, for one).
func (s *Session) run(text string) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	interrupts := make(chan os.Signal, 2)
	signal.Notify(interrupts, os.Interrupt)
	defer signal.Stop(interrupts)
	ended := make(chan result, 1)
	go func() {
		values, err := s.Run(ctx, text)
		ended <- result{values, err}
	}()
	select {
	case r := <-ended:
		s.show(ctx, r)
		return
	case <-interrupts:
		cancel()
	}
	select {
	case r := <-ended:
		s.show(ctx, r)
	case <-interrupts:
		s.abandoned = true
		fmt.Fprintln(s.Err, "interrupted; it does not stop, so the session ends")
	}
}

func (s *Session) show(ctx context.Context, r result) {
	for _, value := range r.values {
		fmt.Fprintln(s.Out, value)
	}
	switch {
	case r.err != nil && ctx.Err() != nil:
		fmt.Fprintln(s.Err, "interrupted")
	case r.err != nil:
		s.fail(r.err)
	}
}

func (s *Session) fail(err error) { fmt.Fprintf(s.Err, "%s\n", err) }
