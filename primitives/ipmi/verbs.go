package ipmi

import (
	"context"

	"github.com/bougou/go-ipmi/pkg/types"
)

// The methods of this file ask for the privilege that appendix G demands for
// their commands. Kinds of their errors are those of Status, where nothing else
// is said.

// Identify makes a machine show which one it is, with the privilege OPERATOR
// (28.5). Kinds: also Invalid (no time that can be asked for), Unsupported (the
// BMC has no lamp, or cannot keep it on for ever).
func (c *Client) Identify(ctx context.Context, target Target, what Identify) error {
	const op = "ipmi.identify"
	if err := what.check(); err != nil {
		return explain(op, target.Host, err)
	}
	return c.inSession(ctx, op, target, types.PrivilegeLevelOperator,
		func(ctx context.Context, s *session) error { return identify(ctx, s, what) })
}

// Boot reads the boot flags (28.13), for which the specification demands the
// privilege OPERATOR. Flags that are not valid are BootNone.
func (c *Client) Boot(ctx context.Context, target Target) (Boot, error) {
	return query(ctx, c, "ipmi.boot", target, types.PrivilegeLevelOperator,
		func(ctx context.Context, s *session) (Boot, error) { return readBoot(ctx, s) })
}

// SetBoot sets the boot flags (28.12) and gives what is read back afterwards.
// It needs the privilege OPERATOR, and ADMINISTRATOR for flags that persist
// (28.13, parameter 5). All that the flags held before is overwritten.
//
// Flags for one boot are forgotten by the BMC where no chassis control follows
// within 60 seconds, as the specification has it, lest they act days later.
//
// Kinds: also Invalid (no such device), Unsupported (the BMC reads back other
// flags than those that it accepted, which are then returned beside the error;
// or it has none), Busy.
func (c *Client) SetBoot(ctx context.Context, target Target, boot Boot) (Boot, error) {
	const op = "ipmi.set_boot"
	if err := boot.check(); err != nil {
		return Boot{}, explain(op, target.Host, err)
	}
	privilege := types.PrivilegeLevelOperator
	if boot.Persistent {
		privilege = types.PrivilegeLevelAdministrator
	}
	return query(ctx, c, op, target, privilege,
		func(ctx context.Context, s *session) (Boot, error) { return writeBoot(ctx, c.clock, s, boot) })
}

// Controller tells what the BMC itself is (20.1, 22.14), with the privilege USER.
func (c *Client) Controller(ctx context.Context, target Target) (Controller, error) {
	return query(ctx, c, "ipmi.controller", target, types.PrivilegeLevelUser,
		func(ctx context.Context, s *session) (Controller, error) { return readController(ctx, s) })
}

// Sensors reads all sensors that have a record (33, 35), with the privilege
// USER: one exchange or more for each record and one for each reading, so that
// a large machine takes hundreds. Sensors of other controllers than the BMC are
// listed as unavailable. Kinds: also Busy (the records keep changing).
func (c *Client) Sensors(ctx context.Context, target Target) ([]Sensor, error) {
	return query(ctx, c, "ipmi.sensors", target, types.PrivilegeLevelUser,
		func(ctx context.Context, s *session) ([]Sensor, error) { return readSensors(ctx, c.clock, s) })
}

// Events reads the event log (31), oldest record first, with the privilege USER.
// Times are UTC. Kinds: also Busy (the log is being erased).
func (c *Client) Events(ctx context.Context, target Target) ([]Event, error) {
	return query(ctx, c, "ipmi.events", target, types.PrivilegeLevelUser,
		func(ctx context.Context, s *session) ([]Event, error) { return readEvents(ctx, c.clock, s) })
}

// ClearEvents erases the event log (31.9), with the privilege OPERATOR, and
// returns when it is erased; an empty one is sent nothing. The erasure is begun
// at most once: where its reply is lost and the log does not show that it
// happened, the error has the kind Timeout and says "unknown, not repeated".
// Kinds: also Busy (events keep coming in, or it is being erased).
func (c *Client) ClearEvents(ctx context.Context, target Target) error {
	return c.inSession(ctx, "ipmi.clear_events", target, types.PrivilegeLevelOperator,
		func(ctx context.Context, s *session) error { return clearEvents(ctx, c.clock, s) })
}

// Raw carries a raw command out. One that is known only to read is sent with
// the privilege that it needs, USER mostly, and repeated where it is lost; any
// other with OPERATOR and at most once: where its reply is lost, the error has
// the kind Timeout and says "unknown, not repeated". A refusal is no error but a
// Reply with its completion code, except where the privilege did not suffice:
// ADMINISTRATOR is not tried by itself, and the error has the kind Denied.
// Kinds: also Invalid (no such command can be sent).
func (c *Client) Raw(ctx context.Context, target Target, request Request) (Reply, error) {
	const op = "ipmi.raw"
	if err := request.check(); err != nil {
		return Reply{}, explain(op, target.Host, err)
	}
	level, _ := request.Privilege()
	return query(ctx, c, op, target, level,
		func(ctx context.Context, s *session) (Reply, error) { return raw(ctx, s, request) })
}

// query is inSession for work with a result.
func query[T any](ctx context.Context, c *Client, op string, target Target, privilege types.PrivilegeLevel,
	work func(context.Context, *session) (T, error)) (T, error) {
	var result T
	err := c.inSession(ctx, op, target, privilege, func(ctx context.Context, s *session) (err error) {
		result, err = work(ctx, s)
		return err
	})
	return result, err
}
