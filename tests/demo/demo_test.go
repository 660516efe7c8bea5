// Package demo runs make demo and looks at it with other programs' eyes.
package demo

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"ctys/tests/testneed"
)

// build makes the program that the demo runs.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "ctys")
	if out, err := exec.Command("go", "build", "-o", program, "ctys/cmd/ctys").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// demo is one run of it, in a folder of its own.
type demo struct {
	cmd   *exec.Cmd
	dir   string
	out   bytes.Buffer
	stdin io.WriteCloser
	ended chan error
}

func start(t *testing.T, environment ...string) *demo {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	d := &demo{dir: t.TempDir(), ended: make(chan error, 1)}
	d.cmd = exec.CommandContext(ctx, "sh", "run")
	d.cmd.Cancel = func() error { return d.cmd.Process.Signal(os.Interrupt) }
	d.cmd.WaitDelay = 20 * time.Second
	d.cmd.Env = append(os.Environ(), "CTYS="+build(t), "TMPDIR="+d.dir, "STUCK=", "HOLD=")
	d.cmd.Env = append(d.cmd.Env, environment...)
	d.cmd.Stdout, d.cmd.Stderr = &d.out, &d.out
	stdin, err := d.cmd.StdinPipe()
	if err == nil {
		d.stdin = stdin
		err = d.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cancel)
	go func() { d.ended <- d.cmd.Wait() }()
	return d
}

// wait gives the exit code, and makes sure that nothing stays behind.
func (d *demo) wait(t *testing.T) int {
	t.Helper()
	err := <-d.ended
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%v\n%s", err, d.out.String())
	}
	if left, _ := filepath.Glob(filepath.Join(d.dir, "*")); len(left) > 0 {
		t.Errorf("the demo left %v", left)
	}
	return d.cmd.ProcessState.ExitCode()
}

// rack is the folder of the lab's files once the lab has written them.
func (d *demo) rack(t *testing.T) string {
	t.Helper()
	for range 600 {
		found, _ := filepath.Glob(filepath.Join(d.dir, "ctys-demo.*", "rack", "ssh_config"))
		if len(found) > 0 {
			return filepath.Dir(found[0])
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("no lab began")
	return ""
}

// row finds what a machine's row of the lab's inventory says.
func row(t *testing.T, rack, machine, pattern string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(rack, "machines.lua"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), `["`+machine+`"] = {`)
	found := regexp.MustCompile(pattern).FindStringSubmatch(rest)
	if found == nil {
		t.Fatalf("machines.lua says nothing like %s of %s", pattern, machine)
	}
	return found[1]
}

// seen polls until a client of another make sees the state, or the demo's end
// makes it impossible.
func (d *demo) seen(t *testing.T, what string, look func() string, want ...string) {
	t.Helper()
	last := ""
	for range 600 {
		if last = look(); slices.Contains(want, last) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("%s: want %v, last seen %q", what, want, last)
}

func TestAnotherClientSeesTheSameStates(t *testing.T) {
	d := start(t, "HOLD=1")
	t.Run("BMC", func(t *testing.T) {
		ipmitool := testneed.Program(t, "ipmitool", "ipmitool")
		rack := d.rack(t)
		bmc := func(machine string) func() string {
			host := row(t, rack, machine, `bmc = \{ host = "([^"]+)"`)
			port := row(t, rack, machine, `bmc = .* port = (\d+)`)
			return func() string {
				out, _ := exec.Command(ipmitool, "-I", "lanplus", "-C", "3", "-H", host, "-p", port, "-U", "admin", "-P", "secret", "power", "status").CombinedOutput()
				return strings.TrimSpace(string(out))
			}
		}
		d.seen(t, "the BMC of lab01, at first", bmc("lab01"), "Chassis Power is on")
		d.seen(t, "the BMC of lab02, woken", bmc("lab02"), "Chassis Power is on")
		d.seen(t, "the BMC of lab01, taken down", bmc("lab01"), "Chassis Power is off")
	})
	t.Run("SSH", func(t *testing.T) {
		ssh := testneed.Program(t, "ssh", "openssh-client")
		rack := d.rack(t)
		lets := func(machine string) func() string {
			return func() string {
				out, err := exec.Command(ssh, "-F", filepath.Join(rack, "ssh_config"), "-o", "ConnectTimeout=5", machine, "true").CombinedOutput()
				switch {
				case err == nil:
					return "in"
				case strings.Contains(string(out), "refused"):
					return "refused"
				}
				return string(out)
			}
		}
		d.seen(t, "ssh lab02, woken", lets("lab02"), "in")
		d.seen(t, "ssh lab01, taken down", lets("lab01"), "refused")
	})
	if err := d.stdin.Close(); err != nil {
		t.Error(err)
	}
	if code := d.wait(t); code != 0 {
		t.Errorf("exit %d\n%s", code, d.out.String())
	}
}

func TestStuckGuestIsNamed(t *testing.T) {
	d := start(t, "STUCK=db1")
	if code := d.wait(t); code != 1 {
		t.Errorf("exit %d, want 1\n%s", code, d.out.String())
	}
	if out := d.out.String(); !strings.Contains(out, "db1: failed") && !strings.Contains(out, "not off: db1") {
		t.Errorf("the guest is not named\n%s", out)
	}
}
