//go:build linux

package acceptance

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"ctys/tests/machine"
	"ctys/tests/testneed"
)

// hypervisorTool stands for a hypervisor in the place of libvirt: its guests are
// processes that only go while its service runs.
const hypervisorTool = `#!/bin/sh
# hv daemon | list | start NAME | stop NAME
log() { echo "$*" >>/var/log/hv; }
case $1 in
daemon)
	mkdir -p /run/hv && log daemon started
	trap 'log daemon stopped; exit 0' TERM
	while :; do sleep 0.1; done ;;
esac
test -d /run/hv && systemctl is-active --quiet libvirtd || { echo no daemon >&2; exit 1; }
case $1 in
list) for name in db1 web1; do test -e /run/hv/$name && echo $name running || echo $name off; done ;;
start) log start $2; touch /run/hv/$2 ;;
stop) test -e /root/$2-hangs || { log stop $2; rm -f /run/hv/$2; } ;;
esac
`

const hypervisorUnit = `[Service]
ExecStart=/usr/local/bin/hv daemon
[Install]
WantedBy=multi-user.target
`

const hypervisorDriver = `-- hv: the guests of this test
local M = {}
M.head = { what = "the guests of this test", runs = { "hv" }, source = "this test", tested = "real tool: of this test" }
M.type = "qemu"
M.asks = "signal"
M.states = { running = "running", off = "off" }
M.probe = { argv = { "hv", "list" }, parse = function() return "1" end }
M.list = { argv = { "hv", "list" }, output = "lines", each = function(line)
  local name, state = line:match("^(%S+) (%S+)$")
  return name and { name = name, status = state }
end }
M.shutdown = { argv = function(guest) return { "hv", "stop", guest.name } end }
M.start = { argv = function(guest) return { "hv", "start", guest.name } end }
return M
`

const hypervisorRows = `return {
  lab20 = { hypervisors = { "hv" } },
  db1 = { parent = "lab20", hypervisors = {}, deadline = 5 },
  web1 = { parent = "lab20", hypervisors = {}, deadline = 5, after = { "db1" } },
}
`

var serviceUnits = []string{"ctys-guests.service", "ctys-guests-start.service"}

// served is a machine on which the units of docs are installed as they are.
func served(t *testing.T) *room {
	t.Helper()
	r := &room{machine.Start(t, machine.Options{Name: "lab20"})}
	r.CopyIn(t, program(t), "/usr/local/bin/ctys")
	r.WriteFile(t, "/usr/local/bin/hv", []byte(hypervisorTool), 0o755)
	r.WriteFile(t, "/etc/systemd/system/libvirtd.service", []byte(hypervisorUnit), 0o644)
	r.WriteFile(t, "/etc/ctys/drivers/hv.lua", []byte(hypervisorDriver), 0o644)
	r.WriteFile(t, "/etc/ctys/machines.lua", []byte(hypervisorRows), 0o644)
	for _, unit := range serviceUnits {
		r.CopyIn(t, filepath.Join("..", "..", "docs", unit), "/etc/systemd/system/"+unit)
	}
	r.Run(t, "systemctl daemon-reload && systemctl enable --now libvirtd ctys-guests ctys-guests-start 2>&1")
	return r
}

func (r *room) hypervisorLog(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(r.Path("/var/log/hv"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Split(strings.TrimSpace(string(text)), "\n"), "; ")
}

// The guests go down in order before their hypervisor is stopped, and come back in
// the reverse order when the host boots.
func TestTheServiceTakesTheGuestsDownAndBringsThemBack(t *testing.T) {
	t.Parallel()
	r := served(t)
	r.Run(t, "hv start db1; hv start web1")
	r.Run(t, "systemd-run --quiet --no-block systemctl poweroff")
	r.WaitOff(t, 60*time.Second)
	down := r.hypervisorLog(t)
	if !regexp.MustCompile(`^daemon started; start db1; start web1; stop web1; stop db1; daemon stopped$`).MatchString(down) {
		t.Fatalf("going down: %s\n%s", down, r.ConsoleLog())
	}
	r.PowerOn(t)
	for end := time.Now().Add(30 * time.Second); r.Run(t, "systemctl is-active ctys-guests-start || true") != "active"; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not brought back: %s", r.Run(t, "journalctl --no-pager -u ctys-guests-start"))
		}
	}
	if up := strings.TrimPrefix(r.hypervisorLog(t), down+"; "); up != "daemon started; start db1; start web1" {
		t.Errorf("coming back: %s\n%s", up, r.Run(t, "journalctl --no-pager -u ctys-guests-start"))
	}
}

// A guest that hangs is named, its unit says that it failed, and the host still
// goes; at the next boot it is brought back with the others.
func TestTheServiceNamesAGuestThatHangs(t *testing.T) {
	t.Parallel()
	r := served(t)
	r.Run(t, "hv start db1; hv start web1; touch /root/db1-hangs")
	r.Run(t, "systemctl stop ctys-guests || true")
	log := r.Run(t, "journalctl --no-pager -u ctys-guests")
	if !strings.Contains(log, "db1") || !strings.Contains(log, "still running after 5 s") || !strings.Contains(log, "status=1") {
		t.Errorf("the log of the unit: %s", log)
	}
	if failed := r.Run(t, "systemctl is-failed ctys-guests || true"); failed != "failed" {
		t.Errorf("the unit is %s", failed)
	}
	r.Run(t, "rm /root/db1-hangs; systemctl start ctys-guests-start")
	if states := r.Run(t, "hv list"); strings.Contains(states, "off") {
		t.Errorf("brought back: %s", states)
	}
}

// What systemd finds wrong with a unit it says with the unit's name.
func TestTheUnitsAreSound(t *testing.T) {
	verify := testneed.Program(t, "systemd-analyze", "systemd")
	folder := t.TempDir()
	for _, unit := range serviceUnits {
		text, err := os.ReadFile(filepath.Join("..", "..", "docs", unit))
		if err != nil {
			t.Fatal(err)
		}
		installed := strings.ReplaceAll(string(text), "/usr/local/bin/ctys", "/bin/true")
		if err := os.WriteFile(filepath.Join(folder, unit), []byte(installed), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, unit := range serviceUnits {
		if out, err := exec.Command(verify, "verify", filepath.Join(folder, unit)).CombinedOutput(); strings.Contains(string(out), "ctys-guests") {
			t.Errorf("%s: %v\n%s", unit, err, out)
		}
	}
}
