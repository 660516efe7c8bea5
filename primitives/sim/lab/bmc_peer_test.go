package lab_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ctys/primitives/sim"
	"ctys/primitives/sim/bmc"
	"ctys/primitives/sim/lab"
	"ctys/tests/testneed"

	"github.com/bougou/go-ipmi/pkg/client"
	"github.com/bougou/go-ipmi/pkg/command/chassis"
)

func TestIpmitool(t *testing.T) {
	program := testneed.Program(t, "ipmitool", "ipmitool")
	b := serve(t, lab.Options{})
	run := func(suite string, args ...string) string {
		t.Helper()
		all := []string{"-I", "lanplus", "-C", suite, "-H", network + ".1.2", "-p", "6230", "-U", "admin", "-f", filepath.Join(b.dir, lab.PasswordFile)}
		return b.output(program, append(all, args...)...)
	}
	for _, suite := range []string{"3", "17"} {
		if got := run(suite, "chassis", "power", "status"); got != "Chassis Power is off" {
			t.Errorf("suite %s: %q", suite, got)
		}
	}
	run("3", "chassis", "power", "on")
	b.soon("lab02", sim.Up)
	run("17", "chassis", "power", "cycle")
	b.soon("lab02", sim.Booting)
	b.soon("lab02", sim.Up)
	run("3", "chassis", "power", "reset")
	b.soon("lab02", sim.Up)
	run("3", "chassis", "identify", "5")
	run("3", "chassis", "bootdev", "pxe")
	if got := run("3", "chassis", "bootparam", "get", "5"); !strings.Contains(got, "Force PXE") {
		t.Error(got)
	}
	if got := run("3", "mc", "info"); !strings.Contains(got, "IPMI Version              : 2.0") {
		t.Error(got)
	}
	run("3", "mc", "guid")
	run("3", "channel", "getciphers", "ipmi")
	run("3", "chassis", "power", "soft")
	b.soon("lab02", sim.Off)
	run("3", "chassis", "power", "on")
	run("3", "chassis", "power", "off")
	b.soon("lab02", sim.Off)
}

func TestIpmitoolIsRefused(t *testing.T) {
	program := testneed.Program(t, "ipmitool", "ipmitool")
	b := serve(t, lab.Options{})
	run := func(args ...string) string {
		t.Helper()
		all := []string{"-I", "lanplus", "-C", "3", "-R", "1", "-H", network + ".1.2", "-p", "6230"}
		command := exec.CommandContext(t.Context(), program, append(all, args...)...)
		command.Env = append(os.Environ(), "IPMI_PASSWORD=wrong")
		out, err := command.CombinedOutput()
		if err == nil {
			t.Errorf("%q went through: %s", args, out)
		}
		return string(out)
	}
	right := filepath.Join(b.dir, lab.PasswordFile)
	run("-U", "admin", "-E", "chassis", "power", "on")
	run("-U", "nobody", "-f", right, "chassis", "power", "on")
	if got := run("-U", "admin", "-f", right, "-L", "USER", "chassis", "power", "on"); !strings.Contains(got, "Insufficient privilege") {
		t.Error(got)
	}
	if got := run("-U", "admin", "-f", right, "chassis", "power", "reset"); !strings.Contains(got, "not supported in present state") {
		t.Error(got)
	}
	if b.world.State("lab02").Phase != sim.Off {
		t.Error("it was switched on")
	}
}

// Without and with the workaround that ipmi_sim needs.
func TestIpmipower(t *testing.T) {
	program := testneed.Program(t, "ipmipower", "freeipmi-tools")
	b := serve(t, lab.Options{})
	for _, quirks := range [][]string{nil, {"-W", "opensesspriv", "-l", "admin"}} {
		args := append([]string{"-D", "LAN_2_0", "-h", network + ".1.1:6230", "-u", "admin", "-p", "secret", "--stat"}, quirks...)
		if got := b.output(program, args...); !strings.HasSuffix(got, ": on") {
			t.Error(got)
		}
	}
}

