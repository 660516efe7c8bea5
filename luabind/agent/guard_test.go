package agent

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"ctys/luabind"
	"ctys/luabind/journal"
	"ctys/primitives"
	"ctys/primitives/bridge"
	"ctys/primitives/guard"
	"ctys/primitives/sim"
)

// notedGuard stands for nothing and notes what it is asked.
type notedGuard struct{ armed, disarmed string }

func (g *notedGuard) Arm(_ context.Context, snapshot bridge.Snapshot, after time.Duration) (guard.Guarded, error) {
	g.armed = snapshot.Bridge.Name + " for " + after.String()
	return guard.Guarded{After: after}, nil
}

func (g *notedGuard) Disarm(context.Context) (bool, error) {
	g.disarmed = "disarmed"
	return false, nil
}

func TestGuardHasTheFolderOfItsJob(t *testing.T) {
	there := sim.Rack(1, primitives.SystemClock{}, sim.Shape{})
	t.Cleanup(there.Close)
	w := newWorld(t, "", DeskOptions{})
	var folder string
	guards := &notedGuard{}
	w.host = func(machine string) Host {
		host := w.plainHost(machine, luabind.Capabilities{Bridge: there.At("lab01").Bridge()})
		host.Guard = func(of string) luabind.Guard {
			folder = of
			return guards
		}
		return host
	}
	order := w.order("lab01", `
function M.here()
  bridge.guard{snapshot = bridge.snapshot("br0"), after = 600}
  bridge.unguard()
end`)
	if _, err := run(t, w, order, &heard{}); err != nil {
		t.Fatal(err)
	}
	if guards.armed != "br0 for 10m0s" || guards.disarmed == "" {
		t.Errorf("%+v", guards)
	}
	if jobs, err := journal.Jobs(filepath.Dir(folder)); err != nil || len(jobs) != 1 || jobs[0] != filepath.Base(folder) {
		t.Errorf("the folder is %s, the jobs are %q, %v", folder, jobs, err)
	}
}
