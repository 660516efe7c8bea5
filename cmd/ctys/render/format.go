package render

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"ctys/luabind"
)

// Format is how the ends of targets are written.
type Format string

// The formats beside JSON.
const (
	Lines Format = ""      // "lab01: off, seen by bmc", as soon as it is known
	Terse Format = "terse" // one record a target, with its fields between semicolons
	Table Format = "table" // aligned columns, when all are known
)

// ends writes the ends of targets that came meanwhile, in the format asked for.
func (r *Reader) ends(events []luabind.Event) {
	if r.options.Format == Table {
		table(r.options.Out, events)
		return
	}
	for _, event := range events {
		r.end(event)
	}
}

func (r *Reader) end(event luabind.Event) {
	line := resultLine
	if r.options.Format == Terse {
		line = terse
	}
	fmt.Fprintln(r.options.Out, line(event))
}

// terse is a target's end as a record: target, operation, state, who saw it,
// when (RFC 3339, UTC), kind of the error, text.
func terse(event luabind.Event) string {
	object := resultOf(event)
	kind := ""
	if object.Error != nil {
		kind = object.Error.Kind
	}
	fields := []string{object.Target, object.Op, object.State, object.SeenBy, object.At.Format(time.RFC3339), kind, remark(object)}
	for i, field := range fields {
		fields[i] = strings.ReplaceAll(clean(field), ";", ",")
	}
	return strings.Join(fields, ";")
}

func table(out io.Writer, events []luabind.Event) {
	if len(events) == 0 {
		return
	}
	var text strings.Builder
	columns := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(columns, "TARGET\tSTATE\tSEEN BY\tREMARK")
	for _, event := range events {
		object := resultOf(event)
		fmt.Fprintf(columns, "%s\t%s\t%s\t%s\n", clean(object.Target), cmp.Or(clean(object.State), "-"), cmp.Or(clean(object.SeenBy), "-"), clean(remark(object)))
	}
	_ = columns.Flush()
	for line := range strings.Lines(text.String()) {
		fmt.Fprintln(out, strings.TrimRight(line, " \n"))
	}
}

// remark is what is told in words, and the error where the words lack it.
func remark(object resultObject) string {
	if object.Error == nil || strings.Contains(object.Text, object.Error.Message) {
		return object.Text
	}
	return strings.TrimPrefix(object.Text+"; "+object.Error.Message, "; ")
}
