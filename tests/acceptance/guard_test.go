//go:build linux

package acceptance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ctys/tests/machine"
)

// dissolving arms both guards and takes the bridge apart; the file "dissolved"
// says that it has.
const dissolving = `
local seen = bridge.snapshot("br9")
local stand = bridge.guard{snapshot = seen, after = AFTER}
assert(stand.child == true, stand.child)
assert(stand.timer == true, stand.timer)
bridge.dissolve{snapshot = seen, port = "port9"}
exec.run({"touch", "/root/dissolved"})
`

// TestGuards dissolves a bridge on a machine with systemd, ends the run in every
// way, and looks at the machine's network.
func TestGuards(t *testing.T) {
	t.Parallel()
	r := &room{machine.Start(t, machine.Options{Name: "lab09", NetAdmin: true})}
	r.CopyIn(t, program(t), "/root/bin/ctys")
	for _, line := range []string{
		"ip link add br9 type bridge",
		"ip link add port9 type veth peer name far9",
		"ip link set port9 master br9",
		"ip link set port9 up", "ip link set far9 up", "ip link set br9 up",
		"ip addr add 192.0.2.9/24 dev br9",
	} {
		r.Run(t, line)
	}
	for _, test := range []struct {
		name string
		run  func(*testing.T, *room)
	}{
		{"all is killed", allIsKilled},
		{"the service is stopped", serviceIsStopped},
		{"disarmed", disarmedThere},
		{"the machine goes down", goesDownGuarded},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, r) })
	}
}

// bridged is where the port and the address are.
func (r *room) bridged(t *testing.T) bool {
	t.Helper()
	return strings.Contains(r.Run(t, "ip -o link show port9"), "master br9") && strings.Contains(r.Run(t, "ip -o addr show"), "br9    inet 192.0.2.9/24")
}

// holds runs the script as a service, as another program would, until the bridge
// is dissolved.
func (r *room) holds(t *testing.T, after, script string) {
	t.Helper()
	r.Run(t, "rm -f /root/dissolved; rm -rf /root/.local/state/ctys; mkdir -p /root/run && cp /root/bin/ctys /root/run/")
	r.WriteFile(t, "/root/hold.lua", []byte(strings.Replace(dissolving, "AFTER", after, 1)+script), 0o600)
	r.Run(t, "systemd-run --quiet --collect --unit=holder --setenv=HOME=/root /root/run/ctys run /root/hold.lua")
	for end := time.Now().Add(20 * time.Second); r.Run(t, "ls /root/dissolved 2>/dev/null || true") == ""; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the bridge was not dissolved: %s", r.Run(t, "journalctl --no-pager -u holder"))
		}
	}
	if r.bridged(t) {
		t.Fatal("the bridge is not dissolved")
	}
}

func (r *room) awaitsBridge(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !r.bridged(t); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the bridge is not restored: %s\n%s", r.Run(t, "ip addr"), r.Run(t, "journalctl --no-pager -n 50"))
		}
	}
}

// units are those of the guards.
func (r *room) units(t *testing.T) string {
	t.Helper()
	return r.Run(t, "systemctl list-units --all --plain --no-legend 'ctys-guard-*'")
}

// allIsKilled leaves only the timer, and not even the program's file.
func allIsKilled(t *testing.T, r *room) {
	r.holds(t, "6", "task.sleep(600)")
	if !strings.Contains(r.units(t), ".timer") {
		t.Errorf("units: %s", r.units(t))
	}
	r.Run(t, "systemctl kill --signal=KILL holder; rm -rf /root/run")
	r.awaitsBridge(t)
	for end := time.Now().Add(10 * time.Second); r.units(t) != ""; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("units are left: %s", r.units(t))
		}
	}
}

// serviceIsStopped sends SIGTERM to the run and to the child alike.
func serviceIsStopped(t *testing.T, r *room) {
	r.holds(t, "600", "while true do pcall(task.sleep, 600) end")
	r.Run(t, "systemctl stop holder")
	r.awaitsBridge(t)
	r.Run(t, "systemctl stop 'ctys-guard-*.timer'")
}

func disarmedThere(t *testing.T, r *room) {
	r.holds(t, "3", "assert(bridge.unguard() == false)\nexec.run({'touch', '/root/disarmed'})\ntask.sleep(600)")
	for end := time.Now().Add(20 * time.Second); r.Run(t, "ls /root/disarmed 2>/dev/null || true") == ""; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the guards were not disarmed: %s", r.Run(t, "journalctl --no-pager -u holder"))
		}
	}
	if units := r.units(t); units != "" {
		t.Errorf("units are left: %s", units)
	}
	r.Run(t, "systemctl kill --signal=KILL holder")
	time.Sleep(5 * time.Second) // longer than both would have waited
	if r.bridged(t) {
		t.Error("a guard that was disarmed has restored the bridge")
	}
	r.Run(t, "ip addr del 192.0.2.9/24 dev port9; ip link set port9 master br9; ip addr add 192.0.2.9/24 dev br9; ip link set br9 up")
}

// goesDownGuarded is a power-off of somebody else while the guards stand: init
// ends the run, and the bridge stays as it is.
func goesDownGuarded(t *testing.T, r *room) {
	r.holds(t, "600", "while true do pcall(task.sleep, 600) end")
	if err := r.PowerOff(); err != nil {
		t.Fatal(err)
	}
	r.WaitOff(t, 60*time.Second)
	folder := r.Path("/root/.local/state/ctys/jobs")
	kept, err := filepath.Glob(filepath.Join(folder, "*", "guard-1.json"))
	if err != nil || len(kept) != 1 {
		t.Errorf("files of the guard that were not touched: %q, %v", kept, err)
	}
	words, _ := filepath.Glob(filepath.Join(folder, "*", "stderr"))
	if len(words) != 1 {
		t.Fatalf("what the child has said: %q", words)
	}
	if text, err := os.ReadFile(words[0]); err != nil || !strings.Contains(string(text), "the system is going down") {
		t.Errorf("the child said %q, %v", text, err)
	}
	if done, _ := filepath.Glob(filepath.Join(folder, "*", "guard-1.json.done")); len(done) > 0 {
		t.Error("a guard has restored the bridge while the machine went down")
	}
}
