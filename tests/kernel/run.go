//go:build linux

package kernel

import (
	"bytes"
	"context"
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"ctys/tests/bootimage"
	"ctys/tests/testneed"
)

// limit bounds the whole, on a host that is busy with others.
const limit = 12 * time.Minute

// kernelWords keep the boot short under emulation.
const kernelWords = "console=ttyS0 quiet mitigations=off nokaslr no_timer_check cryptomgr.notests panic=-1 kernel.tests="

//go:embed start.sh
var startScript []byte

// modules are the parts of the kernel that the machine loads, in this order.
var modules = []string{"llc", "stp", "mrp", "garp", "8021q", "bridge", "veth", "macvlan"}

// Run runs the tests of a package whose names the pattern fits (go help
// testflag, -run; without blanks). All of them must run and pass there.
func Run(t testing.TB, path, pattern string) {
	t.Helper()
	testneed.Program(t, "qemu-system-x86_64", "qemu-system-x86")
	parts := bootimage.Get(t)
	folder := t.TempDir()
	initrd := filepath.Join(folder, "initrd")
	if err := os.WriteFile(initrd, fileTree(t, parts, compile(t, folder, path)), 0o600); err != nil {
		t.Fatal(err)
	}
	said := boot(t, parts.Kernel, initrd, pattern)
	if !strings.Contains(said, "kernel: exit 0\r\n") || strings.Contains(said, "--- SKIP") || !strings.Contains(said, "--- PASS") {
		t.Errorf("the tests %s of %s on Debian's kernel:\n%s", pattern, path, said)
	}
}

// compile makes a test binary that needs no libraries.
func compile(t testing.TB, folder, path string) []byte {
	t.Helper()
	file := filepath.Join(folder, "tests")
	command := exec.Command("go", "test", "-c", "-o", file, path)
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(command.Args, " "), err, out)
	}
	binary, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

func fileTree(t testing.TB, parts bootimage.Parts, tests []byte) []byte {
	t.Helper()
	a, err := parts.Initrd(modules...)
	if err != nil {
		t.Fatal(err)
	}
	if err := parts.Programs(a); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"etc", "tmp"} {
		a.Folder(folder, 0o755)
	}
	a.File("etc/modules", 0o644, []byte(strings.Join(modules, "\n")))
	a.Program("init", startScript)
	a.Program("tests", tests)
	return a.Bytes()
}

// boot gives what the machine said from its start to its power-off.
func boot(t testing.TB, kernel, initrd, pattern string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	qemu := exec.CommandContext(ctx, "qemu-system-x86_64", "-name", "tests",
		"-machine", "pc", "-accel", "tcg", "-cpu", "max", "-smp", "1", "-m", "512",
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio",
		"-kernel", kernel, "-initrd", initrd, "-append", kernelWords+pattern)
	var console bytes.Buffer
	qemu.Stdout, qemu.Stderr = &console, &console
	qemu.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	// The death signal follows this thread: it has to live until then.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := qemu.Run(); err != nil {
		t.Errorf("QEMU: %v", err)
	}
	return console.String()
}
