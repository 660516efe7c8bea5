package shutdown

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"

	"ctys/tests/testneed"
)

// privateBus starts a dbus-daemon of the test's own and gives its address.
func privateBus(t *testing.T) string {
	t.Helper()
	program := testneed.Program(t, "dbus-daemon", "dbus")
	dir := t.TempDir()
	config := filepath.Join(dir, "bus.conf")
	text := `<busconfig><type>session</type><listen>unix:path=` + dir + `/bus</listen>` +
		`<auth>EXTERNAL</auth><policy context="default"><allow user="*"/><allow own="*"/>` +
		`<allow send_destination="*"/><allow eavesdrop="true"/></policy></busconfig>`
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	daemon := exec.Command(program, "--config-file="+config, "--nofork", "--nopidfile", "--print-address")
	daemon.Stderr = os.Stderr
	output, err := daemon.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = daemon.Process.Kill()
		_ = daemon.Wait()
	})
	address, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(address)
}

// fakeLogind implements the part of org.freedesktop.login1.Manager that this
// package uses.
type fakeLogind struct {
	conn *dbus.Conn

	mu         sync.Mutex
	can        string // answer to every Can…
	inhibitors []inhibitor
	prepare    bool        // whether it sends PrepareForShutdown
	refusal    *dbus.Error // what it answers instead of going down
	vanish     bool        // it closes its connection instead of answering
	asked      []string
	flags      uint64
}

// startLogind puts a fake login manager on a bus. methods are what it exports
// beside Can… and ListInhibitors.
func startLogind(t *testing.T, address string, f *fakeLogind, withFlags bool) {
	t.Helper()
	conn, err := dbus.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	f.conn = conn
	answer := func() (string, *dbus.Error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.can, nil
	}
	table := map[string]any{
		"CanPowerOff": answer, "CanReboot": answer, "CanHalt": answer,
		"ListInhibitors": func() ([]inhibitor, *dbus.Error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			return f.inhibitors, nil
		},
	}
	for _, verb := range []string{"PowerOff", "Reboot", "Halt"} {
		table[verb] = func(interactive bool) *dbus.Error {
			if interactive {
				t.Errorf("%s was asked for interactively", verb)
			}
			return f.down(verb, 0)
		}
		if withFlags {
			table[verb+"WithFlags"] = func(flags uint64) *dbus.Error { return f.down(verb+"WithFlags", flags) }
		}
	}
	if err := conn.ExportMethodTable(table, loginPath, loginFace); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.RequestName(loginName, dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
}

func (f *fakeLogind) down(verb string, flags uint64) *dbus.Error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, verb)
	f.flags = flags
	if f.prepare {
		_ = f.conn.Emit(loginPath, loginFace+".PrepareForShutdown", true)
	}
	if f.vanish {
		_ = f.conn.Close()
	}
	return f.refusal
}

func (f *fakeLogind) calls() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.asked, ",")
}

func refuse(name string) *dbus.Error { return dbus.NewError(name, []any{"no"}) }
