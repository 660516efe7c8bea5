package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"

	"ctys/luabind"

	"golang.org/x/sys/unix"
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

// Ask shows a question and reads a line; a hidden one is not echoed. Nothing is
// read any more when ctx has ended: the next key belongs to whoever asks then.
func (d *desk) Ask(ctx context.Context, question string, hidden bool) (string, error) {
	d.before()
	defer d.after()
	io.WriteString(d.out, question)
	fd := int(d.in.Fd())
	restore := func() {}
	if hidden {
		var err error
		if restore, err = echoOff(fd); err != nil {
			return "", luabind.Wrap("terminal", "", "what is typed cannot be hidden", err)
		}
		defer context.AfterFunc(ctx, restore)() // at once: the process may end now
	}
	line, err := d.line(ctx, fd)
	restore() // before anything is written, which may end the process too (SIGPIPE)
	if hidden || ctx.Err() != nil {
		io.WriteString(d.out, "\n")
	}
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	return line, luabind.Wrap("terminal", "", "the answer could not be read", err)
}

// line reads one line, which a terminal hands out as a whole.
func (d *desk) line(ctx context.Context, fd int) (string, error) {
	var line []byte
	buffer := make([]byte, 4096)
	for ctx.Err() == nil {
		ready, err := keysReady(fd)
		if err != nil {
			return "", err
		}
		if !ready {
			continue
		}
		n, err := d.in.Read(buffer)
		line = append(line, buffer[:n]...)
		if end := bytes.IndexByte(line, '\n'); end >= 0 {
			return strings.TrimRight(string(line[:end]), "\r"), nil
		}
		if err != nil {
			return "", err
		}
	}
	return "", ctx.Err()
}

// keysReady waits a moment for something to read.
func keysReady(fd int) (bool, error) {
	const moment = 20 // ms; how soon a context that has ended is noticed
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, moment)
	if errors.Is(err, unix.EINTR) {
		return false, nil
	}
	return n > 0, err
}

// echoOff keeps the terminal from showing what is typed until restore is called.
func echoOff(fd int) (restore func(), err error) {
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, err
	}
	hidden := *before
	hidden.Lflag &^= unix.ECHO
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &hidden); err != nil {
		return nil, err
	}
	return sync.OnceFunc(func() { _ = unix.IoctlSetTermios(fd, unix.TCSETS, before) }), nil
}