// A lab of a thousand machines that are only a BMC, switched by ipmipower, and
// seen by ipmitool and by the world.
func TestThousandBMCs(t *testing.T) {
	const n = 1000
	program := testneed.Program(t, "ipmipower", "freeipmi-tools")
	b := serveWith(t, lab.Options{}, n)
	var hosts []string
	for i := 1; i <= n; i++ {
		m, _ := b.world.Machine(bmc.Name(i))
		hosts = append(hosts, m.BMC.Host+":6230")
	}
	power := func(verb, want string) {
		t.Helper()
		out := b.output(program, "-D", "LAN_2_0", "-h", strings.Join(hosts, ","), "-u", "admin", "-p", "secret", verb)
		if got := strings.Count(out, ": "+want); got != n {
			t.Errorf("%s: %d of %d are %s: %.300s", verb, got, n, want, out)
		}
	}
	power("--stat", "off")
	power("--on", "ok")
	power("--cycle", "ok")
	power("--stat", "on")
	for _, i := range []int{1, 254, 255, n} {
		m, _ := b.world.Machine(bmc.Name(i))
		got := b.output(testneed.Program(t, "ipmitool", "ipmitool"), "-I", "lanplus", "-C", "17", "-H", m.BMC.Host, "-p", "6230", "-U", "admin", "-f", filepath.Join(b.dir, lab.PasswordFile), "power", "status")
		if got != "Chassis Power is on" {
			t.Error(got)
		}
	}
	lines, err := b.lab.Command("bmc all")
	if err != nil || strings.Count(lines, ", cycle 1,") != n || strings.Count(lines, "sessions 0 ") != n+3 {
		t.Errorf("%v\n%.600s", err, lines)
	}
}

// What happens in the world, its BMC writes down.
func TestWorldReachesTheBMC(t *testing.T) {
	program := testneed.Program(t, "ipmitool", "ipmitool")
	b := serve(t, lab.Options{})
	run := func(args ...string) string {
		t.Helper()
		all := []string{"-I", "lanplus", "-C", "17", "-H", network + ".1.2", "-p", "6230", "-U", "admin", "-f", filepath.Join(b.dir, lab.PasswordFile)}
		return b.output(program, append(all, args...)...)
	}
	expect := func(want string, args ...string) {
		t.Helper()
		if got := run(args...); !strings.Contains(got, want) {
			t.Errorf("%q: no %q in\n%s", args, want, got)
		}
	}
	run("chassis", "bootdev", "pxe")
	b.world.PowerOn("lab02")
	b.soon("lab02", sim.Up)
	expect("power-up via pushbutton", "chassis", "restart_cause")
	if line, _ := b.lab.Command("bmc lab02"); !strings.Contains(line, "on, starts 1 (pxe), on 0") {
		t.Error(line)
	}
	run("power", "reset")
	b.soon("lab02", sim.Up)
	expect("hard reset", "sel", "elist")
	b.world.PowerOff("lab02")
	expect("ac-failed", "chassis", "status")
	expect("AC lost", "sel", "elist")
	if _, err := b.lab.Command("bmc-slots lab02 0 0"); err == nil {
		t.Error("too many words are taken")
	}
}

func TestFenceIpmilan(t *testing.T) {
	program := testneed.Program(t, "fence_ipmilan", "fence-agents")
	b := serve(t, lab.Options{})
	script := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho secret\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	fence := func(action string) string {
		t.Helper()
		return b.output(program, "--lanplus", "--cipher=17", "--ip="+network+".1.3", "--ipport=6230", "--username=admin", "--password-script="+script, "--power-wait=0", "--action="+action)
	}
	if got := fence("status"); !strings.HasSuffix(got, "Status: ON") {
		t.Error(got)
	}
	fence("off")
	b.soon("lab03", sim.Off)
	fence("on")
	b.soon("lab03", sim.Up)
}

func TestGoIPMI(t *testing.T) {
	b := serve(t, lab.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c, err := client.NewClient(network+".1.2", 6230, "admin", "secret")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Connect(ctx); err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	status, err := c.GetChassisStatus(ctx)
	if err != nil || status.PowerIsOn {
		t.Errorf("%+v, %v", status, err)
	}
	if _, err := c.ChassisControl(ctx, chassis.ChassisControlPowerUp); err != nil {
		t.Error(err)
	}
	b.soon("lab02", sim.Up)
}
