package ipmi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	libbmc "github.com/bougou/go-ipmi/pkg/bmc"
	"github.com/bougou/go-ipmi/pkg/hal"
	"github.com/bougou/go-ipmi/pkg/hal/mock"
	"github.com/bougou/go-ipmi/pkg/server"
	"github.com/bougou/go-ipmi/pkg/transport/udp"
	"github.com/bougou/go-ipmi/pkg/types"

	"ctys/primitives"
	"ctys/tests/testneed"
)

const password = "pa55-Word"

func secret(value string) primitives.Secret {
	return primitives.Secret{Reveal: func(context.Context) (string, error) { return value, nil }}
}

// freePort finds a UDP port on a loopback address that nobody uses.
func freePort(t *testing.T, address string) int {
	t.Helper()
	conn, err := net.ListenPacket("udp", net.JoinHostPort(address, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).Port
}

// simulator is OpenIPMI's ipmi_sim with a machine made of files.
type simulator struct {
	target Target
	dir    string
}

// simProgram is what ipmi_sim calls to look at the machine and to change it;
// it writes what it is told into the file log.
const simProgram = `#!/bin/sh
d=$1; verb=$2; shift 2
case $verb in
get) for key in "$@"; do case $key in
	power) echo power:$(cat "$d/power") ;;
	boot) echo boot:none ;;
	esac; done ;;
set) echo "$@" >>"$d/log"
	while [ $# -ge 2 ]; do
		case $1 in
		power) echo "$2" >"$d/power" ;;
		shutdown) echo 0 >"$d/power" ;;
		esac
		shift 2
	done ;;
esac
exit 0
`

// startSimulator starts one, with further lines for its emulator file.
func startSimulator(t *testing.T, address string, emulator ...string) *simulator {
	t.Helper()
	program := testneed.Program(t, "ipmi_sim", "openipmi")
	dir := t.TempDir()
	port := freePort(t, address)
	write := func(name, text string, mode os.FileMode) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("chassis", simProgram, 0o755)
	write("power", "1\n", 0o644)
	write("log", "", 0o644)
	write("emu", "mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr\nsel_enable 0x20 100 0x0a\n"+strings.Join(emulator, "\n")+"\nmc_enable 0x20\n", 0o644)
	write("lan", fmt.Sprintf(`name "bmc"
set_working_mc 0x20
  startlan 1
    addr %[1]s %[2]d
    priv_limit admin
    allowed_auths_callback none md2 md5 straight
    allowed_auths_user none md2 md5 straight
    allowed_auths_operator none md2 md5 straight
    allowed_auths_admin none md2 md5 straight
    guid 44454c4c3200104a8054b4c04f4e5231
  endlan
  chassis_control "%[4]s/chassis %[4]s"
  user 1 false "" "" user 10 none md2 md5 straight
  user 2 true "admin" "%[3]s" admin 10 none md2 md5 straight
  user 3 true "oper" "%[3]s" operator 10 none md2 md5 straight
  user 4 true "user" "%[3]s" user 10 none md2 md5 straight
`, address, port, password, dir), 0o644)
	if err := os.Mkdir(filepath.Join(dir, "state"), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-n", "-c", filepath.Join(dir, "lan"), "-f", filepath.Join(dir, "emu"), "-s", filepath.Join(dir, "state"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	awaitAnswer(t, address, port)
	return &simulator{dir: dir, target: Target{Host: address, Port: port, User: "oper", Password: secret(password)}}
}

// awaitAnswer waits until a BMC tells its cipher suites.
func awaitAnswer(t *testing.T, address string, port int) {
	t.Helper()
	conn, err := net.DialUDP("udp", nil, &net.UDPAddr{IP: net.ParseIP(address), Port: port})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	buffer := make([]byte, 512)
	for range 500 {
		var list survey
		for _, question := range list.questions() {
			_, _ = conn.Write(question)
		}
		_ = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		if n, err := conn.Read(buffer); err == nil && list.take(buffer[:n]) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("ipmi_sim did not come up")
}

func (s *simulator) power(t *testing.T) string { return s.read(t, "power") }

// log is what ipmi_sim had the machine do.
func (s *simulator) log(t *testing.T) string { return s.read(t, "log") }

func (s *simulator) read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// libraryBMC is go-ipmi's own server with its machine in memory.
type libraryBMC struct {
	target  Target
	chassis *frame
	bmc     *libbmc.BMC
}

// machine is the library's machine in memory with a chassis that counts.
type machine struct {
	*mock.HAL
	chassis *frame
}

func (m *machine) Chassis() hal.ChassisHAL { return m.chassis }

type frame struct {
	hal.ChassisHAL
	cycled, switched atomic.Int64
}

func (c *frame) PowerCycle(context.Context) error { c.cycled.Add(1); return nil }

func (c *frame) ColdReset(context.Context) error { c.cycled.Add(1); return nil }

func (c *frame) SetPower(ctx context.Context, on bool) error {
	c.switched.Add(1)
	return c.ChassisHAL.SetPower(ctx, on)
}

// cycles is how often the machine was cycled or reset.
func (c *frame) cycles() int { return int(c.cycled.Load()) }

func (c *frame) on() bool {
	on, _ := c.PowerState(context.Background())
	return on
}

func startLibraryBMC(t *testing.T, address string, suites ...types.CipherSuiteID) *libraryBMC {
	t.Helper()
	memory := mock.New()
	carrier := &machine{HAL: memory, chassis: &frame{ChassisHAL: memory.Chassis()}}
	var guid [16]byte
	copy(guid[:], "a bmc for a test")
	device := libbmc.New(libbmc.DeviceInfo{DeviceID: 32, IPMIVersion: 0x20}, guid, carrier)
	if len(suites) > 0 {
		device.SetCipherSuites(suites)
	}
	for id, user := range []struct {
		name      string
		privilege libbmc.PrivilegeLevel
	}{{"admin", libbmc.PrivilegeLevelAdministrator}, {"oper", libbmc.PrivilegeLevelOperator}, {"user", libbmc.PrivilegeLevelUser}} {
		account, err := device.Users.Add(uint8(id+2), user.name)
		if err != nil {
			t.Fatal(err)
		}
		account.SetPassword([]byte(password))
		account.Enabled = true
		account.ChannelAccess[1] = libbmc.UserChannelAccess{MaxPrivilege: user.privilege, Enabled: true}
	}
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(address)})
	if err != nil {
		t.Fatal(err)
	}
	srv := server.NewServer(device, udp.Wrap(socket))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		_ = srv.Close()
		_ = socket.Close()
		<-done
	})
	return &libraryBMC{
		bmc:     device,
		chassis: carrier.chassis,
		target: Target{Host: address, Port: socket.LocalAddr().(*net.UDPAddr).Port,
			User: "oper", Password: secret(password)},
	}
}

