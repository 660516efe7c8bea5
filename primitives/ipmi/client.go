package ipmi

import (
	"context"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/bougou/go-ipmi/pkg/command/chassis"
	"github.com/bougou/go-ipmi/pkg/types"

	"ctys/primitives"
)

// DefaultPatience bounds a call whose context has no deadline.
const DefaultPatience = 20 * time.Second

// replyPatience is how long the answer to a control is waited for that may
// not be sent twice. A BMC may wait for the power to follow before it
// answers, which takes seconds; what has not come by then is lost.
const replyPatience = 10 * time.Second

// The longest name and password that a BMC can hold (IPMI 2.0, 22.28, 22.30).
const (
	maxUser     = 16
	maxPassword = 20
)

// Options are what a Client needs from its surroundings.
type Options struct {
	Clock primitives.Clock // nil means the system's
}

// Client speaks to any number of BMCs: to different ones at once, to each one
// in one session at a time, which is what small BMCs can stand. It remembers
// which cipher suite a BMC took.
type Client struct {
	clock primitives.Clock
	bmcs  registry
}

// New makes a Client.
func New(options Options) *Client {
	clock := options.Clock
	if clock == nil {
		clock = primitives.SystemClock{}
	}
	return &Client{clock: clock}
}

// Status reads the power state by Get Chassis Status, with the privilege
// USER. What is lost on the way is asked for again until ctx ends, or until
// DefaultPatience has passed where ctx has no deadline.
//
// Kinds: Timeout (no answer), Unreachable (no such name, no way, port closed),
// Auth (name or password refused), Denied (the account may not), Busy (no free
// session, firmware update), Unsupported (no common cipher suite), Invalid
// (the target itself), Canceled, Internal (the BMC spoke nonsense).
func (c *Client) Status(ctx context.Context, target Target) (Status, error) {
	var status Status
	err := c.inSession(ctx, "ipmi.status", target, types.PrivilegeLevelUser,
		func(ctx context.Context, s *session) error {
			var err error
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
// where it is not. Cycle and Reset are sent at most once: where the reply is
// lost, nobody knows whether the BMC obeyed, and the error has the kind
// Timeout and says "unknown, not repeated". Kinds are otherwise as with Status.
func (c *Client) Control(ctx context.Context, target Target, control Control) error {
	const op = "ipmi.control"
	code, ok := controlCodes[control]
	if !ok {
		return primitives.Errorf(primitives.Invalid, op, target.Host,
			"%q is no chassis control: on, off, soft, cycle or reset", string(control))
	}
	return c.inSession(ctx, op, target, types.PrivilegeLevelOperator,
		func(ctx context.Context, s *session) error {
			if goal, ok := goals[control]; ok {
				return s.reach(ctx, control, code, goal)
			}
			return s.controlOnce(ctx, control, code)
		})
}

var controlCodes = map[Control]chassis.ChassisControl{
	PowerOff:  chassis.ChassisControlPowerDown,
	PowerOn:   chassis.ChassisControlPowerUp,
	PowerSoft: chassis.ChassisControlSoftShutdown,
	Cycle:     chassis.ChassisControlPowerCycle,
	Reset:     chassis.ChassisControlHardReset,
}

// goals are the states after the controls that may be repeated.
var goals = map[Control]primitives.Power{
	PowerOff:  primitives.PowerOff,
	PowerOn:   primitives.PowerOn,
	PowerSoft: primitives.PowerOff,
}

// inSession waits for its turn at the BMC, opens a session, does work in it
// and closes it on every path.
func (c *Client) inSession(ctx context.Context, op string, target Target, privilege types.PrivilegeLevel,
	work func(context.Context, *session) error) error {
	if err := check(target); err != nil {
		return &primitives.Error{Kind: primitives.Invalid, Op: op, Host: target.Host, Message: err.Error()}
	}
	if _, ok := ctx.Deadline(); !ok {
		bounded, cancel := primitives.WithTimeout(ctx, c.clock, DefaultPatience)
		defer cancel()
		ctx = bounded
	}
	err := c.queued(ctx, target, privilege, work)
	return explain(op, target.Host, err)
}

func (c *Client) queued(ctx context.Context, target Target, privilege types.PrivilegeLevel,
	work func(context.Context, *session) error) error {
	password, err := reveal(ctx, target.Password)
	if err != nil {
		return err
	}
	bmc := c.bmcs.of(target.address())
	if err := bmc.lock(ctx); err != nil {
		return err
	}
	defer bmc.unlock()

	s, err := open(ctx, c.clock, bmc, login{
		address:   target.address(),
		user:      target.User,
		password:  password,
		privilege: privilege,
	})
	if err != nil {
		return err
	}
	defer s.close(ctx)
	return work(ctx, s)
}

func reveal(ctx context.Context, secret primitives.Secret) (string, error) {
	if secret.IsZero() {
		return "", nil
	}
	password, err := secret.Reveal(ctx)
	if err != nil {
		return "", failed(primitives.KindOf(err), "the password could not be had", err)
	}
	if len(password) > maxPassword {
		return "", failed(primitives.Invalid, "the password is longer than the 20 bytes that IPMI 2.0 has room for", nil)
	}
	return password, nil
}

func check(target Target) error {
	switch {
	case target.Host == "":
		return failed(primitives.Invalid, "no host is given", nil)
	case target.Port < 0 || target.Port > 65535:
		return failed(primitives.Invalid, "port "+strconv.Itoa(target.Port)+" is not within 1 to 65535 (0 means 623)", nil)
	case len(target.User) > maxUser:
		return failed(primitives.Invalid, "the user name is longer than the 16 bytes that IPMI has room for", nil)
	}
	return nil
}

// address is where the BMC listens, also the key under which it is remembered.
func (t Target) address() string {
	port := t.Port
	if port == 0 {
		port = DefaultPort
	}
	return net.JoinHostPort(strings.ToLower(t.Host), strconv.Itoa(port))
}
