package sim_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"ctys/primitives"
	"ctys/primitives/ipmi"
	"ctys/primitives/nic"
	"ctys/primitives/shutdown"
	"ctys/primitives/sim"
	"ctys/primitives/sim/bmc"
	"ctys/primitives/stack"
	"ctys/primitives/wol"
)

// stage is a world with a task in it.
type stage struct {
	*testing.T
	clock *sim.Clock
	world *sim.World
}

// in plays fn as one task in the world that build makes.
func in(t *testing.T, build func(clock primitives.Clock) *sim.World, fn func(s stage, ctx context.Context)) *sim.World {
	t.Helper()
	clock := sim.NewClock(epoch)
	world := build(clock)
	play(clock, func(ctx context.Context, _ func(sim.Key, func(context.Context))) {
		fn(stage{t, clock, world}, ctx)
	})
	return world
}

func rack(clock primitives.Clock) *sim.World {
	return sim.Rack(1, clock, sim.Shape{Boot: 40 * time.Second, Shutdown: 20 * time.Second})
}

func (s stage) phase(name string, want sim.Phase) {
	s.Helper()
	if got := s.world.State(name).Phase; got != want {
		s.Errorf("%s is %s, want %s\n%s", name, got, want, s.world.Transcript())
	}
}

func (s stage) ok(err error) {
	s.Helper()
	if err != nil {
		s.Error(err)
	}
}

func (s stage) kind(err error, want primitives.Kind) {
	s.Helper()
	if got := primitives.KindOf(err); err == nil || got != want {
		s.Errorf("error %v of kind %s, want %s", err, got, want)
	}
}

// guest finds a guest as seen from the desk.
func (s stage) guest(ctx context.Context, host, name string) stack.Guest {
	s.Helper()
	hypervisors, err := s.world.At("").Stack().Hypervisors(ctx, host)
	s.ok(err)
	for _, h := range hypervisors {
		guests, err := s.world.At("").Stack().List(ctx, h.URI)
		s.ok(err)
		for _, guest := range guests {
			if guest.Name == name {
				return guest
			}
		}
	}
	s.Fatalf("no guest %s on %s", name, host)
	return stack.Guest{}
}

func bmcTarget(host, password string) ipmi.Target {
	reveal := func(context.Context) (string, error) { return password, nil }
	return ipmi.Target{Host: host, Port: 6230, User: "admin", Password: primitives.Secret{Reveal: reveal}}
}

func TestGuestShutsDownAndIsAwaitedExactly(t *testing.T) {
	in(t, rack, func(s stage, ctx context.Context) {
		desk := s.world.At("").Stack()
		guest := s.guest(ctx, "lab01", "web1")
		if guest.URI != "qemu+ssh://lab01/system" || guest.State != stack.Running || !guest.Agent {
			s.Errorf("%+v", guest)
		}
		s.ok(desk.Shutdown(ctx, guest.Ref, stack.ModeACPI))
		s.phase("web1", sim.ShuttingDown)
		begun := s.clock.Elapsed()
		off, err := desk.Await(ctx, guest.Ref, stack.Off)
		s.ok(err)
		if took := s.clock.Elapsed() - begun; off.State != stack.Off || took != 10*time.Second {
			s.Errorf("%s after %s", off.State, took)
		}
		s.kind(desk.Shutdown(ctx, guest.Ref, stack.ModeACPI), primitives.Invalid)
		s.kind(desk.Shutdown(ctx, guest.Ref, stack.ModeParavirt), primitives.Invalid)
	})
}

func TestHostTakesItsGuestsWithIt(t *testing.T) {
	world := in(t, rack, func(s stage, ctx context.Context) {
		line, done := s.world.At("").Line(ctx, "db1")
		defer done()
		accepted, err := s.world.At("lab01").Shutdown().Do(ctx, shutdown.Request{Method: shutdown.PowerOff})
		s.ok(err)
		if accepted.BootID == "" || accepted.Via != "logind" {
			s.Errorf("%+v", accepted)
		}
		s.ok(s.world.AwaitPhase(ctx, "lab01", sim.Off))
		for _, name := range []string{"lab01", "web1", "ct1", "db1", "app1"} {
			s.phase(name, sim.Off)
		}
		if primitives.KindOf(context.Cause(line)) != primitives.Unreachable {
			s.Errorf("the line to db1: %v", context.Cause(line))
		}
		_, err = s.world.At("lab01").NIC().List(ctx)
		s.kind(err, primitives.Unreachable)
	})
	var lost []string
	for _, loss := range world.Lost() {
		lost = append(lost, loss.Guest+" by "+loss.Host)
	}
	if got := strings.Join(lost, ", "); got != "web1 by lab01, ct1 by lab01, db1 by ct1, app1 by ct1" {
		t.Errorf("lost %s", got)
	}
}