// relay is a UDP path to a BMC that loses what a test tells it to.
type relay struct {
	target Target

	front *net.UDPConn
	to    *net.UDPAddr

	mu       sync.Mutex
	backs    map[string]*net.UDPConn
	requests int
	replies  int
	// loses decides for the n-th packet of a direction, counted from 1.
	loses   func(reply bool, n int, packet []byte) bool
	doubled int // so many of each direction are delivered twice
}

func startRelay(t *testing.T, target Target, loses func(reply bool, n int, packet []byte) bool) *relay {
	t.Helper()
	front, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(target.Host)})
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{front: front, backs: map[string]*net.UDPConn{}, loses: loses, target: target,
		to: &net.UDPAddr{IP: net.ParseIP(target.Host), Port: target.Port}}
	r.target.Port = front.LocalAddr().(*net.UDPAddr).Port
	var running sync.WaitGroup
	running.Add(1)
	go func() {
		defer running.Done()
		r.forward(&running)
	}()
	t.Cleanup(func() {
		front.Close()
		r.mu.Lock()
		for _, back := range r.backs {
			back.Close()
		}
		r.mu.Unlock()
		running.Wait()
	})
	return r
}

func (r *relay) forward(running *sync.WaitGroup) {
	buffer := make([]byte, 4096)
	for {
		n, from, err := r.front.ReadFromUDP(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		r.mu.Lock()
		r.requests++
		lost := r.loses(false, r.requests, buffer[:n])
		back, ok := r.backs[from.String()]
		if !ok {
			back, err = net.DialUDP("udp", nil, r.to)
			if err != nil {
				r.mu.Unlock()
				return
			}
			r.backs[from.String()] = back
			running.Add(1)
			go func() {
				defer running.Done()
				r.backward(back, from)
			}()
		}
		copies := r.copies(lost, r.requests)
		r.mu.Unlock()
		for range copies {
			_, _ = back.Write(buffer[:n])
		}
	}
}

func (r *relay) backward(back *net.UDPConn, to *net.UDPAddr) {
	buffer := make([]byte, 4096)
	for {
		n, err := back.Read(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		r.mu.Lock()
		r.replies++
		copies := r.copies(r.loses(true, r.replies, buffer[:n]), r.replies)
		r.mu.Unlock()
		for range copies {
			_, _ = r.front.WriteToUDP(buffer[:n], to)
		}
	}
}

func (r *relay) copies(lost bool, n int) int {
	switch {
	case lost:
		return 0
	case n <= r.doubled:
		return 2
	}
	return 1
}

// doubles delivers the first packets of each direction two times.
func (r *relay) doubles(packets int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.doubled = packets
}

func (r *relay) counts() (requests, replies int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.requests, r.replies
}

// noLeaks fails the test where goroutines of the client outlive it and the time
// that its sockets may idle.
func noLeaks(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		var stacks string
		for range 500 {
			buffer := make([]byte, 1<<20)
			stacks = string(buffer[:runtime.Stack(buffer, true)])
			if !strings.Contains(stacks, "ipmi.(*socket)") && !strings.Contains(stacks, "ipmi.(*Client)") {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Errorf("goroutines of the client are left:\n%s", stacks)
	})
}

func within5s(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func wantKind(t *testing.T, err error, kind primitives.Kind, words ...string) {
	t.Helper()
	var own *primitives.Error
	if !errors.As(err, &own) {
		t.Fatalf("error %v is no *primitives.Error", err)
	}
	if own.Kind != kind {
		t.Errorf("kind %s, want %s (%v)", own.Kind, kind, err)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("error %q does not say %q", err, word)
		}
	}
	if strings.Contains(err.Error(), password) {
		t.Errorf("error %q has the password in it", err)
	}
}
