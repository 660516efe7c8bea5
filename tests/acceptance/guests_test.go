//go:build linux

package acceptance

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ctys/tests/guests"
	"ctys/tests/testneed"
)

// floor is a host with real guests: one that honours its power button and one
// that ignores it.
type floor struct {
	libvirtd *guests.Libvirtd
	willing  *guests.Guest
	stubborn *guests.Guest
}

// newFloor starts libvirtd. Its socket gets the place at which a host has it.
func newFloor(t testing.TB) *floor {
	t.Helper()
	libvirtd := guests.StartLibvirtd(t)
	if err := os.Symlink(libvirtd.Socket, filepath.Join(libvirtd.Folder, "run", "libvirt-sock")); err != nil {
		t.Fatal(err)
	}
	return &floor{
		libvirtd: libvirtd,
		willing:  libvirtd.DefineGuest(t, "willing", guests.HonoursACPI),
		stubborn: libvirtd.DefineGuest(t, "stubborn"),
	}
}

// here starts a program that sees the floor's libvirtd as that of its host, in
// namespaces of its own: of mounts, with the private /run/libvirt over the
// host's and empty folders over those of Podman and LXC, and of processes, so that
// a guest of this machine's owner is not found and taken down with the stack.
func (f *floor) here(ctx context.Context, argv ...string) *exec.Cmd {
	const script = `mount --make-rprivate / && mount -t proc proc /proc && mount -t tmpfs -o mode=0755 tmpfs /run && mkdir /run/libvirt && mount --bind "$1" /run/libvirt && shift &&
for folder in /var/lib/containers /var/lib/lxc; do if test -d $folder; then mount -t tmpfs tmpfs $folder || exit; fi; done && exec "$@"`
	words := []string{"-c", script, "sh", filepath.Join(f.libvirtd.Folder, "run")}
	command := exec.CommandContext(ctx, "sh", append(words, argv...)...)
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID}
	return command
}

// run makes sure that both guests run.
func (f *floor) run(t testing.TB) {
	t.Helper()
	for _, guest := range []*guests.Guest{f.willing, f.stubborn} {
		if !guest.Running(t) {
			guest.Start(t)
		}
	}
	f.willing.WaitReady(t)
	f.stubborn.WaitReady(t)
}

// expect compares the guests with what libvirt says of them.
func (f *floor) expect(t testing.TB, willing, stubborn bool) {
	t.Helper()
	for _, one := range []struct {
		guest *guests.Guest
		runs  bool
	}{{f.willing, willing}, {f.stubborn, stubborn}} {
		if got := one.guest.Running(t); got != one.runs {
			t.Errorf("libvirt says that %s runs: %v, expected %v", one.guest.Name, got, one.runs)
		}
	}
}

// pressed tells whether the guest itself has seen its power button.
func pressed(t testing.TB, guest *guests.Guest) bool {
	t.Helper()
	text, err := os.ReadFile(guest.Console)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(text), "guest: power button")
}

// TestRealGuests cancels guests that run on a real libvirtd.
func TestRealGuests(t *testing.T) {
	t.Parallel()
	f := newFloor(t)
	for _, test := range []struct {
		name string
		run  func(t *testing.T, f *floor)
	}{
		{"a plan touches nothing", planTouchesNothing},
		{"one guest by its label", oneGuestByLabel},
		{"left running at the site's deadline", leftRunningAtTheDeadline},
		{"destroyed at the typed deadline", destroyedAtTheTypedDeadline},
		{"no journal, no destroy", noJournalNoDestroy},
		{"on disk before it is asked for", onDiskBefore},
		{"a container", aContainer},
		{"the test driver", theTestDriver},
		{"hypervisor stops answering", hypervisorStopsAnswering},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, f) })
	}
}

func planTouchesNothing(t *testing.T, f *floor) {
	f.run(t)
	o := newOperator(t, f.here)
	end := o.calls(t, "-t", "pm", "-a", "cancel=poweroff:0,timeout:20", "--plan", "localhost")
	end.exits(t, 0)
	end.tells(t, "willing", "stubborn", "stack.shutdown", "20 s: destroy", "would be")
	end.tellsNot(t, "2 of 2 done", "stack cancelled")
	f.expect(t, true, true)
	if pressed(t, f.willing) {
		t.Error("a plan has pressed a power button")
	}
	if found := journals(t, o.home); len(found) > 0 {
		t.Errorf("a plan has written %v", found)
	}
}

