//go:build linux

package wake

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"ctys/tests/bootimage"
)

// kernelWords keep the boot short under emulation.
const kernelWords = "console=ttyS0 quiet mitigations=off nokaslr no_timer_check cryptomgr.notests panic=-1"

// hardware is what QEMU is started with, again at each power-on: a new one has
// a memory that remembers nothing, and boots quicker than one that is reset.
type hardware struct {
	argv    []string
	monitor string // path of a socket
	place   func(ctx context.Context, argv ...string) *exec.Cmd
}

// hardware lays out the files of a machine that boots parts.
func (m *Machine) hardware(t testing.TB, parts bootimage.Parts, options Options) hardware {
	t.Helper()
	folder := t.TempDir()
	tables, initrd := filepath.Join(folder, "tables"), filepath.Join(folder, "initrd")
	for path, content := range map[string][]byte{tables: wakeTable(), initrd: m.initrd(t, parts)} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	kernel := parts.Kernel
	if options.Suspends {
		kernel = parts.PackedKernel
	}
	m.console = filepath.Join(folder, "console")
	h := hardware{monitor: filepath.Join(folder, "monitor"), place: m.Desk.Command}
	h.argv = []string{"qemu-system-x86_64", "-name", m.Name,
		"-machine", "pc", "-accel", "tcg", "-cpu", "max", "-smp", "1", "-m", "256",
		"-nodefaults", "-no-user-config", "-display", "none",
		"-no-shutdown", // the process outlives the machine's power-off
		"-acpitable", "file=" + tables,
		"-qmp", "unix:" + h.monitor + ",server=on,wait=off",
		"-chardev", "file,id=console,append=on,path=" + m.console, "-serial", "chardev:console",
		"-netdev", "tap,id=cable,script=no,downscript=no,ifname=" + m.cable,
		"-device", fmt.Sprintf("%s,netdev=cable,addr=%d,mac=%s", options.NIC, slot, m.MAC),
		"-kernel", kernel, "-initrd", initrd, "-append", kernelWords,
	}
	return h
}

// start starts QEMU with the machine on, and connects to its monitor.
func (h hardware) start() (*process, *monitor, error) {
	_ = os.Remove(h.monitor) // an earlier one's
	qemu, err := startProcess(h.place(context.Background(), h.argv...))
	if err != nil {
		return nil, nil, err
	}
	m, err := dialMonitor(h.monitor, qemu.ended)
	if err != nil {
		qemu.kill()
		return nil, nil, err
	}
	return qemu, m, nil
}

// process is a program that ends with this process, however that ends.
type process struct {
	command *exec.Cmd
	ended   chan struct{}
}

func startProcess(command *exec.Cmd) (*process, error) {
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	command.Stdout, command.Stderr = os.Stderr, os.Stderr
	p := &process{command: command, ended: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		defer close(p.ended)
		// The death signal follows this thread: it has to live until then.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := command.Start()
		started <- err
		if err == nil {
			_ = command.Wait()
		}
	}()
	return p, <-started
}

func (p *process) kill() {
	_ = p.command.Process.Kill()
	<-p.ended
}
