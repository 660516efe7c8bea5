package luabind

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"ctys/primitives"
	"ctys/primitives/exec"
	"ctys/primitives/stack"
)

const (
	on, off, unknown = stack.Running, stack.Off, stack.Unknown
	paused, saved    = stack.Paused, stack.Saved
	going, crashed   = stack.ShuttingDown, stack.Crashed
)

// stockStates are all words that the tools have, the unknown ones among them.
var stockStates = map[string]map[string]stack.State{
	"podman": {
		"configured": off, "created": off, "initialized": off, "running": on, "paused": paused, "stopping": going,
		"stopped": off, "exited": off, "removing": unknown, "unknown": unknown, "bad state": unknown,
	},
	"lxc-tools": {
		"STOPPED": off, "STARTING": on, "RUNNING": on, "STOPPING": going, "ABORTING": going, "FREEZING": on,
		"FROZEN": paused, "THAWED": on, "UNKNOWN": unknown,
	},
	"qm": {
		"stopped": off, "running": on, "debug": paused, "inmigrate": unknown, "internal-error": crashed, "io-error": paused,
		"paused": paused, "postmigrate": unknown, "prelaunch": paused, "finish-migrate": unknown, "restore-vm": paused,
		"shutdown": off, "save-vm": paused, "suspended": stack.Suspended, "watchdog": paused, "guest-panicked": crashed,
		"colo": unknown, "preconfig": unknown, "unknown": unknown,
	},
	"pct": {"running": on, "stopped": off, "mounted": unknown, "unknown": unknown},
	"vbox": {
		"poweroff": off, "saved": saved, "teleported": unknown, "aborted": off, "aborted-saved": saved, "running": on,
		"paused": paused, "gurumeditation": crashed, "teleporting": unknown, "livesnapshotting": on, "starting": on,
		"stopping": going, "saving": on, "restoring": on, "teleportingpausedvm": unknown, "teleportingin": unknown,
		"faulttolerantsyncing": unknown, "deletingsnapshotlive": on, "deletingsnapshotlivepaused": paused,
		"onlinesnapshotting": on, "restoringsnapshot": off, "deletingsnapshot": off, "settingup": off, "snapshotting": off,
		"unknown": unknown,
	},
	"vmw": {"running": on},
}

// openStock gives a stock driver, or one of the test's site.
func openStock(t testing.TB, host Stack, name string) *driver {
	t.Helper()
	d, err := host.(*drivenStack).scripts()[name].open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Each word of each tool, and none that is not in the table above.
func TestStockDriversStates(t *testing.T) {
	host := driven(&tools{}, nil)
	if got, want := Drivers(nil), slices.Sorted(maps.Keys(stockStates)); !slices.Equal(got, want) {
		t.Fatalf("the stock has the drivers %v, and the table %v", got, want)
	}
	for name, words := range stockStates {
		d := openStock(t, host, name)
		for word, want := range words {
			state, cause := d.stateOf(map[string]any{"status": word})
			if state != want || (cause == "") == (want == unknown) {
				t.Errorf("%s %q: %s (%s), want %s", name, word, state, cause, want)
			}
		}
		for word := range d.states {
			if _, listed := words[word]; !listed {
				t.Errorf("%s: the word %q is not in the table", name, word)
			}
		}
	}
}

func recorded(t testing.TB, file string) exec.Result {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "drivers", file))
	if err != nil {
		t.Fatal(err)
	}
	return exec.Result{Stdout: string(text)}
}

// pduSite makes a driver of the example.
var pduSite = map[string]string{"rack7": `return require("drivers.example.pdu").at("apc@pdu7.example")`}

