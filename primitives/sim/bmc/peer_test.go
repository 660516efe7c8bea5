package bmc_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ctys/primitives/ipmi"
	"ctys/primitives/sim/bmc"
	"ctys/tests/testneed"
)

var model = &bmc.Model{
	Users: map[string]bmc.Account{
		"admin": {Password: "secret"},
		"oper":  {Password: "secret", Limit: bmc.Operator},
		"user":  {Password: "secret", Limit: bmc.User},
	},
	Slots: 4, Manufacturer: 51234, Product: 300,
}

// farm serves n BMCs of which every second one is on.
func farm(t testing.TB, n int) *bmc.Farm {
	t.Helper()
	f := bmc.NewFarm(1)
	first := netip.MustParseAddrPort(fmt.Sprintf("127.%d.%d.1:0", 113, 1+os.Getpid()%100))
	if err := f.AddMany(n, first, model, func(n int) bool { return n%2 == 0 }); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := f.Serve(ctx); err != nil {
		cancel()
		f.Wait()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		f.Wait()
	})
	return f
}

// console is ipmitool at one BMC.
type console struct {
	*testing.T
	program string
	bmc     *bmc.BMC
	user    string
	level   string
}

func newConsole(t *testing.T, b *bmc.BMC) console {
	return console{t, testneed.Program(t, "ipmitool", "ipmitool"), b, "admin", "ADMINISTRATOR"}
}

