package repl

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestComplete(t *testing.T) {
	for _, test := range []struct {
		text, ready string
		open        bool
		wrong       string
	}{
		{text: "1 + 1", ready: "return 1 + 1"},
		{text: "= 1, 2", ready: "return  1, 2"},
		{text: "x = 1", ready: "x = 1"},
		{text: "print(1)", ready: "return print(1)"},
		{text: "-- nothing", ready: "return -- nothing"},
		{text: "return 7", ready: "return 7"},
		{text: "if x then", open: true},
		{text: "function f()\n", open: true},
		{text: "f(", open: true},
		{text: "{1,", open: true},
		{text: "x =", open: true},
		{text: "[[two", open: true},
		{text: "--[[ a comment", open: true},
		{text: "= {", open: true},
		{text: ")", wrong: "near ')'"},
		{text: "x = = 1", wrong: "near '='"},
		{text: "local local", wrong: "local"},
		{text: `"open`, wrong: "unterminated string"},
	} {
		ready, open, err := Complete(test.text)
		switch {
		case open != test.open:
			t.Errorf("%q: open %v", test.text, open)
		case test.open:
		case test.wrong != "" && (err == nil || !strings.Contains(err.Error(), test.wrong)):
			t.Errorf("%q: %v", test.text, err)
		case test.wrong == "" && (err != nil || ready != test.ready):
			t.Errorf("%q: %q, %v", test.text, ready, err)
		}
	}
}

// script is an Editor that types what it is told.
type script struct {
	lines      []string
	prompts    []string
	remembered []string
}

func (s *script) Line(prompt string) (string, error) {
	s.prompts = append(s.prompts, prompt)
	if len(s.lines) == 0 {
		return "", io.EOF
	}
	line := s.lines[0]
	s.lines = s.lines[1:]
	if line == "^C" {
		return "", ErrAborted
	}
	return line, nil
}

func (s *script) Remember(line string) { s.remembered = append(s.remembered, line) }

func TestLoop(t *testing.T) {
	var out, err bytes.Buffer
	var ran []string
	editor := &script{lines: []string{"1", "", "f(", "2)", "if", "^C", ")", "fail", "if true then"}}
	session := &Session{Editor: editor, Out: &out, Err: &err, Run: func(_ context.Context, text string) ([]string, error) {
		ran = append(ran, text)
		if strings.Contains(text, "fail") {
			return nil, errors.New("input:1: it failed")
		}
		return []string{"one", "two"}, nil
	}}
	session.Loop()
	if got := strings.Join(ran, "|"); got != "return 1|return f(\n2)|return fail" {
		t.Errorf("ran %q", got)
	}
	if got := out.String(); got != "one\ntwo\none\ntwo\n" {
		t.Errorf("values %q", got)
	}
	lines := strings.Split(strings.TrimSpace(err.String()), "\n")
	if len(lines) != 3 || !strings.Contains(lines[0], "near ')'") || lines[1] != "input:1: it failed" || !strings.Contains(lines[2], "EOF") {
		t.Errorf("errors %q", lines)
	}
	if got := strings.Join(editor.prompts, ""); got != first+first+first+more+first+more+first+first+first+more {
		t.Errorf("prompts %q", got)
	}
	if len(editor.remembered) != 7 {
		t.Errorf("remembered %q", editor.remembered)
	}
}

func TestLines(t *testing.T) {
	editor := NewLines(strings.NewReader("one\r\n\ntwo"))
	for _, want := range []string{"one", "", "two"} {
		if line, err := editor.Line(first); err != nil || line != want {
			t.Errorf("%q, %v", line, err)
		}
	}
	if _, err := editor.Line(first); !errors.Is(err, io.EOF) {
		t.Errorf("%v", err)
	}
}