// stockLists are what the tools print, and the guests that are in it.
var stockLists = []struct {
	driver, program, file, want string
}{
	{"podman", "podman ps --all --no-trunc --format json", "podman-3.4.4.json", "web podman running 4711; never podman off"},
	{"podman", "podman ps --all --no-trunc --format json", "podman-4.3.1.json", "web podman running 59; never podman off; ended podman off; held podman running 136; ready podman off 168; fleeting podman running 182 transient"},
	{"podman", "podman ps --all --no-trunc --format json", "podman-5.4.0.json", "web podman paused 4711 transient; half-gone podman unknown"},
	{"lxc-tools", "lxc-ls", "lxc-ls-5.0.2.txt", "lxdeaf lxc off; lxice lxc paused 34 autostart; lxweb lxc running 29"},
	{"qm", "qm", "qm-list.txt", "web kvm running 1234; VM 101 kvm off; a-name-that-is-longer-than-its-column kvm paused 99999; moving kvm unknown 1240"},
	{"pct", "pct", "pct-list.txt", "db lxc running; mail lxc off; files lxc unknown"},
	{"vbox", "VBoxManage list vms", "vbox-list.txt", `web vbox running; a "quoted" {name} vbox unknown; <inaccessible> vbox unknown`},
	{"vmw", "vmrun", "vmrun-list.txt", "Debian 12.x vmw running transient; web vmw running transient"},
	{"rack7", "ssh", "pdu-olstatus.txt", "lab01 outlet running; lab02: rear outlet off; lab03 outlet unknown"},
}

func TestStockDriversLists(t *testing.T) {
	for _, test := range stockLists {
		with := &tools{answers: map[string]exec.Result{
			test.program: recorded(t, test.file),
			"VBoxManage showvminfo 3f2504e0-4f89-11d3-9a0c-0305e82c3301 --machinereadable": recorded(t, "vbox-showvminfo.txt"),
			"VBoxManage showvminfo 3f2504e0-4f89-11d3-9a0c-0305e82c3302 --machinereadable": {Stdout: "description=\"\nVMState=\"poweroff\"\n\"\nVMState=\"running\"\n"},
			"VBoxManage showvminfo 3f2504e0-4f89-11d3-9a0c-0305e82c3303 --machinereadable": {Exit: 1, Stderr: "VBoxManage: error: Could not find a registered machine"},
		}}
		guests, err := driven(with, pduSite).List(context.Background(), test.driver+":///system")
		if err != nil {
			t.Errorf("%s: %v", test.file, err)
			continue
		}
		if got := describeGuests(guests); got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.file, got, test.want)
		}
	}
}

func describeGuests(guests []stack.Guest) string {
	lines := make([]string, len(guests))
	for i, guest := range guests {
		words := []string{guest.Name, guest.Type, string(guest.State)}
		if guest.ID > 0 {
			words = append(words, strconv.Itoa(guest.ID))
		}
		if !guest.Persistent {
			words = append(words, "transient")
		}
		if guest.Autostart {
			words = append(words, "autostart")
		}
		lines[i] = strings.Join(words, " ")
	}
	return strings.Join(lines, "; ")
}

// stockAsks are the command lines of every verb of every driver, for the first
// guest of its list.
var stockAsks = map[string]string{
	"podman": "podman inspect --type container --format {{.Config.StopSignal}} ID; podman kill --signal SIGQUIT ID" +
		"; podman kill --signal KILL ID; podman start ID; podman pause ID; podman unpause ID",
	"lxc-tools": "lxc-stop --name lxdeaf --nokill --nowait; lxc-stop --name lxdeaf --reboot --nowait; lxc-stop --name lxdeaf --kill" +
		"; lxc-start --name lxdeaf --daemon; lxc-freeze --name lxdeaf; lxc-unfreeze --name lxdeaf",
	"qm":  "qm shutdown 100 --timeout 1; qm reset 100; qm stop 100; qm start 100; qm suspend 100; qm resume 100; qm suspend 100 --todisk 1",
	"pct": "pct shutdown 200 --timeout 1; pct stop 200; pct start 200",
	"vbox": "VBoxManage controlvm ID acpipowerbutton; VBoxManage controlvm ID reset; VBoxManage controlvm ID poweroff; VBoxManage startvm ID --type headless" +
		"; VBoxManage controlvm ID pause; VBoxManage controlvm ID resume; VBoxManage controlvm ID savestate",
	"vmw": "vmrun -T ws stop VMX soft; vmrun -T ws reset VMX soft; vmrun -T ws reset VMX hard; vmrun -T ws stop VMX hard" +
		"; vmrun -T ws pause VMX; vmrun -T ws unpause VMX; vmrun -T ws suspend VMX hard",
	"rack7": "SSHolOff 1|exit|; SSHolOn 1|exit|",
}

