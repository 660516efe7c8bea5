package shutdown

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ctys/primitives"
)

// quick is the system's clock on which the wait for a signal is short.
type quick struct{ primitives.SystemClock }

func (quick) WithDeadline(ctx context.Context, deadline time.Time) (context.Context, context.CancelFunc) {
	wait := time.Until(deadline)
	if wait <= prepareWait {
		wait /= 50
	}
	return context.WithTimeout(ctx, wait)
}

func noTools(t *testing.T) func(context.Context, []string, string) (string, int, error) {
	return func(_ context.Context, argv []string, _ string) (string, int, error) {
		t.Errorf("ran %q", argv)
		return "", 0, nil
	}
}

func armed(t *testing.T, address string) *Client {
	client := New(Options{Armed: true, BusAddress: address, Run: noTools(t)})
	client.kernel = noKernel(t)
	return client
}

// noKernel keeps a test from putting to sleep the machine that it runs on.
func noKernel(t *testing.T) kernel {
	return kernel{
		write:    func(path, text string) error { t.Errorf("wrote %q to %s", text, path); return os.ErrPermission },
		writable: func(path string) error { t.Errorf("opened %s", path); return os.ErrPermission },
		start: func(argv []string, _ *os.File, _ func(string, error)) error {
			t.Errorf("started %q", argv)
			return os.ErrPermission
		},
	}
}

func TestLogindTakesTheRequest(t *testing.T) {
	address := privateBus(t)
	fake := &fakeLogind{can: "yes", prepare: true}
	startLogind(t, address, fake, true)
	for request, verb := range map[Request]string{
		{Method: PowerOff}:           "Inhibit shutdown,PowerOffWithFlags",
		{Method: Reboot}:             "Inhibit shutdown,RebootWithFlags",
		{Method: Halt}:               "Inhibit shutdown,HaltWithFlags",
		{Method: RunLevel, Level: 0}: "Inhibit shutdown,PowerOffWithFlags",
		{Method: RunLevel, Level: 6}: "Inhibit shutdown,RebootWithFlags",
		{Method: Suspend}:            "Inhibit sleep,SuspendWithFlags",
		{Method: Hibernate}:          "Inhibit sleep,HibernateWithFlags",
	} {
		fake.forget()
		client := armed(t, address)
		client.read = sleeper().read
		if err := client.Supported(context.Background(), request); err != nil {
			t.Errorf("%v: Supported: %v", request, err)
		}
		if fake.calls() != "" {
			t.Fatalf("Supported asked for %s", fake.calls())
		}
		got, err := client.Do(context.Background(), request)
		if err != nil || got.Via != "logind" || !got.Prepare || got.At.IsZero() || got.BootID == "" {
			t.Errorf("%v: %+v, %v", request, got, err)
		}
		if fake.calls() != verb {
			t.Errorf("%v: logind was asked for %s", request, fake.calls())
		}
	}
}

// The delay lock is held from before the request until Release, and not after a
// refusal.
func TestDelayLock(t *testing.T) {
	address := privateBus(t)
	fake := &fakeLogind{can: "yes", prepare: true}
	startLogind(t, address, fake, true)
	client := armed(t, address)
	if _, err := client.Do(context.Background(), Request{Method: PowerOff}); err != nil {
		t.Fatal(err)
	}
	lock := fake.watched()
	if err := lock.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := lock.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("not held after Do: %v", err)
	}
	client.Release()
	client.Release()
	released(t, fake)

	fake.now(refuse("org.freedesktop.login1.OperationInProgress"), false)
	if _, err := client.Do(context.Background(), Request{Method: PowerOff}); err == nil {
		t.Fatal("no error")
	}
	released(t, fake)
}

func released(t *testing.T, fake *fakeLogind) {
	t.Helper()
	lock := fake.watched()
	if err := lock.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := lock.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("still held: %v", err)
	}
}

func TestOldLogindIsAskedWithoutInteraction(t *testing.T) {
	address := privateBus(t)
	fake := &fakeLogind{can: "yes", prepare: true}
	startLogind(t, address, fake, false)
	got, err := armed(t, address).Do(context.Background(), Request{Method: PowerOff})
	if err != nil || !got.Prepare || fake.calls() != "PowerOff" {
		t.Errorf("%+v, %v, asked %s", got, err, fake.calls())
	}
}

