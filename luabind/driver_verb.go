package luabind

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"ctys/primitives"
	"ctys/primitives/exec"

	lua "github.com/yuin/gopher-lua"
)

// driverVerb is one thing that a driver can do: a program to run, and how what
// it prints is read.
type driverVerb struct {
	name     string
	argv     lua.LValue     // a list, or a function of guest, mode and what first gave
	stdin    lua.LValue     // a string, a function as argv, or nil
	output   string         // "text", "lines" or "json"
	header   string         // pattern of the first of lines; empty: there is none
	each     *lua.LFunction // of list: one line or element becomes a row
	parse    *lua.LFunction // the output becomes a value, of list the list of its items
	passed   *lua.LFunction // whether the tool did it; nil: exit status 0
	first    *driverVerb    // run before; nil: nothing
	deadline time.Duration
}

var verbKeys = map[string]bool{"argv": true, "stdin": true, "output": true, "header": true, "each": true, "parse": true, "passed": true, "first": true, "deadline": true}

// readDeadline and writeDeadline are how long a tool may take where its driver
// says nothing; outputLimit is how much of its output is read.
const (
	readDeadline  = 20 * time.Second
	writeDeadline = 60 * time.Second
	outputLimit   = 16 << 20
)

// verb reads one entry of a driver's table. Reader is the function that it must
// have for its output; empty: the output is not looked at.
func (r *driverReader) verb(script *lua.LTable, name string, optional bool, reader string) *driverVerb {
	table, ok := script.RawGetString(name).(*lua.LTable)
	if !ok {
		if !optional || script.RawGetString(name) != lua.LNil {
			r.fault("%s is a %s; accepted: a table as { argv = { \"tool\", … } }", name, script.RawGetString(name).Type())
		}
		return nil
	}
	r.known(table, name, verbKeys)
	verb := &driverVerb{name: name, argv: table.RawGetString("argv"), stdin: table.RawGetString("stdin"),
		output: r.text(table, "output"), header: r.text(table, "header"), deadline: writeDeadline}
	verb.each, _ = table.RawGetString("each").(*lua.LFunction)
	verb.parse, _ = table.RawGetString("parse").(*lua.LFunction)
	verb.passed, _ = table.RawGetString("passed").(*lua.LFunction)
	if table.RawGetString("first") != lua.LNil {
		verb.first = r.verb(table, "first", false, "parse")
	}
	if reader != "" {
		verb.deadline = readDeadline
	}
	if n, ok := table.RawGetString("deadline").(lua.LNumber); ok && n > 0 {
		verb.deadline = seconds(float64(n))
	}
	if verb.output == "" {
		verb.output = "text"
	}
	r.whole(verb, reader)
	return verb
}

func (r *driverReader) whole(verb *driverVerb, reader string) {
	_, isList := verb.argv.(*lua.LTable)
	_, isFunction := verb.argv.(*lua.LFunction)
	switch {
	case !isList && !isFunction:
		r.fault("%s.argv is a %s; accepted: a list of strings, or a function that gives one", verb.name, verb.argv.Type())
	case !slices.Contains([]string{"text", "lines", "json"}, verb.output):
		r.fault("%s.output is %q; accepted: text, lines, json", verb.name, verb.output)
	case reader == "each" && verb.each == nil:
		r.fault("%s.each is missing: a function that makes a row of one line or element", verb.name)
	case reader == "each" && verb.output == "text" && verb.parse == nil:
		r.fault("%s.output is missing; accepted: lines, json", verb.name)
	case reader == "parse" && verb.parse == nil:
		r.fault("%s.parse is missing: a function that reads the output", verb.name)
	}
}

// run runs the verb's program, and the one before it where there is one. The
// exit status is looked at; guest and mode are nil and empty where there are none.
func (d *driver) run(ctx context.Context, op string, verb *driverVerb, guest any, mode string) (exec.Result, error) {
	var before any
	if verb.first != nil {
		result, err := d.run(ctx, op, verb.first, guest, mode)
		if err != nil {
			return exec.Result{}, err
		}
		if before, err = d.parse(ctx, op, verb.first, result, guest); err != nil {
			return exec.Result{}, err
		}
	}
	request, err := d.request(ctx, op, verb, guest, mode, before)
	if err != nil {
		return exec.Result{}, err
	}
	ctx, cancel := primitives.WithTimeout(ctx, d.clock, verb.deadline)
	defer cancel()
	result, err := d.exec.Run(ctx, request)
	if err != nil {
		return result, primitives.Wrap(op, d.uri, strings.Join(request.Argv, " "), err)
	}
	return result, d.looked(ctx, op, verb, request.Argv, result)
}

