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

func TestIpmipower(t *testing.T) {
	program := testneed.Program(t, "ipmipower", "freeipmi-tools")
	b := serve(t, lab.Options{})
	got := b.output(program, "-D", "LAN_2_0", "-h", network+".1.1:6230", "-u", "admin", "-p", "secret", "-l", "admin", "--stat")
	if !strings.HasSuffix(got, ": on") {
		t.Error(got)
	}
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
