package shutdown

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/godbus/dbus/v5"

	"ctys/primitives"
)

// denied says which polkit rule grants a method (polkit(8); the action names
// are in org.freedesktop.login1(5)).
func (l *logind) denied(op string, method Method, what string) error {
	action, user := method.action(), l.client.account()
	rule := fmt.Sprintf("polkit.addRule(function(action, subject) { if (subject.user == %q && "+
		"(action.id == %q || action.id == %q)) { return polkit.Result.YES; } });",
		user, action, action+"-multiple-sessions")
	return primitives.Errorf(primitives.Denied, op, "",
		"%s: account %s may not %s this machine unattended. Run as root, or let root put this line into /etc/polkit-1/rules.d/50-ctys.rules (package polkitd): %s",
		what, user, method, rule)
}

// inhibitor is one row of ListInhibitors.
type inhibitor struct {
	What, Who, Why, Mode string
	UID, PID             uint32
}

// inhibited gives an error of kind Busy that names who blocks a method. A
// delay lock is no obstacle: logind waits for it and goes on.
func (l *logind) inhibited(ctx context.Context, op string, method Method) error {
	var all []inhibitor
	if err := l.call(ctx, "ListInhibitors").Store(&all); err != nil {
		return primitives.Wrap(op, "", "logind does not list its inhibitors", cause(ctx, err))
	}
	var holders []string
	for _, lock := range all {
		if lock.Mode == "block" && slices.Contains(strings.Split(lock.What, ":"), method.event()) {
			holders = append(holders, fmt.Sprintf("%s (pid %d, uid %d): %s", lock.Who, lock.PID, lock.UID, lock.Why))
		}
	}
	if len(holders) == 0 {
		return nil
	}
	return primitives.Errorf(primitives.Busy, op, "",
		"%s is blocked by an inhibitor of %s. Wait for it or end it (systemd-inhibit --list)", method, strings.Join(holders, "; "))
}

// explain puts logind's refusal into the words of this package.
func (l *logind) explain(ctx context.Context, op string, method Method, refusal error) error {
	switch {
	case isNamed(refusal, "org.freedesktop.login1.OperationInProgress"):
		return &primitives.Error{Kind: primitives.Busy, Op: op, Cause: refusal, Message: "another shutdown or sleep is already running"}
	case isNamed(refusal, "org.freedesktop.DBus.Error.AccessDenied", "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired",
		"org.freedesktop.login1.BlockedByInhibitorLock"):
		// A lock that was taken since the check is refused in the same words.
		if err := l.inhibited(ctx, op, method); err != nil {
			return err
		}
		return l.denied(op, method, "logind refused: "+refusal.Error())
	case isNamed(refusal, "org.freedesktop.login1.SleepVerbNotSupported", "org.freedesktop.DBus.Error.NotSupported"):
		return &primitives.Error{Kind: primitives.Unsupported, Op: op, Cause: refusal, Message: "logind cannot " + string(method) + " this machine"}
	case !isLost(refusal):
		return &primitives.Error{Kind: primitives.Internal, Op: op, Cause: refusal, Message: "logind refused to " + string(method)}
	case ctx.Err() != nil:
		return primitives.Wrap(op, "", "logind was asked to "+string(method)+", and its answer did not arrive: see whether the machine goes down", ctx.Err())
	}
	return &primitives.Error{Kind: primitives.Unreachable, Op: op, Cause: refusal,
		Message: "logind was asked to " + string(method) + ", and went away without an answer: see whether the machine goes down"}
}

// isNamed tells whether err is a D-Bus error with one of the names; a name that
// ends with a dot is a prefix, an empty one any name.
func isNamed(err error, names ...string) bool {
	var reply dbus.Error
	if !errors.As(err, &reply) {
		return false
	}
	for _, name := range names {
		if name == "" || reply.Name == name || strings.HasSuffix(name, ".") && strings.HasPrefix(reply.Name, name) {
			return true
		}
	}
	return false
}

// cause prefers the context's end to its echo on the connection.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, dbus.ErrClosed) {
		return &primitives.Error{Kind: primitives.Unreachable, Op: "dbus", Message: "the bus closed the connection", Cause: err}
	}
	return err
}

// isLost: the call was sent and no answer came, so it may have been heeded.
func isLost(err error) bool {
	return !isNamed(err, "") || isNamed(err, "org.freedesktop.DBus.Error.NoReply",
		"org.freedesktop.DBus.Error.Timeout", "org.freedesktop.DBus.Error.TimedOut", "org.freedesktop.DBus.Error.Disconnected")
}