// request is what is to be run, if the driver may.
func (d *driver) request(ctx context.Context, op string, verb *driverVerb, guest any, mode string, before any) (exec.Request, error) {
	argv, err := d.value(ctx, op, verb.argv, guest, mode, before)
	if err != nil {
		return exec.Request{}, err
	}
	stdin, err := d.value(ctx, op, verb.stdin, guest, mode, before)
	if err != nil {
		return exec.Request{}, err
	}
	request := exec.Request{Limit: outputLimit}
	request.Stdin, _ = stdin.(string)
	words, isList := argv.([]any)
	for _, word := range words {
		text, isText := word.(string)
		isList = isList && isText
		request.Argv = append(request.Argv, text)
	}
	switch {
	case argv == nil:
		return request, d.fault(op, primitives.Unsupported, nil, "the driver %s has no %s for this", d.name, verb.name)
	case !isList:
		return request, d.fault(op, primitives.Internal, nil, "the driver %s gave no list of strings to run for %s", d.name, verb.name)
	case !d.head.permits(request.Argv):
		return request, d.fault(op, primitives.Denied, nil, "the driver %s may run what its head declares (%s), which %q is not",
			d.name, strings.Join(d.head.Runs, ", "), strings.Join(request.Argv, " "))
	}
	return request, nil
}

// permits tells whether a driver's head declares a command line.
func (h Head) permits(argv []string) bool {
	return slices.ContainsFunc(h.Runs, func(prefix string) bool {
		words := strings.Fields(prefix)
		return len(argv) >= len(words) && slices.Equal(argv[:len(words)], words)
	})
}

// value is what a field of a verb stands for: itself, or what it gives when it
// is called.
func (d *driver) value(ctx context.Context, op string, field lua.LValue, guest any, mode string, before any) (any, error) {
	if fn, ok := field.(*lua.LFunction); ok {
		return d.call(ctx, op, fn, guest, mode, before)
	}
	d.lua.mu.Lock()
	defer d.lua.mu.Unlock()
	return fromLua(field), nil
}

// looked tells whether the tool did what it was run for.
func (d *driver) looked(ctx context.Context, op string, verb *driverVerb, argv []string, result exec.Result) error {
	if result.Truncated {
		return d.fault(op, primitives.Internal, nil, "%s printed more than %d bytes", argv[0], outputLimit)
	}
	if verb.passed != nil {
		passed, err := d.call(ctx, op, verb.passed, map[string]any{"exit": result.Exit, "stdout": result.Stdout, "stderr": result.Stderr})
		if yes, _ := passed.(bool); yes || err != nil {
			return err
		}
	} else if result.Exit == 0 {
		return nil
	}
	kind := primitives.Unreachable // of a tool that was only to tell something
	if verb.parse == nil && verb.each == nil {
		kind = primitives.Internal
	}
	return d.fault(op, kind, nil, "%s: exit status %d: %s", strings.Join(argv, " "), result.Exit, complaint(result))
}

// complaint is the end of what a tool said went wrong, in one line.
func complaint(result exec.Result) string {
	const most = 300
	text := strings.Join(strings.Fields(result.Stderr), " ")
	if text == "" {
		text = strings.Join(strings.Fields(result.Stdout), " ")
	}
	if len(text) > most {
		text = "…" + strings.ToValidUTF8(text[len(text)-most:], "")
	}
	return text
}

// parse reads the output of a verb that gives one value.
func (d *driver) parse(ctx context.Context, op string, verb *driverVerb, result exec.Result, guest any) (any, error) {
	output, err := verb.decode(result.Stdout)
	if err != nil {
		return nil, d.fault(op, primitives.Internal, err, "the driver %s does not understand what its tool printed", d.name)
	}
	return d.call(ctx, op, verb.parse, output, guest)
}

// decode gives the output as its reader gets it: a text, a list of the lines
// behind the header, or what the JSON says.
func (v *driverVerb) decode(output string) (any, error) {
	switch v.output {
	case "lines":
		return lines(output), nil
	case "json":
		decoder := json.NewDecoder(bytes.NewReader([]byte(output)))
		var value any
		if err := decoder.Decode(&value); err != nil {
			return nil, err
		}
		if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
			return nil, errors.New("something follows behind the JSON")
		}
		return value, nil
	}
	return output, nil
}

// lines are those with anything in them.
func lines(text string) []any {
	list := []any{}
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, "\r\n"); strings.TrimSpace(line) != "" {
			list = append(list, line)
		}
	}
	return list
}