func TestStockDriversVerbs(t *testing.T) {
	short := strings.NewReplacer("3f2504e0-4f89-11d3-9a0c-0305e82c3301", "ID", "0c5e8442df4ed955188e3a422ceede4ea888219ac4ebadc8019b7ca2b0d5030a", "ID",
		"/home/op/vmware/Debian 12.x/Debian 12.x.vmx", "VMX", "ssh -T -o BatchMode=yes -o ConnectTimeout=10 -- apc@pdu7.example", "SSH")
	tried := map[string]bool{}
	for _, test := range stockLists {
		if tried[test.driver] {
			continue
		}
		tried[test.driver] = true
		list := recorded(t, test.file)
		with := &tools{answers: map[string]exec.Result{"podman": {Stdout: "SIGQUIT\n"}, "VBoxManage": {}}}
		for _, program := range []string{"lxc-ls", "lxc-stop", "lxc-start", "lxc-freeze", "lxc-unfreeze"} {
			with.answers[program] = exec.Result{}
		}
		with.answers[test.program] = list
		with.answers["VBoxManage showvminfo 3f2504e0-4f89-11d3-9a0c-0305e82c3301 --machinereadable"] = recorded(t, "vbox-showvminfo.txt")
		if got := short.Replace(strings.Join(askEverything(t, driven(with, pduSite), with, test.driver), "; ")); got != stockAsks[test.driver] {
			t.Errorf("%s:\n got %s\nwant %s", test.driver, got, stockAsks[test.driver])
		}
	}
}

// askEverything asks the first guest of a driver for all that it can be asked
// for, and gives what was run beside the lists.
func askEverything(t *testing.T, host Stack, with *tools, name string) []string {
	ctx := context.Background()
	listed, err := openStock(t, host, name).List(ctx, "test")
	if err != nil {
		t.Fatal(name, err)
	}
	ref, mode := listed[0].Ref, listed[0].Asks
	reads := with.ran
	with.ran = nil
	for _, ask := range []func() error{
		func() error { return host.Shutdown(ctx, ref, mode) },
		func() error { return host.Reboot(ctx, ref, mode) },
		func() error { return host.Reset(ctx, ref) },
		func() error { return host.Destroy(ctx, ref) },
		func() error { return host.Start(ctx, ref) },
		func() error { return host.Suspend(ctx, ref) },
		func() error { return host.Resume(ctx, ref) },
		func() error { return host.ManagedSave(ctx, ref) },
	} {
		if err := ask(); err != nil && primitives.KindOf(err) != primitives.Unsupported {
			t.Errorf("%s: %v", name, err)
		}
	}
	return slices.DeleteFunc(with.ran, func(line string) bool { return slices.Contains(reads, line) })
}

// Proxmox's containers are LXC's too: its own tool speaks for them alone.
func TestDriverGivesWay(t *testing.T) {
	with := &tools{answers: map[string]exec.Result{"lxc-ls": {Stdout: "5.0.2\n"}, "pct": recorded(t, "pct-list.txt")}}
	list, err := driven(with, nil).Hypervisors(context.Background(), "")
	if err != nil || len(list) != 1 || list[0].Type != "pct" {
		t.Errorf("%+v, %v", list, err)
	}
	delete(with.answers, "pct")
	list, err = driven(with, nil).Hypervisors(context.Background(), "")
	if err != nil || len(list) != 1 || list[0].Type != "lxc-tools" {
		t.Errorf("%+v, %v", list, err)
	}
}

// An outlet is nobody's guest: no walk finds it.
func TestDriverOnRequest(t *testing.T) {
	with := &tools{answers: map[string]exec.Result{"ssh": recorded(t, "pdu-olstatus.txt")}}
	if list, err := driven(with, pduSite).Hypervisors(context.Background(), ""); err != nil || len(list) != 0 || len(with.ran) > 0 && slices.ContainsFunc(with.ran, func(line string) bool { return strings.HasPrefix(line, "ssh") }) {
		t.Errorf("%+v, %v, ran %q", list, err, with.ran)
	}
}