func TestAcceptedWithoutPrepare(t *testing.T) {
	address := privateBus(t)
	fake := &fakeLogind{can: "yes"}
	startLogind(t, address, fake, true)
	client := armed(t, address)
	client.Clock = quick{}
	got, err := client.Do(context.Background(), Request{Method: Halt})
	if err != nil || got.Prepare || got.Via != "logind" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestUnarmedClientReachesNothing(t *testing.T) {
	address := privateBus(t)
	fake := &fakeLogind{can: "yes"}
	startLogind(t, address, fake, true)
	client := New(Options{BusAddress: address, Run: noTools(t)})
	client.kernel = noKernel(t)
	for _, request := range []Request{{Method: PowerOff}, {Method: Reboot}, {Method: Halt}, {Method: RunLevel, Level: 1}, {Method: Suspend}, {Method: Hibernate}} {
		if _, err := client.Do(context.Background(), request); primitives.KindOf(err) != primitives.Denied {
			t.Errorf("%v: %v", request, err)
		}
	}
	if fake.calls() != "" {
		t.Errorf("logind was asked for %s", fake.calls())
	}
}

// What bars a shutdown is found by Supported and by Do, and nothing is asked.
func TestBarred(t *testing.T) {
	cases := []struct {
		name string
		fake *fakeLogind
		kind primitives.Kind
		says []string
	}{
		{"challenge", &fakeLogind{can: "challenge"}, primitives.Denied, []string{"challenge", "polkit.addRule", "org.freedesktop.login1.power-off", `"wol1"`}},
		{"no", &fakeLogind{can: "no"}, primitives.Denied, []string{"/etc/polkit-1/rules.d/"}},
		{"na", &fakeLogind{can: "na"}, primitives.Unsupported, []string{"na"}},
		{"block", &fakeLogind{can: "yes", inhibitors: []inhibitor{
			{What: "sleep", Who: "sleeper", Mode: "block"},
			{What: "shutdown", Who: "waiter", Mode: "delay"},
			{What: "idle:shutdown", Who: "backup", Why: "tape runs", Mode: "block", UID: 34, PID: 77},
		}}, primitives.Busy, []string{"backup (pid 77, uid 34): tape runs"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			address := privateBus(t)
			startLogind(t, address, c.fake, true)
			client := armed(t, address)
			client.account = func() string { return "wol1" }
			supported := client.Supported(context.Background(), Request{Method: PowerOff})
			_, done := client.Do(context.Background(), Request{Method: PowerOff})
			for _, err := range []error{supported, done} {
				if err == nil || primitives.KindOf(err) != c.kind {
					t.Fatalf("got %v", err)
				}
				for _, words := range c.says {
					if !strings.Contains(err.Error(), words) {
						t.Errorf("%q does not say %q", err, words)
					}
				}
				if strings.Contains(err.Error(), "sleeper") || strings.Contains(err.Error(), "waiter") {
					t.Errorf("%q names a lock that bars nothing", err)
				}
			}
			if c.fake.calls() != "" {
				t.Errorf("logind was asked for %s", c.fake.calls())
			}
		})
	}
}

func TestRefused(t *testing.T) {
	cases := map[string]primitives.Kind{
		"org.freedesktop.login1.OperationInProgress":                  primitives.Busy,
		"org.freedesktop.DBus.Error.AccessDenied":                     primitives.Denied,
		"org.freedesktop.DBus.Error.InteractiveAuthorizationRequired": primitives.Denied,
		"org.freedesktop.login1.SleepVerbNotSupported":                primitives.Unsupported,
		"org.freedesktop.DBus.Error.Failed":                           primitives.Internal,
	}
	for name, kind := range cases {
		t.Run(name, func(t *testing.T) {
			address := privateBus(t)
			fake := &fakeLogind{can: "yes", refusal: refuse(name)}
			startLogind(t, address, fake, true)
			_, err := armed(t, address).Do(context.Background(), Request{Method: Reboot})
			if primitives.KindOf(err) != kind || fake.calls() != "Inhibit shutdown,RebootWithFlags" {
				t.Errorf("got %v after %s", err, fake.calls())
			}
		})
	}
}

// The login manager is gone after it was asked: nothing is asked again by
// another way.
func TestLostAnswer(t *testing.T) {
	for _, prepare := range []bool{true, false} {
		address := privateBus(t)
		fake := &fakeLogind{can: "yes", vanish: true, prepare: prepare}
		startLogind(t, address, fake, true)
		client := armed(t, address)
		client.Clock = quick{}
		got, err := client.Do(context.Background(), Request{Method: PowerOff})
		if prepare && (err != nil || !got.Prepare) {
			t.Errorf("seen going down: %+v, %v", got, err)
		}
		if !prepare && primitives.KindOf(err) != primitives.Unreachable {
			t.Errorf("not seen going down: %+v, %v", got, err)
		}
		if fake.calls() != "Inhibit shutdown,PowerOffWithFlags" {
			t.Errorf("asked for %s", fake.calls())
		}
	}
}

func TestNoLogind(t *testing.T) {
	addresses := map[string]string{
		"no bus":         "unix:path=" + filepath.Join(t.TempDir(), "none"),
		"not on the bus": privateBus(t),
	}
	for name, address := range addresses {
		t.Run(name, func(t *testing.T) {
			client, ran := toolClient(t, true, 0, "systemctl")
			client.BusAddress = address
			got, err := client.Do(context.Background(), Request{Method: PowerOff})
			if err != nil || got.Via != "systemctl" || len(*ran) != 1 {
				t.Errorf("%+v, %v, ran %q", got, err, *ran)
			}
		})
	}
	// A system on which D-Bus was never installed, or does not run.
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "")
	client, ran := toolClient(t, false, 0, "shutdown")
	client.BusAddress, client.buses = "", []string{filepath.Join(t.TempDir(), "none")}
	if err := client.Supported(context.Background(), Request{Method: PowerOff}); err != nil {
		t.Error(err)
	}
	if got, err := client.Do(context.Background(), Request{Method: PowerOff}); err != nil || got.Via != "shutdown" || len(*ran) != 1 {
		t.Errorf("%+v, %v, ran %q", got, err, *ran)
	}
}

