package render

import (
	"fmt"
	"strings"
	"time"

	"ctys/luabind"
)

// plain writes the line of an event, for a pipe.
func (r *Reader) plain(event luabind.Event) {
	text, ok := r.line(event)
	if !ok {
		return
	}
	fmt.Fprintf(r.options.Err, "%s %s%s\n", offset(event.At.Sub(r.options.Start)), strings.Repeat("  ", max(0, r.depth(event))), text)
}

// offset is the time since the run began, in a fixed width.
func offset(d time.Duration) string { return fmt.Sprintf("[%7.1fs]", d.Seconds()) }

func (r *Reader) depth(event luabind.Event) int {
	n := r.tree.step(event)
	switch event.Kind {
	case luabind.KindStep:
		return n.depth + 1
	case luabind.KindStepEnd:
		return n.depth
	}
	return n.depth + 1
}

// line gives the words about an event, and whether it is shown at all.
func (r *Reader) line(event luabind.Event) (string, bool) {
	n := r.tree.step(event)
	switch event.Kind {
	case luabind.KindStep, luabind.KindStepEnd, luabind.KindProgress, luabind.KindPlan, luabind.KindWait:
		if r.options.Plan && !r.options.Verbose {
			return "", false
		}
	}
	switch event.Kind {
	case luabind.KindStep:
		return clean(event.Text) + limit(event.Seconds), true
	case luabind.KindStepEnd:
		return fmt.Sprintf("%s: %s, after %s", n.text, n.ending(), duration(n.ended.Sub(n.began))), true
	case luabind.KindProgress:
		return n.text + ": " + clean(strings.TrimSpace(event.Text+" "+event.State)), true
	case luabind.KindNote:
		return "note: " + clean(event.Text), true
	case luabind.KindWarning:
		return "warning: " + clean(event.Text), true
	}
	if !r.options.Verbose {
		return "", false
	}
	return verbose(event), true
}

// verbose is the line about an event that is shown with -v only.
func verbose(event luabind.Event) string {
	words := []string{string(event.Kind)}
	if event.Kind == luabind.KindKeep { // any other's key says again what follows
		words = append(words, clean(event.Key))
	}
	for _, word := range []string{event.Op, event.Object, event.Effect, event.Text, event.State} {
		if word != "" {
			words = append(words, clean(word))
		}
	}
	if event.Seconds > 0 {
		words = append(words, duration(time.Duration(event.Seconds*float64(time.Second))))
	}
	if event.Error != nil {
		words = append(words, describe(event.Error))
	}
	return strings.Join(append(words, arguments(event)...), " ")
}

// result writes the line about one target's end.
func (r *Reader) result(event luabind.Event) {
	switch event.Kind {
	case luabind.KindResult:
		if !r.options.Plan && r.options.Format != Table { // a plan's stand behind it, a table is made of all
			r.above(func() { r.end(event) })
		}
	case luabind.KindOutput:
		r.above(func() { fmt.Fprintln(r.options.Out, strings.TrimSuffix(event.Text, "\n")) })
	}
}

// resultLine is "lab01: off, seen by bmc".
func resultLine(event luabind.Event) string {
	var words []string
	for _, word := range []string{event.State, event.Text} {
		if word != "" {
			words = append(words, clean(word))
		}
	}
	if seenBy, ok := event.Data["seen_by"].(string); ok && seenBy != "" {
		words = append(words, "seen by "+clean(seenBy))
	}
	if event.Error != nil && (event.Text == "" || !strings.Contains(event.Text, event.Error.Message)) {
		words = append(words, describe(event.Error))
	}
	if len(words) == 0 {
		words = []string{"done"}
	}
	return clean(event.Object) + ": " + strings.Join(words, ", ")
}

// describe is an error in words: its kind, then what happened.
func describe(failure *luabind.Failure) string {
	message := clean(failure.Message)
	if failure.Kind == "" || failure.Kind == "internal" {
		return message
	}
	return failure.Kind + ": " + message
}

// limit says a step's deadline.
func limit(seconds float64) string {
	if seconds <= 0 {
		return ""
	}
	return " (at most " + duration(time.Duration(seconds*float64(time.Second))) + ")"
}

// duration is a time for people: in seconds while that is a number one can
// read, with tenths while they matter.
func duration(d time.Duration) string {
	switch {
	case d < 10*time.Minute && (d%time.Second == 0 || d >= 90*time.Second):
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 90*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d min %02d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d h %02d min", int(d.Hours()), int(d.Minutes())%60)
}
