package ipmi

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ctys/primitives"
	"ctys/tests/testneed"
)

// ascii is a name with its type/length byte (43.15).
func ascii(name string) []byte { return append([]byte{0xc0 | byte(len(name))}, name...) }

// fullRecord makes a full sensor record (43.1) of the BMC.
func fullRecord(number, kind, event, format, unit, linearization byte, m, b, bExp, resExp int, name string) []byte {
	body := []byte{ownerBMC, 0, number, 3, 1, 0x7f, 0x68, kind, event, 0xff, 0x7f, 0xff, 0x7f, 0x3f, 0x3f,
		format, unit, 0, linearization, byte(m), byte(m >> 2 & 0xc0), byte(b), byte(b >> 2 & 0xc0), 0,
		byte(resExp&15<<4 | bExp&15), 0, 0, 0, 0, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	body = append(body, ascii(name)...)
	return append([]byte{0, 0, 0x51, recordFull, byte(len(body))}, body...)
}

// compactRecord makes a compact sensor record (43.2) of the BMC.
func compactRecord(number, kind, event, sharing, modifier byte, name string) []byte {
	body := []byte{ownerBMC, 0, number, 10, 1, 0x7f, 0x40, kind, event, 0xff, 0x7f, 0xff, 0x7f, 0xff, 0x7f,
		0xc0, 0, 0, sharing, modifier, 0, 0, 0, 0, 0, 0}
	body = append(body, ascii(name)...)
	return append([]byte{0, 0, 0x51, recordCompact, byte(len(body))}, body...)
}

// eventOnlyRecord makes an event-only record (43.3) of the BMC.
func eventOnlyRecord(number, kind, event byte, name string) []byte {
	body := append([]byte{ownerBMC, 0, number, 3, 1, kind, event, 1, 0, 0, 0}, ascii(name)...)
	return append([]byte{0, 0, 0x51, recordEventOnly, byte(len(body))}, body...)
}

// addRecord is the line of ipmi_sim's emulator file for a sensor data record.
func addRecord(record []byte) string {
	line := "main_sdr_add 0x20"
	for _, b := range record {
		line += fmt.Sprintf(" %#02x", b)
	}
	return line
}

// equipment is a machine with sensors for ipmi_sim: analogue ones in all number
// formats, at a threshold, linearized, without a reading, and discrete ones.
var equipment = []string{
	addRecord(fullRecord(1, 0x01, eventThreshold, 0, 1, 0, 1, 0, 0, 0, "CPU Temp")),
	addRecord(fullRecord(2, 0x02, eventThreshold, 0, 4, 0, 6, 0, 0, -2, "12V")),
	addRecord(fullRecord(3, 0x02, eventThreshold, 0, 4, 0, 100, -40, 2, -4, "5V")),
	addRecord(fullRecord(4, 0x01, eventThreshold, formatTwos<<6, 1, 0, 1, 0, 0, 0, "Inlet")),
	addRecord(fullRecord(5, 0x04, eventThreshold, 0, 18, 7, 1, 0, 0, -5, "Fan1")),
	addRecord(fullRecord(6, 0x04, eventThreshold, 0, 18, 0, 100, 0, 0, 0, "Fan2")),
	addRecord(fullRecord(9, 0x0b, eventThreshold, 1, 0, 0, 1, 0, 0, 0, "Load")),
	addRecord(compactRecord(7, 0x08, eventSpecific, 1, 0, "PSU1")),
	addRecord(compactRecord(8, 0x21, 0x03, 1, 0, "Door")),
	addRecord(eventOnlyRecord(20, 0x12, eventSpecific, "Boots")),
	"sensor_add 0x20 0 1 1 1", "sensor_set_threshold 0x20 0 1 none 000000 0 0 0 0 0 0", "sensor_set_value 0x20 0 1 40 0",
	"sensor_add 0x20 0 2 2 1", "sensor_set_threshold 0x20 0 2 none 000000 0 0 0 0 0 0", "sensor_set_value 0x20 0 2 201 0",
	"sensor_add 0x20 0 3 2 1", "sensor_set_threshold 0x20 0 3 readable 001000 0 0 70 0 0 0", "sensor_set_value 0x20 0 3 90 0",
	"sensor_add 0x20 0 4 1 1", "sensor_set_threshold 0x20 0 4 readable 000010 0 0 0 0 0xfb 0", "sensor_set_value 0x20 0 4 0xf6 0",
	"sensor_add 0x20 0 5 4 1", "sensor_set_threshold 0x20 0 5 none 000000 0 0 0 0 0 0", "sensor_set_value 0x20 0 5 20 0",
	"sensor_add 0x20 0 9 11 1", "sensor_set_threshold 0x20 0 9 none 000000 0 0 0 0 0 0", "sensor_set_value 0x20 0 9 37 0",
	"sensor_add 0x20 0 7 8 0x6f", "sensor_set_bit 0x20 0 7 0 1 0", "sensor_set_bit 0x20 0 7 3 1 0",
	"sensor_add 0x20 0 8 0x21 3", "sensor_set_bit 0x20 0 8 1 1 0",
}

// ipmitool runs ipmitool on a BMC as the administrator and gives its lines.
func ipmitool(t *testing.T, target Target, arguments ...string) []string {
	t.Helper()
	program := testneed.Program(t, "ipmitool", "ipmitool")
	dir := t.TempDir() + "/pw"
	if err := os.WriteFile(dir, []byte(password), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, append([]string{"-I", "lanplus", "-C", "3", "-H", target.Host, "-p", strconv.Itoa(target.Port),
		"-U", "admin", "-f", dir}, arguments...)...)
	cmd.Env = append(os.Environ(), "TZ=UTC", "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("ipmitool %s: %v\n%s", strings.Join(arguments, " "), err, out)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// columns are the cells of a line of ipmitool.
func columns(line string) []string {
	cells := strings.Split(line, "|")
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	return cells
}

// What ipmitool and we read of the same sensors is the same.
func TestSensorsBesideIpmitool(t *testing.T) {
	noLeaks(t)
	testneed.Program(t, "ipmitool", "ipmitool")
	sim := startSimulator(t, "127.112.0.10", equipment...)
	target := sim.target
	target.User = "user" // USER suffices
	sensors, err := New(Options{}).Sensors(within5s(t), target)
	if err != nil {
		t.Fatal(err)
	}
	lines := ipmitool(t, sim.target, "sensor")
	if len(lines) != len(sensors) || len(sensors) != 9 {
		t.Fatalf("%d sensors, ipmitool has %d: %+v\n%s", len(sensors), len(lines), sensors, strings.Join(lines, "\n"))
	}
	states := map[string]string{"ok": stateOK, "nc": stateNonCritical, "cr": stateCritical, "nr": stateNonRecoverable, "na": stateUnavailable}
	for i, line := range lines {
		cells, s := columns(line), sensors[i]
		if cells[0] != s.Name {
			t.Errorf("sensor %d: %q, ipmitool has %q", i, s.Name, cells[0])
		}
		switch {
		case cells[2] == "discrete":
			if s.Reading != nil || s.State != "" || len(s.States) == 0 {
				t.Errorf("%s: %+v, ipmitool has %q", s.Name, s, line)
			}
		case cells[1] == "na":
			if s.Reading != nil || s.State != stateUnavailable {
				t.Errorf("%s: %+v, ipmitool has %q", s.Name, s, line)
			}
		default:
			if s.Reading == nil || fmt.Sprintf("%.3f", *s.Reading) != cells[1] ||
				!strings.EqualFold(s.Unit, cells[2]) || s.State != states[cells[3]] {
				t.Errorf("%s: %+v, ipmitool has %q", s.Name, s, line)
			}
		}
	}
	short := map[string]string{"ok": stateOK, "lnc": stateNonCritical, "unc": stateNonCritical, "lcr": stateCritical, "ucr": stateCritical, "ns": stateUnavailable}
	for i, line := range ipmitool(t, sim.target, "sdr", "elist") {
		cells, s := columns(line), sensors[i]
		number, unit, _ := strings.Cut(cells[4], " ")
		value, _ := strconv.ParseFloat(number, 64)
		if cells[0] != s.Name || cells[1] != fmt.Sprintf("%02Xh", s.Number) || s.State != "" && short[cells[2]] != s.State ||
			s.Reading != nil && (value != *s.Reading || !strings.EqualFold(unit, s.Unit)) {
			t.Errorf("%+v, ipmitool's list has %q", s, line)
		}
	}
	if got := strings.Join(sensors[7].States, ", "); got != "present, input lost" {
		t.Errorf("PSU1 is %q", got)
	}
	if got := strings.Join(sensors[8].States, ", "); got != "state asserted" {
		t.Errorf("Door is %q", got)
	}
	for i, want := range []float64{40, 12.06, 0.5, -10, 5000} {
		if *sensors[i].Reading != want {
			t.Errorf("%s reads %v, want %v", sensors[i].Name, *sensors[i].Reading, want)
		}
	}
}

// Events are told as ipmitool tells them, an erased log is empty, and it is
// erased once only.
func TestEventsBesideIpmitool(t *testing.T) {
	noLeaks(t)
	testneed.Program(t, "ipmitool", "ipmitool")
	sim := startSimulator(t, "127.112.0.11", equipment...)
	c := New(Options{})
	ctx := within5s(t)
	// As the administrator says what time it is, by raw commands (31.11, 31.6).
	const clock = 1_790_000_000
	set := binary.LittleEndian.AppendUint32(nil, clock)
	reply, err := c.Raw(ctx, sim.target, Request{NetFn: netFnStorage, Command: 0x49, Data: set})
	if err != nil || reply.Code != 0 {
		t.Fatalf("the clock was not set: %+v, %v", reply, err)
	}
	added := [][]byte{
		{0, 0, 2, 0, 0, 0, 0, 0x20, 0, 4, 1, 1, 1, 0x59, 90, 85},         // temperature over a threshold
		{0, 0, 2, 0, 0, 0, 0, 0x20, 0, 4, 1, 1, 0x81, 0x59, 80, 85},      // and under it again
		{0, 0, 2, 0, 0, 0, 0, 0x20, 0, 4, 8, 7, 0x6f, 3, 0xff, 0xff},     // mains of a power supply
		{0, 0, 2, 0, 0, 0, 0, 0x20, 0, 4, 0x12, 20, 0x6f, 0, 0xff, 0xff}, // sensor that makes events only
		{0, 0, 2, 0, 0, 0, 0, 0x20, 0, 4, 0x0c, 99, 0x6f, 0x31, 0xff, 4}, // sensor without a record
		{0, 0, 0xc1, 0, 0, 0, 0, 0x57, 0x01, 0, 1, 2, 3, 4, 5, 6},        // a maker's own, with a time
		{0, 0, 0xe1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13},          // and without
	}
	for _, record := range added {
		reply, err := c.Raw(ctx, sim.target, Request{NetFn: netFnStorage, Command: 0x44, Data: record})
		if err != nil || reply.Code != 0 {
			t.Fatalf("event % x was not added: %+v, %v", record, reply, err)
		}
	}
	target := sim.target
	target.User = "user" // USER suffices to read
	events, err := c.Events(ctx, target)
	if err != nil {
		t.Fatal(err)
	}
	lines := ipmitool(t, sim.target, "sel", "elist")
	if len(events) != len(added) || len(lines) != len(added) {
		t.Fatalf("%d events, ipmitool has %d, %d were added", len(events), len(lines), len(added))
	}
	want := []struct{ sensor, kind, text string }{
		{"CPU Temp", "temperature", "upper critical going high, reading 90 degrees C, threshold 85 degrees C"},
		{"CPU Temp", "temperature", "upper critical going high, reading 80 degrees C, threshold 85 degrees C"},
		{"PSU1", "power supply", "input lost"},
		{"Boots", "system event", "system reconfigured"},
		{"memory 99", "memory", "uncorrectable memory error: module 4"},
		{"", "OEM", "OEM record 0xc1 of manufacturer 343: 01 02 03 04 05 06"},
		{"", "OEM", "OEM record 0xe1: 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d"},
	}
	for i, event := range events {
		cells := columns(lines[i])
		if fmt.Sprintf("%x", event.ID) != cells[0] {
			t.Errorf("event %d has the number %x, ipmitool has %q", i, event.ID, lines[i])
		}
		if i < 6 { // the last one has no time
			if at := event.At.Format("01/02/06 15:04:05 MST"); at != cells[1]+" "+cells[2] {
				t.Errorf("event %d is of %q, ipmitool has %q", i, at, lines[i])
			}
			if late := event.At.Unix() - clock; late < 0 || late > 60 {
				t.Errorf("event %d is of %s, the clock was set to %d", i, event.At, clock)
			}
		} else if !event.At.IsZero() {
			t.Errorf("event %d is of %s and has no time", i, event.At)
		}
		if event.Sensor != want[i].sensor || event.Type != want[i].kind || event.Text != want[i].text {
			t.Errorf("event %d: %q, %q, %q; want %q", i, event.Sensor, event.Type, event.Text, want[i])
		}
		if i < 5 && (!strings.HasSuffix(cells[3], " "+event.Sensor) && !strings.HasSuffix(cells[3], "#0x63") || event.Asserted != (cells[5] == "Asserted")) {
			t.Errorf("event %d: %+v, ipmitool has %q", i, event, lines[i])
		}
		if !slices.Equal(event.Data[7:], added[i][7:]) {
			t.Errorf("event %d: data % x, added % x", i, event.Data, added[i])
		}
	}
	if err := c.ClearEvents(ctx, sim.target); err != nil {
		t.Fatal(err)
	}
	if events, err := c.Events(ctx, target); err != nil || len(events) != 0 {
		t.Errorf("%d events after the log was erased, %v", len(events), err)
	}
	if err := c.ClearEvents(ctx, sim.target); err != nil {
		t.Errorf("an empty log: %v", err)
	}
}

// ipmi_sim takes a boot device and never says that its flags are valid, so that
// nothing is promised for it. What its machine is told is right all the same.
func TestBootBesideIpmitool(t *testing.T) {
	noLeaks(t)
	testneed.Program(t, "ipmitool", "ipmitool")
	sim := startSimulator(t, "127.112.0.12")
	c := New(Options{})
	ctx := within5s(t)
	got, err := c.SetBoot(ctx, sim.target, Boot{Device: BootPXE})
	wantKind(t, err, primitives.Unsupported, `"pxe"`, `"none"`)
	if got.Device != BootNone {
		t.Errorf("%v is read back", got)
	}
	if log := sim.log(t); !strings.Contains(log, "boot pxe") {
		t.Errorf("the machine was told %q", log)
	}
	if text := strings.Join(ipmitool(t, sim.target, "chassis", "bootparam", "get", "5"), "\n"); !strings.Contains(text, "Boot Flag Invalid") {
		t.Errorf("ipmitool reads\n%s", text)
	}

	// go-ipmi's server keeps all flags.
	peer := startLibraryBMC(t, "127.112.0.13", 3)
	admin := peer.target
	admin.User = "admin"
	for _, boot := range []Boot{
		{Device: BootPXE}, {Device: BootDisk, Persistent: true}, {Device: BootCDROM, UEFI: true},
		{Device: BootBIOS, Persistent: true, UEFI: true}, {Device: BootSafe}, {Device: BootDiag}, {Device: BootNone},
	} {
		target := peer.target
		if boot.Persistent {
			target = admin
		}
		got, err := c.SetBoot(ctx, target, boot)
		if err != nil || got != boot {
			t.Errorf("%v: %v read back, %v", boot, got, err)
		}
		if again, err := c.Boot(ctx, peer.target); err != nil || again != boot {
			t.Errorf("%v: %v read, %v", boot, again, err)
		}
		text := strings.Join(ipmitool(t, peer.target, "chassis", "bootparam", "get", "5"), "\n")
		for _, line := range bootWords(boot) {
			if !strings.Contains(text, line) {
				t.Errorf("%v: ipmitool does not say %q:\n%s", boot, line, text)
			}
		}
	}
	ipmitool(t, peer.target, "chassis", "bootdev", "cdrom", "options=persistent,efiboot")
	want := Boot{Device: BootCDROM, Persistent: true, UEFI: true}
	if got, err := c.Boot(ctx, peer.target); err != nil || got != want {
		t.Errorf("%v, %v after ipmitool set %v", got, err, want)
	}
}

// bootWords is what ipmitool says of boot flags.
func bootWords(boot Boot) []string {
	if boot.Device == BootNone {
		return []string{"Boot Flag Invalid", "No override"}
	}
	devices := map[Device]string{BootPXE: "Force PXE", BootDisk: "Force Boot from default Hard-Drive", BootSafe: "Safe-Mode",
		BootDiag: "Force Boot from Diagnostic Partition", BootCDROM: "Force Boot from CD/DVD", BootBIOS: "Force Boot into BIOS Setup"}
	words := []string{"Boot Flag Valid", devices[boot.Device], "only next boot", "BIOS PC Compatible (legacy) boot"}
	if boot.Persistent {
		words[2] = "all future boots"
	}
	if boot.UEFI {
		words[3] = "BIOS EFI boot"
	}
	return words
}

// Flags that persist need the privilege ADMINISTRATOR (28.13).
func TestBootPrivilege(t *testing.T) {
	peer := startLibraryBMC(t, "127.112.0.14", 3)
	_, err := New(Options{}).SetBoot(within5s(t), peer.target, Boot{Device: BootPXE, Persistent: true})
	wantKind(t, err, primitives.Denied)
	target := peer.target
	target.User = "user"
	_, err = New(Options{}).SetBoot(within5s(t), target, Boot{Device: BootPXE})
	wantKind(t, err, primitives.Denied)
}

func TestControllerBesideIpmitool(t *testing.T) {
	testneed.Program(t, "ipmitool", "ipmitool")
	sim := startSimulator(t, "127.112.0.15")
	target := sim.target
	target.User = "user" // USER suffices
	got, err := New(Options{}).Controller(within5s(t), target)
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]string{}
	for _, line := range append(ipmitool(t, sim.target, "mc", "info"), ipmitool(t, sim.target, "mc", "guid")...) {
		if name, value, ok := strings.Cut(line, ":"); ok {
			said[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	if strconv.Itoa(got.ID) != said["Device ID"] || strconv.Itoa(got.Revision) != said["Device Revision"] ||
		got.Firmware != said["Firmware Revision"] || got.IPMI != said["IPMI Version"] ||
		strconv.Itoa(got.Manufacturer) != said["Manufacturer ID"] ||
		!strings.HasPrefix(said["Product ID"], strconv.Itoa(got.Product)+" ") || got.GUID != said["System GUID"] {
		t.Errorf("%+v, ipmitool has %q", got, said)
	}
}

func TestIdentifySimulator(t *testing.T) {
	sim := startSimulator(t, "127.112.0.16")
	c := New(Options{})
	for _, step := range []struct {
		what Identify
		log  string
	}{
		{Identify{For: 15 * time.Second}, "identify 15 0"},
		{Identify{For: 255 * time.Second}, "identify 255 0"},
		{Identify{Forever: true}, "identify 255 1"},
		{Identify{}, "identify 0 0"},
	} {
		if err := c.Identify(within5s(t), sim.target, step.what); err != nil {
			t.Fatalf("%+v: %v", step.what, err)
		}
		if log := sim.log(t); !strings.HasSuffix(log, step.log) {
			t.Errorf("%+v: the machine was told %q", step.what, log)
		}
	}
	for _, wrong := range []Identify{{For: -time.Second}, {For: 256 * time.Second}, {For: time.Millisecond}, {For: time.Second, Forever: true}} {
		wantKind(t, c.Identify(within5s(t), sim.target, wrong), primitives.Invalid)
	}
}

func TestRawPeers(t *testing.T) {
	noLeaks(t)
	sim := startSimulator(t, "127.112.0.17")
	c := New(Options{})
	target := sim.target
	target.User = "user"
	reply, err := c.Raw(within5s(t), target, Request{NetFn: netFnApp, Command: 0x01})
	if err != nil || reply.Code != 0 || reply.Text != "success" {
		t.Fatalf("%+v, %v", reply, err)
	}
	if device, err := parseDeviceID(reply.Data); err != nil || device.Firmware != "9.08" {
		t.Errorf("% x is %+v, %v", reply.Data, device, err)
	}
	reply, err = c.Raw(within5s(t), sim.target, Request{NetFn: netFnChassis, Command: 0x0f})
	if err != nil || reply.Code != 0xc1 || !strings.Contains(reply.Text, "does not know") {
		t.Errorf("an unknown command: %+v, %v", reply, err)
	}
	// The BMC's own rule, not the session's: an operator asks what only an
	// administrator may.
	_, err = c.Raw(within5s(t), sim.target, Request{NetFn: netFnApp, Command: 0x45, Data: append([]byte{5}, make([]byte, 16)...)})
	wantKind(t, err, primitives.Denied, "OPERATOR", "0xd4")

	peer := startLibraryBMC(t, "127.112.0.18", 3)
	target = peer.target
	target.User = "user"
	if _, err = c.Raw(within5s(t), target, Request{NetFn: netFnChassis, Command: 0x01}); err != nil {
		t.Errorf("a reader as USER: %v", err)
	}
	_, err = c.Raw(within5s(t), target, Request{NetFn: netFnChassis, Command: 0x02, Data: []byte{2}})
	wantKind(t, err, primitives.Denied)
	if n := peer.chassis.cycles(); n != 0 {
		t.Errorf("the machine was cycled %d times", n)
	}
}
