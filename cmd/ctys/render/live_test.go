package render

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"ctys/luabind"
)

// terminal plays a terminal: it understands what the tree is painted with and
// keeps the lines that one would see.
type terminal struct {
	mu     sync.Mutex
	lines  []string
	writes int
}

func (t *terminal) Write(text []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.writes++
	rest := string(text)
	for rest != "" {
		var up int
		if n, _ := fmt.Sscanf(rest, "\x1b[%dA\r\x1b[J", &up); n == 1 && up > 0 {
			t.lines = t.lines[:len(t.lines)-up]
			rest = rest[strings.Index(rest, "\x1b[J")+len("\x1b[J"):]
			continue
		}
		line, after, _ := strings.Cut(rest, "\n")
		t.lines = append(t.lines, line)
		rest = after
	}
	return len(text), nil
}

func (t *terminal) screen() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, "\n")
}

func TestLiveTreeLeavesItsLastState(t *testing.T) {
	screen := &terminal{}
	var out bytes.Buffer
	r := New(Options{Out: &out, Err: screen, Start: zero, Screen: &Screen{Size: func() (int, int) { return 60, 20 }}})
	events := cancelRun()
	for _, event := range events[:5] {
		r.Event(event)
	}
	for range 300 {
		if strings.Contains(screen.screen(), "asked through the guest agent") {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if got := screen.screen(); !strings.Contains(got, "asked through the guest agent") {
		t.Errorf("not painted: %q", got)
	}
	r.Suspend()
	if got := screen.screen(); got != "" {
		t.Errorf("a question would stand below %q", got)
	}
	for _, event := range events[5:] {
		r.Event(event)
	}
	if got := screen.screen(); strings.Contains(got, "•") {
		t.Errorf("painted while a question stands: %q", got)
	}
	r.Suspend() // a question while a console has the screen
	r.Resume()
	if got := screen.screen(); strings.Contains(got, "•") {
		t.Errorf("painted while a console has the screen: %q", got)
	}
	r.Resume()
	r.Close()
	golden(t, "live", screen.screen()+"\n== out\n"+out.String())
	before := screen.screen()
	time.Sleep(3 * repaint)
	if screen.screen() != before {
		t.Error("painted after the end")
	}
}

func TestLiveTreeIsPaintedSeldom(t *testing.T) {
	screen := &terminal{}
	r := New(Options{Out: screen, Err: screen, Start: zero, Now: time.Now, Screen: &Screen{Size: func() (int, int) { return 60, 20 }}})
	began := time.Now()
	for i := range uint64(5000) {
		r.Event(luabind.Event{Seq: i + 1, Kind: luabind.KindStep, Text: "step"})
		r.Event(luabind.Event{Seq: 100_000 + i, Kind: luabind.KindStepEnd, Step: i + 1})
	}
	painted := int(time.Since(began)/repaint) + 1
	screen.mu.Lock()
	writes := screen.writes
	screen.mu.Unlock()
	if writes > painted {
		t.Errorf("%d writes in %v", writes, time.Since(began))
	}
	r.Close()
}