func TestSystemBus(t *testing.T) {
	socket := strings.TrimPrefix(strings.Split(privateBus(t), ",")[0], "unix:path=")
	client, _ := toolClient(t, false, 0)
	client.BusAddress, client.buses = "", []string{filepath.Join(t.TempDir(), "none"), socket}
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "")
	conn, err := client.connectBus(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
}

func TestBusThatMayNotBeReached(t *testing.T) {
	client := armed(t, "nonsense:")
	if _, err := client.Do(context.Background(), Request{Method: PowerOff}); err == nil {
		t.Error("a bus address that means nothing was taken for a system without logind")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	client = armed(t, privateBus(t))
	if _, err := client.Do(ctx, Request{Method: PowerOff}); primitives.KindOf(err) != primitives.Canceled {
		t.Errorf("after the context's end: %v", err)
	}
}

func TestInvalid(t *testing.T) {
	for _, request := range []Request{{}, {Method: "sleep"}, {Method: RunLevel, Level: 7}, {Method: RunLevel, Level: -1}} {
		client := armed(t, "")
		if err := client.Supported(context.Background(), request); primitives.KindOf(err) != primitives.Invalid {
			t.Errorf("Supported %v: %v", request, err)
		}
		if _, err := client.Do(context.Background(), request); primitives.KindOf(err) != primitives.Invalid {
			t.Errorf("Do %v: %v", request, err)
		}
	}
}

func TestIdentity(t *testing.T) {
	client := New(Options{})
	files := map[string]string{"/proc/sys/kernel/random/boot_id": "b-1\n", "/var/lib/dbus/machine-id": "m-1\n", "/etc/machine-id": "\n"}
	client.read = func(path string) ([]byte, error) {
		text, ok := files[path]
		if !ok {
			return nil, os.ErrNotExist
		}
		return []byte(text), nil
	}
	client.asleep = func() time.Duration { return 7 * time.Second }
	host, _ := os.Hostname()
	got, err := client.Identity(context.Background())
	if want := (Identity{Hostname: host, MachineID: "m-1", BootID: "b-1", Slept: 7 * time.Second}); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	delete(files, "/proc/sys/kernel/random/boot_id")
	if _, err := client.Identity(context.Background()); primitives.KindOf(err) != primitives.Unsupported {
		t.Errorf("without boot_id: %v", err)
	}
}
