package main

import (
	"bufio"
	"context"
	"ctys/luabind"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// desk is the person at the terminal that the program was called from.
type desk struct {
	in     *os.File
	out    io.Writer
	before func() // clears the screen for a question
	after  func()
}

// Ask shows a question and reads a line; a hidden one is not echoed.
func (d *desk) Ask(ctx context.Context, question string, hidden bool) (string, error) {
	d.before()
	defer d.after()
	io.WriteString(d.out, question)
	type answer struct {
		line string
		err  error
	}
	given := make(chan answer, 1)
	fd := int(d.in.Fd())
	state, _ := term.GetState(fd)
	go func() {
		line, err := d.read(fd, hidden)
		given <- answer{line, err}
	}()
	select {
	case a := <-given:
		return a.line, luabind.Wrap("terminal", "", "the answer could not be read", a.err)
	case <-ctx.Done():
		if state != nil {
			_ = term.Restore(fd, state)
		}
		io.WriteString(d.out, "\n")
		return "", ctx.Err()
	}
}

func (d *desk) read(fd int, hidden bool) (string, error) {
	if hidden {
		line, err := term.ReadPassword(fd)
		io.WriteString(d.out, "\n")
		return string(line), err
	}
	line, err := bufio.NewReader(d.in).ReadString('\n')
	return strings.TrimRight(line, "\r\n"), err
}