func TestMagicPacket(t *testing.T) {
	in(t, rack, func(s stage, ctx context.Context) {
		desk := s.world.At("")
		sleeping, _ := s.world.Machine("lab02")
		send := func(request wol.Request) {
			_, err := desk.WOL().Send(ctx, request)
			s.ok(err)
		}
		send(wol.Request{MAC: sleeping.MAC, Address: "127.99.0.255"})
		s.phase("lab02", sim.Off)
		s.world.Arm("lab02", "eth0", "d")
		send(wol.Request{MAC: sleeping.MAC, Interface: "eth0"})
		s.phase("lab02", sim.Off)
		s.world.Arm("lab02", "eth0", "g")
		send(wol.Request{MAC: sleeping.MAC, Address: "127.77.0.255"})
		s.phase("lab02", sim.Booting)
		begun := s.clock.Elapsed()
		for {
			answer, err := desk.Probe().Ping(ctx, "lab02")
			s.ok(err)
			if answer.Up {
				break
			}
		}
		if took := s.clock.Elapsed() - begun; took < 39*time.Second || took > 42*time.Second {
			s.Errorf("answers after %s", took)
		}
		_, err := desk.WOL().Send(ctx, wol.Request{})
		s.kind(err, primitives.Invalid)
	})
}

func TestBMC(t *testing.T) {
	in(t, rack, func(s stage, ctx context.Context) {
		desk := s.world.At("").IPMI()
		lab02 := bmcTarget("127.77.1.2", "secret")
		_, err := desk.Status(ctx, bmcTarget("127.77.1.2", "wrong"))
		s.kind(err, primitives.Auth)
		_, err = desk.Status(ctx, bmcTarget("127.77.1.9", "secret"))
		s.kind(err, primitives.Unreachable)
		s.kind(desk.Control(ctx, lab02, ipmi.Reset), primitives.Unsupported)
		s.ok(desk.Control(ctx, lab02, ipmi.PowerOn))
		s.phase("lab02", sim.Booting)
		status, err := desk.Status(ctx, lab02)
		s.ok(err)
		if status.Power != primitives.PowerOn {
			s.Error(status.Power)
		}
		s.ok(s.world.AwaitPhase(ctx, "lab02", sim.Up))
		before, _ := s.world.At("lab02").Shutdown().BootID(ctx)
		s.ok(desk.Control(ctx, lab02, ipmi.Cycle))
		s.ok(s.world.AwaitPhase(ctx, "lab02", sim.Up))
		after, _ := s.world.At("lab02").Shutdown().BootID(ctx)
		if before == after {
			s.Error("the same boot_id after a cycle")
		}
		s.ok(desk.Control(ctx, lab02, ipmi.PowerSoft))
		s.ok(s.world.AwaitPhase(ctx, "lab02", sim.Off))
	})
}

func TestRebootIsSeenByItsWitness(t *testing.T) {
	in(t, rack, func(s stage, ctx context.Context) {
		desk := s.world.At("").Stack()
		for _, at := range []struct {
			name string
			mode stack.Mode
		}{{"web1", stack.ModeAgent}, {"ct1", stack.ModeInitctl}} {
			ref := s.guest(ctx, "lab01", at.name).Ref
			seen, err := desk.Subscribe(ctx, ref)
			s.ok(err)
			s.ok(desk.Reboot(ctx, ref, at.mode))
			s.ok(seen.Await(ctx, stack.EventReboot))
			s.phase(at.name, sim.Booting)
			seen.Close()
		}
		soon, cancel := primitives.WithTimeout(ctx, s.clock, time.Minute)
		defer cancel()
		idle, err := desk.Subscribe(ctx, s.guest(ctx, "lab03", "mail1").Ref)
		s.ok(err)
		s.kind(idle.Await(soon, stack.EventReboot), primitives.Timeout)
	})
}

