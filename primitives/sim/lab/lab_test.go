package lab_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"ctys/primitives"
	"ctys/primitives/sim"
	"ctys/primitives/sim/lab"
	"ctys/tests/testneed"
)

// network is a part of loopback that no other test run uses at the moment.
var network = fmt.Sprintf("127.%d", 100+os.Getpid()%100)

type bench struct {
	*testing.T
	world *sim.World
	lab   *lab.Lab
	dir   string
}

func serve(t *testing.T, options lab.Options) bench {
	t.Helper()
	return serveWith(t, options, 0)
}

// serveWith serves the rack with bmcs machines beside it that are only a BMC.
func serveWith(t *testing.T, options lab.Options, bmcs int) bench {
	t.Helper()
	shape := sim.Shape{Network: network, Boot: 100 * time.Millisecond, Shutdown: 100 * time.Millisecond}
	world := sim.Rack(1, primitives.SystemClock{}, shape)
	world.AddBMCs(bmcs, shape)
	world.Latency, world.Jitter = 0, 0
	options.Dir = t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	l, err := lab.Serve(ctx, world, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		l.Wait()
		world.Close()
	})
	if err := l.WriteFiles(options.Dir); err != nil {
		t.Fatal(err)
	}
	return bench{t, world, l, options.Dir}
}

// soon waits until a machine is in a phase.
func (b bench) soon(name string, phase sim.Phase) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 20*time.Second)
	defer cancel()
	if b.world.AwaitPhase(ctx, name, phase) != nil {
		b.Fatalf("%s is %s, want %s\n%s", name, b.world.State(name).Phase, phase, b.world.Transcript())
	}
}

