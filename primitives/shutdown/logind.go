package shutdown

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
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
	question := "Can" + method.verb()
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
		return primitives.Errorf(primitives.Unsupported, op, "", "logind answers \"na\" to %s: this machine cannot %s%s", question, method, l.client.because(method))
	}
	return l.denied(op, method, fmt.Sprintf("logind answers %q to %s", answer, question))
}

// ask asks for the method and waits for logind's word that it goes down.
func (l *logind) ask(ctx context.Context, op string, method Method) (Accepted, error) {
	if err := l.permits(ctx, op, method); err != nil {
		return Accepted{}, err
	}
	signals, err := l.watchPrepare(ctx, method)
	if err != nil {
		return Accepted{}, primitives.Wrap(op, "", "logind's "+method.signal()+" cannot be subscribed to; nothing was asked", cause(ctx, err))
	}
	l.client.hold(l.delay(ctx, method))
	refusal := l.request(ctx, method)
	if refusal == nil {
		return Accepted{Via: "logind", Prepare: l.awaitPrepare(ctx, method, signals)}, nil
	}
	// The answer may be lost because the machine is already going down.
	if isLost(refusal) && l.awaitPrepare(ctx, method, signals) {
		return Accepted{Via: "logind", Prepare: true}, nil
	}
	l.client.Release()
	return Accepted{}, l.explain(ctx, op, method, refusal)
}

// delay takes a delay lock, so that logind stops nothing before the caller has
// passed the answer on: without it the session that asked is often ended first.
// A logind that gives none is asked all the same; the result is then nil.
func (l *logind) delay(ctx context.Context, method Method) *os.File {
	var lock dbus.UnixFD
	err := l.call(ctx, "Inhibit", method.event(), "ctys", "passing on that the request was accepted", "delay").Store(&lock)
	if err != nil {
		return nil
	}
	return os.NewFile(uintptr(lock), "inhibitor")
}

// request sends the one call that is not idempotent. Only a logind that does
// not know the call, and so did nothing, is asked in the older way.
func (l *logind) request(ctx context.Context, method Method) error {
	err := l.call(ctx, method.verb()+"WithFlags", rootChecksInhibitors).Err
	if err != nil && isNamed(err, "org.freedesktop.DBus.Error.UnknownMethod") {
		const interactive = false
		err = l.call(ctx, method.verb(), interactive).Err
	}
	return err
}

func (l *logind) watchPrepare(ctx context.Context, method Method) (<-chan *dbus.Signal, error) {
	signals := make(chan *dbus.Signal, 16)
	l.conn.Signal(signals)
	return signals, l.conn.AddMatchSignalContext(ctx,
		dbus.WithMatchSender(loginName), dbus.WithMatchObjectPath(loginPath),
		dbus.WithMatchInterface(loginFace), dbus.WithMatchMember(method.signal()))
}

// awaitPrepare waits for the signal. The request is accepted already, so the
// end of ctx or of the connection only means that it was not seen.
func (l *logind) awaitPrepare(ctx context.Context, method Method, signals <-chan *dbus.Signal) bool {
	ctx, cancel := primitives.WithTimeout(ctx, l.client.Clock, prepareWait)
	defer cancel()
	for {
		select {
		case signal, open := <-signals:
			if !open {
				return false
			}
			if isPrepare(signal, method) {
				return true
			}
		case <-ctx.Done():
			return false
		}
	}
}

// isPrepare: the signal comes with true before, and with false after a sleep and
// after a shutdown that was called off.
func isPrepare(signal *dbus.Signal, method Method) bool {
	if signal.Name != loginFace+"."+method.signal() || len(signal.Body) != 1 {
		return false
	}
	begins, ok := signal.Body[0].(bool)
	return ok && begins
}
