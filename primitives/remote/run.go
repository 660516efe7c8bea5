package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"

	"ctys/primitives"
)

// Command is one program to run on the other side. SSH hands the login shell
// one line: either Argv, quoted for a POSIX shell, or Line as it is.
type Command struct {
	Argv []string
	Line string
	// Env is added to the environment. It stands in the command line, which
	// everyone on the other side may read: no secrets.
	Env map[string]string
	// Stdin is read until its end or the command's; nil is an empty input. A
	// reader that blocks may be read once more after the command has ended,
	// but an *os.File is not.
	Stdin io.Reader
	// Stdout and Stderr nil drop the output. Nothing is written to them after
	// the call has returned.
	Stdout, Stderr io.Writer
	// PTY asks for a terminal on the other side, as ssh does: 0 none, 1 (-t)
	// where Stdin is a terminal, 2 (-tt) in any case. Where Stdin is a
	// terminal it is raw meanwhile.
	PTY int
}

// line is what the login shell gets.
func (c Command) line() (string, error) {
	if (len(c.Argv) == 0) == (c.Line == "") {
		return "", errors.New("a command has either an argv or a line")
	}
	if strings.ContainsRune(c.Line+strings.Join(c.Argv, ""), 0) {
		return "", errors.New("a command has no NUL in it")
	}
	assignments, err := c.assignments()
	if err != nil || len(assignments) == 0 {
		return Quote(c.Argv) + c.Line, err
	}
	if c.Line != "" {
		return "export " + strings.Join(assignments, " ") + "; " + c.Line, nil
	}
	return "env " + strings.Join(assignments, " ") + " " + Quote(c.Argv), nil
}

func (c Command) assignments() ([]string, error) {
	var assignments []string
	for name, value := range c.Env {
		if !isVariable(name) || strings.ContainsRune(value, 0) {
			return nil, fmt.Errorf("%q is no environment variable", name)
		}
		assignments = append(assignments, name+"="+quoteWord(value))
	}
	slices.Sort(assignments)
	return assignments, nil
}

