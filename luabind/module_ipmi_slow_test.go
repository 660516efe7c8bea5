package luabind

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"ctys/primitives"
	"ctys/primitives/ipmi"
	"ctys/primitives/sim"
)

// slowBMC takes commands at once and shows what came of them later, as large
// machines do.
type slowBMC struct {
	IPMI
	clock primitives.Clock
	lag   map[ipmi.Control]time.Duration
	power primitives.Power
	next  primitives.Power
	at    time.Time // when next is shown
	sent  []string
	reads int
}

func (b *slowBMC) Status(context.Context, ipmi.Target) (ipmi.Status, error) {
	b.reads++
	if !b.at.IsZero() && !b.clock.Now().Before(b.at) {
		b.power = b.next
	}
	return ipmi.Status{Power: b.power}, nil
}

func (b *slowBMC) Control(_ context.Context, _ ipmi.Target, control ipmi.Control) error {
	b.sent = append(b.sent, string(control)+" while "+b.power.String())
	b.next, b.at = map[ipmi.Control]primitives.Power{ipmi.PowerOff: primitives.PowerOff, ipmi.PowerOn: primitives.PowerOn}[control], b.clock.Now().Add(b.lag[control])
	return nil
}

func cycleSlowly(t *testing.T, off, on time.Duration, call string) (*slowBMC, *sim.Clock, error) {
	t.Helper()
	clock := sim.NewClock(time.Unix(1_700_000_000, 0))
	bmc := &slowBMC{clock: clock, power: primitives.PowerOn, lag: map[ipmi.Control]time.Duration{ipmi.PowerOff: off, ipmi.PowerOn: on}}
	rt := New(Capabilities{Clock: clock, IPMI: bmc}, Options{})
	_, err := rt.Run(context.Background(), Script{Name: "slow.lua", Source: `local bmc = ipmi.connect{host = "10.0.0.7"} ` + call})
	return bmc, clock, err
}

// On is sent when the machine was seen off, and not before.
func TestACycleWaitsForASlowMachine(t *testing.T) {
	bmc, clock, err := cycleSlowly(t, 12*time.Second, 7*time.Second, `assert(bmc:power_cycle() == "on")`)
	if err != nil || !slices.Equal(bmc.sent, []string{"off while on", "on while off"}) {
		t.Errorf("%v, sent %q", err, bmc.sent)
	}
	if elapsed := clock.Elapsed(); elapsed < 19*time.Second || elapsed > 21*time.Second {
		t.Errorf("took %s", elapsed)
	}
	if bmc.reads > 30 {
		t.Errorf("%d reads", bmc.reads)
	}
}

func TestACycleOfAMachineThatStaysOn(t *testing.T) {
	bmc, clock, err := cycleSlowly(t, time.Hour, 0, `bmc:power_cycle{deadline = 30}`)
	if err == nil || !strings.Contains(err.Error(), "not seen off, so not switched on again") || !strings.Contains(err.Error(), "still on after 30 s") {
		t.Errorf("%v", err)
	}
	if !slices.Equal(bmc.sent, []string{"off while on"}) || clock.Elapsed() > 32*time.Second {
		t.Errorf("sent %q in %s", bmc.sent, clock.Elapsed())
	}
}

func TestACycleOfAMachineThatStaysOff(t *testing.T) {
	bmc, _, err := cycleSlowly(t, 0, time.Hour, `bmc:power_cycle{deadline = 30}`)
	if err == nil || !strings.Contains(err.Error(), "it was seen off and then not on again") || primitives.KindOf(err) != primitives.Timeout && kindOf(err) != primitives.Timeout {
		t.Errorf("%v", err)
	}
	if !slices.Equal(bmc.sent, []string{"off while on", "on while off"}) {
		t.Errorf("sent %q", bmc.sent)
	}
}

// garbledBMC sends what nobody understands.
type garbledBMC struct{ IPMI }

func (garbledBMC) Status(_ context.Context, target ipmi.Target) (ipmi.Status, error) {
	cause := &primitives.Error{Kind: primitives.Internal, Op: "ipmi.status", Host: target.Host, Message: "nonsense came", Detail: "received 20 de ad"}
	return ipmi.Status{}, primitives.Wrap("ipmi.status", target.Host, "the state is not known", cause)
}

// The bytes that a BMC sent are an event of their own, which -v shows, and no
// part of the error that scripts, results and journals have.
func TestBytesAreADetail(t *testing.T) {
	var told []Event
	rt := New(Capabilities{Clock: sim.NewClock(time.Unix(1_700_000_000, 0)), IPMI: garbledBMC{}}, Options{Events: func(event Event) { told = append(told, event) }})
	_, err := rt.Run(context.Background(), Script{Name: "m.lua", Source: `
		local ok, err = pcall(function() ipmi.connect{host = "10.0.0.7"}:power_status() end)
		step.result("lab01", {error = err})
		error(err, 0)`})
	if err == nil || strings.Contains(err.Error(), "received") {
		t.Errorf("%v", err)
	}
	if len(told) != 2 || told[0].Kind != KindDetail || told[0].Op != "ipmi.power_status" || told[0].Text != "received 20 de ad" ||
		strings.Contains(told[1].Error.Message, "received") || told[1].Error.Kind != "internal" {
		t.Errorf("%+v", told)
	}
}

// lateBMC answers each request after a while.
type lateBMC struct {
	IPMI
	clock primitives.Clock
	after time.Duration
}

func (b lateBMC) Status(ctx context.Context, _ ipmi.Target) (ipmi.Status, error) {
	return ipmi.Status{Power: primitives.PowerOff}, b.clock.Sleep(ctx, b.after)
}

func (b lateBMC) Control(ctx context.Context, _ ipmi.Target, _ ipmi.Control) error {
	return b.clock.Sleep(ctx, b.after)
}

// The deadline of a command holds for the command and the look after it together.
func TestADeadlineHoldsForTheWholeCall(t *testing.T) {
	for _, verb := range []string{"power_on", "power_off", "power_soft", "power_reset", "power_diag"} {
		clock := sim.NewClock(time.Unix(1_700_000_000, 0))
		rt := New(Capabilities{Clock: clock, IPMI: lateBMC{clock: clock, after: 15 * time.Second}}, Options{})
		_, err := rt.Run(context.Background(), Script{Name: "late.lua", Source: `
			local bmc = ipmi.connect{host = "10.0.0.7"}
			return pcall(bmc.` + verb + `, bmc, {deadline = 20})`})
		if err != nil || clock.Elapsed() != 20*time.Second {
			t.Errorf("%s: %v after %s, want 20 s", verb, err, clock.Elapsed())
		}
	}
}
