package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"ctys/luabind/journal"
	"ctys/primitives"
	"ctys/primitives/bridge"
	"ctys/primitives/exec"
	"ctys/primitives/guard"
)

// Guard restores the bridges of the machine that this process runs on. It
// implements luabind.Guard. What is to be restored stands in a file, and both
// guards come to `ctys agent restore FILE`: this program must hand what follows
// "agent" to Main.
type Guard struct {
	clock  primitives.Clock
	folder func() string
	client *guard.Client

	mu    sync.Mutex
	files []string
}

// NewGuard makes a Guard. folder gives the run's own folder, whose name is that
// of the run; nil, or an empty name: one is made among the journals.
func NewGuard(clock primitives.Clock, folder func() string) *Guard {
	programs := exec.New(clock)
	run := func(ctx context.Context, argv []string) (string, int, error) {
		result, err := programs.Run(ctx, exec.Request{Argv: argv})
		return result.Stdout + result.Stderr, result.Exit, err
	}
	return &Guard{clock: clock, folder: folder, client: guard.New(guard.Options{
		Clock: clock, Run: run,
		Watch: []string{"agent", "guard"}, Command: []string{"agent", "restore"}, Rehearse: []string{"agent", "restore", rehearse},
	})}
}

const opArm = "bridge.guard"

// Arm is luabind.Guard.
func (g *Guard) Arm(ctx context.Context, snapshot bridge.Snapshot, after time.Duration) (guard.Guarded, error) {
	name := snapshot.Bridge.Name
	text, err := json.Marshal(snapshot)
	if err != nil {
		return guard.Guarded{}, primitives.Wrap(opArm, name, "the snapshot cannot be written down", err)
	}
	folder, err := g.place()
	if err != nil {
		return guard.Guarded{}, primitives.Wrap(opArm, name, "there is no folder for the snapshot", err)
	}
	file, number := unusedGuardFile(folder)
	if err := journal.Replace(file, text); err != nil {
		return guard.Guarded{}, primitives.Wrap(opArm, name, "the snapshot cannot be kept", err)
	}
	guarded, err := g.client.Arm(ctx, guard.Request{
		File: file, Words: filepath.Join(folder, wordsFile),
		Name: fmt.Sprintf("%s-%d", filepath.Base(folder), number), After: after,
	})
	if err != nil {
		_ = os.Remove(file)
		return guarded, primitives.Wrap(opArm, name, "nobody would restore the bridge", err)
	}
	g.mu.Lock()
	g.files = append(g.files, file)
	g.mu.Unlock()
	return guarded, nil
}

// place gives the run's folder.
func (g *Guard) place() (string, error) {
	if g.folder != nil {
		if folder := g.folder(); folder != "" {
			return folder, nil
		}
	}
	dir, err := journal.StateDir()
	if err != nil {
		return "", err
	}
	id, err := journal.NewID(g.clock.Now(), nil)
	if err != nil {
		return "", err
	}
	folder := filepath.Join(dir, id)
	return folder, os.MkdirAll(folder, 0o700)
}

// Disarm is luabind.Guard. First the files go: without its file a guard that
// cannot be told any more does nothing.
func (g *Guard) Disarm(ctx context.Context) (acted bool, err error) {
	g.mu.Lock()
	files := g.files
	g.files = nil
	g.mu.Unlock()
	var left []error
	for _, file := range files {
		done, err := retire(ctx, g.clock, file)
		acted = acted || done
		left = append(left, err)
	}
	told := g.client.Disarm(ctx)
	if err := errors.Join(left...); err != nil {
		return acted, primitives.Wrap("bridge.unguard", "", "a guard may still restore the bridge", errors.Join(err, told))
	}
	return acted, nil
}
