package relocate

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ctys/luabind"
	"ctys/luabind/agent"
	"ctys/primitives"
	"ctys/primitives/shutdown"
	"ctys/tests/testneed"
)

// newFallible is a machine whose server runs one script of the test's in place
// of whatever it is asked to run, and notes what that was: nothing that a
// desk sends there can take this machine down.
func newFallible(t *testing.T, script string) (m *machine, asked string) {
	t.Helper()
	dir := t.TempDir()
	asked = filepath.Join(dir, "asked")
	command := filepath.Join(dir, "forced")
	must(t, os.WriteFile(command, []byte("#!/bin/sh\nprintf '%s\\n' \"$SSH_ORIGINAL_COMMAND\" >>"+asked+"\n"+script+"\n"), 0o755))
	return newMachine(t, "ForceCommand "+command), asked
}

func TestPlainShutdown(t *testing.T) {
	cases := []struct {
		name, script, become string
		request              shutdown.Request
		kind                 primitives.Kind // "": it is asked
		says                 string
	}{
		{"taken", "exit 0", "none", shutdown.Request{Method: shutdown.PowerOff}, "", "systemctl poweroff || shutdown"},
		{"line lost", "kill -9 $PPID", "none", shutdown.Request{Method: shutdown.Reboot}, "", "systemctl reboot || shutdown -r now"},
		{"by sudo", "exit 0", "sudo", shutdown.Request{Method: shutdown.RunLevel, Level: 3}, "", "sudo -n init 3 || sudo -n telinit 3"},
		{"by doas", "exit 0", "doas", shutdown.Request{Method: shutdown.RunLevel}, "", "doas -n systemctl poweroff"},
		{"refused", "echo 'sudo: a password is required' >&2; exit 1", "sudo", shutdown.Request{Method: shutdown.PowerOff}, primitives.Denied, "sudo -n"},
		{"no such", "echo 'sh: poweroff: not found' >&2; exit 127", "none", shutdown.Request{Method: shutdown.Halt}, primitives.Unsupported, "systemctl halt"},
		{"by ksu", "exit 0", "ksu", shutdown.Request{Method: shutdown.PowerOff}, primitives.Unsupported, ""},
		{"nonsense", "exit 0", "none", shutdown.Request{Method: shutdown.RunLevel, Level: 7}, primitives.Invalid, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m, asked := newFallible(t, c.script)
			d := newDesk(t, m, m.row("web1", `address = "127.0.0.1", become = "`+c.become+`"`))
			err := d.ShutDown(patience(t), luabind.Machine{Name: "web1"}, c.request)
			if c.kind == "" && err != nil || c.kind != "" && primitives.KindOf(err) != c.kind {
				t.Errorf("error %v", err)
			}
			text, _ := os.ReadFile(asked)
			if strings.Count(string(text), "\n") > 1 || !strings.Contains(string(text), c.says) || c.says == "" && len(text) > 0 {
				t.Errorf("asked %q", text)
			}
		})
	}
}

func TestConsoles(t *testing.T) {
	testneed.SSHTerminal(t)
	m := newMachine(t)
	typed, err := os.CreateTemp(t.TempDir(), "typed")
	must(t, err)
	_, err = typed.WriteString("exit 7\n")
	must(t, err)
	shown, err := os.CreateTemp(t.TempDir(), "shown")
	must(t, err)
	d := agent.NewDesk(agent.DeskOptions{Remote: m.client(), Inventory: newInventory(t, m.row("lab01", `address = "127.0.0.1"`)), Stdin: typed, Stdout: shown, Stderr: shown})
	defer d.Close()
	t.Setenv("SHELL", "/bin/sh")
	for _, name := range []string{"localhost", "lab01"} {
		_, err := typed.Seek(0, 0)
		must(t, err)
		if status, err := d.Console(patience(t), luabind.Machine{Name: name}); err != nil || status != 7 {
			t.Errorf("%s: status %d, %v", name, status, err)
		}
	}
	if err := d.Login(patience(t), luabind.Machine{Name: "lab01"}); err != nil {
		t.Error(err)
	}
	if err := d.Login(patience(t), luabind.Machine{Name: "lab01", User: "nobody"}); primitives.KindOf(err) != primitives.Auth {
		t.Errorf("nobody was let in: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := d.Console(ctx, luabind.Machine{}); primitives.KindOf(err) != primitives.Canceled {
		t.Error(err)
	}
}
