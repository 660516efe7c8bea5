package remote

import (
	"context"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/crypto/ssh"
	"golang.org/x/term"

	"ctys/primitives"
)

// TerminalRequest is an interactive session.
type TerminalRequest struct {
	In   io.Reader // mostly os.Stdin; where it is a terminal it is raw meanwhile
	Out  io.Writer
	Line string // what to run; empty is the login shell
	Term string // the terminal's type; empty is $TERM, else "xterm"

	// ForwardAgent lets programs there use the keys of the agent here while the
	// session lasts (ssh(1), -A): whoever is root there can use them, too.
	ForwardAgent bool
}

// Terminal runs the login shell, or a line, on a terminal of the other side
// that is shown on this one. Every key goes to the other side as it is, signals
// such as ^C too; the size of the window and its changes are passed on. As in
// ssh(1), ~. at the beginning of a line ends the session, and ~~ sends a ~.
//
// The local terminal is restored on every path, also when this process gets
// SIGTERM or SIGHUP, which end the session (kind Canceled). The result is that
// of Run.
func (c *Conn) Terminal(ctx context.Context, request TerminalRequest) (exit int, err error) {
	screen := newScreen(localTerminal(request.In), request.Out, request.Term)
	screen.forwardAgent = request.ForwardAgent
	command := Command{Stdin: request.In, Stdout: request.Out, Stderr: request.Out}
	process, err := c.launch(ctx, opTerminal, request.Line, command, screen, false)
	if err != nil {
		return 0, err
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	go func() {
		select {
		case <-signals:
			process.giveUp(context.Canceled)
		case <-process.ended:
		case <-process.aborted:
		}
	}()
	return process.Wait()
}

// localTerminal returns the reader's file where that is a terminal.
func localTerminal(in io.Reader) *os.File {
	file, ok := in.(*os.File)
	if !ok || !term.IsTerminal(descriptor(file)) {
		return nil
	}
	return file
}

// screen is the terminal on this side, if there is one, and what the one on
// the other side is to look like.
type screen struct {
	in    *os.File // nil where the input is no terminal
	sized *os.File // whose size counts; nil where none is a terminal
	kind  string

	forwardAgent bool
}

func newScreen(in *os.File, out io.Writer, kind string) *screen {
	s := &screen{in: in, sized: in, kind: kind}
	if file, ok := out.(*os.File); ok && term.IsTerminal(descriptor(file)) {
		s.sized = file
	}
	if s.kind == "" {
		s.kind = os.Getenv("TERM")
	}
	if s.kind == "" {
		s.kind = "xterm"
	}
	return s
}

// size is the window's, and the size of a VT100 where there is none.
func (s *screen) size() (columns, rows int) {
	if s.sized != nil {
		if columns, rows, err := term.GetSize(descriptor(s.sized)); err == nil && columns > 0 && rows > 0 {
			return columns, rows
		}
	}
	return 80, 24
}

// request asks for a terminal on the other side.
func (s *screen) request(session *ssh.Session) error {
	columns, rows := s.size()
	return session.RequestPty(s.kind, rows, columns, terminalModes(s.in))
}

// engage makes the local terminal raw and passes changes of its size on. The
// function it returns undoes both; it may be called several times.
func (s *screen) engage(p *Process) (restore func(), err error) {
	var state *term.State
	if s.in != nil {
		if state, err = term.MakeRaw(descriptor(s.in)); err != nil {
			return nil, err
		}
	}
	changes := make(chan os.Signal, 1)
	signal.Notify(changes, syscall.SIGWINCH)
	over := make(chan struct{})
	go s.follow(p.session, changes, over)
	var once sync.Once
	return func() {
		once.Do(func() {
			signal.Stop(changes)
			close(over)
			if state != nil {
				term.Restore(descriptor(s.in), state)
			}
		})
	}, nil
}

// follow tells the other side the window's size whenever it has changed. The
// first look is for a change since the terminal was asked for.
func (s *screen) follow(session *ssh.Session, changes <-chan os.Signal, over <-chan struct{}) {
	oldColumns, oldRows := 0, 0
	for {
		if columns, rows := s.size(); columns != oldColumns || rows != oldRows {
			oldColumns, oldRows = columns, rows
			session.WindowChange(rows, columns)
		}
		select {
		case <-changes:
		case <-over:
			return
		}
	}
}

// escape watches for ~. where a person types.
func (s *screen) escape(p *Process, in io.Reader) io.Reader {
	if s == nil || s.in == nil {
		return in
	}
	return &escapeReader{in: in, end: func() { p.giveUp(primitives.Errorf(primitives.Canceled, p.op, p.conn.settings.alias, "ended by ~.")) }, fresh: true}
}

// escapeReader passes keys on and looks for the escapes of ssh(1), section
// ESCAPE CHARACTERS, of which ~. and ~~ exist here.
type escapeReader struct {
	in     io.Reader
	end    func()
	fresh  bool // at the beginning of a line
	tilde  bool // a ~ is held back
	beyond []byte
}

func (r *escapeReader) Read(p []byte) (int, error) {
	for {
		if len(r.beyond) > 0 {
			n := copy(p, r.beyond)
			r.beyond = r.beyond[n:]
			return n, nil
		}
		keys := make([]byte, 4096)
		n, err := r.in.Read(keys)
		passed, ended := r.filter(keys[:n])
		r.beyond = passed
		if ended {
			r.end()
			return 0, io.EOF
		}
		if err != nil && len(r.beyond) == 0 {
			return 0, err
		}
	}
}

func (r *escapeReader) filter(keys []byte) (passed []byte, ended bool) {
	for _, key := range keys {
		switch {
		case r.tilde && key == '.':
			return nil, true
		case r.tilde:
			r.tilde = false
			passed = append(passed, '~')
			if key == '~' {
				r.fresh = false
				continue
			}
		case r.fresh && key == '~':
			r.tilde = true
			continue
		}
		passed = append(passed, key)
		r.fresh = key == '\r' || key == '\n'
	}
	return passed, false
}
