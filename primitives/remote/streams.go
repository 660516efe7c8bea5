package remote

import (
	"bytes"
	"errors"
	"io"
	"sync"
)

// gate lets a command's output through until the call that wanted it has
// returned: after that the caller's writer is its own again.
type gate struct {
	mu     *sync.Mutex
	to     io.Writer
	over   bool
	failed func(error) // told why the writer took no more
}

var errShut = errors.New("nobody waits for this output any more")

// newGates makes the gates of both outputs. Where both are the same writer,
// never two goroutines write to it at once.
func newGates(stdout, stderr io.Writer, failed func(error)) (*gate, *gate) {
	first, second := &gate{mu: new(sync.Mutex), to: stdout, failed: failed}, &gate{mu: new(sync.Mutex), to: stderr, failed: failed}
	if sameWriter(stdout, stderr) {
		second.mu = first.mu
	}
	return first, second
}

// sameWriter compares two writers; some types cannot be compared.
func sameWriter(a, b io.Writer) (same bool) {
	defer func() {
		if recover() != nil {
			same = false
		}
	}()
	return a == b
}

func (g *gate) Write(p []byte) (int, error) {
	n, err := g.pass(p)
	if err != nil {
		g.failed(err)
	}
	return n, err
}

func (g *gate) pass(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.over:
		return 0, errShut
	case g.to == nil:
		return len(p), nil
	}
	return g.to.Write(p)
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.over = true
}

// bounded keeps output up to a limit and refuses the rest.
type bounded struct {
	bytes.Buffer
	limit    int
	exceeded bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.limit {
		b.exceeded = true
		return 0, errShut
	}
	return b.Buffer.Write(p)
}

// tail keeps the end of an output.
type tail struct {
	limit int
	kept  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - t.limit; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string { return string(t.kept) }
