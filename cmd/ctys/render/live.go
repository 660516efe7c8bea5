package render

import (
	"fmt"
	"strings"
	"time"

	"ctys/luabind"
)

// Screen is the terminal that a live tree is painted on.
type Screen struct {
	Size   func() (columns, rows int)
	Colour bool
	ASCII  bool // the terminal knows no other characters
}

// repaint is the time between two paintings.
const repaint = 100 * time.Millisecond

// live paints the tree. All but run and end is called with the reader's lock
// held.
type live struct {
	r         *Reader
	screen    Screen
	painted   int // lines on the screen that belong to the tree
	suspended int // how many have the screen: a console, and a question within it
	changed   bool
	running   bool // run has been started
	stop      chan struct{}
	stopped   chan struct{}
}

func newLive(r *Reader) *live {
	return &live{r: r, screen: *r.options.Screen, stop: make(chan struct{}), stopped: make(chan struct{})}
}

// begin starts the painting with the first event: most calls have none.
func (l *live) begin() {
	if !l.running {
		l.running = true
		go l.run()
	}
}

// run repaints while steps run: their time goes on without an event.
func (l *live) run() {
	defer close(l.stopped)
	ticker := time.NewTicker(repaint)
	defer ticker.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-ticker.C:
			l.r.mu.Lock()
			if l.r.live == l && (l.changed || l.r.tree.open()) {
				l.paint()
			}
			l.r.mu.Unlock()
		}
	}
}

// end waits until nothing is painted any more.
func (l *live) end() {
	close(l.stop)
	if l.running {
		<-l.stopped
	}
}

// event notes what has changed; what is said once is written above the tree.
func (l *live) event(event luabind.Event) {
	l.begin()
	l.changed = true
	switch event.Kind {
	case luabind.KindStep, luabind.KindStepEnd, luabind.KindProgress:
		return
	}
	if text, ok := l.r.line(event); ok {
		l.r.above(func() { fmt.Fprintf(l.r.options.Err, "%s %s\n", offset(event.At.Sub(l.r.options.Start)), text) })
	}
}

// erase takes the tree off the screen.
func (l *live) erase() {
	if l.painted > 0 {
		fmt.Fprintf(l.r.options.Err, "\x1b[%dA\r\x1b[J", l.painted)
		l.painted = 0
	}
}

// paint puts the tree on the screen in one write.
func (l *live) paint() {
	if l.suspended > 0 {
		return
	}
	columns, rows := l.screen.Size()
	lines := l.r.frame(l.r.now(), columns, rows-1)
	var b strings.Builder
	if l.painted > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\r\x1b[J", l.painted)
	}
	for _, line := range lines {
		b.WriteString(line + "\n")
	}
	if b.Len() > 0 {
		_, _ = l.r.options.Err.Write([]byte(b.String()))
	}
	l.painted, l.changed = len(lines), false
}

func (l *live) suspend() {
	l.erase()
	l.suspended++
}

func (l *live) resume() {
	l.suspended--
	l.paint()
}

// last leaves the whole tree on the screen, as it ended.
func (l *live) last() {
	l.erase()
	for _, line := range l.r.frame(l.r.now(), 0, 0) {
		fmt.Fprintln(l.r.options.Err, line)
	}
}

func (r *Reader) now() time.Time {
	if r.options.Now != nil {
		return r.options.Now()
	}
	return r.tree.latest
}
