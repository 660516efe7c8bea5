package ipmi

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bougou/go-ipmi/pkg/types"

	"ctys/primitives"
)

func TestSimulatorStatusAndControl(t *testing.T) {
	noLeaks(t)
	sim := startSimulator(t, "127.0.77.21")
	c := New(Options{})
	ctx := within5s(t)

	status, err := c.Status(ctx, sim.target)
	if err != nil || status.Power != primitives.PowerOn || status.At.IsZero() {
		t.Fatalf("status %v, %v; want on", status, err)
	}
	steps := []struct {
		control Control
		log     string // what the machine is told in this step
		power   string
	}{
		{PowerOn, "", "1"}, // it is on: nothing is sent
		{PowerSoft, "shutdown 1", "0"},
		{PowerSoft, "", "0"},
		{PowerOff, "", "0"},
		{PowerOn, "power 1", "1"},
		{PowerOff, "power 0", "0"},
		{PowerOn, "power 1", "1"},
		{Reset, "reset 1", "1"},
	}
	seen := ""
	for _, step := range steps {
		if err := c.Control(ctx, sim.target, step.control); err != nil {
			t.Fatalf("%s: %v", step.control, err)
		}
		log := sim.log(t)
		if added := trimNewline(log[len(seen):]); added != step.log {
			t.Errorf("%s: the machine was told %q, want %q", step.control, added, step.log)
		}
		seen = log
		if power := sim.power(t); power != step.power {
			t.Errorf("%s: power %s, want %s", step.control, power, step.power)
		}
	}
	if suite := c.bmcs.of(sim.target.address()); !suite.proven || suite.suite != 3 {
		t.Errorf("remembered suite %v (proven %v), want 3, the best that ipmi_sim has", suite.suite, suite.proven)
	}
}

func trimNewline(s string) string {
	for len(s) > 0 && s[0] == '\n' {
		s = s[1:]
	}
	return s
}

func TestSimulatorRefusals(t *testing.T) {
	noLeaks(t)
	sim := startSimulator(t, "127.0.77.22")
	c := New(Options{})
	cases := []struct {
		name     string
		user     string
		password string
		control  Control
		kind     primitives.Kind
		words    string
	}{
		{"wrong password", "oper", "not this one", PowerOn, primitives.Auth, "password"},
		{"no such user", "nobody", password, PowerOn, primitives.Auth, "user"},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			target := sim.target
			target.User, target.Password = test.user, secret(test.password)
			wantKind(t, c.Control(within5s(t), target, test.control), test.kind, "ipmi.control 127.0.77.22", test.words)
		})
	}
	if log := sim.log(t); log != "" {
		t.Errorf("the machine was told %q by refused calls", log)
	}
}

// Every account that may read reads, also the one that may do nothing else.
func TestSimulatorAccounts(t *testing.T) {
	noLeaks(t)
	sim := startSimulator(t, "127.111.77.2")
	c := New(Options{})
	for _, user := range []string{"admin", "oper", "user"} {
		target := sim.target
		target.User = user
		if status, err := c.Status(within5s(t), target); err != nil || status.Power != primitives.PowerOn {
			t.Errorf("%s: %v, %v", user, status, err)
		}
	}
}

func TestLibraryBMC(t *testing.T) {
	for _, suites := range [][]types.CipherSuiteID{{17}, {3}, {3, 17}} {
		t.Run(fmt.Sprint(suites), func(t *testing.T) {
			noLeaks(t)
			peer := startLibraryBMC(t, "127.0.77.23", suites...)
			c := New(Options{})
			ctx := within5s(t)
			for _, control := range []Control{PowerOn, PowerOff, PowerOn} {
				if err := c.Control(ctx, peer.target, control); err != nil {
					t.Fatal(err)
				}
				status, err := c.Status(ctx, peer.target)
				if err != nil || status.Power != goals[control] || peer.chassis.on() != (control == PowerOn) {
					t.Fatalf("after %s: %v, %v", control, status, err)
				}
			}
			best := suites[len(suites)-1]
			if got := c.bmcs.of(peer.target.address()).suite; got != best {
				t.Errorf("suite %v was used, want %v", got, best)
			}
			if n := openSessions(peer); n != 0 {
				t.Errorf("%d sessions are left open", n)
			}
		})
	}
}