func TestFirstPressIsLost(t *testing.T) {
	in(t, rack, func(s stage, ctx context.Context) {
		desk := s.world.At("").Stack()
		ref := s.guest(ctx, "lab03", "mail1").Ref
		s.ok(desk.Shutdown(ctx, ref, stack.ModeACPI))
		s.phase("mail1", sim.Up)
		soon, cancel := primitives.WithTimeout(ctx, s.clock, 10*time.Second)
		defer cancel()
		guest, err := desk.Await(soon, ref, stack.Off)
		s.kind(err, primitives.Timeout)
		if guest.State != stack.Running {
			s.Errorf("%+v", guest)
		}
		s.ok(desk.Shutdown(ctx, ref, stack.ModeACPI))
		s.phase("mail1", sim.ShuttingDown)
	})
}

func TestPauseSaveAndAutostart(t *testing.T) {
	in(t, rack, func(s stage, ctx context.Context) {
		desk := s.world.At("").Stack()
		web := s.guest(ctx, "lab01", "web1").Ref
		s.ok(desk.Shutdown(ctx, web, stack.ModeACPI))
		s.ok(s.clock.Sleep(ctx, 4*time.Second))
		s.ok(desk.Suspend(ctx, web))
		s.ok(s.clock.Sleep(ctx, time.Hour))
		s.phase("web1", sim.Paused)
		s.ok(desk.Resume(ctx, web))
		s.phase("web1", sim.ShuttingDown)
		_, err := desk.Await(ctx, web, stack.Off)
		s.ok(err)
		s.ok(desk.Start(ctx, web))
		_, err = desk.Await(ctx, web, stack.Running)
		s.ok(err)
		s.ok(desk.ManagedSave(ctx, web))
		_, err = desk.Await(ctx, web, stack.Saved)
		s.ok(err)
		s.ok(desk.Start(ctx, web))

		s.world.PowerOff("lab01")
		s.world.PowerOn("lab01")
		s.ok(s.world.AwaitPhase(ctx, "lab01", sim.Up))
		s.ok(s.world.AwaitPhase(ctx, "db1", sim.Up))
		s.phase("app1", sim.Off)
	})
}

func TestFaults(t *testing.T) {
	in(t, rack, func(s stage, ctx context.Context) {
		desk := s.world.At("")
		web := s.guest(ctx, "lab01", "web1").Ref
		short := func() (context.Context, context.CancelFunc) {
			return primitives.WithTimeout(ctx, s.clock, 30*time.Second)
		}

		mend := s.world.Fault(sim.Fault{Machine: "web1", Power: "stack", State: "blocked"})
		guest, err := desk.Stack().Inspect(ctx, web)
		s.ok(err)
		if guest.State != stack.Unknown || !strings.Contains(guest.Cause, "blocked") {
			s.Errorf("%+v", guest)
		}
		mend()

		s.world.Fault(sim.Fault{Machine: "web1", Verb: "shutdown", LoseReply: true, Count: 1})
		s.kind(desk.Stack().Shutdown(ctx, web, stack.ModeACPI), primitives.Timeout)
		s.phase("web1", sim.Off) // it was carried out, and has ended while the reply was waited for

		s.world.Fault(sim.Fault{Machine: "lab01", Power: "stack", After: 1, Hang: true})
		_, err = desk.Stack().Inspect(ctx, web)
		s.ok(err)
		bounded, cancel := short()
		_, err = desk.Stack().Await(bounded, web, stack.Running)
		s.kind(err, primitives.Unreachable)
		cancel()

		s.world.Fault(sim.Fault{Machine: "lab03", Power: "ipmi", Hang: true})
		bounded, cancel = short()
		_, err = desk.IPMI().Status(bounded, bmcTarget("127.77.1.3", "secret"))
		s.kind(err, primitives.Timeout)
		cancel()

		s.world.Fault(sim.Fault{Machine: "lab03", Power: "line"})
		s.kind(desk.Enter(ctx, "lab03"), primitives.Unreachable)
		s.world.Hang("lab03")
		answer, err := desk.Probe().TCP(ctx, "lab03:2222")
		s.ok(err)
		if answer.Up {
			s.Error("a hung machine answers")
		}
	})
}

// A hypervisor that falls silent while a guest is awaited is no guest that has
// not gone down.
func TestHypervisorFallsSilent(t *testing.T) {
	in(t, rack, func(s stage, ctx context.Context) {
		desk := s.world.At("").Stack()
		web := s.guest(ctx, "lab01", "web1").Ref
		s.world.HangInShutdown("web1", true)
		s.ok(desk.Shutdown(ctx, web, stack.ModeACPI))
		s.world.Fault(sim.Fault{Machine: "lab01", Power: "stack", From: s.clock.Elapsed() + 5*time.Second, Hang: true})
		soon, cancel := primitives.WithTimeout(ctx, s.clock, time.Minute)
		defer cancel()
		_, err := desk.Await(soon, web, stack.Off)
		s.kind(err, primitives.Unreachable)
	})
}