func oneGuestByLabel(t *testing.T, f *floor) {
	f.run(t)
	o := newOperator(t, f.here)
	end := o.calls(t, "-t", "qemu", "-a", "cancel=l:willing,poweroff", "localhost")
	end.exits(t, 0)
	end.tells(t, "willing")
	end.tellsNot(t, "stubborn")
	f.expect(t, false, true)
	if !pressed(t, f.willing) {
		t.Error("the guest went off without its power button")
	}
	nothing := o.calls(t, "-t", "qemu", "-a", "cancel=l:nobody,poweroff", "localhost")
	nothing.exits(t, 1)
	nothing.tells(t, "nobody")
	f.expect(t, false, true)
}

func leftRunningAtTheDeadline(t *testing.T, f *floor) {
	f.run(t)
	o := newOperator(t, f.here)
	o.has(t, "site.lua", "return { deadline = 90 }\n")
	o.has(t, "machines.lua", fmt.Sprintf("return { slow = { uuid = %q, deadline = 3 } }\n", f.stubborn.UUID))
	end := o.calls(t, "-t", "pm", "-a", "cancel=poweroff:0", "localhost")
	end.exits(t, 1)
	end.tells(t, "stubborn", `at_deadline = "destroy"`, "machines.lua", "TIMEOUT:3")
	f.expect(t, false, true)
	if got := about(o.lastJournal(t), "intent", "stack.destroy", ""); len(got) > 0 {
		t.Errorf("nobody typed a deadline, and these were to be destroyed: %v", got)
	}

	o.has(t, "machines.lua", fmt.Sprintf("return { slow = { uuid = %q, deadline = 3, at_deadline = \"destroy\" } }\n", f.stubborn.UUID))
	f.willing.Start(t)
	f.willing.WaitReady(t)
	end = o.calls(t, "-t", "pm", "-a", "cancel=poweroff:0", "localhost")
	end.exits(t, 0)
	f.expect(t, false, false)
}

// destroyedAtTheTypedDeadline looks at the journal while the run goes on: at no
// time is the guest off and the intent to destroy it not yet in the file.
func destroyedAtTheTypedDeadline(t *testing.T, f *floor) {
	f.run(t)
	o := newOperator(t, f.here)
	c := o.starts(t, "-t", "pm", "-a", "cancel=poweroff:0,timeout:6", "localhost")
	for f.stubborn.Running(t) {
		select {
		case <-c.ended:
		case <-time.After(5 * time.Millisecond):
			continue
		}
		break
	}
	if got := about(o.lastJournal(t), "intent", "stack.destroy", f.stubborn.UUID); len(got) != 1 {
		t.Errorf("when the guest was off, the journal had %d intents to destroy it", len(got))
	}
	end := c.end()
	end.exits(t, 0)
	end.tells(t, "willing", "stubborn")
	f.expect(t, false, false)
	if !pressed(t, f.willing) || end.took < 6*time.Second {
		t.Errorf("power button seen: %v; the whole took %v", pressed(t, f.willing), end.took)
	}
	entries := o.lastJournal(t)
	if got := about(entries, "intent", "stack.destroy", ""); len(got) != 1 || !strings.Contains(got[0].Object, f.stubborn.UUID) || got[0].Effect != "write once" {
		t.Errorf("intents to destroy: %+v", got)
	}
	if got := about(entries, "outcome", "stack.destroy", f.stubborn.UUID); len(got) != 1 || got[0].Error != nil {
		t.Errorf("outcomes: %+v", got)
	}
	for _, guest := range []*guests.Guest{f.willing, f.stubborn} {
		if got := about(entries, "intent", "stack.shutdown", guest.UUID); len(got) == 0 {
			t.Errorf("no intent to shut %s down", guest.Name)
		}
	}
	if last := entries[len(entries)-1]; last.Kind != "end" || last.Data["exit"] != 0.0 {
		t.Errorf("the journal ends with %+v", last)
	}
}

func noJournalNoDestroy(t *testing.T, f *floor) {
	f.run(t)
	o := newOperator(t, f.here)
	o.keeps(t, "file", "")
	end := o.calls(t, "--journal", filepath.Join(o.home, "file", "below"), "-t", "qemu", "-a", "cancel=l:stubborn,force,poweroff", "localhost")
	if end.exit == 0 {
		t.Errorf("exit code 0\n%s", end)
	}
	end.tells(t, "journal")
	f.expect(t, true, true)
}

