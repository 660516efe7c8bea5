package render

import (
	"fmt"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"
)

// frame gives the lines of the tree at a time. Columns and rows of 0 mean
// without end. Where the tree is taller than the screen, steps that have ended
// well go first, the innermost before the outer ones, and a line counts them.
func (r *Reader) frame(now time.Time, columns, rows int) []string {
	var nodes []*node
	r.tree.root.walk(func(n *node) { nodes = append(nodes, n) })
	shown, hidden := fit(nodes, rows)
	var lines []string
	for _, n := range shown {
		lines = append(lines, r.nodeLine(n, now, columns))
	}
	if hidden > 0 {
		lines = append(lines, r.cut(fmt.Sprintf("  %s and %s not shown", r.ellipsis(), count(hidden, "step")), columns))
	}
	return lines
}

// fit chooses the steps that have room.
func fit(nodes []*node, rows int) (shown []*node, hidden int) {
	if rows <= 0 || len(nodes) <= rows {
		return nodes, 0
	}
	drop := map[*node]bool{}
	room := max(1, rows-1)
	discard := func(worth func(*node) bool) {
		for i := len(nodes) - 1; i >= 0 && len(nodes)-len(drop) > room; i-- {
			if !drop[nodes[i]] && worth(nodes[i]) {
				drop[nodes[i]] = true
			}
		}
	}
	discard(func(n *node) bool { return !n.running() && n.failure == nil && n.depth > 0 })
	discard(func(n *node) bool { return !n.running() && n.failure == nil })
	discard(func(n *node) bool { return n.depth > 1 })
	discard(func(*node) bool { return true })
	for _, n := range nodes {
		if !drop[n] {
			shown = append(shown, n)
		}
	}
	return shown, len(drop)
}

// nodeLine is one step: its mark, what it is, how long it takes or took, and
// how far it is or how it ended.
func (r *Reader) nodeLine(n *node, now time.Time, columns int) string {
	mark, colour := n.mark(r.ascii())
	text := strings.Repeat("  ", n.depth) + mark + " " + n.text + "  " + n.clock(now)
	switch {
	case !n.running():
		text += "  " + n.ending()
	case n.progress != "":
		text += "  " + n.bar() + n.progress
	}
	return r.paintLine(r.cut(text, columns), colour)
}

// barWidth is how many columns a bar has within its brackets.
const barWidth = 20

// bar shows how much of a step is done, where it has said so.
func (n *node) bar() string {
	if n.total <= 0 {
		return ""
	}
	full := barWidth * min(max(n.done, 0), n.total) / n.total
	return "[" + strings.Repeat("#", full) + strings.Repeat("-", barWidth-full) + "] "
}

func (r *Reader) ascii() bool { return r.options.Screen != nil && r.options.Screen.ASCII }

func (r *Reader) paintLine(text, colour string) string {
	if colour == "" || r.options.Screen == nil || !r.options.Screen.Colour {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// mark is the sign of a step's state and its colour: red for failed, faint for
// done.
func (n *node) mark(ascii bool) (sign, colour string) {
	signs := [3]string{"•", "✓", "✗"}
	if ascii {
		signs = [3]string{"*", "+", "!"}
	}
	switch {
	case n.running():
		return signs[0], ""
	case n.failure != nil:
		return signs[2], "31"
	}
	return signs[1], "2"
}

// clock is the time that a step took, or takes so far of its deadline.
func (n *node) clock(now time.Time) string {
	if !n.running() {
		return duration(n.ended.Sub(n.began))
	}
	elapsed := max(0, now.Sub(n.began)).Truncate(time.Second)
	if n.deadline > 0 {
		return duration(elapsed) + " of " + duration(n.deadline)
	}
	return duration(elapsed)
}

// cut keeps a line within the columns of the screen; characters may be two
// columns wide.
func (r *Reader) cut(text string, columns int) string {
	if columns <= 0 || runewidth.StringWidth(text) < columns {
		return text
	}
	return runewidth.Truncate(text, columns-1, r.ellipsis())
}

func (r *Reader) ellipsis() string {
	if r.ascii() {
		return "..."
	}
	return "…"
}
