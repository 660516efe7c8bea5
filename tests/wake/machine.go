//go:build linux

package wake

import (
	"context"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"ctys/tests/bootimage"
	"ctys/tests/machine"
	"ctys/tests/testneed"
)

// limit bounds a boot, and whatever else a machine is waited for, on a host that
// is busy with others.
const limit = 90 * time.Second

// Options says what machine a test wants. The zero value is a good one.
type Options struct {
	Name     string        // host name; default "machine1" and so on
	NIC      string        // QEMU's name of the card; default "e1000e". "virtio-net-pci" has no Wake-on modes
	Suspends bool          // it comes back from a suspend to RAM, and boots some seconds slower
	Desk     *machine.Desk // default: one of its own
}

// Machine is one that runs, sleeps or is off. Its account is root.
type Machine struct {
	machine.Access
	MAC net.HardwareAddr // of eth0

	cable   string // the desk's end of it: an interface of the desk's network
	console string // log file
	chassis *chassis
}

// Start boots a machine and gives it back when it can be logged in to. It is
// gone when the test ends, and its console is logged if the test failed.
func Start(t testing.TB, options Options) *Machine {
	t.Helper()
	testneed.Root(t)
	testneed.Program(t, "qemu-system-x86_64", "qemu-system-x86")
	parts := bootimage.Get(t)
	if options.Desk == nil {
		options.Desk = machine.NewDesk(t)
	}
	place := options.Desk.NextPlace()
	if options.Name == "" {
		options.Name = fmt.Sprintf("machine%d", place.Number)
	}
	if options.NIC == "" {
		options.NIC = "e1000e"
	}
	mac, err := net.ParseMAC(place.MAC)
	if err != nil {
		t.Fatal(err)
	}
	m := &Machine{
		Access: machine.NewAccess(t, options.Desk, options.Name, place.IP),
		MAC:    mac,
		cable:  fmt.Sprintf("cable%d", place.Number),
	}
	m.plugIn(t)
	m.assemble(t, parts, options)
	m.PowerOn(t)
	return m
}

// plugIn makes the machine's cable, with its other end on the desk's bridge.
func (m *Machine) plugIn(t testing.TB) {
	t.Helper()
	for _, words := range [][]string{
		{"ip", "tuntap", "add", "dev", m.cable, "mode", "tap"},
		{"ip", "link", "set", m.cable, "master", "br0", "up"},
	} {
		if out, err := m.Desk.Command(t.Context(), words...).CombinedOutput(); err != nil {
			testneed.Skip(t, t.Name(), fmt.Sprintf("no tap interface can be made: %v: %s", err, out), "run make test as root where /dev/net/tun is")
		}
	}
}

// assemble makes the hardware and the chassis around it.
func (m *Machine) assemble(t testing.TB, parts bootimage.Parts, options Options) {
	t.Helper()
	hardware := m.hardware(t, parts, options)
	frames, err := m.listen()
	if err != nil {
		t.Fatal(err)
	}
	m.chassis = newChassis(hardware, frames, options.NIC == "e1000e")
	t.Cleanup(func() {
		m.chassis.close()
		if t.Failed() {
			t.Logf("console of %s:\n%s", m.Name, m.ConsoleLog())
		}
	})
}

// PowerOn presses the button of a machine that is off and waits until it can be
// logged in to.
func (m *Machine) PowerOn(t testing.TB) {
	t.Helper()
	boot := m.Boots() + 1
	if err := m.chassis.powerOn(); err != nil {
		t.Fatalf("%s: %v", m.Name, err)
	}
	m.WaitBoot(t, boot)
}

// PowerOff asks the machine's init for an orderly power-off and waits for it.
func (m *Machine) PowerOff(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { _, _ = m.Try(ctx, "poweroff") }() // the session ends with the machine, or hangs
	m.WaitState(t, Off)
}

// State is what the chassis sees.
func (m *Machine) State() State { return m.chassis.now().state }

// Boots counts how often the machine was switched on, or has reset itself.
func (m *Machine) Boots() int { return m.chassis.now().boots }

// Registers are those of the card when the machine last fell asleep. The test
// fails if it is awake, or if they could not be read.
func (m *Machine) Registers(t testing.TB) Registers {
	t.Helper()
	now := m.chassis.now()
	if now.err != nil || now.state == On {
		t.Fatalf("%s is %s, its card's registers: %v", m.Name, now.state, now.err)
	}
	return now.registers
}

// Heard gives what the card has made of each magic packet that came while the
// machine slept, the oldest first: "it wakes", or why not.
func (m *Machine) Heard() []string { return m.chassis.now().heard }

// WaitState waits for a state; the test fails if it does not come.
func (m *Machine) WaitState(t testing.TB, state State) {
	t.Helper()
	m.await(t, "is "+string(state), func() bool { return m.State() == state })
}

// WaitHeard waits until n magic packets have come while the machine slept.
func (m *Machine) WaitHeard(t testing.TB, n int) {
	t.Helper()
	m.await(t, fmt.Sprintf("has heard %d magic packets", n), func() bool { return len(m.Heard()) >= n })
}

// WaitBoot waits until the machine has booted n times and can be logged in to.
func (m *Machine) WaitBoot(t testing.TB, n int) {
	t.Helper()
	m.await(t, fmt.Sprintf("has booted %d times", n), func() bool { return m.Boots() >= n })
	m.await(t, "can be logged in to", m.answers)
}

// answers tries a login; a server that is not there yet lets it hang.
func (m *Machine) answers() bool {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err := m.Try(ctx, "true")
	return err == nil
}

func (m *Machine) await(t testing.TB, what string, reached func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !reached(); time.Sleep(50 * time.Millisecond) {
		if now := m.chassis.now(); now.err != nil {
			t.Fatalf("%s: %v", m.Name, now.err)
		}
		if time.Now().After(end) {
			t.Fatalf("after %v it is not so that %s %s; it is %s", limit, m.Name, what, m.State())
		}
	}
}

// ConsoleLog is what the machine has written on its console, over all boots.
func (m *Machine) ConsoleLog() string {
	text, err := os.ReadFile(m.console)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
