package render

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"ctys/luabind"
)

// plan prints what a run would have done: by host, then by step.
func (r *Reader) plan() {
	out := r.options.Out
	if r.tree.planned == 0 {
		fmt.Fprintln(out, "plan: nothing would be changed")
	} else {
		fmt.Fprintf(out, "plan: %s would be done, and nothing was\n", count(r.tree.planned, "write"))
	}
	for _, hint := range r.options.Hints {
		fmt.Fprintln(out, indent(1)+hint)
	}
	planNode(out, r.tree.root, "", 1)
	r.ends(r.tree.results)
}

// planNode prints what stands below a step. Steps on another machine than the
// one around them stand below its name.
func planNode(out io.Writer, n *node, host string, depth int) {
	where := host
	for _, e := range n.entries {
		if !e.lists() {
			continue
		}
		if e.host() != where {
			where = e.host()
			fmt.Fprintf(out, "%son %s\n", indent(depth), hostName(where))
		}
		inner := depth
		if where != host {
			inner++
		}
		if e.step == nil {
			fmt.Fprintln(out, indent(inner)+planItem(e.item))
			continue
		}
		fmt.Fprintf(out, "%s%s%s\n", indent(inner), e.step.text, limit(e.step.deadline.Seconds()))
		planNode(out, e.step, where, inner+1)
	}
}

func indent(depth int) string { return strings.Repeat("  ", depth) }

// lists tells whether there is anything to print.
func (e entry) lists() bool {
	if e.step != nil {
		return slices.ContainsFunc(e.step.entries, entry.lists)
	}
	return e.item.Kind == luabind.KindPlan || e.item.Seconds > 0 || e.item.Text != "" || e.item.Op != ""
}

func (e entry) host() string {
	if e.step != nil {
		return e.step.host
	}
	return e.item.Host
}

func hostName(host string) string {
	if host == "" {
		return "this machine"
	}
	return host
}

func planItem(event luabind.Event) string {
	length := duration(time.Duration(event.Seconds * float64(time.Second)))
	switch {
	case event.Kind == luabind.KindPlan && event.Op == "":
		return "would " + clean(event.Text)
	case event.Kind == luabind.KindPlan:
		words := append([]string{"would", event.Op, event.Object}, arguments(event)...)
		return clean(strings.Join(words, " "))
	case event.Text != "" && event.Seconds > 0:
		return "then, if still on after " + length + ": " + clean(event.Text)
	case event.Text != "":
		return "then: " + clean(event.Text)
	case event.Op != "" && event.Seconds > 0:
		return clean("wait for " + event.Op + " " + event.Object + ", at most " + length)
	case event.Op != "":
		return clean("wait for " + event.Op + " " + event.Object)
	}
	return "wait " + length
}

// arguments are an operation's own, in the order of their names. What stands in
// its object already is left out.
func arguments(event luabind.Event) []string {
	given, _ := event.Data["args"].(map[string]any)
	var words []string
	for name, value := range given {
		text := fmt.Sprint(value)
		if value == nil || text == "" || text == event.Object || strings.HasSuffix(event.Object, " "+text) {
			continue
		}
		if strings.ContainsAny(text, " \t\n") {
			text = strconv.Quote(text)
		}
		words = append(words, name+"="+text)
	}
	slices.Sort(words)
	return words
}

func count(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
