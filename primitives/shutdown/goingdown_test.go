package shutdown

import (
	"context"
	"os"
	"sync/atomic"
	"testing"

	"github.com/godbus/dbus/v5"

	"ctys/primitives"
)

func TestGoingDown(t *testing.T) {
	for name, test := range map[string]struct {
		systemd bool
		init    string // what the kernel calls the first process
		says    string // systemctl or runlevel
		want    bool
		kind    primitives.Kind
	}{
		"systemd runs":            {true, "systemd", "running", false, ""},
		"systemd boots":           {true, "systemd", "starting", false, ""},
		"something failed":        {true, "systemd", "degraded", false, ""},
		"systemd stops":           {true, "systemd", "stopping", true, ""},
		"all is stopped":          {true, "systemd-shutdow", "", true, ""},
		"systemd is gone":         {true, "systemd", "offline", false, primitives.Internal},
		"sysvinit in level 2":     {false, "init", "N 2", false, ""},
		"sysvinit in single user": {false, "init", "2 S", false, ""},
		"sysvinit powers off":     {false, "init", "2 0", true, ""},
		"sysvinit reboots":        {false, "init", "N 6", true, ""},
		"nobody knows the level":  {false, "init", "unknown", false, primitives.Internal},
	} {
		client, _ := toolClient(t, test.systemd, 0, "systemctl", "runlevel")
		client.read = only(map[string]string{"/proc/1/comm": test.init + "\n"})
		client.Run = func(context.Context, []string, string) (string, int, error) { return test.says + "\n", 0, nil }
		got, err := client.GoingDown(t.Context())
		if got != test.want || (err != nil || test.kind != "") && primitives.KindOf(err) != test.kind {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	for _, systemd := range []bool{true, false} {
		client, _ := toolClient(t, systemd, 0)
		client.read = only(nil)
		if _, err := client.GoingDown(t.Context()); primitives.KindOf(err) != primitives.Unsupported {
			t.Errorf("no program: %v", err)
		}
	}
}

// only has these files of the system and no others.
func only(files map[string]string) func(string) ([]byte, error) {
	return func(path string) ([]byte, error) {
		if text, known := files[path]; known {
			return []byte(text), nil
		}
		return nil, os.ErrNotExist
	}
}

// What logind has accepted begins only when the delay locks are given back; until
// then systemd says that it runs.
func TestGoingDownAsLogindPrepares(t *testing.T) {
	address := privateBus(t)
	fake := &fakeLogind{can: "yes"}
	startLogind(t, address, fake, true)
	var prepares atomic.Bool
	properties := map[string]any{"Get": func(face, name string) (dbus.Variant, *dbus.Error) {
		if face != loginFace || name != "PreparingForShutdown" {
			return dbus.Variant{}, refuse("org.freedesktop.DBus.Error.UnknownProperty")
		}
		return dbus.MakeVariant(prepares.Load()), nil
	}}
	if err := fake.conn.ExportMethodTable(properties, loginPath, "org.freedesktop.DBus.Properties"); err != nil {
		t.Fatal(err)
	}
	client := armed(t, address)
	client.systemd, client.read = func() bool { return true }, only(nil)
	client.find = func(program string) string { return "/usr/bin/" + program }
	client.Run = func(context.Context, []string, string) (string, int, error) { return "running\n", 0, nil }
	for _, want := range []bool{false, true} {
		prepares.Store(want)
		if got, err := client.GoingDown(t.Context()); got != want || err != nil {
			t.Errorf("logind prepares %v: %v, %v", want, got, err)
		}
	}
}
