package machine

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"ctys/primitives"
	"ctys/primitives/shutdown"
)

const patience = 30 * time.Second

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func TestMachineStandsBesideTheDeskOnly(t *testing.T) {
	NeedSSH(t)
	key := ssh.MarshalAuthorizedKey(otherKey(t).PublicKey())
	m := Start(t, Options{Name: "lab01", AuthorizedKey: key})
	ctx := within(t)
	for _, user := range []string{"root", "operator"} {
		out, err := m.SSH(ctx, user, "id -un; uname -n").CombinedOutput()
		if err != nil || string(out) != user+"\nlab01\n" {
			t.Errorf("ssh as %s: %q, %v", user, out, err)
		}
	}
	if !strings.Contains(m.Run(t, "cat /etc/ssh/authorized_keys"), strings.TrimSpace(string(key))) {
		t.Error("the test's own key is not authorized")
	}
	if !m.Running() || m.Boots() != 1 {
		t.Errorf("running %v after %d boots", m.Running(), m.Boots())
	}
	interfaces, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range interfaces {
		if i.Name == m.Name || strings.Contains(addresses(i), "198.18.") {
			t.Errorf("the host has interface %s %s", i.Name, addresses(i))
		}
	}
}

func addresses(i net.Interface) string {
	list, _ := i.Addrs()
	var text []string
	for _, address := range list {
		text = append(text, address.String())
	}
	return strings.Join(text, " ")
}

func otherKey(t *testing.T) ssh.Signer {
	signer, _ := newKey(t)
	return signer
}

func TestPowerButtonRebootAndDisk(t *testing.T) {
	m := Start(t, Options{})
	m.WriteFile(t, "/root/note", []byte("kept"), 0o600)
	first := m.Run(t, "cat /proc/sys/kernel/random/boot_id")
	m.Run(t, "systemd-run --quiet --no-block systemctl reboot")
	m.WaitBoot(t, 2, patience)
	if second := m.Run(t, "cat /proc/sys/kernel/random/boot_id"); second == first {
		t.Error("boot_id is the same after a reboot")
	}
	if err := m.PowerOff(); err != nil {
		t.Fatal(err)
	}
	m.WaitOff(t, patience)
	if m.Running() {
		t.Error("running after WaitOff")
	}
	if !strings.Contains(m.ConsoleLog(), "Powering off") {
		t.Errorf("console:\n%s", m.ConsoleLog())
	}
	m.PowerOn(t)
	if got := m.Run(t, "cat /root/note"); got != "kept" {
		t.Errorf("note is %q", got)
	}
}

func TestMachinesOfOneDeskSeeEachOther(t *testing.T) {
	desk := NewDesk(t)
	a := Start(t, Options{Desk: desk})
	b := Start(t, Options{Desk: desk})
	banner := "exec 3<>/dev/tcp/" + b.IP + "/22; head -c 4 <&3"
	if got := a.Run(t, "bash -c '"+banner+"'"); got != "SSH-" {
		t.Errorf("banner %q", got)
	}
	b.SetLink(t, false)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if conn, err := desk.Dial(ctx, "tcp", b.Address); err == nil {
		conn.Close()
		t.Error("reached with its cable pulled")
	}
	b.SetLink(t, true)
	b.Run(t, "true")
	b.CutPower()
	if b.Running() || !a.Running() {
		t.Errorf("running: a %v, b %v", a.Running(), b.Running())
	}
}

// Whatever ends the test process, nothing of the desk outlives it: here the
// leash is let go without any other clean-up.
func TestNothingIsLeft(t *testing.T) {
	m := Start(t, Options{})
	init, err := m.init()
	if err != nil {
		t.Fatal(err)
	}
	_ = m.Desk.leash.Close()
	select {
	case <-m.Desk.ended:
	case <-time.After(patience):
		t.Fatal("the desk is still there")
	}
	for end := time.Now().Add(patience); syscall.Kill(init, 0) == nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the machine's init is still there")
		}
	}
	for _, tree := range []string{"/sys/fs/cgroup/", "/sys/fs/cgroup/unified/"} {
		if _, err := os.Stat(tree + m.Desk.group); err == nil {
			t.Errorf("control group %s%s is left", tree, m.Desk.group)
		}
	}
}

// down is the program of testdata/down, built as ctys is.
func down(t *testing.T, m *Machine) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "down")
	build := exec.Command("go", "build", "-o", binary, "./testdata/down")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	m.CopyIn(t, binary, "/usr/local/bin/down")
}

type report struct {
	Accepted shutdown.Accepted
	Kind     primitives.Kind
	Error    string
	Warnings []string
}

// ask runs down on the machine over OpenSSH.
func ask(t *testing.T, m *Machine, user string, words ...string) report {
	t.Helper()
	out, err := m.SSH(within(t), user, "down", words[0], "'"+words[1]+"'").Output()
	var got report
	if jsonErr := json.Unmarshal(out, &got); jsonErr != nil {
		t.Fatalf("down %q as %s: %q, %v", words, user, out, err)
	}
	return got
}