func TestInterfaces(t *testing.T) {
	in(t, rack, func(s stage, ctx context.Context) {
		lab01 := s.world.At("lab01")
		found, err := lab01.NIC().Default(ctx)
		s.ok(err)
		ports, err := lab01.NIC().Descend(ctx, found.Name)
		s.ok(err)
		if found.Name != "br0" || !slices.Equal(ports, []string{"eth0"}) {
			s.Errorf("%s stands on %v", found.Name, ports)
		}
		card, err := lab01.NIC().Get(ctx, "eth0")
		s.ok(err)
		if card.Wake != (nic.Wake{Supported: "pumbg", Set: "g", Device: "enabled", Beyond: nic.Beyond}) || card.Master != "br0" {
			s.Errorf("%+v", card)
		}
		bridges, err := lab01.Bridge().List(ctx)
		s.ok(err)
		if len(bridges) != 1 || !slices.Equal(bridges[0].Ports, []string{"eth0"}) {
			s.Errorf("%+v", bridges)
		}
		_, err = lab01.NIC().Get(ctx, "eth9")
		s.kind(err, primitives.Invalid)
	})
}

// cancelTree shuts a host's guests down, those that carry others last.
func cancelTree(ctx context.Context, s stage, key sim.Key, view *sim.View, done func(error)) {
	hypervisors, err := view.Stack().Hypervisors(ctx, "")
	var guests []stack.Guest
	for _, h := range hypervisors {
		found, failure := view.Stack().List(ctx, h.URI)
		guests, err = append(guests, found...), errors.Join(err, failure)
	}
	left := make([]*sim.Waiter, len(guests))
	for i, guest := range guests {
		left[i] = s.clock.NewWaiter(ctx)
		below := append(slices.Clone(key), uint32(i))
		s.clock.Go(ctx, below, func(ctx context.Context) {
			cancelTree(ctx, s, below, s.world.At(guest.Name), func(failure error) { err = errors.Join(err, failure) })
			err = errors.Join(err, view.Stack().Shutdown(ctx, guest.Ref, stack.ModeACPI))
			_, failure := view.Stack().Await(ctx, guest.Ref, stack.Off)
			err = errors.Join(err, failure)
			left[i].Wake()
		})
	}
	for _, waiter := range left {
		err = errors.Join(err, waiter.Wait())
	}
	done(err)
}

func TestFleetIsReproducible(t *testing.T) {
	run := func() *sim.World {
		fleet := func(clock primitives.Clock) *sim.World {
			return sim.Fleet(7, clock, 300, 3, sim.Shape{Shutdown: time.Minute})
		}
		return in(t, fleet, func(s stage, ctx context.Context) {
			cancelTree(ctx, s, nil, s.world.At("lab01"), s.ok)
			if s.clock.Elapsed() > 4*time.Minute {
				s.Errorf("took %s", s.clock.Elapsed())
			}
		})
	}
	first := run()
	if lost := first.Lost(); len(lost) != 0 {
		t.Errorf("lost %v", lost)
	}
	for _, status := range first.Snapshot() {
		if status.Name != "lab01" && status.Phase != sim.Off {
			t.Errorf("%s", status)
		}
	}
	for range 5 {
		if again := run(); again.Transcript() != first.Transcript() {
			t.Fatal(firstDifference(first.Transcript(), again.Transcript()))
		}
	}
}

// The same world on the system's clock: the lab is made of it.
func TestSystemClock(t *testing.T) {
	world := sim.Rack(1, primitives.SystemClock{}, sim.Shape{Boot: 20 * time.Millisecond, Shutdown: 20 * time.Millisecond})
	defer world.Close()
	world.Latency, world.Jitter = 0, 0
	ctx := t.Context()
	if err := world.At("").IPMI().Control(ctx, bmcTarget("127.77.1.2", "secret"), ipmi.PowerOn); err != nil {
		t.Fatal(err)
	}
	if err := world.AwaitPhase(ctx, "lab02", sim.Up); err != nil {
		t.Fatal(err)
	}
	guests, err := world.At("lab01").Stack().List(ctx, "lxc:///system")
	if err != nil || len(guests) != 1 {
		t.Fatalf("%v, %v", guests, err)
	}
}

