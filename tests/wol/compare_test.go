//go:build linux

package wol

import (
	"bytes"
	"context"
	"os/exec"
	"strings"
	"testing"

	"ctys/primitives"
	"ctys/primitives/wol"
	"ctys/tests/netns"
	"ctys/tests/testneed"
)

// wake is one wake-up, however it is sent: as etherwake and wakeonlan, as the
// primitive, or as a command line.
type wake struct {
	mac       string
	password  string
	device    string
	unicast   bool
	address   string
	port      string
	reference []string // the established tool's command line
}

const sleeper = "52:54:00:AB:cd:0f"

var wakes = map[string]wake{
	"etherwake, unicast": {
		device: nearEnd, unicast: true,
		reference: []string{"etherwake", "-i", nearEnd, sleeper}},
	"etherwake, broadcast": {
		device:    nearEnd,
		reference: []string{"etherwake", "-i", nearEnd, "-b", sleeper}},
	"etherwake, password of six bytes": {
		device: nearEnd, password: "00:22:44:66:88:aa",
		reference: []string{"etherwake", "-i", nearEnd, "-b", "-p", "00:22:44:66:88:aa", sleeper}},
	"etherwake, password of four bytes, decimal": {
		device: nearEnd, password: "192.168.1.1",
		reference: []string{"etherwake", "-i", nearEnd, "-b", "-p", "192.168.1.1", sleeper}},
	"etherwake, password of four bytes, hexadecimal": {
		device: nearEnd, unicast: true, password: "de:ad:be:ef",
		reference: []string{"etherwake", "-i", nearEnd, "-p", "de:ad:be:ef", sleeper}},
	"wakeonlan, directed broadcast": {
		address:   "192.0.2.255",
		reference: []string{"wakeonlan", "-i", "192.0.2.255", sleeper}},
	"wakeonlan, another port": {
		address: "192.0.2.255", port: "4711",
		reference: []string{"wakeonlan", "-i", "192.0.2.255", "-p", "4711", sleeper}},
	"wakeonlan, one host": {
		address: "192.0.2.2", port: "7",
		reference: []string{"wakeonlan", "-i", "192.0.2.2", "-p", "7", sleeper}},
}

// compare has every wake-up sent by the established tool and by send, and
// wants the same frames on the cable, byte for byte, one for one.
func compare(t *testing.T, send func(t *testing.T, request wake)) {
	wire := cable(t)
	for name, request := range wakes {
		request.mac = sleeper
		t.Run(name, func(t *testing.T) {
			wire := &tap{t: t, conn: wire.conn}
			runReference(t, request.reference)
			want := wire.next()
			wire.quiet()
			send(t, request)
			got := wire.next()
			wire.quiet()
			if !bytes.Equal(settled(got), settled(want)) {
				t.Errorf("ctys sent\n%x\n%s sent\n%x", got, request.reference[0], want)
			}
		})
	}
}

// The limited broadcast needs a default route, for wakeonlan and for ctys.
func compareLimitedBroadcast(t *testing.T, send func(t *testing.T, request wake)) {
	wire := cable(t)
	netns.Run(t, "ip route add default via 192.0.2.2")
	runReference(t, []string{"wakeonlan", sleeper})
	want := wire.next()
	send(t, wake{mac: sleeper, address: "255.255.255.255"})
	if got := wire.next(); !bytes.Equal(settled(got), settled(want)) {
		t.Errorf("ctys sent\n%x\nwakeonlan sent\n%x", got, want)
	}
	wire.quiet()
}

func runReference(t *testing.T, line []string) {
	t.Helper()
	program := testneed.Program(t, line[0], line[0])
	if out, err := exec.Command(program, line[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(line, " "), err, out)
	}
}

// request makes the primitive's request of a wake-up.
func (w wake) request(t testing.TB) wol.Request {
	t.Helper()
	mac, err := primitives.ParseMAC(w.mac)
	if err != nil {
		t.Fatal(err)
	}
	request := wol.Request{MAC: mac, Interface: w.device, Unicast: w.unicast, Address: w.address, Port: number(t, w.port)}
	if w.password != "" {
		if request.Password, err = wol.ParsePassword(w.password); err != nil {
			t.Fatal(err)
		}
	}
	return request
}

func sendByPrimitive(t *testing.T, w wake) {
	t.Helper()
	if _, err := wol.New().Send(context.Background(), w.request(t)); err != nil {
		t.Fatal(err)
	}
}

func TestPrimitiveSendsWhatTheOthersSend(t *testing.T) { compare(t, sendByPrimitive) }

func TestPrimitiveSendsTheLimitedBroadcast(t *testing.T) {
	compareLimitedBroadcast(t, sendByPrimitive)
}