func (b bench) output(name string, args ...string) string {
	b.Helper()
	out, err := exec.CommandContext(b.Context(), name, args...).CombinedOutput()
	if err != nil {
		b.Errorf("%s %q: %v\n%s", filepath.Base(name), args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestMagicPacketWakes(t *testing.T) {
	b := serve(t, lab.Options{})
	m, _ := b.world.Machine("lab02")
	conn, err := net.Dial("udp4", fmt.Sprintf("%s.0.255:%d", network, lab.DefaultWakePort))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, junk := range [][]byte{nil, {0xff}, bytes.Repeat([]byte{0xff}, 101)} {
		_, _ = conn.Write(junk)
	}
	packet := append(bytes.Repeat([]byte{0xff}, 6), bytes.Repeat(m.MAC[:], 16)...)
	if _, err := conn.Write(append([]byte("before"), append(packet, "after!"...)...)); err != nil {
		t.Fatal(err)
	}
	b.soon("lab02", sim.Up)
}

func TestOpenSSH(t *testing.T) {
	program := testneed.Program(t, "ssh", "openssh-client")
	b := serve(t, lab.Options{Agent: func(_ context.Context, machine string, argv []string, stdin io.Reader, stdout, _ io.Writer) int {
		text, _ := io.ReadAll(stdin)
		fmt.Fprintf(stdout, "%s %q %s\n", machine, argv, text)
		return 7
	}})
	ssh := func(args ...string) string {
		t.Helper()
		return b.output(program, append([]string{"-F", filepath.Join(b.dir, lab.SSHConfigFile)}, args...)...)
	}
	if got := ssh("lab01", "hostname; echo 'a  b' && true"); got != "lab01\na  b" {
		t.Errorf("got %q", got)
	}
	first := ssh("db1", "cat /proc/sys/kernel/random/boot_id") // through lab01 and ct1
	if len(first) != 36 {
		t.Errorf("boot_id %q", first)
	}
	agent := exec.CommandContext(t.Context(), program, "-F", filepath.Join(b.dir, lab.SSHConfigFile), "ct1", "/tmp/x/ctys-1 agent --job 3")
	agent.Stdin = strings.NewReader("order")
	out, _ := agent.Output()
	if got := string(out); agent.ProcessState.ExitCode() != 7 || got != "ct1 [\"/tmp/x/ctys-1\" \"agent\" \"--job\" \"3\"] order\n" {
		t.Errorf("%q, exit %d", got, agent.ProcessState.ExitCode())
	}
	ssh("db1", "sudo -n reboot")
	b.soon("db1", sim.Booting)
	b.soon("db1", sim.Up)
	ssh("lab03", "poweroff")
	b.soon("lab03", sim.Off)
	gone := exec.CommandContext(t.Context(), program, "-F", filepath.Join(b.dir, lab.SSHConfigFile), "lab03", "true")
	if out, err := gone.CombinedOutput(); err == nil || !strings.Contains(string(out), "refused") {
		t.Errorf("a machine that is off: %v, %s", err, out)
	}
}

// An SSH connection is cut when the machine goes down; forwarding goes nowhere
// but to the lab.
func TestConnectionEndsWithTheMachine(t *testing.T) {
	program := testneed.Program(t, "ssh", "openssh-client")
	b := serve(t, lab.Options{})
	config := filepath.Join(b.dir, lab.SSHConfigFile)
	out, err := exec.CommandContext(t.Context(), program, "-F", config, "-W", "127.0.0.1:22", "lab01").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "prohibited") {
		t.Errorf("forwarding out of the lab: %v, %s", err, out)
	}
	shell := exec.CommandContext(t.Context(), program, "-F", config, "-T", "web1")
	stdin, _ := shell.StdinPipe()
	stdout, _ := shell.StdoutPipe()
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(stdin, "hostname")
	buffer := make([]byte, 5)
	if _, err := io.ReadFull(stdout, buffer); err != nil || string(buffer) != "web1\n" {
		t.Fatalf("%q, %v", buffer, err)
	}
	b.world.PowerOff("lab01")
	if err := shell.Wait(); err == nil {
		t.Error("the connection outlived its machine")
	}
}

func TestInteractiveShell(t *testing.T) {
	program := testneed.Program(t, "ssh", "openssh-client")
	b := serve(t, lab.Options{})
	shell := exec.CommandContext(t.Context(), program, "-F", filepath.Join(b.dir, lab.SSHConfigFile), "-tt", "lab01")
	shell.Stdin = strings.NewReader("state\rnonsense\rwrong\x03echo done\rexit 3\r")
	out, _ := shell.CombinedOutput()
	text := string(out)
	for _, want := range []string{"root@lab01:~# ", "lab01 up, boots 1", "nonsense: command not found", "\ndone"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "wrong: command") || shell.ProcessState.ExitCode() != 3 {
		t.Errorf("exit %d\n%s", shell.ProcessState.ExitCode(), text)
	}
}

func TestControl(t *testing.T) {
	b := serve(t, lab.Options{})
	if info, err := os.Stat(b.lab.Control); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	ask := func(command string) (string, error) { return lab.Ask(t.Context(), b.lab.Control, command) }
	if answer, err := ask("state lab02"); err != nil || !strings.HasPrefix(answer, "lab02 off") {
		t.Errorf("%q, %v", answer, err)
	}
	if _, err := ask("on lab02"); err != nil {
		t.Error(err)
	}
	b.soon("lab02", sim.Up)
	if _, err := ask("stuck lab02"); err != nil {
		t.Error(err)
	}
	b.world.ShutDown("lab02")
	if answer, _ := ask("log"); !strings.Contains(answer, "lab02: up → shutting down") {
		t.Error(answer)
	}
	for _, bad := range []string{"", "nonsense", "on nobody", "fault lab01 nonsense"} {
		if _, err := ask(bad); primitives.KindOf(err) != primitives.Invalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
	_, err := lab.Serve(t.Context(), b.world, lab.Options{Dir: b.dir})
	if primitives.KindOf(err) != primitives.Busy {
		t.Errorf("a second lab: %v", err)
	}
}

func TestFilesHoldNoPassword(t *testing.T) {
	b := serve(t, lab.Options{})
	for _, name := range []string{lab.InventoryFile, lab.SSHConfigFile, lab.KnownHostsFile} {
		text, err := os.ReadFile(filepath.Join(b.dir, name))
		if err != nil || bytes.Contains(text, []byte(`"secret"`)) || len(text) == 0 {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
	}
	info, err := os.Stat(filepath.Join(b.dir, lab.PasswordFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v", err)
	}
}

func TestNothingIsLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("lab", func(t *testing.T) {
		b := serve(t, lab.Options{})
		b.world.PowerOn("lab02")
		b.soon("lab02", sim.Up)
	})
	for range 200 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	buffer := make([]byte, 1<<16)
	t.Errorf("%d goroutines before, %d after\n%s", before, runtime.NumGoroutine(), buffer[:runtime.Stack(buffer, true)])
}

func TestOnlyLoopback(t *testing.T) {
	world := sim.New(1, primitives.SystemClock{})
	world.Add(sim.Machine{Name: "far", Address: "192.0.2.1", Enterable: true})
	_, err := lab.Serve(t.Context(), world, lab.Options{Dir: t.TempDir()})
	if primitives.KindOf(err) != primitives.Invalid {
		t.Error(err)
	}
}
