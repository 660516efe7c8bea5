package render

import (
	"context"
	"slices"
	"strings"
	"time"

	"ctys/luabind"
)

// tree is what is known of a run: its steps, as they stand within each other,
// and its results.
type tree struct {
	root    *node
	bySeq   map[uint64]*node
	results []luabind.Event
	planned int
	latest  time.Time // of the events
}

// node is one step.
type node struct {
	parent   *node
	children []*node
	depth    int

	host     string
	text     string
	object   string
	deadline time.Duration
	began    time.Time
	ended    time.Time // zero while it runs
	state    string
	failure  *luabind.Failure
	progress string
	done     int // of total, where that is above 0
	total    int
	entries  []entry // what a plan lists below it, in order
}

// entry is what stands below a step: another step, or a write or wait that a
// plan lists.
type entry struct {
	step *node
	item luabind.Event
}

func newTree() *tree {
	root := &node{depth: -1}
	return &tree{root: root, bySeq: map[uint64]*node{0: root}}
}

// step finds the step that an event belongs to.
func (t *tree) step(event luabind.Event) *node {
	if n := t.bySeq[event.Step]; n != nil {
		return n
	}
	return t.root
}

func (t *tree) take(event luabind.Event) {
	at := t.step(event)
	if event.At.After(t.latest) {
		t.latest = event.At
	}
	switch event.Kind {
	case luabind.KindStep:
		n := &node{
			parent: at, depth: at.depth + 1, host: event.Host, text: clean(event.Text), object: event.Object,
			deadline: time.Duration(event.Seconds * float64(time.Second)), began: event.At,
		}
		at.children = append(at.children, n)
		at.entries = append(at.entries, entry{step: n})
		t.bySeq[event.Seq] = n
	case luabind.KindStepEnd:
		at.ended, at.state, at.failure = event.At, clean(event.State), event.Error
	case luabind.KindProgress:
		at.progress = clean(strings.TrimSpace(event.Text + " " + event.State))
		at.done, at.total = number(event.Data["done"]), number(event.Data["total"])
	case luabind.KindPlan:
		t.planned++
		at.entries = append(at.entries, entry{item: event})
	case luabind.KindWait:
		at.entries = append(at.entries, entry{item: event})
	case luabind.KindResult:
		t.results = append(t.results, event)
	}
}

// number reads a count that may have come as JSON.
func number(value any) int {
	switch n := value.(type) {
	case int:
		return n
	case float64:
		return int(n)
	}
	return 0
}

// walk visits the steps in order, outer ones first.
func (n *node) walk(visit func(*node)) {
	for _, child := range n.children {
		visit(child)
		child.walk(visit)
	}
}

// running tells whether the step has not ended.
func (n *node) running() bool { return n.ended.IsZero() }

// ending says how a step ended: its state, what failed, or "done".
func (n *node) ending() string {
	switch {
	case n.stopped():
		return "stopped"
	case n.failure != nil:
		return "failed: " + describe(n.failure)
	case n.state != "":
		return n.state
	}
	return "done"
}

// stopped tells whether the step ended because the run, or what it was a part
// of, was stopped: where its script stood then is of no use to the reader. An
// error that has more to say of it is a failure like others.
func (n *node) stopped() bool {
	return n.failure != nil && n.failure.Kind == string(luabind.Canceled) &&
		(strings.HasSuffix(n.failure.Message, context.Canceled.Error()) || strings.HasSuffix(n.failure.Message, Interrupted))
}

// last is what is known of a step that did not come to its end: how far it
// was, else how the latest of the steps within it ended well.
func (n *node) last() string {
	if n.progress != "" {
		return n.progress
	}
	for _, child := range slices.Backward(n.children) {
		if !child.running() && child.failure == nil {
			return child.text + ": " + child.ending()
		}
	}
	return ""
}

// clean keeps what a machine far away calls itself from moving the cursor.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r == '\r' {
			return ' '
		}
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, text)
}

// open tells whether any step runs.
func (t *tree) open() bool { return t.root.anyRunning() }
