package lab

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/term"
)

// shell is what somebody logged in to a machine can do: a few commands, alone
// or at a prompt. It is no real shell and touches nothing outside of the world.
type shell struct {
	door    *door
	ctx     context.Context
	user    string
	channel ssh.Channel
	in      io.Reader
	out     io.Writer
	err     io.Writer
	ended   bool // exit was typed
	status  int  // of the last command

	mu         sync.Mutex
	terminal   *term.Terminal
	hasPTY     bool
	rows, cols uint32
}

// pty takes a pty-req (RFC 4254, 6.2).
func (s *shell) pty(payload []byte) bool {
	var size struct {
		Term          string
		Columns, Rows uint32
		Width, Height uint32
		Modes         string
	}
	if ssh.Unmarshal(payload, &size) != nil {
		return false
	}
	s.setSize(size.Rows, size.Columns, true)
	return true
}

// resize takes a window-change (RFC 4254, 6.7).
func (s *shell) resize(payload []byte) bool {
	var size struct{ Columns, Rows, Width, Height uint32 }
	if ssh.Unmarshal(payload, &size) != nil {
		return false
	}
	s.setSize(size.Rows, size.Columns, false)
	return true
}

const widest = 10_000

func (s *shell) setSize(rows, cols uint32, pty bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows, s.cols = min(rows, widest), min(cols, widest)
	s.hasPTY = s.hasPTY || pty
	if s.terminal != nil && s.cols > 0 {
		_ = s.terminal.SetSize(int(s.cols), int(s.rows))
	}
}

// interact reads command lines until exit or the end of the input.
func (s *shell) interact() int {
	s.mu.Lock()
	pty := s.hasPTY
	s.mu.Unlock()
	if !pty {
		return s.batch()
	}
	s.startTerminal()
	fmt.Fprintf(s.out, "%s of the simulated lab; \"help\" lists its commands\n", s.door.machine.Name)
	for !s.ended {
		line, err := s.terminal.ReadLine()
		if err != nil {
			break
		}
		s.status = s.run(line)
	}
	return s.status
}

func (s *shell) startTerminal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.terminal = term.NewTerminal(keyboard{s.channel}, s.user+"@"+s.door.machine.Name+":~# ")
	if s.cols > 0 {
		_ = s.terminal.SetSize(int(s.cols), int(s.rows))
	}
	s.out, s.err = s.terminal, s.terminal
}

// keyboard turns Ctrl-C into "drop the line and show the prompt", as a shell
// does; the line editor would take it for the end.
type keyboard struct{ io.ReadWriter }

func (k keyboard) Read(p []byte) (int, error) {
	if len(p) < 2 {
		return k.ReadWriter.Read(p)
	}
	half := make([]byte, len(p)/2)
	n, err := k.ReadWriter.Read(half)
	return copy(p, bytes.ReplaceAll(half[:n], []byte{0x03}, []byte{0x15, '\r'})), err
}

// batch reads command lines without a terminal: no prompt, no echo.
func (s *shell) batch() int {
	lines := bufio.NewScanner(s.in)
	for !s.ended && lines.Scan() {
		s.status = s.run(lines.Text())
	}
	return s.status
}

// run carries out one command line: simple commands joined by ; && and ||.
func (s *shell) run(line string) int {
	commands, err := parseLine(line)
	if err != nil {
		fmt.Fprintf(s.err, "lab: %v\n", err)
		return 2
	}
	status := 0
	for _, c := range commands {
		if s.ended || c.after == "&&" && status != 0 || c.after == "||" && status == 0 {
			continue
		}
		status = s.execute(c.argv)
	}
	return status
}

// simple is one command of a line.
type simple struct {
	argv  []string
	after string // the operator before it: "&&", "||", ";" or empty
}

var errNoShell = errors.New("this is no real shell: it knows quotes, ; && and ||, and the commands that \"help\" lists")

// parseLine splits a line as sh(1) would, as far as that goes.
func parseLine(line string) ([]simple, error) {
	var commands []simple
	var current simple
	p := splitter{rest: line}
	for {
		word, operator, err := p.next()
		if err != nil {
			return nil, err
		}
		if word != nil {
			current.argv = append(current.argv, *word)
			continue
		}
		if len(current.argv) > 0 {
			commands = append(commands, current)
		} else if operator != "" {
			return nil, errNoShell
		}
		if operator == "" {
			return commands, nil
		}
		current = simple{after: operator}
	}
}

// splitter takes words and operators off a line.
type splitter struct{ rest string }

// next gives a word, or else an operator, which is empty at the end.
func (p *splitter) next() (word *string, operator string, err error) {
	p.rest = strings.TrimLeft(p.rest, " \t\r")
	switch {
	case p.rest == "" || p.rest[0] == '#':
		return nil, "", nil
	case p.rest[0] == ';' || p.rest[0] == '\n':
		p.rest = p.rest[1:]
		if strings.TrimSpace(p.rest) == "" {
			return nil, "", nil
		}
		return nil, ";", nil
	case p.atOperator():
		operator, p.rest = p.rest[:2], p.rest[2:]
		return nil, operator, nil
	}
	var b strings.Builder
	for p.rest != "" && !strings.ContainsRune(" \t\r\n;", rune(p.rest[0])) && !p.atOperator() {
		if err := p.piece(&b); err != nil {
			return nil, "", err
		}
	}
	text := b.String()
	return &text, "", nil
}

func (p *splitter) atOperator() bool {
	return strings.HasPrefix(p.rest, "&&") || strings.HasPrefix(p.rest, "||")
}

// piece takes one character or one quoted part of a word.
func (p *splitter) piece(b *strings.Builder) error {
	c := p.rest[0]
	p.rest = p.rest[1:]
	switch c {
	case '\'', '"':
		end := strings.IndexByte(p.rest, c)
		if end < 0 {
			return errors.New("a quote is not closed")
		}
		quoted := p.rest[:end]
		if c == '"' && strings.ContainsAny(quoted, "\\$`") {
			return errNoShell
		}
		b.WriteString(quoted)
		p.rest = p.rest[end+1:]
	case '\\':
		if p.rest == "" {
			return errNoShell
		}
		b.WriteByte(p.rest[0])
		p.rest = p.rest[1:]
	case '$': // a variable's value, in an assignment only: variables mean nothing here
		if !assignment(b.String()) {
			return errNoShell
		}
		b.WriteByte(c)
	case '|', '&', '<', '>', '(', ')', '`', '*', '?':
		return errNoShell
	default:
		b.WriteByte(c)
	}
	return nil
}

// number reads a small number that may be missing.
func number(args []string, otherwise int) int {
	if len(args) == 0 {
		return otherwise
	}
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return 2
	}
	return n & 0xff
}
