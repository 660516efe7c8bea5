//go:build linux

package stack_test

import (
	"net"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"ctys/primitives"
	"ctys/primitives/stack"
	"ctys/tests/guests"
	"ctys/tests/testneed"
)

const plain = "qmp:///system"

// startQEMU starts a QEMU as somebody would by hand; it ends with the test.
func startQEMU(t *testing.T, words ...string) *exec.Cmd {
	t.Helper()
	testneed.Program(t, "qemu-system-x86_64", "qemu-system-x86")
	command := exec.Command("qemu-system-x86_64", append(strings.Fields("-machine pc -nodefaults -display none -m 128"), words...)...)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	// The death signal follows the thread: it has to live until then.
	started, over := make(chan error, 1), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		started <- command.Start()
		<-over
	}()
	if err := <-started; err != nil {
		close(over)
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait(); close(over) })
	return command
}

// socketOf waits until a QEMU listens.
func socketOf(t *testing.T, path string) {
	t.Helper()
	for range 300 {
		if conn, err := net.Dial("unix", path); err == nil {
			conn.Close()
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("QEMU does not listen on " + path)
}

func TestPlainQEMU(t *testing.T) {
	const (
		id   = "5f2b1c00-0000-4000-8000-0000000000a1"
		deaf = "5f2b1c00-0000-4000-8000-0000000000a2"
	)
	image := guests.BuildGuest(t)
	monitor, console := filepath.Join(t.TempDir(), "by-hand.qmp"), filepath.Join(t.TempDir(), "console")
	other := filepath.Join(t.TempDir(), "deaf.qmp")
	startQEMU(t, "-name", "by-hand", "-uuid", id, "-qmp", "unix:"+monitor+",server=on,wait=off",
		"-kernel", image.Kernel, "-initrd", image.Initrd, "-serial", "file:"+console, "-nic", "user,mac=52:54:00:00:00:a1",
		"-append", "console=ttyS0 quiet mitigations=off nokaslr no_timer_check cryptomgr.notests panic=-1 guest.acpi=yes")
	startQEMU(t, "-name", "deaf", "-uuid", deaf, "-no-shutdown", "-chardev", "socket,id=m,path="+other+",server=on,wait=off", "-mon", "chardev=m,mode=control")
	socketOf(t, monitor)
	socketOf(t, other)

	client := newClient(t)
	ctx := within(t, 2*bootTime)
	at := func(uuid string) stack.Ref { return stack.Ref{URI: plain, UUID: uuid} }
	found, err := client.Hypervisors(ctx, "")
	ok(t, err)
	listed := false
	for _, hypervisor := range found {
		listed = listed || hypervisor.URI == plain
	}
	if !listed {
		t.Errorf("not among the hypervisors: %+v", found)
	}

	list, err := client.List(ctx, plain)
	ok(t, err)
	seen := map[string]stack.Guest{}
	for _, guest := range list {
		seen[guest.UUID] = guest
	}
	if guest := seen[id]; guest.Name != "by-hand" || guest.State != stack.Running || guest.Persistent || guest.Witness == "" ||
		len(guest.MACs) != 1 || guest.MACs[0].String() != "52:54:00:00:00:a1" || guest.Type != "qemu" {
		t.Errorf("listed as %+v", guest)
	}
	if guest := seen[deaf]; guest.Name != "deaf" || guest.State != stack.Running {
		t.Errorf("listed as %+v", guest)
	}

	// what it has, and what it has not
	ok(t, client.Suspend(ctx, at(deaf)))
	_, err = client.Await(ctx, at(deaf), stack.Paused)
	ok(t, err)
	mustBe(t, client.Shutdown(ctx, at(deaf), stack.ModeACPI), primitives.Invalid)
	ok(t, client.Resume(ctx, at(deaf)))
	_, err = client.Await(ctx, at(deaf), stack.Running)
	ok(t, err)
	ok(t, client.Reset(ctx, at(deaf)))
	mustBe(t, client.Start(ctx, at(deaf)), primitives.Unsupported)
	mustBe(t, client.ManagedSave(ctx, at(deaf)), primitives.Unsupported)
	mustBe(t, client.Shutdown(ctx, at(deaf), stack.ModeAgent), primitives.Unsupported)
	mustBe(t, client.Reboot(ctx, at(deaf), stack.ModeACPI), primitives.Unsupported)
	mustBe(t, client.Shutdown(ctx, at(deaf), "default"), primitives.Invalid)

	// its monitor serves one client
	held, err := net.Dial("unix", other)
	ok(t, err)
	guest, err := client.Inspect(ctx, at(deaf))
	if ok(t, err); guest.State != stack.Unknown || !strings.Contains(guest.Cause, "another client") {
		t.Errorf("with its monitor held it is %s (%s)", guest.State, guest.Cause)
	}
	mustBe(t, client.Destroy(ctx, at(deaf)), primitives.Busy)
	held.Close()

	// the power button is obeyed when the guest has booted; it is pressed again
	// until then
	for guest = seen[id]; guest.State != stack.Off && ctx.Err() == nil; {
		if err := client.Shutdown(ctx, at(id), stack.ModeACPI); err != nil && primitives.KindOf(err) != primitives.Invalid {
			t.Fatal(err)
		}
		guest, _ = client.Await(within(t, 5*time.Second), at(id), stack.Off)
	}
	if guest.State != stack.Off {
		t.Fatalf("by its button it became %s", guest.State)
	}
	mustBe(t, client.Shutdown(ctx, at(id), stack.ModeACPI), primitives.Invalid)

	ok(t, client.Destroy(ctx, at(deaf)))
	_, err = client.Await(ctx, at(deaf), stack.Off)
	ok(t, err)
	mustBe(t, client.Destroy(ctx, at(deaf)), primitives.Invalid)
}

// A QEMU takes the path of a monitor over that another one listens on: by the
// arguments of the first one leads its path to the second.
func TestPlainQEMUsWithOneSocket(t *testing.T) {
	const first, second = "5f2b1c00-0000-4000-8000-0000000000b1", "5f2b1c00-0000-4000-8000-0000000000b2"
	monitor := filepath.Join(t.TempDir(), "one.qmp")
	for _, id := range []string{first, second} {
		startQEMU(t, "-name", "n-"+id, "-uuid", id, "-S", "-qmp", "unix:"+monitor+",server=on,wait=off")
		socketOf(t, monitor)
	}
	client := newClient(t)
	ctx := within(t, bootTime)
	at := func(uuid string) stack.Ref { return stack.Ref{URI: plain, UUID: uuid} }
	_, err := client.Await(ctx, at(second), stack.Paused)
	ok(t, err)
	guest, err := client.Inspect(ctx, at(first))
	if ok(t, err); guest.State != stack.Unknown || !strings.Contains(guest.Cause, "another QEMU") {
		t.Errorf("the first is %s (%s)", guest.State, guest.Cause)
	}
	mustBe(t, client.Destroy(ctx, at(first)), primitives.Unreachable)
	guest, err = client.Inspect(ctx, at(second))
	if ok(t, err); guest.State != stack.Paused {
		t.Errorf("after the first was to be destroyed the second is %s (%s)", guest.State, guest.Cause)
	}
}

// A QEMU that cannot be asked is not left out, and not taken for off.
func TestPlainQEMUWithoutMonitor(t *testing.T) {
	command := startQEMU(t, "-name", "mute", "-S")
	for range 300 {
		list, err := newClient(t).List(within(t, bootTime), plain)
		ok(t, err)
		for _, guest := range list {
			if guest.ID == command.Process.Pid {
				if guest.State != stack.Unknown || !strings.Contains(guest.Cause, "-qmp") {
					t.Errorf("it is %+v", guest)
				}
				return
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Error("it is not listed")
}
