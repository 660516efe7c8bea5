package shutdown

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/godbus/dbus/v5"

	"ctys/primitives"
)

// The names of org.freedesktop.login1(5).
const (
	loginName = "org.freedesktop.login1"
	loginPath = dbus.ObjectPath("/org/freedesktop/login1")
	loginFace = "org.freedesktop.login1.Manager"
)

// prepareWait is how long PrepareForShutdown is waited for. logind sends it
// before it answers; only a busy bus makes it late.
const prepareWait = 5 * time.Second

// rootChecksInhibitors is SD_LOGIND_ROOT_CHECK_INHIBITORS: a block inhibitor
// holds for root too, which without the flag it does not.
const rootChecksInhibitors = uint64(1)

// logind is one connection to the login manager.
type logind struct {
	client  *Client
	conn    *dbus.Conn
	manager dbus.BusObject
}

// openLogind connects to the login manager; nil without an error where the
// system has none.
func (c *Client) openLogind(ctx context.Context, op string) (*logind, error) {
	conn, err := c.connectBus(ctx)
	if err != nil {
		if busIsMissing(err) {
			return nil, nil
		}
		return nil, primitives.Wrap(op, "", "the system bus does not answer", cause(ctx, err))
	}
	l := &logind{client: c, conn: conn, manager: conn.Object(loginName, loginPath)}
	// Any call starts a login manager that is not running yet, and tells one
	// that does not exist.
	var answer string
	if err := l.call(ctx, "CanPowerOff").Store(&answer); err != nil {
		l.close()
		if isNamed(err, "org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner") ||
			isNamed(err, "org.freedesktop.DBus.Error.Spawn.") {
			return nil, nil
		}
		return nil, primitives.Wrap(op, "", "logind does not answer", cause(ctx, err))
	}
	return l, nil
}

func (c *Client) connectBus(ctx context.Context) (*dbus.Conn, error) {
	address := cmp.Or(c.BusAddress, os.Getenv("DBUS_SYSTEM_BUS_ADDRESS"))
	for _, socket := range c.buses {
		if _, err := os.Stat(socket); err == nil && address == "" {
			address = "unix:path=" + socket
		}
	}
	if address == "" {
		return nil, os.ErrNotExist
	}
	return dbus.Connect(address, dbus.WithContext(ctx))
}

// busIsMissing: no socket, or one that nobody serves.
func busIsMissing(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED)
}

func (l *logind) close() { _ = l.conn.Close() }

func (l *logind) call(ctx context.Context, method string, args ...any) *dbus.Call {
	return l.manager.CallWithContext(ctx, loginFace+"."+method, 0, args...)
}

// permits asks whether a method would be granted, without asking for it.
func (l *logind) permits(ctx context.Context, op string, method Method) error {
	// First, since logind answers "challenge" where a lock is held.
	if err := l.inhibited(ctx, op, method); err != nil {
		return err
	}
	question := "Can" + l.verb(method)
	var answer string
	if err := l.call(ctx, question).Store(&answer); err != nil {
		if isNamed(err, "org.freedesktop.DBus.Error.UnknownMethod") {
			return primitives.Errorf(primitives.Unsupported, op, "", "this logind has no %s: it cannot %s the machine", question, method)
		}
		return primitives.Wrap(op, "", "logind does not answer "+question, cause(ctx, err))
	}
	switch answer {
	case "yes":
		return nil
	case "na":
		return primitives.Errorf(primitives.Unsupported, op, "", "logind answers \"na\" to %s: this machine cannot %s", question, method)
	}
	return l.denied(op, method, fmt.Sprintf("logind answers %q to %s", answer, question))
}

// verb is the method's name on D-Bus.
func (l *logind) verb(method Method) string {
	switch method {
	case Reboot:
		return "Reboot"
	case Halt:
		return "Halt"
	}
	return "PowerOff"
}

