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
	lock       *os.File // the machine's end of a delay lock: at its end when nobody holds it
	given      *os.File
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
		"CanPowerOff": answer, "CanReboot": answer, "CanHalt": answer, "CanSuspend": answer, "CanHibernate": answer,
		"ListInhibitors": func() ([]inhibitor, *dbus.Error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			return f.inhibitors, nil
		},
	}
	if withFlags {
		table["Inhibit"] = f.inhibit
	}
	for _, verb := range []string{"PowerOff", "Reboot", "Halt", "Suspend", "Hibernate"} {
		table[verb] = func(interactive bool) *dbus.Error {
			if interactive {
				t.Errorf("%s was asked for interactively", verb)
			}
			return f.down(verb)
		}
		if withFlags {
			table[verb+"WithFlags"] = func(flags uint64) *dbus.Error {
				if flags != rootChecksInhibitors {
					t.Errorf("%sWithFlags was given %d", verb, flags)
				}
				return f.down(verb + "WithFlags")
			}
		}
	}
	if err := conn.ExportMethodTable(table, loginPath, loginFace); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.RequestName(loginName, dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
}

// inhibit gives one end of a pipe, as logind does, and keeps the other.
func (f *fakeLogind) inhibit(what, _, _, mode string) (dbus.UnixFD, *dbus.Error) {
	if what != "shutdown" && what != "sleep" || mode != "delay" {
		return 0, refuse("org.freedesktop.DBus.Error.InvalidArgs")
	}
	read, write, err := os.Pipe()
	if err != nil {
		return 0, dbus.MakeFailedError(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, "Inhibit "+what)
	f.lock = read
	// Sent after this function returns, so it is closed when the next call,
	// which is the request itself, arrives.
	f.given = write
	return dbus.UnixFD(write.Fd()), nil
}

func (f *fakeLogind) down(verb string) *dbus.Error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.given != nil {
		_ = f.given.Close()
		f.given = nil
	}
	f.asked = append(f.asked, verb)
	if f.prepare {
		signal := ".PrepareForShutdown"
		if strings.HasPrefix(verb, "Suspend") || strings.HasPrefix(verb, "Hibernate") {
			signal = ".PrepareForSleep"
		}
		_ = f.conn.Emit(loginPath, loginFace+signal, true)
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

// watched is the machine's end of the delay lock that was given last.
func (f *fakeLogind) watched() *os.File {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lock
}

// now changes what it answers from here on.
func (f *fakeLogind) now(refusal *dbus.Error, prepare bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refusal, f.prepare = refusal, prepare
}

// says changes what it answers to Can… and who blocks it.
func (f *fakeLogind) says(can string, inhibitors ...inhibitor) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.can, f.inhibitors = can, inhibitors
}

func (f *fakeLogind) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = nil
}

func refuse(name string) *dbus.Error { return dbus.NewError(name, []any{"no"}) }