// onDiskBefore looks at the system calls of the program: the intent is written,
// then the journal is synced, and only then libvirt is asked to destroy.
func onDiskBefore(t *testing.T, f *floor) {
	strace := testneed.Program(t, "strace", "strace")
	f.run(t)
	o := newOperator(t, f.here)
	trace := filepath.Join(o.home, "trace")
	traced := *o
	traced.place = func(ctx context.Context, argv ...string) *exec.Cmd {
		return f.here(ctx, append([]string{strace, "-f", "-qq", "-xx", "-s", "400", "-e", "trace=write,fsync,fdatasync", "-o", trace}, argv...)...)
	}
	traced.calls(t, "-t", "qemu", "-a", "cancel=l:stubborn,force,poweroff", "localhost").exits(t, 0)
	f.expect(t, true, false)
	calls, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	// remote_protocol.x: the program 0x20008086 in its version 1, the procedure
	// DOMAIN_DESTROY (12) or DOMAIN_DESTROY_FLAGS (234), a call
	const ask = `write\(\d+, .*\\x20\\x00\\x80\\x86\\x00\\x00\\x00\\x01\\x00\\x00\\x00(\\x0c|\\xea)\\x00\\x00\\x00\\x00`
	const sync = `f(data)?sync(\(\d+\)| resumed>\)) += 0`
	lines := strings.Split(string(calls), "\n")
	first := func(from int, wanted string) int {
		at := slices.IndexFunc(lines[from:], regexp.MustCompile(wanted).MatchString)
		if at < 0 {
			t.Fatalf("%s: not among the system calls from line %d on", wanted, from)
		}
		return from + at
	}
	written := first(0, `write\(\d+, .*`+hexadecimal(`"kind":"intent"`)+`.*`+hexadecimal(`stack.destroy`))
	synced := first(written, sync)
	if asked := first(0, ask); asked < synced {
		t.Errorf("intent written in line %d, synced in %d, asked in %d", written, synced, asked)
	}
}

// hexadecimal is text as strace -xx prints it, as a regular expression.
func hexadecimal(text string) string {
	var words strings.Builder
	for _, b := range []byte(text) {
		fmt.Fprintf(&words, `\\x%02x`, b)
	}
	return words.String()
}

func aContainer(t *testing.T, f *floor) {
	container := f.libvirtd.DefineContainer(t, "box")
	container.StartContainer(t)
	container.WaitReady(t)
	defer container.Off(t)
	o := newOperator(t, f.here)
	end := o.calls(t, "-t", "lxc", "-a", "cancel=l:box,poweroff,timeout:20", "localhost")
	end.exits(t, 0)
	end.tells(t, "box: asked through initctl")
	if container.Running(t) {
		t.Error("libvirt says that the container runs")
	}
	if got := about(o.lastJournal(t), "intent", "stack.destroy", ""); len(got) > 0 {
		t.Errorf("a container that obeys its init control was destroyed: %+v", got)
	}
}

// theTestDriver is libvirt's own simulation: every connection to it has a world
// of its own, so that what was done must be seen within one run.
func theTestDriver(t *testing.T, f *floor) {
	o := newOperator(t, f.here)
	o.keeps(t, "down.lua", `
local ladder = require "ladder"
local guest = stack.list{ uri = "test:///default" }[1]
print(guest.name, guest.state)
ladder.by_hypervisor(guest, task.now() + 20)
print("now", guest:refresh().state)
`)
	end := o.calls(t, "run", filepath.Join(o.home, "down.lua"))
	end.exits(t, 0)
	end.tells(t, "test\trunning", "now\toff")
}

func hypervisorStopsAnswering(t *testing.T, f *floor) {
	f.run(t)
	o := newOperator(t, f.here)
	c := o.starts(t, "-t", "pm", "-a", "cancel=poweroff:0,timeout:60", "localhost")
	c.says("stubborn: asked through acpi", 30*time.Second)
	for f.willing.Running(t) {
		time.Sleep(50 * time.Millisecond)
	}
	if err := f.libvirtd.Freeze(); err != nil {
		t.Fatal(err)
	}
	end := c.end()
	if err := f.libvirtd.Thaw(); err != nil {
		t.Fatal(err)
	}
	end.exits(t, 1)
	end.tells(t, "stubborn")
	end.tellsNot(t, "stubborn: off")
	f.expect(t, false, true)
	for _, e := range o.lastJournal(t) {
		if strings.Contains(e.Object, f.stubborn.UUID) && e.State == "off" {
			t.Errorf("nobody could see it: %+v", e)
		}
	}
	f.stubborn.Off(t)
}
