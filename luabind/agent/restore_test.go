package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ctys/luabind/journal"
	"ctys/primitives"
	"ctys/primitives/bridge"
)

// hurried is the system's clock without pauses.
type hurried struct{ primitives.SystemClock }

func (hurried) Sleep(ctx context.Context, _ time.Duration) error {
	return primitives.SystemClock{}.Sleep(ctx, time.Millisecond)
}

// fakeBridges has steps to do, each of which may fail some times before it is
// done.
type fakeBridges struct {
	mu      sync.Mutex
	missing []string
	fails   map[string]int
	applied []string
	hold    chan struct{} // a step waits for it; nil: none does
	held    chan struct{} // closed when one waits
}

func (f *fakeBridges) Restoration(context.Context, bridge.Snapshot) ([]bridge.Step, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var steps []bridge.Step
	for _, name := range f.missing {
		steps = append(steps, bridge.Step{Action: bridge.BringUp, Bridge: "br0", Interface: name})
	}
	return steps, nil
}

func (f *fakeBridges) Apply(_ context.Context, step bridge.Step) error {
	if f.hold != nil {
		close(f.held)
		<-f.hold
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.applied = append(f.applied, step.Interface)
	if f.fails[step.Interface] > 0 {
		f.fails[step.Interface]--
		return primitives.Errorf(primitives.Busy, "bridge.step", "br0", "it is busy")
	}
	f.missing = slices.DeleteFunc(f.missing, func(name string) bool { return name == step.Interface })
	return nil
}

type fakeSystem struct {
	boot string
	down bool
	err  error
}

func (f fakeSystem) BootID(context.Context) (string, error)  { return f.boot, nil }
func (f fakeSystem) GoingDown(context.Context) (bool, error) { return f.down, f.err }

const thisBoot = "3a0f5b8e-8d5c-4b0e-9f5e-0123456789ab"

// guarded writes the file of a guard and gives what would restore it.
func guardedFile(t *testing.T) (*restorer, *fakeBridges, string) {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "job")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(bridge.Snapshot{Version: bridge.SnapshotVersion, BootID: thisBoot,
		Bridge: bridge.Link{Name: "br0", Index: 7, Kind: "bridge"}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "guard-1.json")
	if err := journal.Replace(path, text); err != nil {
		t.Fatal(err)
	}
	bridges := &fakeBridges{missing: []string{"eth0", "eth1"}, fails: map[string]int{}}
	return &restorer{clock: hurried{}, bridge: bridges, system: fakeSystem{boot: thisBoot}, say: func(string) {}}, bridges, path
}

func TestRestore(t *testing.T) {
	r, bridges, path := guardedFile(t)
	for range 2 {
		if err := r.restore(t.Context(), path); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(bridges.applied, []string{"eth0", "eth1"}) {
		t.Errorf("done: %q", bridges.applied)
	}
	if exists(path) || !exists(path+doneSuffix) {
		t.Error("the file is not marked as done")
	}
}

func TestRestoreDoesWhatItCan(t *testing.T) {
	r, bridges, path := guardedFile(t)
	bridges.fails["eth0"] = 2
	if err := r.restore(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	if want := []string{"eth0", "eth1", "eth0", "eth0"}; !slices.Equal(bridges.applied, want) {
		t.Errorf("done: %q, not %q", bridges.applied, want)
	}

	r, bridges, path = guardedFile(t)
	bridges.fails["eth0"] = 1000
	if err := r.restore(t.Context(), path); primitives.KindOf(err) != primitives.Busy {
		t.Error(err)
	}
	if !exists(path) || !slices.Equal(bridges.missing, []string{"eth0"}) {
		t.Errorf("the file is marked as done, or %q is missing", bridges.missing)
	}
}

func TestRestoreDeclines(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(t *testing.T, r *restorer, path string)
		says  string
	}{
		"others may write":    {func(t *testing.T, _ *restorer, path string) { must(t, os.Chmod(path, 0o602)) }, "writable by it alone"},
		"the group may write": {func(t *testing.T, _ *restorer, path string) { must(t, os.Chmod(path, 0o620)) }, "writable by it alone"},
		"the folder is a place": {func(t *testing.T, _ *restorer, path string) {
			must(t, os.Chmod(filepath.Dir(path), 0o777|os.ModeSticky))
		}, "its folder"},
		"a link": {func(t *testing.T, _ *restorer, path string) {
			must(t, os.Rename(path, path+"2"))
			must(t, os.Symlink(path+"2", path))
		}, "opened"},
		"a pipe": {func(t *testing.T, _ *restorer, path string) {
			must(t, os.Remove(path))
			must(t, syscall.Mkfifo(path, 0o600))
		}, "regular"},
		"no file":                 {func(t *testing.T, _ *restorer, path string) { must(t, os.Remove(path)) }, "disarmed, or the name is wrong"},
		"no snapshot":             {func(t *testing.T, _ *restorer, path string) { must(t, os.WriteFile(path, []byte("{}"), 0o600)) }, "no snapshot"},
		"longer than any":         {func(t *testing.T, _ *restorer, path string) { must(t, os.Truncate(path, maxSnapshot+1)) }, "longer"},
		"another boot":            {func(_ *testing.T, r *restorer, _ string) { r.system = fakeSystem{boot: "another"} }, "boot another"},
		"the system is going off": {func(_ *testing.T, r *restorer, _ string) { r.system = fakeSystem{boot: thisBoot, down: true} }, "going down"},
		"another's": {func(t *testing.T, _ *restorer, path string) {
			if os.Geteuid() != 0 {
				t.Skip("only root gives files away")
			}
			must(t, os.Chown(path, 12345, -1))
		}, "must belong"},
	} {
		t.Run(name, func(t *testing.T) {
			r, bridges, path := guardedFile(t)
			test.spoil(t, r, path)
			err := r.restore(t.Context(), path)
			var nothing errNothingDone
			if !errors.As(err, &nothing) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v", err)
			}
			if len(bridges.applied) > 0 || exists(path+doneSuffix) {
				t.Errorf("done: %q", bridges.applied)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestRestoreWhereNobodyKnowsOfAShutdown(t *testing.T) {
	r, bridges, path := guardedFile(t)
	r.system = fakeSystem{boot: thisBoot, err: errors.New("no init answers")}
	if err := r.restore(t.Context(), path); err != nil || len(bridges.applied) != 2 {
		t.Errorf("done: %q, %v", bridges.applied, err)
	}
}

// Of the child, the timer and who disarms, one deals with a file at a time.
func TestDisarmingWaitsForARestoration(t *testing.T) {
	r, bridges, path := guardedFile(t)
	bridges.missing = []string{"eth0"}
	bridges.hold, bridges.held = make(chan struct{}), make(chan struct{})
	restored := make(chan error, 1)
	go func() { restored <- r.restore(context.Background(), path) }()
	<-bridges.held
	early, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if acted, err := retire(early, hurried{}, path); acted || primitives.KindOf(err) != primitives.Timeout {
		t.Errorf("disarmed while it is restored: %v, %v", acted, err)
	}
	close(bridges.hold)
	acted, err := retire(t.Context(), hurried{}, path)
	if !acted || err != nil {
		t.Errorf("%v, %v", acted, err)
	}
	must(t, <-restored)
}

func TestRehearsal(t *testing.T) {
	r, bridges, path := guardedFile(t)
	if err := r.check(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	if len(bridges.applied) > 0 || !exists(path) {
		t.Errorf("done: %q", bridges.applied)
	}
	must(t, os.Chmod(path, 0o622))
	if err := r.check(t.Context(), path); err == nil {
		t.Error("it is not told that the file would be refused")
	}
}

// A machine that is simulated in this process has no network of its own here.
func TestServeRestoresNothing(t *testing.T) {
	_, _, path := guardedFile(t)
	var words bytes.Buffer
	for _, argv := range [][]string{{"restore", path}, {"restore", rehearse, path}, {"guard", path, "9s"}} {
		if exit := Serve(t.Context(), argv, strings.NewReader(""), &words, &words, Host{}); exit != exitRefused {
			t.Errorf("%q: %d", argv, exit)
		}
	}
}
