package sim_test

import (
	"context"
	"testing"
	"time"

	"ctys/primitives"
	"ctys/primitives/shutdown"
	"ctys/primitives/sim"
)

// asleep puts lab01 of the rack to sleep by its own system, and waits until it is.
func (s stage) asleep(ctx context.Context, method shutdown.Method, phase sim.Phase) shutdown.Accepted {
	s.Helper()
	accepted, err := s.world.At("lab01").Shutdown().Do(ctx, shutdown.Request{Method: method})
	s.ok(err)
	s.phase("lab01", sim.Up)
	s.ok(s.world.AwaitPhase(ctx, "lab01", phase))
	return accepted
}

func (s stage) identity(ctx context.Context) shutdown.Identity {
	s.Helper()
	identity, err := s.world.At("lab01").Shutdown().Identity(ctx)
	s.ok(err)
	return identity
}

// A machine that slept is the same boot of it, and its guests go on.
func TestSleepKeepsWhatRuns(t *testing.T) {
	for method, phase := range map[shutdown.Method]sim.Phase{shutdown.Suspend: sim.Suspended, shutdown.Hibernate: sim.Hibernated} {
		world := in(t, rack, func(s stage, ctx context.Context) {
			before := s.identity(ctx)
			accepted := s.asleep(ctx, method, phase)
			if accepted.BootID != before.BootID {
				s.Errorf("%s: accepted by the boot %s, not %s", method, accepted.BootID, before.BootID)
			}
			if got := s.world.State("lab01").Power; got != primitives.PowerOff {
				s.Errorf("%s: its power is %s", method, got)
			}
			answer, err := s.world.At("").Probe().Ping(ctx, "web1")
			s.ok(err)
			if answer.Up {
				s.Errorf("%s: a guest answers while its host sleeps", method)
			}
			s.ok(s.clock.Sleep(ctx, time.Minute))
			machine, _ := s.world.Machine("lab01")
			if !s.world.Wake(machine.MAC) {
				s.Errorf("%s: the packet did not wake it", method)
			}
			s.ok(s.world.AwaitPhase(ctx, "lab01", sim.Up))
			s.phase("web1", sim.Up)
			after := s.identity(ctx)
			if after.BootID != before.BootID || after.Slept < time.Minute || before.Slept != 0 {
				s.Errorf("%s: before %+v, after %+v", method, before, after)
			}
		})
		if lost := world.Lost(); len(lost) > 0 {
			t.Errorf("%s: lost %v", method, lost)
		}
	}
}

// What is under way in a guest is held up while its host sleeps.
func TestSleepHoldsUpGuests(t *testing.T) {
	in(t, rack, func(s stage, ctx context.Context) {
		s.world.ShutDown("web1") // takes ten seconds
		s.asleep(ctx, shutdown.Suspend, sim.Suspended)
		s.ok(s.clock.Sleep(ctx, time.Hour))
		s.phase("web1", sim.ShuttingDown)
		s.world.PowerOn("lab01")
		s.phase("lab01", sim.Up)
		s.phase("web1", sim.ShuttingDown)
		s.ok(s.world.AwaitPhase(ctx, "web1", sim.Off))
	})
}

func TestDisarmedSleeperStaysAsleep(t *testing.T) {
	in(t, rack, func(s stage, ctx context.Context) {
		_, err := s.world.At("lab01").NIC().Disarm(ctx, "eth0")
		s.ok(err)
		s.asleep(ctx, shutdown.Suspend, sim.Suspended)
		machine, _ := s.world.Machine("lab01")
		if s.world.Wake(machine.MAC) {
			s.Error("it woke")
		}
		s.phase("lab01", sim.Suspended)
		s.ok(s.world.Chassis("lab01").Control(ctx, "on"))
		s.phase("lab01", sim.Up)
	})
}

// Without power the memory is lost, and the disk is not.
func TestSleeperWithoutPower(t *testing.T) {
	for method, phase := range map[shutdown.Method]sim.Phase{shutdown.Suspend: sim.Suspended, shutdown.Hibernate: sim.Hibernated} {
		world := in(t, rack, func(s stage, ctx context.Context) {
			before := s.identity(ctx)
			s.asleep(ctx, method, phase)
			s.world.PowerOff("lab01")
			s.world.PowerOn("lab01")
			s.ok(s.world.AwaitPhase(ctx, "lab01", sim.Up))
			if same := s.identity(ctx).BootID == before.BootID; same != (method == shutdown.Hibernate) {
				s.Errorf("%s: the same boot: %v", method, same)
			}
		})
		if lost := len(world.Lost()) > 0; lost != (method == shutdown.Suspend) {
			t.Errorf("%s: guests lost: %v", method, world.Lost())
		}
	}
}

func TestSleepRefused(t *testing.T) {
	in(t, func(clock primitives.Clock) *sim.World {
		world := sim.New(1, clock)
		world.Add(sim.Machine{Name: "lab01", Power: primitives.PowerOn, NoHibernate: "there is no swap space"})
		world.Add(sim.Machine{Name: "web1", Parent: "lab01", Power: primitives.PowerOn})
		return world
	}, func(s stage, ctx context.Context) {
		for name, method := range map[string]shutdown.Method{"lab01": shutdown.Hibernate, "web1": shutdown.Suspend} {
			system := s.world.At(name).Shutdown()
			s.kind(system.Supported(ctx, shutdown.Request{Method: method}), primitives.Unsupported)
			_, err := system.Do(ctx, shutdown.Request{Method: method})
			s.kind(err, primitives.Unsupported)
		}
		s.ok(s.world.At("lab01").Shutdown().Supported(ctx, shutdown.Request{Method: shutdown.Suspend}))
		s.phase("lab01", sim.Up)
		s.phase("web1", sim.Up)
	})
}
