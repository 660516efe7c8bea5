//go:build linux

package acceptance

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ctys/tests/guests"
	"ctys/tests/testneed"
)

// yard is a place in namespaces of its own (mounts, processes, network), with
// control groups, a Podman and an LXC of its own. Nothing of this machine's is
// seen there, and what runs there ends with the test.
type yard struct {
	folder  string // in which the containers' roots are, by their names
	busybox string
	init    *exec.Cmd
}

// yardScript makes the place and stays in it. Its argument is the name of its
// control group.
const yardScript = `set -e
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs -o mode=0755 tmpfs /run
for folder in /var/lib/containers /var/lib/lxc /var/tmp; do mkdir -p $folder; mount -t tmpfs tmpfs $folder; done
ip link set lo up
mount -t cgroup2 none /sys/fs/cgroup
mkdir /sys/fs/cgroup/$1
echo $$ >/sys/fs/cgroup/$1/cgroup.procs
exec unshare --cgroup sh -c 'umount /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup; echo ready; exec sleep infinity'`

// clearYard removes the control group that a yard leaves.
const clearYard = `mount --make-rprivate / && mount -t cgroup2 none /sys/fs/cgroup && cd /sys/fs/cgroup &&
if test -d $1; then find $1 -depth -type d -exec rmdir {} \; ; fi`

func newYard(t *testing.T, program, debianPackage string) *yard {
	t.Helper()
	testneed.Root(t)
	testneed.Program(t, program, debianPackage)
	y := &yard{folder: t.TempDir(), busybox: guests.BuildGuest(t).Busybox}
	group := "ctys-" + filepath.Base(filepath.Dir(y.folder))
	y.init = exec.Command("sh", "-c", yardScript, "sh", group)
	y.init.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	var complaint strings.Builder
	y.init.Stderr = &complaint
	out, err := y.init.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := startHeld(t, y.init); err != nil {
		if errors.Is(err, os.ErrPermission) {
			testneed.Skip(t, t.Name(), "no namespaces: "+err.Error(), "run the tests as root outside an unprivileged container")
		}
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = y.init.Process.Kill()
		_ = y.init.Wait()
		clear := exec.Command("sh", "-c", clearYard, "sh", group)
		clear.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
		if words, err := clear.CombinedOutput(); err != nil {
			t.Errorf("the control group %s stays: %v\n%s", group, err, words)
		}
	})
	if line, _ := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		_ = y.init.Wait()
		testneed.Skip(t, t.Name(), "no place for containers: "+strings.Join(strings.Fields(complaint.String()), " "), "a kernel with control groups of version 2")
	}
	return y
}

// startHeld starts a program that is to end with this process, on a thread that
// lives until the test ends: the death signal follows the thread.
func startHeld(t *testing.T, command *exec.Cmd) error {
	started, over := make(chan error, 1), make(chan struct{})
	t.Cleanup(func() { close(over) })
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		started <- command.Start()
		<-over
	}()
	return <-started
}

// here starts a program in the yard.
func (y *yard) here(ctx context.Context, argv ...string) *exec.Cmd {
	words := []string{"-t", fmt.Sprint(y.init.Process.Pid), "--mount", "--pid", "--net", "--",
		"sh", "-c", `echo $$ >/sys/fs/cgroup/cgroup.procs && exec "$@"`, "sh"}
	return exec.CommandContext(ctx, "nsenter", slices.Concat(words, argv)...)
}

// tool runs a program in the yard and gives what it printed.
func (y *yard) tool(t *testing.T, argv ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	words, err := y.here(ctx, argv...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, words)
	}
	return string(words)
}