// ipmi_sim does not hold accounts to their limit; go-ipmi's server does.
func TestPrivilege(t *testing.T) {
	noLeaks(t)
	peer := startLibraryBMC(t, "127.0.77.35")
	target := peer.target
	target.User = "user"
	c := New(Options{})
	if _, err := c.Status(within5s(t), target); err != nil {
		t.Errorf("an account with the privilege USER may read: %v", err)
	}
	wantKind(t, c.Control(within5s(t), target, PowerOn), primitives.Denied, "privilege")
	if n := peer.chassis.switched.Load(); n != 0 {
		t.Errorf("the machine was switched %d times", n)
	}
	target.User = "nobody"
	wantKind(t, c.Control(within5s(t), target, PowerOn), primitives.Auth)
	target = peer.target
	target.Password = secret("not this one")
	wantKind(t, c.Control(within5s(t), target, PowerOn), primitives.Auth, "password")
}

func openSessions(peer *libraryBMC) int { return peer.bmc.Sessions.Count() }

func TestNoStrongSuite(t *testing.T) {
	peer := startLibraryBMC(t, "127.0.77.24", 1, 2)
	_, err := New(Options{}).Status(within5s(t), peer.target)
	wantKind(t, err, primitives.Unsupported, "17 and 3")
}

// A BMC whose suites have changed since the last call is asked again.
func TestSuitesChange(t *testing.T) {
	peer := startLibraryBMC(t, "127.0.77.24", 3)
	c := New(Options{})
	ctx := within5s(t)
	for _, suites := range [][]types.CipherSuiteID{{3}, {17}, {3}} {
		peer.bmc.SetCipherSuites(suites)
		if _, err := c.Status(ctx, peer.target); err != nil {
			t.Fatal(err)
		}
		if got := c.bmcs.of(peer.target.address()).suite; got != suites[0] {
			t.Errorf("suite %v was used, want %v", got, suites[0])
		}
	}
}

// A BMC that answers neither the question for its suites nor a proposal that
// it does not know is reached all the same, and asked only once.
func TestSilentAboutSuites(t *testing.T) {
	noLeaks(t)
	sim := startSimulator(t, "127.0.77.25")
	var asked atomic.Int64
	path := startRelay(t, sim.target, func(reply bool, _ int, packet []byte) bool {
		question := !reply && len(packet) < 30 && packet[len(packet)-5] == cmdSuites
		if question {
			asked.Add(1)
		}
		return question || !reply && proposes(packet, types.AuthAlg_HMAC_SHA256)
	})
	c := New(Options{})
	if _, err := c.Status(within5s(t), path.target); err != nil {
		t.Fatal(err)
	}
	before := asked.Load()
	if _, err := c.Status(within5s(t), path.target); err != nil {
		t.Fatal(err)
	}
	if after := asked.Load(); before == 0 || after != before {
		t.Errorf("the suites were asked for %d times in the first call, %d times in both", before, after)
	}
}

// proposes tells whether a packet is an Open Session with such an algorithm.
func proposes(packet []byte, auth types.AuthAlg) bool {
	const authOffset = payloadOffset + 12
	return packet[payloadTypeOffset] == uint8(types.PayloadTypeRmcpOpenSessionRequest) && packet[authOffset] == uint8(auth)
}

// A BMC that drops a proposal it does not know is asked which suites it has.
func TestSilentAboutProposal(t *testing.T) {
	noLeaks(t)
	sim := startSimulator(t, "127.111.77.1")
	var proposals atomic.Int64
	path := startRelay(t, sim.target, func(reply bool, _ int, packet []byte) bool {
		lost := !reply && proposes(packet, types.AuthAlg_HMAC_SHA256)
		if lost {
			proposals.Add(1)
		}
		return lost
	})
	c := New(Options{})
	if _, err := c.Status(within5s(t), path.target); err != nil {
		t.Fatal(err)
	}
	if n := proposals.Load(); n != 1 {
		t.Errorf("suite 17 was proposed %d times, want once", n)
	}
	if got := c.bmcs.of(path.target.address()).suite; got != 3 {
		t.Errorf("suite %v was used, want 3", got)
	}
}

func TestUnreachableAndSilent(t *testing.T) {
	noLeaks(t)
	c := New(Options{})
	nobody := Target{Host: "127.0.77.26", Port: freePort(t, "127.0.77.26"), User: "oper", Password: secret(password)}
	_, err := c.Status(within5s(t), nobody)
	wantKind(t, err, primitives.Unreachable)

	noName := nobody
	noName.Host = "no-such-host.invalid"
	_, err = c.Status(within5s(t), noName)
	wantKind(t, err, primitives.Unreachable)

	peer := startLibraryBMC(t, "127.0.77.26")
	hole := startRelay(t, peer.target, func(bool, int, []byte) bool { return true })
	ctx, cancel := context.WithTimeout(context.Background(), 600*time.Millisecond)
	defer cancel()
	_, err = c.Status(ctx, hole.target)
	wantKind(t, err, primitives.Timeout, "no reply")

	canceled, stop := context.WithCancel(context.Background())
	time.AfterFunc(100*time.Millisecond, stop)
	wantKind(t, c.Control(canceled, hole.target, Cycle), primitives.Canceled)
	if peer.chassis.cycles() != 0 {
		t.Error("a cycle reached the machine")
	}
}