func isVariable(name string) bool {
	for i, r := range name {
		letter := r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != ""
}

// Run runs a command to its end and returns its exit code; a command that a
// signal ended has 128 and the signal's number. An error means that there is no
// exit code: of kind Invalid (the command), Busy (sshd's MaxSessions), Unreachable (the line was lost, and
// whether the command ended is not known), Canceled or Timeout (ctx ended), or
// that of a Stdout, Stderr or Stdin that failed.
//
// A command that is given up is sent SIGTERM and its input and output are
// closed. OpenSSH's sshd passes no signal on to root's commands: one that
// neither reads nor writes then runs on.
func (c *Conn) Run(ctx context.Context, command Command) (exit int, err error) {
	process, err := c.begin(ctx, opRun, command, false)
	if err != nil {
		return 0, err
	}
	return process.Wait()
}

// ExitError is the cause of an error of Output: the command ran and said no.
type ExitError struct {
	Exit   int
	Stderr string // its last 4 KiB, without control characters
}

// Error gives the exit code and what the command said last.
func (e *ExitError) Error() string {
	if e.Stderr == "" {
		return fmt.Sprintf("exit code %d", e.Exit)
	}
	return fmt.Sprintf("exit code %d: %s", e.Exit, e.Stderr)
}

const (
	maxOutput = 16 << 20
	maxStderr = 4 << 10
)

// Output runs argv and returns its standard output. An exit code other than 0
// is an error with an *ExitError as cause: of kind Denied where the program may
// not be run (126), Unsupported otherwise (127 is a missing program). More than
// 16 MiB of output is an error of kind Invalid.
func (c *Conn) Output(ctx context.Context, argv ...string) (stdout string, err error) {
	out, words := &bounded{limit: maxOutput}, &tail{limit: maxStderr}
	exit, err := c.Run(ctx, Command{Argv: argv, Stdout: out, Stderr: words})
	if out.exceeded {
		return "", primitives.Errorf(primitives.Invalid, opRun, c.settings.alias,
			"%s printed more than %d MiB: run it with a writer for its output", argv[0], maxOutput>>20)
	}
	if err != nil {
		return "", err
	}
	if exit != 0 {
		kind := primitives.Unsupported
		if exit == 126 {
			kind = primitives.Denied
		}
		return out.String(), &primitives.Error{Kind: kind, Op: opRun, Host: c.settings.alias, Message: argv[0],
			Cause: &ExitError{Exit: exit, Stderr: strings.TrimSpace(cleanText(words.String()))}}
	}
	return out.String(), nil
}

// Process is a command that runs on the other side.
type Process struct {
	Stdin  io.WriteCloser // nil where the Command has a Stdin
	Stdout io.Reader      // nil where the Command has a Stdout

	conn    *Conn
	op      string
	session *ssh.Session
	outputs []*gate
	input   *pollReader // nil where the input is no file
	stop    func() bool // forgets the context
	restore func()      // gives the local terminal back

	endLending func() // of the agent to this session

	ready chan struct{} // closed when all of the above stands

	ended   chan struct{} // closed when exit and err stand
	exit    int
	err     error
	aborted chan struct{} // closed when the command was given up
	reason  error
	abort   sync.Once
}

// Start runs a command and talks to it: what the Command leaves nil of Stdin
// and Stdout becomes a pipe. Stdout has to be read, or the command will wait.
// The command ends with ctx. Call Wait or Close in the end.
func (c *Conn) Start(ctx context.Context, command Command) (*Process, error) {
	return c.begin(ctx, opRun, command, true)
}

// begin starts a command; pipes tells whether missing streams become pipes.
func (c *Conn) begin(ctx context.Context, op string, command Command, pipes bool) (*Process, error) {
	line, err := command.line()
	if err != nil {
		return nil, primitives.Errorf(primitives.Invalid, op, c.settings.alias, "%v", err)
	}
	var screen *screen
	if local := localTerminal(command.Stdin); command.PTY == 2 || command.PTY == 1 && local != nil {
		screen = newScreen(local, command.Stdout, "")
	}
	return c.launch(ctx, op, line, command, screen, pipes)
}

// launch starts line (the login shell where it is empty) with the streams of
// command, on a terminal of the other side where screen is set.
func (c *Conn) launch(ctx context.Context, op, line string, command Command, screen *screen, pipes bool) (*Process, error) {
	p := &Process{conn: c, op: op, ready: make(chan struct{}), ended: make(chan struct{}), aborted: make(chan struct{}), restore: func() {}, endLending: func() {}}
	session, err := await(ctx, c, func() (*ssh.Session, error) { return p.open(line, command, screen, pipes) },
		p.discard)
	if err != nil {
		return nil, c.startError(ctx, op, err)
	}
	if screen != nil {
		if p.restore, err = screen.engage(p); err != nil {
			p.discard(session)
			return nil, primitives.Wrap(op, c.settings.alias, "the local terminal cannot be made raw", err)
		}
	}
	p.stop = context.AfterFunc(ctx, func() { p.giveUp(ctx.Err()) })
	close(p.ready)
	if p.input != nil {
		p.input.release()
	}
	go p.conclude()
	return p, nil
}

// open makes the session and everything on it up to the started command.
func (p *Process) open(line string, command Command, screen *screen, pipes bool) (*ssh.Session, error) {
	session, err := p.conn.client.NewSession()
	if err != nil {
		return nil, err
	}
	p.session = session
	err = p.prepare(session, command, screen, pipes)
	switch {
	case err != nil:
	case line == "":
		err = session.Shell()
	default:
		err = startLine(session, line)
	}
	if err != nil {
		p.discard(session)
		return nil, err
	}
	return session, nil
}

// discard ends a session that nobody waits for.
func (p *Process) discard(session *ssh.Session) {
	if p.input != nil {
		p.input.halt()
	}
	p.endLending()
	close(p.ready)
	session.Close()
}

// startLine keeps the command line out of the error: it may be long, and the
// caller knows it.
func startLine(session *ssh.Session, line string) error {
	err := session.Start(line)
	if err != nil && strings.Contains(err.Error(), line) {
		return errRefused
	}
	return err
}

var errRefused = errors.New("the peer refused to run a command")

func (p *Process) prepare(session *ssh.Session, command Command, screen *screen, pipes bool) (err error) {
	if screen != nil {
		if err := screen.request(session); err != nil {
			return err
		}
		if screen.forwardAgent {
			end, err := p.conn.lendAgent(session)
			if err != nil {
				return err
			}
			p.endLending = end
		}
	}
	switch file, isFile := command.Stdin.(*os.File); {
	case isFile:
		if p.input, err = newPollReader(file); err != nil {
			return err
		}
		session.Stdin = screen.escape(p, p.input)
	case command.Stdin != nil:
		session.Stdin = command.Stdin
	case pipes:
		if p.Stdin, err = session.StdinPipe(); err != nil {
			return err
		}
	}
	stdout, stderr := newGates(command.Stdout, command.Stderr, func(err error) { p.giveUp(err) })
	p.outputs = []*gate{stdout, stderr}
	session.Stderr = stderr
	if command.Stdout == nil && pipes {
		p.Stdout, err = session.StdoutPipe()
		return err
	}
	session.Stdout = stdout
	return nil
}

func (c *Conn) startError(ctx context.Context, op string, err error) error {
	var full *ssh.OpenChannelError
	var own *primitives.Error
	switch {
	case errors.As(err, &own):
		return own
	case ctx.Err() != nil:
		return primitives.Wrap(op, c.settings.alias, "the command was not started", ctx.Err())
	case c.gone(), errors.Is(err, io.EOF):
		return c.lost(op, "the command was not started")
	case errors.As(err, &full):
		return primitives.Errorf(primitives.Busy, op, c.settings.alias,
			"it opens no more sessions on this connection (sshd's MaxSessions): run fewer commands at once")
	case errors.Is(err, errRefused):
		return primitives.Errorf(primitives.Denied, op, c.settings.alias, "%v", err)
	}
	return &primitives.Error{Kind: reachKind(err), Op: op, Host: c.settings.alias, Message: "the command was not started", Cause: err}
}

// conclude waits for the end and says what it was.
func (p *Process) conclude() {
	err := p.session.Wait()
	if p.input != nil {
		p.input.halt()
	}
	p.restore()
	p.endLending()
	var ended *ssh.ExitError
	var missing *ssh.ExitMissingError
	switch {
	// The command ended well without reading all of its input.
	case err == nil, errors.Is(err, io.EOF):
	case errors.As(err, &ended):
		p.exit = ended.ExitStatus()
	case errors.As(err, &missing), p.conn.gone():
		p.err = p.conn.lost(p.op, "whether the command ended is not known")
	default:
		p.err = primitives.Wrap(p.op, p.conn.settings.alias, "its input or output could not be passed on", err)
	}
	close(p.ended)
}

// giveUp ends the command for a reason on this side.
func (p *Process) giveUp(reason error) {
	<-p.ready
	p.abort.Do(func() {
		p.reason = reason
		if p.input != nil {
			p.input.halt()
		}
		p.restore()
		p.endLending()
		close(p.aborted)
		// A line that is dead may block these.
		go func() {
			p.session.Signal(ssh.SIGTERM)
			p.session.Close()
		}()
	})
}

// Wait waits for the command's end. It returns what Run returns.
func (p *Process) Wait() (exit int, err error) {
	select {
	case <-p.ended:
	case <-p.aborted:
		if !p.hasEnded() {
			for _, output := range p.outputs {
				output.shut()
			}
			return 0, p.abandoned()
		}
	}
	p.stop()
	return p.exit, p.err
}

func (p *Process) abandoned() error {
	if p.reason == nil {
		return primitives.Errorf(primitives.Canceled, p.op, p.conn.settings.alias, "the command was told to end")
	}
	if kind := primitives.KindOf(p.reason); kind == primitives.Canceled || kind == primitives.Timeout {
		return primitives.Wrap(p.op, p.conn.settings.alias, "the command was told to end, whether it did is not known", p.reason)
	}
	return primitives.Wrap(p.op, p.conn.settings.alias, "the command was told to end, since its output could not be passed on", p.reason)
}

func (p *Process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// Close ends the command where it still runs: its input and output are closed
// and it is sent SIGTERM.
func (p *Process) Close() error {
	p.stop()
	if !p.hasEnded() {
		p.giveUp(nil)
		p.Wait()
	}
	return nil
}
