package sim_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"ctys/primitives"
	"ctys/primitives/bridge"
	"ctys/primitives/shutdown"
	"ctys/primitives/sim"
)

// dissolve arms guards, and takes br0 of lab01 apart.
func (s stage) dissolve(ctx context.Context, guards *sim.Guards) bridge.Snapshot {
	s.Helper()
	bridges := s.world.At("lab01").Bridge()
	snapshot, err := bridges.Snapshot(ctx, "br0")
	s.ok(err)
	_, err = guards.Arm(ctx, snapshot, time.Minute)
	s.ok(err)
	steps, err := bridges.Dissolution(ctx, snapshot, "eth0")
	s.ok(err)
	for _, step := range steps {
		s.ok(bridges.Apply(ctx, step))
	}
	s.restored(ctx, false)
	return snapshot
}

func (s stage) restored(ctx context.Context, want bool) {
	s.Helper()
	all, err := s.world.At("lab01").Bridge().List(ctx)
	s.ok(err)
	if got := len(all) == 1 && slices.Equal(all[0].Ports, []string{"eth0"}); got != want {
		s.Errorf("the bridge is restored: %v, want %v: %+v\n%s", got, want, all, s.world.Transcript())
	}
}

func TestGuardsRestore(t *testing.T) {
	for name, test := range map[string]struct {
		then  func(s stage, ctx context.Context, guards *sim.Guards)
		want  bool
		acted bool
	}{
		"its run has ended": {func(_ stage, _ context.Context, guards *sim.Guards) { guards.Release() }, true, true},
		"the time is over":  {func(s stage, ctx context.Context, _ *sim.Guards) { s.ok(s.clock.Sleep(ctx, 2*time.Minute)) }, true, true},
		"not yet":           {func(s stage, ctx context.Context, _ *sim.Guards) { s.ok(s.clock.Sleep(ctx, 30*time.Second)) }, false, false},
		"disarmed": {func(s stage, ctx context.Context, guards *sim.Guards) {
			_, err := guards.Disarm(ctx)
			s.ok(err)
			guards.Release()
			s.ok(s.clock.Sleep(ctx, 2*time.Minute))
		}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, rack, func(s stage, ctx context.Context) {
				guards := s.world.At("lab01").Guard()
				s.dissolve(ctx, guards)
				test.then(s, ctx, guards)
				s.restored(ctx, test.want)
				if acted, err := guards.Disarm(ctx); acted != test.acted || err != nil {
					t.Errorf("acted: %v, %v", acted, err)
				}
			})
		})
	}
}

func TestGuardsLeaveAMachineAloneThatGoesDown(t *testing.T) {
	in(t, rack, func(s stage, ctx context.Context) {
		guards := s.world.At("lab01").Guard()
		s.dissolve(ctx, guards)
		_, err := s.world.At("lab01").Shutdown().Do(ctx, shutdown.Request{Method: shutdown.PowerOff})
		s.ok(err)
		guards.Release()
		s.restored(ctx, false)
	})
}

func TestGuardsFail(t *testing.T) {
	in(t, rack, func(s stage, ctx context.Context) {
		snapshot, err := s.world.At("lab01").Bridge().Snapshot(ctx, "br0")
		s.ok(err)
		mend := s.world.Fault(sim.Fault{Machine: "lab01", Power: "guard", Verb: "arm", Kind: primitives.Unsupported})
		_, err = s.world.At("lab01").Guard().Arm(ctx, snapshot, time.Minute)
		s.kind(err, primitives.Unsupported)
		mend()
		_, err = s.world.At("").Guard().Arm(ctx, snapshot, time.Minute)
		s.kind(err, primitives.Denied)
	})
}