func TestInvalid(t *testing.T) {
	c := New(Options{})
	good := Target{Host: "127.0.77.27", User: "oper", Password: secret(password)}
	change := func(f func(*Target)) Target { bad := good; f(&bad); return bad }
	for _, target := range []Target{
		change(func(t *Target) { t.Host = "" }),
		change(func(t *Target) { t.Port = -1 }),
		change(func(t *Target) { t.Port = 70000 }),
		change(func(t *Target) { t.User = "a name of more than 16" }),
		change(func(t *Target) { t.Password = secret("a password of more than 20") }),
	} {
		_, err := c.Status(within5s(t), target)
		wantKind(t, err, primitives.Invalid)
	}
	wantKind(t, c.Control(within5s(t), good, "explode"), primitives.Invalid, "explode", "cycle")

	locked := good
	locked.Password = primitives.Secret{Reveal: func(context.Context) (string, error) {
		return "", primitives.Errorf(primitives.Denied, "secret.file", "", "may not be read")
	}}
	_, err := c.Status(within5s(t), locked)
	wantKind(t, err, primitives.Denied, "may not be read")
}

// Each packet of a whole call is lost once, in each direction. A cycle must
// never reach the machine twice, must have reached it where the call says so,
// and must be called unknown where nobody can know.
func TestCycleAtMostOnce(t *testing.T) {
	for _, control := range []Control{Cycle, Reset} {
		for _, replies := range []bool{false, true} {
			for n := 1; n <= 9; n++ {
				t.Run(fmt.Sprintf("%s/replies=%v/%d", control, replies, n), func(t *testing.T) {
					t.Parallel()
					peer := startLibraryBMC(t, "127.0.77.28", 3)
					path := startRelay(t, peer.target, func(reply bool, count int, _ []byte) bool {
						return reply == replies && count == n
					})
					ctx, cancel := context.WithTimeout(context.Background(), 1500*time.Millisecond)
					defer cancel()
					err := New(Options{}).Control(ctx, path.target, control)
					done := peer.chassis.cycles()
					if done > 1 {
						t.Fatalf("the machine was cycled %d times", done)
					}
					if err == nil && done != 1 {
						t.Fatal("the call says done and it is not")
					}
					if err != nil {
						wantKind(t, err, primitives.Timeout)
					}
					if err != nil && done == 1 {
						wantKind(t, err, primitives.Timeout, "unknown, not repeated")
					}
				})
			}
		}
	}
}

// The control that is lost is named by the test: the packet after those of the
// set-up. With the reply lost it happened, with the request lost it did not,
// and the call says the same of both.
func TestCycleUnknown(t *testing.T) {
	noLeaks(t)
	for _, loseReply := range []bool{true, false} {
		peer := startLibraryBMC(t, "127.0.77.29", 3)
		c := New(Options{})
		if _, err := c.Status(within5s(t), peer.target); err != nil {
			t.Fatal(err)
		}
		// open, RAKP 1, RAKP 3, privilege, control
		path := startRelay(t, peer.target, func(reply bool, n int, _ []byte) bool { return reply == loseReply && n == 5 })
		c.bmcs.of(path.target.address()).remember(3)
		ctx, cancel := context.WithTimeout(context.Background(), 800*time.Millisecond)
		defer cancel()
		wantKind(t, c.Control(ctx, path.target, Cycle), primitives.Timeout, "unknown, not repeated")
		if want, got := map[bool]int{true: 1, false: 0}[loseReply], peer.chassis.cycles(); got != want {
			t.Errorf("lost reply %v: the machine was cycled %d times, want %d", loseReply, got, want)
		}
		if requests, _ := path.counts(); requests > 7 {
			t.Errorf("%d packets were sent, want 5 and the closing ones", requests)
		}
		if n := openSessions(peer); n != 0 {
			t.Errorf("%d sessions are left open", n)
		}
	}
}

