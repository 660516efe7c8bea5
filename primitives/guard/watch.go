package guard

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"ctys/primitives"
)

// Verdict is why a child no longer watches.
type Verdict string

// The verdicts. After Lost and Late the command is to be carried out.
const (
	Disarmed  Verdict = "disarmed"
	GoingDown Verdict = "the system is going down"
	Lost      Verdict = "the process that had armed the guard is gone"
	Late      Verdict = "the time is over"
)

// Watching is what a child watches, and what it asks before it acts.
type Watching struct {
	Clock primitives.Clock
	Words io.Reader     // the pipe from its parent
	Says  io.Writer     // the pipe to its parent
	After time.Duration // from now
	// Terminated tells of each SIGTERM. One alone changes nothing, since whoever
	// ends a session or service ends the parent by the same stroke.
	Terminated <-chan os.Signal
	// GoingDown tells whether the system is on its way down: it has then taken
	// the parent with it, and what is guarded is of no more use. An error means
	// that this cannot be told.
	GoingDown func(ctx context.Context) (bool, error)
}

// settling is how long the end of the parent is let stand before it is acted
// on: init ends processes one by one, and the child's own SIGTERM may come
// after the parent's; a tool that the parent has called may be about to tell
// init.
const settling = 2 * time.Second

// Watch says that it watches and returns when that is over.
func Watch(ctx context.Context, w Watching) Verdict {
	word := w.listen()
	late := make(chan struct{})
	defer w.Clock.AfterFunc(w.After, func() { close(late) })()
	fmt.Fprintln(w.Says, watching)

	terminated := false
	for {
		select {
		case told := <-word:
			if told {
				return Disarmed
			}
			return w.settle(ctx, terminated)
		case <-late:
			return w.unlessDown(ctx, Late, terminated)
		case <-w.Terminated:
			terminated = true
			if down, err := w.GoingDown(ctx); down && err == nil {
				return GoingDown
			}
		}
	}
}

// listen gives one value when the pipe has: true for the word.
func (w Watching) listen() <-chan bool {
	word := make(chan bool, 1)
	go func() {
		line, _ := bufio.NewReader(io.LimitReader(w.Words, 4096)).ReadString('\n')
		word <- strings.TrimSpace(line) == disarmed
	}()
	return word
}

// settle waits for what else may come with the end of the parent.
func (w Watching) settle(ctx context.Context, terminated bool) Verdict {
	over := make(chan struct{})
	defer w.Clock.AfterFunc(settling, func() { close(over) })()
	for {
		select {
		case <-w.Terminated:
			terminated = true
		case <-over:
			return w.unlessDown(ctx, Lost, terminated)
		}
	}
}

// unlessDown lets a verdict stand unless the system is going down. Where that
// cannot be told, a SIGTERM is taken for it.
func (w Watching) unlessDown(ctx context.Context, verdict Verdict, terminated bool) Verdict {
	down, err := w.GoingDown(ctx)
	if err == nil && down || err != nil && terminated {
		return GoingDown
	}
	return verdict
}
