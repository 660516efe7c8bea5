package render

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"ctys/luabind"
)

// plan prints what a run would have done: by host, then by step.
func (r *Reader) plan() {
	out := r.options.Out
	if r.tree.planned == 0 {
		fmt.Fprintln(out, "plan: nothing would be changed")
		return
	}
	fmt.Fprintf(out, "plan: %s would be changed, and nothing was\n", count(r.tree.planned, "thing"))
	planNode(out, r.tree.root, "", 0)
}

// planNode prints a step's items and what stands below it. A step on another
// host than the one around it says so.
func planNode(out io.Writer, n *node, host string, depth int) {
	for _, item := range n.items {
		fmt.Fprintln(out, strings.Repeat("  ", depth+1)+planItem(item))
	}
	for _, child := range n.children {
		if !child.lists() {
			continue
		}
		where, inner := depth, host
		if child.host != host {
			inner = child.host
			fmt.Fprintf(out, "%son %s\n", strings.Repeat("  ", where+1), hostName(inner))
			where++
		}
		fmt.Fprintf(out, "%s%s%s\n", strings.Repeat("  ", where+1), child.text, limit(child.deadline.Seconds()))
		planNode(out, child, inner, where+1)
	}
}

// lists tells whether there is anything to print for a step.
func (n *node) lists() bool {
	return len(n.items) > 0 || slices.ContainsFunc(n.children, (*node).lists)
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
	case event.Kind == luabind.KindPlan:
		words := append([]string{"would", event.Op, event.Object}, arguments(event.Data)...)
		return clean(strings.Join(words, " "))
	case event.Text != "" && event.Seconds > 0:
		return "then, if still on after " + length + ": " + clean(event.Text)
	case event.Text != "":
		return "then, if still on: " + clean(event.Text)
	case event.Op != "" && event.Seconds > 0:
		return clean("wait for " + event.Op + " " + event.Object + ", at most " + length)
	case event.Op != "":
		return clean("wait for " + event.Op + " " + event.Object)
	}
	return "wait " + length
}

// arguments are an operation's own, in the order of their names.
func arguments(data map[string]any) []string {
	var words []string
	for name, value := range data {
		if text := fmt.Sprint(value); value != nil && text != "" {
			words = append(words, name+"="+text)
		}
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