// root makes the files of a container whose first process ends when it gets the
// signal, and on no other.
func (y *yard) root(t *testing.T, name, signal string) string {
	t.Helper()
	root := filepath.Join(y.folder, name)
	for _, folder := range []string{"bin", "dev", "proc", "sys", "run", "tmp", "etc"} {
		if err := os.MkdirAll(filepath.Join(root, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	busybox, err := os.ReadFile(y.busybox)
	if err != nil {
		t.Fatal(err)
	}
	init := "#!/bin/busybox sh\ntrap 'echo asked >/asked; exit 0' " + signal + "\necho ready >/ready\nwhile :; do /bin/busybox sleep 3600 & wait $!; done\n"
	for file, content := range map[string][]byte{"bin/busybox": busybox, "init": []byte(init)} {
		if err := os.WriteFile(filepath.Join(root, file), content, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// wait until a file of a container's is there.
func (y *yard) wait(t *testing.T, name, file string) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !y.has(name, file); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s has no %s", name, file)
		}
	}
}

func (y *yard) has(name, file string) bool {
	_, err := os.Stat(filepath.Join(y.folder, name, file))
	return err == nil
}

// TestPodman cancels real containers through a driver script.
func TestPodman(t *testing.T) {
	t.Parallel()
	y := newYard(t, "podman", "podman")
	for name, signal := range map[string]string{"web": "QUIT", "deaf": "USR1"} {
		y.tool(t, "podman", "run", "--detach", "--cgroups=disabled", "--network=none", "--stop-signal=SIGQUIT", "--name="+name,
			"--rootfs", y.root(t, name, signal), "/init")
	}
	cancelDriven(t, y, "podman", func() string {
		return y.tool(t, "podman", "ps", "--all", "--format", "{{.Names}} {{.State}}")
	}, []string{"web Up", "deaf Up"}, []string{"web Exited (0)", "deaf Up"}, []string{"web Exited (0)", "deaf Exited (137)"})
}

// TestLXCTools does the same with LXC's own tools.
func TestLXCTools(t *testing.T) {
	t.Parallel()
	y := newYard(t, "lxc-start", "lxc")
	for name, signal := range map[string]string{"web": "PWR", "deaf": "USR1"} {
		config := "lxc.uts.name = " + name + "\nlxc.rootfs.path = dir:" + y.root(t, name, signal) +
			"\nlxc.init.cmd = /init\nlxc.net.0.type = none\nlxc.apparmor.profile = unconfined\nlxc.mount.auto =\n"
		y.tool(t, "sh", "-c", `mkdir -p /var/lib/lxc/$1 && printf '%s' "$2" >/var/lib/lxc/$1/config`, "sh", name, config)
		y.tool(t, "lxc-start", "--name", name, "--daemon")
	}
	cancelDriven(t, y, "lxc", func() string {
		return y.tool(t, "lxc-ls", "--fancy", "--fancy-format", "NAME,STATE")
	}, []string{"web  RUNNING", "deaf RUNNING"}, []string{"web  STOPPED", "deaf RUNNING"}, []string{"web  STOPPED", "deaf STOPPED"})
}

// cancelDriven plans, takes one container down that obeys and then the other
// that does not, and asks the tool itself after each.
func cancelDriven(t *testing.T, y *yard, kind string, tool func() string, before, between, after []string) {
	for _, name := range []string{"web", "deaf"} {
		y.wait(t, name, "ready")
	}
	see := func(lines []string) {
		t.Helper()
		seen := tool()
		for _, line := range lines {
			if !strings.Contains(seen, line) {
				t.Errorf("its own tool does not say %q:\n%s", line, seen)
			}
		}
	}
	o := newOperator(t, y.here)
	plan := o.calls(t, "-t", "pm", "-a", "cancel=poweroff:0,timeout:5", "--plan", "localhost")
	plan.exits(t, 0)
	plan.tells(t, "stack.shutdown", "mode=signal", "web", "deaf")
	see(before)

	end := o.calls(t, "-t", map[string]string{"podman": "vm", "lxc": "lxc"}[kind], "-a", "cancel=l:web,poweroff", "localhost")
	end.exits(t, 0)
	end.tells(t, "web: asked through signal")
	see(between)
	if !y.has("web", "asked") {
		t.Error("the container went off without having been asked")
	}

	end = o.calls(t, "-t", "pm", "-a", "cancel=poweroff:0,timeout:4", "localhost")
	end.exits(t, 0)
	end.tells(t, "deaf: cut off at its hypervisor")
	see(after)
	entries := o.lastJournal(t)
	for _, verb := range []string{"stack.shutdown", "stack.destroy"} {
		if got := about(entries, "intent", verb, ":///system "); len(got) == 0 {
			t.Errorf("the journal has no intent of %s", verb)
		}
	}
}
