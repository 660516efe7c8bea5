package shutdown

import (
	"context"
	"strings"

	"github.com/godbus/dbus/v5"

	"ctys/primitives"
)

// lastInit is how the kernel calls the first process when all units are stopped
// and systemd has handed over to systemd-shutdown(8) (proc(5), comm: 15 letters).
const lastInit = "systemd-shutdow"

// GoingDown tells whether this machine is on its way down, by whoever's hand:
// with systemd from the moment that logind has accepted it, else whether init
// is in run level 0 or 6 (runlevel(8)).
//
// Errors: Unsupported where the system has no means to tell, Internal or that of
// the failure where the answer cannot be had, as when systemd is gone.
func (c *Client) GoingDown(ctx context.Context) (bool, error) {
	const op = "shutdown.going_down"
	if !c.systemd() {
		level, err := c.runLevel(ctx, op)
		return level == "0" || level == "6", err
	}
	if comm, err := c.read("/proc/1/comm"); err == nil && strings.HasPrefix(string(comm), lastInit) {
		return true, nil
	}
	if c.preparing(ctx, op) {
		return true, nil
	}
	return c.isStopping(ctx, op)
}

// preparing asks logind, which knows first. On a system without one, and late in
// a shutdown, nobody answers.
func (c *Client) preparing(ctx context.Context, op string) bool {
	manager, err := c.openLogind(ctx, op)
	if err != nil || manager == nil {
		return false
	}
	defer manager.close()
	var answer dbus.Variant
	if err := manager.property(ctx, "PreparingForShutdown").Store(&answer); err != nil {
		return false
	}
	prepares, _ := answer.Value().(bool)
	return prepares
}

func (l *logind) property(ctx context.Context, name string) *dbus.Call {
	return l.manager.CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", 0, loginFace, name)
}

// isStopping asks systemd by its own program, which reaches it also where there
// is no bus any more. Its exit status is 0 for the word "running" alone
// (systemctl(1), is-system-running).
func (c *Client) isStopping(ctx context.Context, op string) (bool, error) {
	path := c.find("systemctl")
	if path == "" {
		return false, primitives.Errorf(primitives.Unsupported, op, "", "this system has systemd and no program systemctl")
	}
	output, exit, err := c.Run(ctx, []string{path, "is-system-running"}, "")
	if err != nil {
		return false, primitives.Wrap(op, "", "systemctl did not run", cause(ctx, err))
	}
	switch state := strings.TrimSpace(output); state {
	case "stopping":
		return true, nil
	case "initializing", "starting", "running", "degraded", "maintenance":
		return false, nil
	default:
		return false, primitives.Errorf(primitives.Internal, op, "", "systemctl is-system-running says %q (exit code %d)", state, exit)
	}
}
