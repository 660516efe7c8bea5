package luabind

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"ctys/primitives"
	"ctys/primitives/shutdown"
)

// told is a machine that an order was sent to: what it tells, and how it ends.
type told struct {
	events []Event
	err    error
}

func (m told) Run(_ context.Context, _ Order, events func(Event)) (any, error) {
	for i, event := range m.events {
		event.Seq, event.Host = uint64(i+1), "lab01"
		events(event)
	}
	return map[string]any{}, m.err
}
func (told) ShutDown(context.Context, Machine, shutdown.Request) error { return nil }
func (told) Carry(context.Context, []string) (map[string]bool, error)  { return nil, nil }
func (told) Login(context.Context, Machine) error                      { return nil }
func (told) Console(context.Context, Machine) (int, error)             { return 0, nil }

// What another machine has begun to write counts for the run, also where that
// was refused in the end: "nothing changed" would not be true.
func TestWritesOfOtherMachinesCount(t *testing.T) {
	intent := Event{Kind: KindIntent, Op: "stack.shutdown"}
	outcome := func(kind primitives.Kind) Event {
		return Event{Kind: KindOutcome, Op: "stack.shutdown", Error: &Failure{Kind: string(kind)}}
	}
	for _, test := range []struct {
		name   string
		events []Event
		want   int
	}{
		{"nothing", []Event{{Kind: KindNote}}, 0},
		{"done", []Event{intent, {Kind: KindOutcome}}, 1},
		{"cut off", []Event{intent}, 1},
		{"refused", []Event{intent, outcome(primitives.Busy)}, 0},
		{"failed", []Event{intent, outcome(primitives.Timeout)}, 1},
		{"one done, one refused", []Event{intent, {Kind: KindOutcome}, intent, outcome(primitives.Denied)}, 1},
	} {
		rt := New(Capabilities{Relocate: told{test.events, primitives.Errorf(primitives.Denied, "x", "", "refused")}}, Options{})
		run(t, rt, `return pcall(action.at, "lab01", "cancel", {})`)
		if got := rt.Writes(); got != test.want {
			t.Errorf("%s: %d writes, want %d", test.name, got, test.want)
		}
	}
}

// unsynced is a journal that takes events and cannot make sure of them.
type unsynced struct{ events []Event }

func (u *unsynced) Append(event Event) (uint64, error) {
	u.events = append(u.events, event)
	return uint64(len(u.events)), nil
}
func (*unsynced) Sync(context.Context, uint64) error { return errors.New("the disk is full") }

// An intent that came into the journal has its outcome there, also where it
// could not be made sure of, so that nobody asks later whether it happened.
func TestIntentThatIsNotOnDiskIsNotDone(t *testing.T) {
	machine, journal := &doomed{}, &unsynced{}
	rt := New(Capabilities{Shutdown: machine}, Options{Journal: journal, MayDown: true})
	run(t, rt, `return pcall(shutdown.apply, {machine = "localhost", method = "poweroff"})`)
	if len(machine.taken) != 0 || rt.Writes() != 0 {
		t.Errorf("done without a journal: %v", machine.taken)
	}
	if n := len(journal.events); n != 2 || journal.events[1].Kind != KindOutcome || journal.events[1].Error == nil {
		t.Errorf("%+v", journal.events)
	}
}

// An editor's lock is a link to nothing, and keeps nobody from switching off.
func TestSiteScriptsAreThoseThatCanBeFound(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"cancel.lua", ".git/hook.lua", ".hidden.lua", "drivers/rack7.lua", "machines.lua"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte("return 1"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{".#cancel.lua", "gone.lua"} {
		if err := os.Symlink("somebody@desk.4711", filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	texts, _, err := SiteScripts([]fs.FS{os.DirFS(dir)})
	if got := slices.Sorted(maps.Keys(texts)); err != nil || !slices.Equal(got, []string{"cancel.lua", "drivers/rack7.lua"}) {
		t.Errorf("%v, %v", got, err)
	}
}
