package shutdown

import (
	"context"
	"strings"

	"ctys/primitives"
)

// InRunLevel tells whether this machine is in a run level from 1 to 5: with
// systemd whether the level's target is active, and for multi-user that the
// graphical one, which includes it, is not (systemd.special(7)); else by the
// word of runlevel(8).
//
// Errors: Invalid for another level, Unsupported where the system has neither
// program, Internal where the answer cannot be read.
func (c *Client) InRunLevel(ctx context.Context, level int) (bool, error) {
	const op = "shutdown.in_run_level"
	if level < 1 || level > 5 {
		return false, primitives.Errorf(primitives.Invalid, op, "", "a machine stays in the run levels 1 to 5, not in %d", level)
	}
	if !c.systemd() {
		return c.runLevelIs(ctx, op, level)
	}
	target := Request{Method: RunLevel, Level: level}.target()
	active, err := c.isActive(ctx, op, target)
	if err != nil || !active || target != "multi-user.target" {
		return active, err
	}
	graphical, err := c.isActive(ctx, op, "graphical.target")
	return err == nil && !graphical, err
}

// isActive asks systemd; systemctl(1) tells a state in words and ends with 0
// for "active" alone.
func (c *Client) isActive(ctx context.Context, op, unit string) (bool, error) {
	path := c.find("systemctl")
	if path == "" {
		return false, primitives.Errorf(primitives.Unsupported, op, "", "this system has systemd and no program systemctl")
	}
	output, exit, err := c.Run(ctx, []string{path, "is-active", unit}, "")
	if err != nil {
		return false, primitives.Wrap(op, "", "systemctl did not run", cause(ctx, err))
	}
	switch state := strings.TrimSpace(output); {
	case exit == 0 && state == "active":
		return true, nil
	case state == "inactive", state == "activating", state == "deactivating", state == "failed", state == "reloading", state == "unknown":
		return false, nil
	default:
		return false, primitives.Errorf(primitives.Internal, op, "", "systemctl is-active %s says %q (exit code %d)", unit, state, exit)
	}
}

// runLevelIs compares a level with the one that the system is in.
func (c *Client) runLevelIs(ctx context.Context, op string, level int) (bool, error) {
	now, err := c.runLevel(ctx, op)
	return now == string(rune('0'+level)) || level == 1 && now == "S", err
}

// runLevel reads what runlevel(8) prints: the level before, or N, and the one
// that the system is in.
func (c *Client) runLevel(ctx context.Context, op string) (string, error) {
	path := c.find("runlevel")
	if path == "" {
		return "", primitives.Errorf(primitives.Unsupported, op, "", "this system has neither systemd nor a program runlevel")
	}
	output, exit, err := c.Run(ctx, []string{path}, "")
	if err != nil {
		return "", primitives.Wrap(op, "", "runlevel did not run", cause(ctx, err))
	}
	words := strings.Fields(output)
	if exit != 0 || len(words) != 2 || len(words[1]) != 1 {
		return "", primitives.Errorf(primitives.Internal, op, "", "runlevel says %q (exit code %d)", strings.TrimSpace(output), exit)
	}
	return words[1], nil
}
