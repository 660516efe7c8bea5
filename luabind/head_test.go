package luabind

import (
	"io/fs"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"ctys/primitives"
)

func readHead(t *testing.T, text string) (Head, error) {
	t.Helper()
	return ReadHead(nil, Source{Name: "try", File: "try.lua", Text: text})
}

func head(t *testing.T, arguments string) Head {
	t.Helper()
	read, err := readHead(t, `return { head = { what = "Tries.", arguments = {`+arguments+`} } }`)
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func TestReadHead(t *testing.T) {
	read, err := readHead(t, `
local subopts = require "subopts"
local M = {}
M.head = {
  what = "Does.", usage = "try [-n] WORD", examples = "ctys try one", categories = { "safe", "net" },
  arguments = {
    { name = "interface", option = { "i", "if" }, value = "IF", help = "where" },
    { name = "count", type = "integer", option = "c", default = 3, min = 1, max = 9 },
    { name = "word", one_of = { "one", "two" }, required = true },
  },
  touches = { "wol", "nic.read" },
}
function M.action() end
return M`)
	if err != nil {
		t.Fatal(err)
	}
	want := Head{
		Name: "try", What: "Does.", Usage: "try [-n] WORD", Examples: []string{"ctys try one"}, Categories: []string{"safe", "net"},
		Arguments: []Argument{
			{Name: "interface", Type: ArgumentString, Options: []string{"-i", "--if", "--interface"}, Value: "IF", Help: "where"},
			{Name: "count", Type: ArgumentInteger, Options: []string{"-c", "--count"}, Default: 3.0, Min: 1, Max: 9},
			{Name: "word", Type: ArgumentString, OneOf: []string{"one", "two"}, Required: true},
		},
		Touches: []string{"wol", "nic.read"}, Declared: true,
	}
	if !reflect.DeepEqual(read, want) {
		t.Errorf("%+v\nwant %+v", read, want)
	}
	if got := read.Line(); got != "ctys try [-n] WORD" {
		t.Errorf("usage %q", got)
	}
}

func TestMalformedHeads(t *testing.T) {
	argument := func(fields string) string { return `return {head = {arguments = {{` + fields + `}}}}` }
	for _, test := range []struct{ text, message string }{
		{"return", "returns nothing"},
		{"", "returns nothing"},
		{"return 1", "returns a number"},
		{"return {head = 1}", "head is a number"},
		{"return {head = {what = 1}}", "what is a number"},
		{"return {head = {touch = {}}}", `unknown field "touch"`},
		{"return {head = {touches = 1}}", "touches is number"},
		{"return {head = {touches = {1}}}", "touches is whose element 1"},
		{"return {head = {arguments = 1}}", "arguments is a number"},
		{"return {head = {arguments = {1}}}", "argument 1 is a number"},
		{argument(``), "argument 1 has no name"},
		{argument(`name = "a b"`), "argument 1 has no name"},
		{argument(`name = "a", type = "float"`), `type "float"; accepted: flag, string,`},
		{argument(`name = "a", letter = "x"`), `argument 1 (a) has an unknown field "letter"`},
		{argument(`name = "a", type = "flag"`), "is a flag and has no option"},
		{argument(`name = "a"}, {name = "a"`), `"a" is declared twice`},
		{argument(`name = "a", option = "x"}, {name = "b", option = "x"`), `-x stands for "a" and for "b"`},
		{argument(`name = "a", type = "list"}, {name = "b"`), `"b" comes after "a"`},
		{"return {", "syntax error"},
		{"wol.send{}", "cannot be loaded to read its head"},
		{"error('x')", "cannot be loaded to read its head"},
		{"while true do end", "cannot be loaded to read its head"},
		{"local t = require 'nothing.there' return {}", "cannot be loaded to read its head"},
		{"secret.command('true') return {}", "secret.command"},
	} {
		_, err := readHead(t, test.text)
		if err == nil || !strings.Contains(err.Error(), test.message) || primitives.KindOf(err) != primitives.Invalid {
			t.Errorf("%s: %v", test.text, err)
		}
	}
}

func TestAuthorityOfAHead(t *testing.T) {
	for _, test := range []struct {
		text            string
		wol, read, exec bool
	}{
		{`return {}`, false, true, false},
		{`return {head = {what = "x"}}`, false, true, false},
		{`return {head = {touches = {}}}`, false, false, false},
		{`return {head = {touches = {"wol"}}}`, true, false, false},
		{`return {head = {touches = {"wol.send", "nic.read", "exec"}}}`, true, true, true},
	} {
		read, err := readHead(t, test.text)
		if err != nil {
			t.Fatal(err)
		}
		authority := read.Authority()
		authority.Master = []string{"exec"}
		if authority.Permits("wol.send", Write) != test.wol || authority.Permits("nic.list", Read) != test.read ||
			authority.Permits("exec.run", Read) != test.exec || authority.Permits("stack.destroy", WriteOnce) {
			t.Errorf("%s: %+v", test.text, authority)
		}
	}
}

func TestMasterKeys(t *testing.T) {
	read := Head{Touches: []string{"wol", "exec.run", "remote", "secret.command", "*", "stack.*"}}
	if got := read.MasterKeys(); !reflect.DeepEqual(got, []string{"exec.run", "remote", "secret.command", "*"}) {
		t.Errorf("%q", got)
	}
}

func TestHasHead(t *testing.T) {
	for text, want := range map[string]bool{
		"return {head = {}}":                      true,
		"local M = {head = {}} return M":          true,
		"local M = {} M.head = {} return M":       true,
		"M = {head = {}} return M":                true,
		"#!/usr/bin/env ctys\nreturn {head = {}}": true,
		"local M = {} M.head = {}":                false,
		"return {}":                               false,
		"print(t.head) return 1":                  false,
		"local head = {} return head":             false,
		"":                                        false,
		"return {":                                false,
	} {
		if got := HasHead(Source{File: "try.lua", Text: text}); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestArguments(t *testing.T) {
	read := head(t, `
{name = "loud", option = "l", type = "flag"},
{name = "interface", option = "i"},
{name = "count", option = "c", type = "integer", min = 0, max = 10, default = 2},
{name = "wait_for", option = "w", type = "seconds"},
{name = "also", option = "a", type = "list"},
{name = "mac", type = "mac"},
{name = "rest", type = "list"}`)
	for _, test := range []struct {
		argv string
		want map[string]any
	}{
		{"", map[string]any{"count": 2.0}},
		{"-l -i eth0", map[string]any{"loud": true, "interface": "eth0", "count": 2.0}},
		{"-lieth0 -c10", map[string]any{"loud": true, "interface": "eth0", "count": 10.0}},
		{"--interface=eth0 --wait-for 1h30m", map[string]any{"interface": "eth0", "wait_for": 5400.0, "count": 2.0}},
		{"-w 0.5 525400123456 x y", map[string]any{"wait_for": 0.5, "mac": "52:54:00:12:34:56", "rest": []any{"x", "y"}, "count": 2.0}},
		{"-a 1 52-54-00-12-34-56 -a 2 -- -l", map[string]any{"also": []any{"1", "2"}, "mac": "52:54:00:12:34:56", "rest": []any{"-l"}, "count": 2.0}},
		{"-i - 5254.0012.3456 -", map[string]any{"interface": "-", "mac": "52:54:00:12:34:56", "rest": []any{"-"}, "count": 2.0}},
	} {
		got, err := read.Parse(strings.Fields(test.argv))
		if err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %v, %v", test.argv, got, err)
		}
	}
	for argv, message := range map[string]string{
		"-x":             "there is no option -x; usage: ctys try [-l]",
		"--nothing":      "there is no option --nothing",
		"-lx":            "there is no option -x",
		"-i":             "the value of -i is missing: a text",
		"--loud=yes":     "--loud takes no value",
		"-c 11":          `-c is "11"; accepted: a whole number from 0 to 10`,
		"-c 1.5":         `-c is "1.5"`,
		"-c 0x1":         `-c is "0x1"`,
		"-w -1":          `-w is "-1"`,
		"-w NaN":         `-w is "NaN"`,
		"-w soon":        `-w is "soon"; accepted: seconds`,
		"nonsense":       `MAC is "nonsense"; accepted: a MAC address`,
		"-i a\x00b":      "accepted: a text",
		"--wait_for 1":   "there is no option --wait_for",
		"-l -l -l -":     `MAC is "-"`,
		"-":              `MAC is "-"`,
		"--":             "",
		"--count":        "the value of --count is missing",
		"--count= ":      `--count is ""`,
		"-cc":            `-c is "c"`,
		"-c 99999999999": `-c is`,
	} {
		_, err := read.Parse(strings.Fields(argv))
		if message == "" && err == nil {
			continue
		}
		if err == nil || !strings.Contains(err.Error(), message) || primitives.KindOf(err) != primitives.Invalid {
			t.Errorf("%s: %v", argv, err)
		}
	}
	if _, err := head(t, ``).Parse([]string{"x"}); err == nil || !strings.Contains(err.Error(), "one argument too many") {
		t.Errorf("%v", err)
	}
	if _, err := head(t, `{name = "word", one_of = {"a", "b"}, required = true}`).Parse([]string{"c"}); err == nil || !strings.Contains(err.Error(), "one of a, b") {
		t.Errorf("%v", err)
	}
}

func TestCheckSyntax(t *testing.T) {
	for text, want := range map[string][2]bool{
		"return 1": {false, false}, "f(": {true, true}, "[[": {true, true}, "--[[": {true, true}, ")": {false, true}, `"x`: {false, true},
	} {
		incomplete, err := CheckSyntax("try", text)
		if incomplete != want[0] || (err != nil) != want[1] {
			t.Errorf("%q: %v, %v", text, incomplete, err)
		}
	}
}

func FuzzArguments(f *testing.F) {
	read := Head{Name: "try", Arguments: []Argument{
		{Name: "loud", Type: ArgumentFlag, Options: []string{"-l", "--loud"}},
		{Name: "count", Type: ArgumentInteger, Options: []string{"-c", "--count"}, Max: 10},
		{Name: "wait", Type: ArgumentSeconds, Options: []string{"-w"}},
		{Name: "mac", Type: ArgumentMAC},
		{Name: "rest", Type: ArgumentList},
	}}
	for _, seed := range []string{"-l -c 3 52:54:00:12:34:56 a", "-lc3 -- -x", "--count=9", "-w 1h", "-é"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		argv := strings.Split(line, " ")
		values, err := read.Parse(argv)
		if err != nil && primitives.KindOf(err) != primitives.Invalid {
			t.Errorf("%q: %v", argv, err)
		}
		if wait, ok := values["wait"].(float64); ok && (wait < 0 || wait > maxSeconds) {
			t.Errorf("%q: waits %v", argv, wait)
		}
	})
}

func TestMasterKeysAreShownHoweverTheyAreWritten(t *testing.T) {
	for touch, want := range map[string]bool{
		"exec": true, "exec.run": true, "remote.*": true, "secret.command": true,
		"*": true, "ex*": true, "exec.r*": true, "re*": true, "s*": true,
		"stack": false, "wol.*": false, "st*": false, "executor": false, "shutdown": false,
	} {
		keys := Head{Touches: []string{touch}, Declared: true}.MasterKeys()
		if got := len(keys) == 1; got != want {
			t.Errorf("%q is a master key: %v, want %v", touch, got, want)
		}
		may := Authority{Touch: []string{touch}}
		if may.Permits("exec.run", Write) && len(keys) == 0 {
			t.Errorf("%q permits exec.run and is not shown", touch)
		}
	}
}

func TestSubOptionsOfAHead(t *testing.T) {
	site := []fs.FS{fstest.MapFS{
		"mine_grammar.lua": {Data: []byte(`
local subopts = require "subopts"
return { grammar = subopts.grammar{ action = "mine", keys = { drain = { value = "seconds", optional = true, help = "time to drain" } } } }`)},
		"no_grammar.lua": {Data: []byte(`return {}`)},
	}}
	for grammar, want := range map[string]string{"mine_grammar": "\n  DRAIN[:<seconds>]", "": "", "no_grammar": "cannot be read", "missing": "cannot be read"} {
		text, err := Head{Name: "mine", Grammar: grammar}.SubOptions(site)
		if err != nil {
			text = err.Error()
		}
		if !strings.Contains(text, want) || want == "" && text != "" || err != nil != (want == "cannot be read") {
			t.Errorf("%q: %q, %v", grammar, text, err)
		}
	}
}
