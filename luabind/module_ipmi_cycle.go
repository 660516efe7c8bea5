package luabind

import (
	"context"
	"fmt"
	"time"

	"ctys/primitives"
	"ctys/primitives/ipmi"
)

// cycleDeadline is how long each half of a composite cycle may take until its
// goal is seen: large machines take half a minute to lose and gain power.
const cycleDeadline = 60.0

// lookAgain is the time between two looks at a machine that was switched.
const lookAgain = time.Second

// rowPowerCycle is off, seen off, on, seen on, each packet an operation of its
// own, unless the BMC itself is asked to cycle. A BMC that loses the reply of
// its own cycle leaves the caller with nothing to look at afterwards; off and
// on can be read.
func (rt *Runtime) rowPowerCycle() Function {
	return Function{
		Name: "power_cycle", Help: `Off, seen off, on, seen on. With native the BMC does both by itself: sent at most once, a lost reply raises timeout, "unknown, not repeated"; a machine that is off raises unsupported.`,
		Options: []Param{
			{Name: "native", Type: Boolean, Default: false, Help: "the BMC's own cycle"},
			{Name: "deadline", Type: Seconds, Default: cycleDeadline, Help: "for each half; with native for the request"},
		},
		Result: `the power seen afterwards, "on"; with native "unknown" where it could not be read`,
		Errors: bmcErrors, Example: `bmc:power_cycle()`,
		Op: rt.bmcOnce(ipmi.Cycle, "on"),
		Compose: func(c *Call) (any, bool, error) {
			if c.Bool("native") {
				return nil, false, nil
			}
			seen, err := rt.cycle(c)
			return seen, true, err
		},
	}
}

func (rt *Runtime) cycle(c *Call) (any, error) {
	if err := rt.switched(c, rt.rowPowerOff(), "off"); err != nil {
		return nil, primitives.Wrap(c.Verb(), bmcOf(c).target.Host, "not seen off, so not switched on again", err)
	}
	if err := rt.switched(c, rt.rowPowerOn(), "on"); err != nil {
		return nil, primitives.Wrap(c.Verb(), bmcOf(c).target.Host, "it was seen off and then not on again; switch it on by power_on", err)
	}
	return primitives.PowerOn, nil
}

// switched sends one control and looks until its goal is seen.
func (rt *Runtime) switched(c *Call, row Function, goal string) error {
	finish := rt.caps.Clock.Now().Add(seconds(c.Number("deadline")))
	left := func() argument {
		return argument{"deadline", max(finish.Sub(rt.caps.Clock.Now()).Seconds(), 0.001)}
	}
	seen, err := c.part(row, left())
	for err == nil && fmt.Sprint(seen) != goal {
		if !rt.caps.Clock.Now().Before(finish) {
			return primitives.Errorf(primitives.Timeout, c.Verb(), bmcOf(c).target.Host, "still %v after %g s", seen, c.Number("deadline"))
		}
		if _, err = Wait(rt, func(ctx context.Context) (any, error) { return nil, rt.caps.Clock.Sleep(ctx, lookAgain) }); err == nil {
			seen, err = c.part(rt.rowPowerStatus(), left())
		}
	}
	return err
}
