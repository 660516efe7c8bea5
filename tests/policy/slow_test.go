package policy

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"ctys/luabind"
	"ctys/primitives"
	"ctys/primitives/ipmi"
)

// slowBMCs show what a command came to only after a while.
type slowBMCs struct {
	luabind.IPMI
	clock primitives.Clock
	lag   time.Duration

	mu    sync.Mutex
	until map[string]time.Time // by host: until when the power before is shown
	shown map[string]primitives.Power
}

func (b *slowBMCs) Status(ctx context.Context, target ipmi.Target) (ipmi.Status, error) {
	status, err := b.IPMI.Status(ctx, target)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.clock.Now().Before(b.until[target.Host]) {
		status.Power = b.shown[target.Host]
	}
	return status, err
}

func (b *slowBMCs) Control(ctx context.Context, target ipmi.Target, control ipmi.Control) error {
	before, err := b.Status(ctx, target)
	if err == nil {
		err = b.IPMI.Control(ctx, target, control)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shown[target.Host], b.until[target.Host] = before.Power, b.clock.Now().Add(b.lag)
	return err
}

func slowRack(t testing.TB, lag time.Duration) *scene {
	s := rack(t)
	s.world.PowerOff("mail1")
	s.bmcs = func(own luabind.IPMI) luabind.IPMI {
		return &slowBMCs{IPMI: own, clock: s.clock, lag: lag, until: map[string]time.Time{}, shown: map[string]primitives.Power{}}
	}
	return s
}

// Off is read back until it is seen.
func TestOffIsReadBack(t *testing.T) {
	s := slowRack(t, 8*time.Second)
	s.ends(s.power("off", nil, "lab03"), 0, "off: lab03\n")
	if elapsed := s.clock.Elapsed(); elapsed < 8*time.Second || elapsed > 10*time.Second {
		t.Errorf("took %s", elapsed)
	}
	s = slowRack(t, 8*time.Second)
	s.ends(s.power("off", arguments{"wait": 3.0}, "lab03"), 1, "on: lab03\n")
	s.told("its BMC took the command and still says on after 3 s")
	if n := s.count("ipmi", "off"); n != 1 {
		t.Errorf("off was sent %d times", n)
	}
}

func TestACycleIsSeenOffBeforeItIsSwitchedOn(t *testing.T) {
	s := slowRack(t, 8*time.Second)
	s.ends(s.power("cycle", nil, "lab03"), 0, "on: lab03\n")
	var off, on time.Duration
	for _, entry := range s.world.Log() {
		switch entry.Call {
		case "ipmi.off":
			off = entry.At
		case "ipmi.on":
			on = entry.At
		}
	}
	if gap := on - off; gap < 8*time.Second {
		t.Errorf("on was sent %s after off", gap)
	}
	// One that is not seen off is not switched on.
	s = slowRack(t, time.Hour)
	got := s.power("cycle", arguments{"wait": 5.0}, "lab03")
	if got.exit != 1 || s.count("ipmi", "on") > 0 || !strings.Contains(s.story(), "still says on after 5 s, so it was not switched on again") {
		t.Errorf("exit %d, %v\n%s", got.exit, got.err, s.story())
	}
}

// A run that is stopped says of each machine how it stands.
func TestAStoppedRunSaysHowEachMachineStands(t *testing.T) {
	s := slowRack(t, 8*time.Second)
	s.stop = 4 * time.Second
	if got := s.power("off", nil, "lab02", "lab03"); got.err == nil {
		t.Errorf("exit %d", got.exit)
	}
	if state, failure := s.result("lab02"); state != "off" || failure != "" {
		t.Errorf("lab02: %s, %q", state, failure)
	}
	if state, failure := s.result("lab03"); state != "unknown" || failure != "stopped before its goal was seen" {
		t.Errorf("lab03: %s, %q", state, failure)
	}
}