// A BMC holds its users to their limits, and refuses what needs a machine that is
// on; whoever listens hears of each change.
func TestBMCOfAMachine(t *testing.T) {
	world := sim.New(1, primitives.SystemClock{})
	world.Latency, world.Jitter = 0, 0
	world.Add(sim.Machine{Name: "m1", BMC: &sim.BMC{
		Host: "127.113.1.1", Users: map[string]string{"admin": "a", "oper": "o", "user": "u"}, Limits: map[string]bmc.Privilege{"oper": bmc.Operator, "user": bmc.User},
	}, Boot: time.Hour}) // on the system's clock: it must not be up before the test is done
	defer world.Close()
	var heard []string
	world.Hear(func(e sim.Entry) {
		if e.To != "" {
			heard = append(heard, string(e.From+">"+e.To)+" "+e.Why)
		}
	})
	as := func(user, password string) ipmi.Target {
		return ipmi.Target{Host: "127.113.1.1", User: user, Password: primitives.Secret{Reveal: func(context.Context) (string, error) { return password, nil }}}
	}
	power := world.At(sim.Desk).IPMI()
	if _, err := power.Status(t.Context(), as("user", "u")); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		user, password string
		control        ipmi.Control
		kind           primitives.Kind
	}{
		{"user", "u", ipmi.PowerOn, primitives.Denied}, {"user", "a", ipmi.PowerOn, primitives.Auth},
		{"admin", "a", ipmi.Diag, primitives.Unsupported}, {"admin", "a", ipmi.PowerOn, ""}, {"admin", "a", ipmi.Diag, ""},
	} {
		if err := power.Control(t.Context(), as(c.user, c.password), c.control); err != nil && c.kind == "" || c.kind != "" && primitives.KindOf(err) != c.kind {
			t.Errorf("%s %s: %v, want %q", c.user, c.control, err, c.kind)
		}
	}
	if _, err := power.SetBoot(t.Context(), as("oper", "o"), ipmi.Boot{Device: ipmi.BootPXE}); err != nil {
		t.Error(err)
	}
	if _, err := power.SetBoot(t.Context(), as("oper", "o"), ipmi.Boot{Device: ipmi.BootPXE, Persistent: true}); primitives.KindOf(err) != primitives.Denied {
		t.Errorf("flags that persist, by an operator: %v", err) // 28.13, parameter 5
	}
	if err := world.Chassis("m1").Control(t.Context(), ipmi.PowerOff); err != nil {
		t.Error(err)
	}
	if want := []string{"off>booting bmc", "booting>off bmc"}; !slices.Equal(heard, want) {
		t.Errorf("heard %q, want %q", heard, want)
	}
}

// A raw command takes the privilege that it needs, and one that reads is not
// "unknown, not repeated" where its reply is lost: the real client asks again.
func TestRawCommandsOfAMachine(t *testing.T) {
	clock := sim.NewClock(time.Unix(1_700_000_000, 0))
	world := sim.New(1, clock)
	world.Add(sim.Machine{Name: "m1", BMC: &sim.BMC{
		Host: "10.0.0.1", Users: map[string]string{"user": "u"}, Limits: map[string]bmc.Privilege{"user": bmc.User},
	}})
	target := ipmi.Target{Host: "10.0.0.1", User: "user", Password: primitives.Secret{Reveal: func(context.Context) (string, error) { return "u", nil }}}
	identity, reset := ipmi.Request{NetFn: 0x06, Command: 0x01}, ipmi.Request{NetFn: 0x06, Command: 0x02}
	done := make(chan struct{})
	clock.Go(t.Context(), sim.Key{1}, func(ctx context.Context) {
		defer close(done)
		power := world.At(sim.Desk).IPMI()
		if reply, err := power.Raw(ctx, target, identity); err != nil || reply.Code != 0 {
			t.Errorf("Get Device ID as a user: %+v, %v", reply, err)
		}
		if _, err := power.Raw(ctx, target, reset); primitives.KindOf(err) != primitives.Denied {
			t.Errorf("Cold Reset as a user: %v", err)
		}
		world.Fault(sim.Fault{Machine: "m1", LoseReply: true})
		ctx, cancel := clock.WithDeadline(ctx, clock.Now().Add(time.Second))
		defer cancel()
		if _, err := power.Raw(ctx, target, identity); primitives.KindOf(err) != primitives.Timeout || strings.Contains(err.Error(), "not repeated") {
			t.Errorf("Get Device ID without a reply: %v", err)
		}
	})
	<-done
}
