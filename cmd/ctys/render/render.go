// Package render shows a run to people and programs. It reads the run's events
// and nothing else: as a live tree on a terminal, as plain lines in a pipe, as
// one JSON object a line. Results and plans go to one stream, hints, warnings
// and progress to the other.
package render

import (
	"io"
	"sync"
	"time"

	"ctys/luabind"
)

// Options say what is shown, and where.
type Options struct {
	Out io.Writer // results, plans, what scripts print
	Err io.Writer // steps, notes, warnings

	JSON    bool // results as one JSON object a line
	Format  Format
	Verbose bool // every event
	Plan    bool // the run only plans: its writes are listed at the end

	// Screen makes Err a terminal that is painted anew while steps run.
	Screen *Screen

	// Hints are printed with the plan: what was asked and has no effect.
	Hints []string

	Start time.Time // offsets are counted from here
	// Now gives the time of an event as it arrives, since the clocks of other
	// machines differ; nil: the time that the event itself has.
	Now func() time.Time
}

// Interrupted is what the error of a run says that was stopped by its operator.
const Interrupted = "interrupted"

// Reader reads the events of one run. Its methods may be called at once.
type Reader struct {
	options Options

	mu      sync.Mutex
	tree    *tree
	live    *live
	refused bool
}

// New makes a Reader; Close ends it.
func New(options Options) *Reader {
	r := &Reader{options: options, tree: newTree()}
	if options.Screen != nil && !options.Plan {
		r.live = newLive(r)
	}
	return r
}

// Event shows one event. It returns soon: the run waits for it.
func (r *Reader) Event(event luabind.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.options.Now != nil {
		event.At = r.options.Now()
	}
	r.tree.take(event)
	if r.options.JSON {
		r.json(event)
	} else {
		r.result(event)
	}
	if r.live != nil {
		r.live.event(event)
		return
	}
	r.plain(event)
}

// Output is where a script's print goes.
func (r *Reader) Output() io.Writer { return output{r} }

type output struct{ r *Reader }

func (o output) Write(text []byte) (int, error) {
	o.r.mu.Lock()
	defer o.r.mu.Unlock()
	n := len(text)
	o.r.above(func() { n, _ = o.r.printed().Write(text) })
	return n, nil
}

// printed is the stream for what scripts print: standard output belongs to the
// objects where those are asked for.
func (r *Reader) printed() io.Writer {
	if r.options.JSON {
		return r.options.Err
	}
	return r.options.Out
}

// above writes something that stays, over a live tree.
func (r *Reader) above(write func()) {
	if r.live == nil {
		write()
		return
	}
	r.live.erase()
	write()
	r.live.paint()
}

// Suspend takes a live tree off the screen, for a question or a console; Resume
// puts it back when each that has taken it off has called it.
func (r *Reader) Suspend() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.live != nil {
		r.live.suspend()
	}
}

// Resume shows the tree again.
func (r *Reader) Resume() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.live != nil {
		r.live.resume()
	}
}

// Refuse makes Close print no plan: the request was refused before anything of
// one came.
func (r *Reader) Refuse() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused = r.tree.planned == 0 && len(r.tree.results) == 0
}

// Close shows the last state and ends the painting. A plan is printed now.
func (r *Reader) Close() {
	r.mu.Lock()
	live := r.live
	r.live = nil
	if live != nil {
		live.last()
	}
	switch {
	case r.options.JSON, r.refused:
	case r.options.Plan:
		r.plan()
	case r.options.Format == Table:
		r.ends(r.tree.results)
	}
	r.mu.Unlock()
	if live != nil {
		live.end()
	}
}
