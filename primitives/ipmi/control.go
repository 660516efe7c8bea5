package ipmi

import (
	"context"
	"errors"

	"github.com/bougou/go-ipmi/pkg/command/chassis"
	"github.com/bougou/go-ipmi/pkg/types"

	"ctys/primitives"
)

const cmdControl = 0x02 // Chassis Control (28.3)

// Status reads the power state, with what else Get Chassis Status tells (28.2),
// with the privilege USER. What is lost on the way, or met a busy node, is asked
// for again until ctx ends, or until DefaultPatience has passed where ctx has no
// deadline.
//
// Kinds: Timeout (no answer), Unreachable (no such name, no way, port closed),
// Auth (name or password refused), Denied (the account may not), Busy (no free
// session, node busy, firmware update), Unsupported (no common cipher suite),
// Invalid (the target itself), Canceled, Internal (the BMC spoke nonsense).
func (c *Client) Status(ctx context.Context, target Target) (Status, error) {
	var status Status
	err := c.inSession(ctx, "ipmi.status", target, types.PrivilegeLevelUser,
		func(ctx context.Context, s *session) (err error) {
			status, err = readChassis(ctx, s)
			status.At = c.clock.Now()
			return err
		})
	if err != nil {
		return Status{}, err
	}
	return status, nil
}

// Control sends one chassis control with the privilege OPERATOR and returns
// when the BMC has accepted it; the power may still be on its way.
//
// PowerOn, PowerOff and PowerSoft read the state first and send nothing where
// it is reached already; after a lost reply they read it again and repeat only
// where it is not. Cycle, Reset and Diag are sent at most once: where the reply
// is lost, nobody knows whether the BMC obeyed, and the error has the kind
// Timeout and says "unknown, not repeated". Kinds are otherwise as with Status.
func (c *Client) Control(ctx context.Context, target Target, control Control) error {
	const op = "ipmi.control"
	code, ok := controlCodes[control]
	if !ok {
		return primitives.Errorf(primitives.Invalid, op, target.Host,
			"%q is no chassis control: on, off, soft, cycle, reset or diag", string(control))
	}
	return c.inSession(ctx, op, target, types.PrivilegeLevelOperator,
		func(ctx context.Context, s *session) error {
			if goal, ok := goals[control]; ok {
				return s.reach(ctx, control, code, goal)
			}
			_, err := s.onceNamed(ctx, naming(control), controlling(code))
			return err
		})
}

var controlCodes = map[Control]chassis.ChassisControl{
	PowerOff:  chassis.ChassisControlPowerDown,
	PowerOn:   chassis.ChassisControlPowerUp,
	PowerSoft: chassis.ChassisControlSoftShutdown,
	Cycle:     chassis.ChassisControlPowerCycle,
	Reset:     chassis.ChassisControlHardReset,
	Diag:      chassis.ChassisControlDiagnosticInterrupt,
}

// goals are the states after the controls that may be repeated.
var goals = map[Control]primitives.Power{
	PowerOff:  primitives.PowerOff,
	PowerOn:   primitives.PowerOn,
	PowerSoft: primitives.PowerOff,
}

func naming(control Control) string { return `control "` + string(control) + `"` }

func controlling(code chassis.ChassisControl) command {
	return command{netFn: netFnChassis, number: cmdControl, data: (&chassis.ChassisControlRequest{ChassisControl: code}).Pack()}
}

// reach sends a control that may be repeated, unless the machine is where it
// leads already. A lost reply is followed by a look, and only then by the
// control again.
func (s *session) reach(ctx context.Context, control Control, code chassis.ChassisControl, goal primitives.Power) error {
	pause, sent := busyWait, false
	for wait := 4 * s.line.pace.first(remaining(ctx, s.clock)); ; wait *= 2 {
		status, err := readChassis(ctx, s)
		switch {
		case err != nil && sent && codeOf(err) == 0:
			return unanswered(ctx, control, err)
		case err != nil || status.Power == goal:
			return err
		}
		r, err := s.exchange(ctx, &request{command: controlling(code)}, wait)
		sent = sent || errors.Is(err, errLost)
		if err == nil && r.code == codeBusy {
			_ = s.clock.Sleep(ctx, pause) // its end is seen below
			pause = longer(pause)
			err = refusal(command{}, r.code)
		} else if err == nil {
			_, err = result(controlling(code), r)
			return err
		} else if !errors.Is(err, errLost) {
			return err
		}
		switch {
		case !over(ctx, s.clock):
		case kindOf(err) == primitives.Busy:
			return err
		default:
			return unanswered(ctx, control, nil)
		}
	}
}

// unanswered is the failure for a control that may be repeated and of which no
// reply came.
func unanswered(ctx context.Context, control Control, cause error) *failure {
	f := ended(ctx, "the "+naming(control)+" was sent and no reply came; whether it is obeyed is unknown: read the state")
	f.cause = cause
	return f
}