// A caller who gives up while a cycle is on its way is told the same, and the
// session is closed for him.
func TestCycleCanceled(t *testing.T) {
	noLeaks(t)
	peer := startLibraryBMC(t, "127.0.77.29", 3)
	ctx, cancel := context.WithCancel(within5s(t))
	path := startRelay(t, peer.target, func(reply bool, n int, _ []byte) bool {
		if reply && n == 5 {
			cancel()
			return true
		}
		return false
	})
	c := New(Options{})
	c.bmcs.of(path.target.address()).remember(3)
	wantKind(t, c.Control(ctx, path.target, Cycle), primitives.Canceled, "unknown, not repeated")
	if n := peer.chassis.cycles(); n != 1 {
		t.Errorf("the machine was cycled %d times", n)
	}
	if n := openSessions(peer); n != 0 {
		t.Errorf("%d sessions are left open", n)
	}
}

// On a bad line reads and the controls that may be repeated come through, and
// the machine is where they lead.
func TestLossyLine(t *testing.T) {
	noLeaks(t)
	peer := startLibraryBMC(t, "127.0.77.30", 3)
	path := startRelay(t, peer.target, func(reply bool, n int, _ []byte) bool { return n%4 == 2 })
	c := New(Options{})
	for i := range 4 {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		control := []Control{PowerOn, PowerOff}[i%2]
		if err := c.Control(ctx, path.target, control); err != nil {
			t.Fatalf("%s: %v", control, err)
		}
		if peer.chassis.on() != (control == PowerOn) {
			t.Fatalf("after %s the machine is not there", control)
		}
		cancel()
	}
}

func TestEveryPacketTwice(t *testing.T) {
	noLeaks(t)
	sim := startSimulator(t, "127.0.77.31")
	path := startRelay(t, sim.target, func(bool, int, []byte) bool { return false })
	path.doubles(1 << 30)
	c := New(Options{})
	for range 5 {
		if _, err := c.Status(within5s(t), path.target); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Control(within5s(t), path.target, PowerOff); err != nil {
		t.Fatal(err)
	}
}

// go-ipmi's server ends a session that is being set up at the second RAKP
// message 1; the refusal that comes of it is asked again.
func TestSetUpTwice(t *testing.T) {
	noLeaks(t)
	peer := startLibraryBMC(t, "127.0.77.31", 3)
	path := startRelay(t, peer.target, func(bool, int, []byte) bool { return false })
	path.doubles(5)
	if err := New(Options{}).Control(within5s(t), path.target, Cycle); err != nil {
		t.Fatal(err)
	}
	if n := peer.chassis.cycles(); n != 1 {
		t.Errorf("the machine was cycled %d times", n)
	}
}

// One session at a time with one BMC, also where many ask at once.
func TestOneSessionAtATime(t *testing.T) {
	noLeaks(t)
	peer := startLibraryBMC(t, "127.0.77.32", 3)
	var mu sync.Mutex
	most := 0
	path := startRelay(t, peer.target, func(bool, int, []byte) bool {
		mu.Lock()
		defer mu.Unlock()
		most = max(most, openSessions(peer))
		return false
	})
	c := New(Options{})
	var calls sync.WaitGroup
	for range 20 {
		calls.Add(1)
		go func() {
			defer calls.Done()
			if _, err := c.Status(within5s(t), path.target); err != nil {
				t.Error(err)
			}
		}()
	}
	calls.Wait()
	mu.Lock()
	defer mu.Unlock()
	if most > 1 {
		t.Errorf("%d sessions were open at once", most)
	}
}

// A caller that waits for its turn gives up when its context ends.
func TestQueueHonoursContext(t *testing.T) {
	c := New(Options{})
	target := Target{Host: "127.0.77.33", User: "oper", Password: secret(password)}
	release, err := queues.hold(context.Background(), []netip.AddrPort{netip.MustParseAddrPort(target.address())})
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	_, err = c.Status(ctx, target)
	wantKind(t, err, primitives.Timeout, "nothing was sent")
}

// What a BMC answers is believed only with the right integrity code: here the
// bit of the power state is turned over on the way.
func TestForgedReply(t *testing.T) {
	noLeaks(t)
	peer := startLibraryBMC(t, "127.0.77.34", 3)
	path := startRelay(t, peer.target, func(reply bool, _ int, packet []byte) bool {
		if reply && len(packet) > payloadOffset && packet[payloadTypeOffset] == encrypted|authenticated {
			packet[payloadOffset+7] ^= 1 // through the vector into the first byte of data
		}
		return false
	})
	ctx, cancel := context.WithTimeout(context.Background(), 600*time.Millisecond)
	defer cancel()
	_, err := New(Options{}).Status(ctx, path.target)
	wantKind(t, err, primitives.Timeout)
	if errors.Is(err, context.Canceled) {
		t.Error("the context was not canceled")
	}
}