func (c console) try(words ...string) (string, error) {
	args := []string{"-I", "lanplus", "-C", "17", "-R", "3", "-N", "2", "-H", c.bmc.Address.Addr().String(), "-p", fmt.Sprint(c.bmc.Address.Port()), "-U", c.user, "-L", c.level, "-E"}
	command := exec.CommandContext(c.Context(), c.program, append(args, words...)...)
	command.Env = append(os.Environ(), "IPMI_PASSWORD=secret")
	out, err := command.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (c console) run(words ...string) string {
	c.Helper()
	out, err := c.try(words...)
	if err != nil {
		c.Errorf("ipmitool %q: %v\n%s", words, err, out)
	}
	return out
}

func (c console) expect(want string, words ...string) {
	c.Helper()
	if out := c.run(words...); !strings.Contains(out, want) {
		c.Errorf("ipmitool %q: no %q in\n%s", words, want, out)
	}
}

func TestIpmitoolSeesAChassis(t *testing.T) {
	f := farm(t, 2)
	c := newConsole(t, f.BMC("bmc0001"))
	c.expect("Chassis Power is off", "power", "status")
	for _, control := range []string{"cycle", "reset", "diag", "soft"} {
		if out, err := c.try("power", control); err == nil || !strings.Contains(out, "not supported in present state") {
			t.Errorf("%s while off: %v, %s", control, err, out)
		}
	}
	c.run("power", "on")
	c.expect("command", "chassis", "status") // the last power event
	c.run("power", "diag")
	c.run("power", "cycle")
	c.run("power", "reset")
	counts := c.bmc.Counts()
	if counts.Controls[ipmi.Cycle] != 1 || counts.Controls[ipmi.Diag] != 1 || counts.Starts != 3 || !counts.On || counts.Open != 0 {
		t.Errorf("%s", c.bmc)
	}
	c.run("chassis", "policy", "always-on")
	if err := c.bmc.SetFaults("fan fault", "overload"); err != nil {
		t.Error(err)
	}
	status := c.run("chassis", "status")
	for _, want := range []string{"Power Restore Policy : always-on", "Power Overload       : true", "Cooling/Fan Fault    : true", "Drive Fault          : false"} {
		if !strings.Contains(status, want) {
			t.Errorf("no %q in\n%s", want, status)
		}
	}
	c.run("chassis", "identify", "60")
	c.run("chassis", "restart_cause")
	c.expect("chassis power control command", "chassis", "restart_cause")
	c.expect("Manufacturer ID           : 51234", "mc", "info")
	if out, err := c.try("dcmi", "power", "reading"); err == nil {
		t.Errorf("DCMI: %s", out)
	}
}

func TestBootFlagsAreSpent(t *testing.T) {
	c := newConsole(t, farm(t, 1).BMC("bmc0001"))
	c.run("chassis", "bootdev", "pxe")
	c.expect("Force PXE", "chassis", "bootparam", "get", "5")
	c.run("power", "on")
	if got := c.bmc.Counts().Booted; got != ipmi.BootPXE {
		t.Errorf("it booted from %q", got)
	}
	c.expect("Boot Flag Invalid", "chassis", "bootparam", "get", "5")
	c.run("chassis", "bootdev", "cdrom", "options=persistent,efiboot")
	c.run("power", "cycle")
	c.run("power", "cycle")
	if got := c.bmc.Counts().Booted; got != ipmi.BootCDROM {
		t.Errorf("it booted from %q", got)
	}
	for _, want := range []string{"Boot Flag Valid", "all future boots", "BIOS EFI boot", "CD/DVD"} {
		c.expect(want, "chassis", "bootparam", "get", "5")
	}
}

func TestIpmitoolReadsSensors(t *testing.T) {
	f := farm(t, 2)
	off, on := newConsole(t, f.BMC("bmc0001")), newConsole(t, f.BMC("bmc0002"))
	for _, want := range []string{"3.1 | 39 degrees C", "5460 RPM", "11.97 Volts", "124 Watts", "Presence detected", "Event-Only", "Dynamic MC"} {
		on.expect(want, "sdr", "elist", "all")
	}
	list := off.run("sdr", "elist")
	for _, want := range []string{"8 Watts", "Power off/down", "No Reading"} {
		if !strings.Contains(list, want) {
			t.Errorf("no %q in\n%s", want, list)
		}
	}
	if strings.Contains(list, "RPM") {
		t.Errorf("a fan turns without power:\n%s", list)
	}
	on.expect("600.000   | 1200.000", "sensor", "list") // thresholds of the fan
}

func TestIpmitoolReadsTheEventLog(t *testing.T) {
	c := newConsole(t, farm(t, 1).BMC("bmc0001"))
	if out := c.run("sel", "list"); !strings.Contains(out, "no entries") {
		t.Errorf("a new log: %s", out)
	}
	c.run("sel", "time", "set", "01/02/31 03:04:05")
	c.run("power", "on")
	c.run("power", "off")
	c.bmc.Record(bmc.TurnedOn, bmc.ByButton)
	c.bmc.Record(bmc.TurnedOff, bmc.ByMains)
	c.expect("01/02/31", "sel", "elist")
	c.expect("AC lost", "sel", "elist")
	c.expect("Entries          : 7", "sel", "info")
	c.run("sel", "clear")
	c.expect("Log area reset/cleared", "sel", "elist")
	c.expect("ac-failed", "chassis", "status")
}

func TestAccountsHaveLimits(t *testing.T) {
	c := newConsole(t, farm(t, 1).BMC("bmc0001"))
	c.user = "user"
	if out, err := c.try("power", "status"); err == nil {
		t.Errorf("a user became administrator: %s", out)
	}
	c.level = "USER"
	c.expect("is off", "power", "status")
	if out, err := c.try("power", "on"); err == nil || !strings.Contains(out, "Insufficient privilege") {
		t.Errorf("a user switched on: %s", out)
	}
	c.user, c.level = "oper", "OPERATOR"
	c.run("power", "on")
	c.expect("OPERATOR", "session", "info", "active")
}

func TestSlotsAreFew(t *testing.T) {
	c := newConsole(t, farm(t, 1).BMC("bmc0001"))
	shell := func() (end func()) {
		args := []string{"-I", "lanplus", "-C", "17", "-H", c.bmc.Address.Addr().String(), "-p", fmt.Sprint(c.bmc.Address.Port()), "-U", "admin", "-E", "shell"}
		command := exec.CommandContext(t.Context(), c.program, args...)
		command.Env = append(os.Environ(), "IPMI_PASSWORD=secret")
		stdin, _ := command.StdinPipe()
		stdout, _ := command.StdoutPipe()
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(stdin, "power status")
		buffer := make([]byte, 4096)
		for text := ""; !strings.Contains(text, "is off"); {
			n, err := stdout.Read(buffer)
			if err != nil {
				t.Fatalf("%v after %q", err, text)
			}
			text += string(buffer[:n])
		}
		return func() {
			fmt.Fprintln(stdin, "exit")
			_ = command.Wait()
		}
	}
	var ends []func()
	for range model.Slots {
		ends = append(ends, shell())
	}
	if out, err := c.try("-v", "power", "status"); err == nil || c.bmc.Counts().Refused == 0 {
		t.Errorf("a fifth session: %s\n%s", out, c.bmc)
	}
	for _, end := range ends {
		end()
	}
	c.run("power", "status")
	if counts := c.bmc.Counts(); counts.Open != 0 || counts.Most != model.Slots {
		t.Errorf("%s", c.bmc)
	}
}

func TestMisbehaviour(t *testing.T) {
	f := farm(t, 3)
	c := newConsole(t, f.BMC("bmc0001"))
	tell := func(line string) string {
		answer, err := f.Command(strings.Fields(line))
		if err != nil {
			t.Error(err)
		}
		return answer
	}
	tell("bmc-busy all 1")
	if out, err := c.try("power", "status"); err == nil || !strings.Contains(out, "busy") {
		t.Errorf("%v, %s", err, out)
	}
	c.expect("is off", "power", "status")
	tell("bmc-silent bmc0001")
	if out, err := c.try("-R", "1", "-N", "1", "power", "on"); err == nil {
		t.Errorf("a silent one said %s", out)
	}
	tell("bmc-mend all")
	tell("bmc-mute bmc0001 1")
	_, _ = c.try("power", "on")
	c.expect("is on", "power", "status")
	tell("bmc-loss bmc0001 100 0")
	if out, err := c.try("-R", "1", "-N", "1", "power", "status"); err == nil {
		t.Errorf("it got through: %s", out)
	}
	tell("bmc-mend bmc0001")
	if line := tell("bmc bmc0001"); !strings.HasPrefix(line, "bmc0001 "+c.bmc.Address.String()+" on, starts 1") {
		t.Error(line)
	}
	if lines := tell("bmc"); strings.Count(lines, "\n") != 3 {
		t.Error(lines)
	}
}

func fences(t *testing.T) func(b *bmc.BMC, action string) string {
	program := testneed.Program(t, "fence_ipmilan", "fence-agents")
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("#!/bin/sh\necho secret\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return func(b *bmc.BMC, action string) string {
		t.Helper()
		command := exec.CommandContext(t.Context(), program, "--lanplus", "--cipher=17", "--ip="+b.Address.Addr().String(), fmt.Sprintf("--ipport=%d", b.Address.Port()),
			"--username=admin", "--password-script="+password, "--power-wait=0", "--action="+action)
		out, err := command.CombinedOutput()
		if code := command.ProcessState.ExitCode(); err != nil && !(action == "status" && code == 2) {
			t.Errorf("%s: %v\n%s", action, err, out)
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		return lines[len(lines)-1] // before it Python may warn
	}
}

func TestFenceIpmilan(t *testing.T) {
	fence := fences(t)
	f := farm(t, 2)
	b := f.BMC("bmc0001")
	if got := fence(b, "status"); got != "Status: OFF" {
		t.Error(got)
	}
	fence(b, "on")
	if got := fence(b, "status"); got != "Status: ON" || !b.Counts().On {
		t.Error(got)
	}
	fence(b, "reboot")
	fence(b, "off")
	if b.Counts().On || f.BMC("bmc0002").Counts().On == false {
		t.Errorf("%s\n%s", b, f.BMC("bmc0002"))
	}
}
