//go:build linux

package wake

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mdlayher/packet"
)

var (
	everybody = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	stranger  = net.HardwareAddr{0x52, 0x54, 0, 0, 0, 0x99}
)

// magicFrame is a frame to an address, with a magic packet for a machine.
func magicFrame(to, mac net.HardwareAddr) []byte {
	frame := slices.Concat(to, net.HardwareAddr{0x52, 0x54, 0, 0, 0, 1}, []byte{0x08, 0x42})
	return slices.Concat(frame, everybody, bytes.Repeat(mac, 16))
}

// send puts frames on the segment, from the desk.
func send(t *testing.T, m *Machine, frames ...[]byte) {
	t.Helper()
	err := m.Desk.Do(func() error {
		segment, err := net.InterfaceByName("br0")
		if err != nil {
			return err
		}
		conn, err := packet.Listen(segment, packet.Raw, 0x0842, nil)
		if err != nil {
			return err
		}
		defer conn.Close()
		for _, frame := range frames {
			if _, err := conn.WriteTo(frame, &packet.Addr{HardwareAddr: frame[:6]}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestMachineIsWokenAsItsDriverLeftIt takes one machine through its states.
func TestMachineIsWokenAsItsDriverLeftIt(t *testing.T) {
	m := Start(t, Options{Name: "lab01"})
	if got := m.Run(t, "cat /sys/class/net/eth0/master/uevent"); !strings.Contains(got, "INTERFACE=br0") {
		t.Errorf("eth0 is no port of br0: %s", got)
	}

	m.Run(t, "ethtool -s eth0 wol d")
	m.PowerOff(t)
	if got := m.Registers(t); got.Armed() || got.Address.String() != m.MAC.String() {
		t.Errorf("disarmed: %s", got)
	}
	send(t, m, magicFrame(everybody, m.MAC))
	m.WaitHeard(t, 1)
	if m.State() != Off {
		t.Fatalf("disarmed it is %s", m.State())
	}

	m.PowerOn(t)
	m.Run(t, "ethtool -s eth0 wol g")
	m.PowerOff(t)
	if got := m.Registers(t); !got.Armed() {
		t.Errorf("armed: %s", got)
	}
	send(t, m, magicFrame(everybody, stranger), magicFrame(everybody, m.MAC))
	m.WaitBoot(t, 3)
	if got, want := m.Heard(), []string{notArmed, another, woke}; !slices.Equal(got, want) {
		t.Errorf("heard %q, expected %q", got, want)
	}
	if got := m.Run(t, "ethtool eth0"); !strings.Contains(got, "Supports Wake-on: pumbg") {
		t.Errorf("ethtool:\n%s", got)
	}
}

func TestVerdict(t *testing.T) {
	mac := net.HardwareAddr{0x52, 0x54, 0, 1, 2, 3}
	armed := Registers{Control: pmeEnable, Filter: magicPacket, Receive: acceptBroadcast, Address: mac}
	deaf, all := armed, armed
	deaf.Receive, all.Receive = 0, acceptBroadcast|acceptUnicast|acceptMulticast
	group := net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1}
	cut := magicFrame(everybody, mac)
	cut = cut[:len(cut)-1]
	for name, test := range map[string]struct {
		registers Registers
		frame     []byte
		want      string // empty: no magic packet
	}{
		"broadcast":             {armed, magicFrame(everybody, mac), woke},
		"unicast":               {armed, magicFrame(mac, mac), woke},
		"pattern further on":    {armed, append(magicFrame(everybody, everybody)[:20], magicFrame(everybody, mac)...), woke},
		"broadcast not taken":   {deaf, magicFrame(everybody, mac), notAddressed},
		"to a stranger":         {armed, magicFrame(stranger, mac), notAddressed},
		"to a stranger, all":    {all, magicFrame(stranger, mac), woke},
		"multicast":             {armed, magicFrame(group, mac), notAddressed},
		"multicast, all":        {all, magicFrame(group, mac), woke},
		"event not enabled":     {Registers{Filter: magicPacket, Address: mac}, magicFrame(mac, mac), notArmed},
		"other packets only":    {Registers{Control: pmeEnable, Filter: 1, Address: mac}, magicFrame(mac, mac), notArmed},
		"no registers":          {Registers{}, magicFrame(mac, mac), notArmed},
		"cut short":             {armed, cut, ""},
		"shorter than a header": {armed, cut[:13], ""},
		"an ordinary frame":     {armed, append(magicFrame(mac, mac)[:14], "hello"...), ""},
	} {
		got, magic := test.registers.verdict(test.frame)
		if magic != (test.want != "") || got != test.want {
			t.Errorf("%s: %q, %v; expected %q", name, got, magic, test.want)
		}
	}
}

// parentVariable makes this program one that starts another and waits.
const parentVariable = "CTYS_TEST_WAKE_PARENT"

func TestProcessEndsWithItsParent(t *testing.T) {
	if os.Getenv(parentVariable) != "" {
		sleep, err := startProcess(exec.Command("sleep", "600"))
		if err != nil {
			t.Fatal(err)
		}
		os.Stdout.WriteString(strconv.Itoa(sleep.command.Process.Pid) + "\n")
		<-sleep.ended
		return
	}
	parent := exec.Command(os.Args[0], "-test.run=^TestProcessEndsWithItsParent$")
	parent.Env = append(os.Environ(), parentVariable+"=1")
	output, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 20)
	length, _ := output.Read(line)
	pid, err := strconv.Atoi(strings.TrimSpace(string(line[:length])))
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // killed
	for end := time.Now().Add(limit); syscall.Kill(pid, 0) == nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it outlives its parent")
		}
	}
}