// denied says which polkit rule grants a method (polkit(8); the action names
// are in org.freedesktop.login1(5)).
func (l *logind) denied(op string, method Method, what string) error {
	action := "org.freedesktop.login1." + map[Method]string{PowerOff: "power-off", Reboot: "reboot", Halt: "halt"}[method]
	user := l.client.account()
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

// inhibited gives an error of kind Busy that names who blocks a shutdown. A
// delay lock is no obstacle: logind waits for it and goes on.
func (l *logind) inhibited(ctx context.Context, op string, method Method) error {
	var all []inhibitor
	if err := l.call(ctx, "ListInhibitors").Store(&all); err != nil {
		return primitives.Wrap(op, "", "logind does not list its inhibitors", cause(ctx, err))
	}
	var holders []string
	for _, lock := range all {
		if lock.Mode == "block" && blocksShutdown(lock.What) {
			holders = append(holders, fmt.Sprintf("%s (pid %d, uid %d): %s", lock.Who, lock.PID, lock.UID, lock.Why))
		}
	}
	if len(holders) == 0 {
		return nil
	}
	return primitives.Errorf(primitives.Busy, op, "",
		"%s is blocked by an inhibitor of %s. Wait for it or end it (systemd-inhibit --list)", method, strings.Join(holders, "; "))
}

func blocksShutdown(what string) bool {
	for _, one := range strings.Split(what, ":") {
		if one == "shutdown" {
			return true
		}
	}
	return false
}

// ask asks for the method and waits for logind's word that it goes down.
func (l *logind) ask(ctx context.Context, op string, method Method) (Accepted, error) {
	if err := l.permits(ctx, op, method); err != nil {
		return Accepted{}, err
	}
	signals, err := l.watchPrepare(ctx)
	if err != nil {
		return Accepted{}, primitives.Wrap(op, "", "logind's PrepareForShutdown cannot be subscribed to; nothing was asked", cause(ctx, err))
	}
	l.client.hold(l.delay(ctx))
	refusal := l.request(ctx, method)
	if refusal == nil {
		return Accepted{Via: "logind", Prepare: l.awaitPrepare(ctx, signals)}, nil
	}
	// The answer may be lost because the machine is already going down.
	if isLost(refusal) && l.awaitPrepare(ctx, signals) {
		return Accepted{Via: "logind", Prepare: true}, nil
	}
	l.client.Release()
	return Accepted{}, l.explain(ctx, op, method, refusal)
}

// delay takes a delay lock, so that logind stops nothing before the caller has
// passed the answer on: without it the session that asked is often ended first.
// A logind that gives none is asked all the same; the result is then nil.
func (l *logind) delay(ctx context.Context) *os.File {
	var lock dbus.UnixFD
	err := l.call(ctx, "Inhibit", "shutdown", "ctys", "passing on that the shutdown was accepted", "delay").Store(&lock)
	if err != nil {
		return nil
	}
	return os.NewFile(uintptr(lock), "inhibitor")
}

// isLost: the call was sent and no answer came, so it may have been heeded.
func isLost(err error) bool {
	return !isNamed(err, "") || isNamed(err, "org.freedesktop.DBus.Error.NoReply",
		"org.freedesktop.DBus.Error.Timeout", "org.freedesktop.DBus.Error.TimedOut", "org.freedesktop.DBus.Error.Disconnected")
}

// request sends the one call that is not idempotent. Only a logind that does
// not know the call, and so did nothing, is asked in the older way.
func (l *logind) request(ctx context.Context, method Method) error {
	err := l.call(ctx, l.verb(method)+"WithFlags", rootChecksInhibitors).Err
	if err != nil && isNamed(err, "org.freedesktop.DBus.Error.UnknownMethod") {
		const interactive = false
		err = l.call(ctx, l.verb(method), interactive).Err
	}
	return err
}

func (l *logind) watchPrepare(ctx context.Context) (<-chan *dbus.Signal, error) {
	signals := make(chan *dbus.Signal, 16)
	l.conn.Signal(signals)
	return signals, l.conn.AddMatchSignalContext(ctx,
		dbus.WithMatchSender(loginName), dbus.WithMatchObjectPath(loginPath),
		dbus.WithMatchInterface(loginFace), dbus.WithMatchMember("PrepareForShutdown"))
}

// awaitPrepare waits for the signal. The request is accepted already, so the
// end of ctx or of the connection only means that it was not seen.
func (l *logind) awaitPrepare(ctx context.Context, signals <-chan *dbus.Signal) bool {
	ctx, cancel := primitives.WithTimeout(ctx, l.client.Clock, prepareWait)
	defer cancel()
	for {
		select {
		case signal, open := <-signals:
			if !open {
				return false
			}
			if isPrepare(signal) {
				return true
			}
		case <-ctx.Done():
			return false
		}
	}
}

// isPrepare: the signal comes with true before, and with false after a shutdown
// that was called off.
func isPrepare(signal *dbus.Signal) bool {
	if signal.Name != loginFace+".PrepareForShutdown" || len(signal.Body) != 1 {
		return false
	}
	begins, ok := signal.Body[0].(bool)
	return ok && begins
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