func TestShutdownThroughLogind(t *testing.T) {
	NeedSSH(t)
	m := Start(t, Options{})
	down(t, m)
	lines := m.WatchWall(t)

	if got := ask(t, m, "root", "announce", "lab01 goes down in 5 s"); got.Error != "" || got.Warnings != nil {
		t.Errorf("announce: %+v", got)
	}
	awaitLine(t, lines, "lab01 goes down in 5 s")
	if log := m.Run(t, "journalctl --no-pager -t ctys"); !strings.Contains(log, "lab01 goes down in 5 s") {
		t.Errorf("system log: %s", log)
	}

	if got := ask(t, m, "root", "supported", "poweroff"); got.Error != "" {
		t.Errorf("supported: %+v", got)
	}
	boot := m.Run(t, "cat /proc/sys/kernel/random/boot_id")
	got := ask(t, m, "root", "do", "poweroff")
	if got.Error != "" || got.Accepted.Via != "logind" || !got.Accepted.Prepare || got.Accepted.BootID != boot {
		t.Errorf("poweroff: %+v, boot_id before it %s", got, boot)
	}
	m.WaitOff(t, patience)
}

func TestShutdownReboots(t *testing.T) {
	NeedSSH(t)
	m := Start(t, Options{})
	down(t, m)
	for n, words := range [][]string{{"do", "reboot"}, {"level", "6"}} {
		if got := ask(t, m, "root", words...); got.Error != "" || !got.Accepted.Prepare {
			t.Fatalf("%q: %+v", words, got)
		}
		m.WaitBoot(t, n+2, patience)
	}
}

func TestShutdownIsBarred(t *testing.T) {
	NeedSSH(t)
	m := Start(t, Options{})
	down(t, m)
	for _, command := range []string{"supported", "do"} {
		got := ask(t, m, "operator", command, "poweroff")
		if got.Kind != primitives.Denied || !strings.Contains(got.Error, "polkit.addRule") || !strings.Contains(got.Error, `"operator"`) {
			t.Errorf("%s as operator: %+v", command, got)
		}
	}

	m.Run(t, "systemd-run --quiet --unit=backup systemd-inhibit --what=shutdown --mode=block --who=backup '--why=tape runs' sleep infinity")
	for end := time.Now().Add(patience); !strings.Contains(m.Run(t, "systemd-inhibit --list"), "tape runs"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no inhibitor")
		}
	}
	for _, user := range []string{"operator", "root"} {
		got := ask(t, m, user, "do", "poweroff")
		if got.Kind != primitives.Busy || !strings.Contains(got.Error, "backup (pid") || !strings.Contains(got.Error, "tape runs") {
			t.Errorf("as %s: %+v", user, got)
		}
	}
	m.Run(t, "systemctl stop backup")

	// What the message says is what grants it.
	denied := ask(t, m, "operator", "do", "poweroff").Error
	_, rule, _ := strings.Cut(denied, "(package polkitd): ")
	m.WriteFile(t, "/etc/polkit-1/rules.d/50-ctys.rules", []byte(rule+"\n"), 0o644)
	m.Run(t, "systemctl restart polkit")
	if got := ask(t, m, "operator", "do", "poweroff"); got.Error != "" || !got.Accepted.Prepare {
		t.Fatalf("with the rule %s: %+v", rule, got)
	}
	m.WaitOff(t, patience)
}

func TestShutdownWithoutLogind(t *testing.T) {
	NeedSSH(t)
	m := Start(t, Options{})
	down(t, m)
	m.Run(t, "systemctl mask --now systemd-logind dbus.socket dbus.service 2>&1; true")
	// Without logind nothing holds the machine until the answer is out of it.
	_ = m.SSH(within(t), "root", "down do poweroff >/root/report").Run()
	m.WaitOff(t, patience)
	text, err := os.ReadFile(m.Path("/root/report"))
	if err != nil {
		t.Fatal(err)
	}
	var got report
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	if got.Error != "" || got.Accepted.Via != "systemctl" || got.Accepted.Prepare {
		t.Errorf("poweroff: %+v", got)
	}
}

func TestRunLevel(t *testing.T) {
	NeedSSH(t)
	m := Start(t, Options{})
	down(t, m)
	if got := ask(t, m, "root", "level", "3"); got.Error != "" || got.Accepted.Via != "systemctl" {
		t.Fatalf("level 3: %+v", got)
	}
	for end := time.Now().Add(patience); m.Run(t, "systemctl is-active graphical.target || true") == "active"; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("graphical.target is still active")
		}
	}
	if !m.Running() {
		t.Error("run level 3 took the machine down")
	}
}

func awaitLine(t *testing.T, lines <-chan string, want string) {
	t.Helper()
	var seen []string
	for {
		select {
		case line, open := <-lines:
			if strings.Contains(line, want) {
				return
			}
			if seen = append(seen, line); !open {
				t.Fatalf("the terminal closed after %q", seen)
			}
		case <-time.After(patience):
			t.Fatalf("the terminal showed %q", seen)
		}
	}
}
