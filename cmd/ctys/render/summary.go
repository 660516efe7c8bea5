package render

import (
	"fmt"
	"slices"
	"time"

	"ctys/luabind"
)

// Summary is what is known of a run beside its events.
type Summary struct {
	Began, Ended time.Time
	Who          string // "root@desk"
	Request      string // the command line
	Journal      string // folder; empty where there is none
	Exit         int
	Interrupted  bool
}

// Summary prints what one can paste into a ticket: when, who, what was asked,
// how each target and guest ended and how long it took, and what is left in
// which state. A run that showed no step has none: its results say all.
func (r *Reader) Summary(s Summary) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.tree.root.children) == 0 {
		return
	}
	out := r.options.Err
	field := func(name, value string) { fmt.Fprintf(out, "  %-9s%s\n", name, value) }
	fmt.Fprintln(out, "summary")
	field("when", s.Began.UTC().Format("2006-01-02 15:04:05")+" to "+s.Ended.UTC().Format("15:04:05")+" UTC ("+duration(s.Ended.Sub(s.Began))+")")
	field("who", s.Who)
	field("request", s.Request)
	if s.Journal != "" {
		field("journal", s.Journal)
	}
	results := brief(r.tree.results, func(e luabind.Event) (string, bool) { return resultLine(e), e.Error != nil })
	for i, line := range results {
		field(first(i, "result"), line)
	}
	guests := brief(r.tree.guests(), func(n *node) (string, bool) {
		return n.text + ": " + n.ending() + ", " + duration(n.ended.Sub(n.began)), n.failure != nil
	})
	for i, line := range guests {
		field(first(i, "guest"), line)
	}
	for i, text := range r.tree.left() {
		field(first(i, "left"), text)
	}
	field("exit", fmt.Sprint(s.Exit)+meaning(s))
}

// mostLines of one sort stand in a summary; of more only those that failed do,
// since each end was told as it came.
const mostLines = 40

// brief gives a line for each of a list, or for each that failed where they are
// many, and how many others there were.
func brief[T any](list []T, describe func(T) (line string, failed bool)) []string {
	var lines []string
	others := 0
	for _, item := range list {
		line, failed := describe(item)
		if len(list) > mostLines && !failed {
			others++
			continue
		}
		lines = append(lines, line)
	}
	if others == len(list) && others > 0 {
		return []string{fmt.Sprintf("all %d ended well, as told above", others)}
	}
	if others > 0 {
		lines = append(lines, fmt.Sprintf("%d others ended well, as told above", others))
	}
	return lines
}

func first(i int, word string) string {
	if i == 0 {
		return word
	}
	return ""
}

func meaning(s Summary) string {
	switch {
	case s.Interrupted:
		return ", interrupted"
	case s.Exit == 0:
		return ", all reached their goal"
	case s.Exit == 1:
		return ", some did not reach their goal, or something may have been changed"
	case s.Exit == 3:
		return ", refused, nothing changed"
	}
	return ""
}

// guests are the steps that were about one machine and have ended, but for those
// that a result speaks of and those that were stopped, which are left; of
// several about the same one the last.
func (t *tree) guests() []*node {
	last := map[string]*node{}
	var order []string
	t.root.walk(func(n *node) {
		if n.object == "" || n.running() || n.stopped() || t.hasResult(n) {
			return
		}
		if last[n.object] == nil {
			order = append(order, n.object)
		}
		if other := last[n.object]; other == nil || !n.ended.Before(other.ended) {
			last[n.object] = n
		}
	})
	nodes := make([]*node, len(order))
	for i, object := range order {
		nodes[i] = last[object]
	}
	return nodes
}

// left are the steps that did not come to their end, with the last that was
// known of each: those within which another one is still open are not named.
func (t *tree) left() []string {
	var words []string
	t.root.walk(func(n *node) {
		open := n.running() && !n.anyRunning()
		failed := !n.running() && n.failure != nil && n.object != "" && !n.anyFailed() && (n.stopped() || !t.hasResult(n))
		if !open && !failed {
			return
		}
		state := "not finished"
		switch {
		case failed && n.stopped():
			state = n.ending()
		case failed:
			state = describe(n.failure)
		}
		if last := n.last(); last != "" {
			state += "; last: " + last
		}
		words = append(words, n.text+": "+state)
	})
	return words
}

func (n *node) anyRunning() bool {
	for _, child := range n.children {
		if child.running() {
			return true
		}
	}
	return false
}

func (n *node) anyFailed() bool {
	for _, child := range n.children {
		if child.failure != nil && child.object != "" {
			return true
		}
	}
	return false
}

// hasResult tells whether a result speaks of what the step was about.
func (t *tree) hasResult(n *node) bool {
	return slices.ContainsFunc(t.results, func(result luabind.Event) bool {
		return result.Object == n.object || result.Object == n.text
	})
}
