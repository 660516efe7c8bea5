package repl

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/peterh/liner"
)

// Terminal is an Editor on a terminal: line editing and a history that is kept
// in a file.
type Terminal struct {
	state   *liner.State
	cooked  liner.ModeApplier
	raw     liner.ModeApplier
	history string
}

// NewTerminal opens the terminal at standard input. The history is read from
// the file, which may be missing; an empty name keeps none. Close writes it.
func NewTerminal(history string) *Terminal {
	t := &Terminal{history: history}
	t.cooked, _ = liner.TerminalMode()
	t.state = liner.NewLiner()
	t.raw, _ = liner.TerminalMode()
	t.state.SetCtrlCAborts(true)
	if file, err := os.Open(history); err == nil {
		_, _ = t.state.ReadHistory(file)
		file.Close()
	}
	t.apply(t.cooked)
	return t
}

// apply sets the terminal's mode: raw while a line is edited, as it was while
// a chunk runs, so that Ctrl-C is a signal again.
func (t *Terminal) apply(mode liner.ModeApplier) {
	if mode != nil {
		_ = mode.ApplyMode()
	}
}

// Line reads one line; Ctrl-C gives ErrAborted, Ctrl-D on an empty line io.EOF.
func (t *Terminal) Line(prompt string) (string, error) {
	t.apply(t.raw)
	defer t.apply(t.cooked)
	line, err := t.state.Prompt(prompt)
	if errors.Is(err, liner.ErrPromptAborted) {
		return "", ErrAborted
	}
	return line, err
}

// Remember puts a line in the history.
func (t *Terminal) Remember(line string) { t.state.AppendHistory(line) }

// Close gives the terminal back and writes the history, readable to its owner
// only: it may hold what was typed by mistake.
func (t *Terminal) Close() error {
	err := t.state.Close()
	if t.history == "" {
		return err
	}
	if failed := os.MkdirAll(filepath.Dir(t.history), 0o700); failed != nil {
		return errors.Join(err, failed)
	}
	file, failed := os.OpenFile(t.history, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if failed != nil {
		return errors.Join(err, failed)
	}
	_, failed = t.state.WriteHistory(file)
	return errors.Join(err, failed, file.Close())
}

// Lines is an Editor that reads a stream without prompts, for input that is no
// terminal.
type Lines struct{ reader *bufio.Reader }

// NewLines makes one.
func NewLines(from io.Reader) *Lines { return &Lines{bufio.NewReader(from)} }

// Line reads one line; the prompt is not shown.
func (l *Lines) Line(string) (string, error) {
	line, err := l.reader.ReadString('\n')
	if err != nil && line == "" {
		return "", err
	}
	return strings.TrimRight(line, "\r\n"), nil
}

// Remember does nothing.
func (*Lines) Remember(string) {}
