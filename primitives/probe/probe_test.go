package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"ctys/primitives"
	"ctys/tests/testneed"
)

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func wantUp(t *testing.T, answer Answer, err error, way string, words ...string) {
	t.Helper()
	if err != nil || !answer.Up {
		t.Fatalf("%+v, %v; want up", answer, err)
	}
	if answer.RTT <= 0 {
		t.Errorf("%+v has no round trip time", answer)
	}
	wantWay(t, answer, way, words...)
}

func wantDown(t *testing.T, answer Answer, err error, way string, words ...string) {
	t.Helper()
	if err != nil || answer.Up {
		t.Fatalf("%+v, %v; want not up", answer, err)
	}
	wantWay(t, answer, way, words...)
}

func wantWay(t *testing.T, answer Answer, way string, words ...string) {
	t.Helper()
	if way != "" && answer.Way != way {
		t.Errorf("%+v was seen by %s, want %s", answer, answer.Way, way)
	}
	for _, word := range words {
		if !strings.Contains(answer.Detail, word) {
			t.Errorf("%+v does not say %q", answer, word)
		}
	}
}

func wantKind(t *testing.T, err error, kind primitives.Kind, words ...string) {
	t.Helper()
	var own *primitives.Error
	if !errors.As(err, &own) || own.Kind != kind {
		t.Fatalf("error %v, want a *primitives.Error of kind %s", err, kind)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("error %q does not say %q", err, word)
		}
	}
}

// listen serves one loopback port: each connection is given to serve.
func listen(t *testing.T, network, address string, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		testneed.Skip(t, t.Name(), "cannot listen on "+address+": "+err.Error(), "a machine with that address family")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serve(conn)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return l.Addr().String()
}

// free is an address on which nobody listens.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func hangUp(conn net.Conn) { conn.Close() }

func TestTCP(t *testing.T) {
	p := New(Options{})
	for _, loopback := range []string{"127.0.0.1:0", "[::1]:0"} {
		t.Run(loopback, func(t *testing.T) {
			address := listen(t, "tcp", loopback, hangUp)
			answer, err := p.TCP(within(t, 5*time.Second), address)
			wantUp(t, answer, err, "tcp", "connected")
			if answer.Address != address {
				t.Errorf("address %s, want %s", answer.Address, address)
			}
		})
	}
	answer, err := p.TCP(within(t, 5*time.Second), free(t))
	wantUp(t, answer, err, "tcp", "connection refused")

	_, port, _ := net.SplitHostPort(listen(t, "tcp", "127.0.0.1:0", hangUp))
	answer, err = p.TCP(within(t, 5*time.Second), "localhost:"+port)
	wantUp(t, answer, err, "tcp")
}

func TestTCPInvalid(t *testing.T) {
	p := New(Options{})
	for _, address := range []string{"", "127.0.0.1", ":22", "127.0.0.1:", "127.0.0.1:70000", "127.0.0.1:-1",
		"::1:22", "[::1]", "127.0.0.1:no-such-service", "127.0.0.1:22:22"} {
		_, err := p.TCP(within(t, time.Second), address)
		wantKind(t, err, primitives.Invalid)
	}
}

func TestNameDoesNotResolve(t *testing.T) {
	p := New(Options{})
	ctx := within(t, 5*time.Second)
	for name, ask := range map[string]func() (Answer, error){
		"ping": func() (Answer, error) { return p.Ping(ctx, "no-such-host.invalid") },
		"tcp":  func() (Answer, error) { return p.TCP(ctx, "no-such-host.invalid:22") },
		"ssh":  func() (Answer, error) { return p.SSH(ctx, "no-such-host.invalid") },
		"any":  func() (Answer, error) { return p.Any(ctx, "no-such-host.invalid", []int{22}) },
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ask()
			wantKind(t, err, primitives.Unreachable, "probe."+name, "no-such-host.invalid")
		})
	}
	_, err := p.Ping(ctx, "")
	wantKind(t, err, primitives.Invalid)
	_, err = p.Any(ctx, "127.0.0.1", []int{0})
	wantKind(t, err, primitives.Invalid, "65535")
}

func TestSSHServers(t *testing.T) {
	p := New(Options{})
	cases := []struct {
		name  string
		serve func(net.Conn)
		up    bool
		words string
	}{
		{"banner", say("SSH-2.0-test\r\n"), true, "SSH-2.0-test"},
		{"lines before", say("hello\r\nSSH-1.99-test\r\n"), true, "SSH-1.99-test"},
		{"something else", say("220 mail\r\n"), false, "before an SSH banner"},
		{"old", say("SSH-1.5-test\r\n"), false, "other than 2.0"},
		{"ends", hangUp, false, "ended"},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			answer, err := p.SSH(within(t, 5*time.Second), listen(t, "tcp", "127.0.0.1:0", test.serve))
			if test.up {
				wantUp(t, answer, err, "ssh", test.words)
			} else {
				wantDown(t, answer, err, "ssh", "connected", test.words)
			}
		})
	}
	t.Run("silent", func(t *testing.T) {
		held := make(chan net.Conn, 1)
		address := listen(t, "tcp", "127.0.0.1:0", func(conn net.Conn) { held <- conn })
		answer, err := p.SSH(within(t, 100*time.Millisecond), address)
		wantDown(t, answer, err, "ssh", "no SSH banner")
		(<-held).Close()
	})
	t.Run("refused", func(t *testing.T) {
		answer, err := p.SSH(within(t, 5*time.Second), free(t))
		wantDown(t, answer, err, "ssh", "connection refused")
	})
	t.Run("canceled", func(t *testing.T) {
		held := make(chan net.Conn, 1)
		address := listen(t, "tcp", "127.0.0.1:0", func(conn net.Conn) { held <- conn })
		ctx, cancel := context.WithCancel(within(t, 5*time.Second))
		time.AfterFunc(50*time.Millisecond, cancel)
		_, err := p.SSH(ctx, address)
		wantKind(t, err, primitives.Canceled)
		(<-held).Close()
	})
}

// say sends a text and waits for the peer to hang up.
func say(text string) func(net.Conn) {
	return func(conn net.Conn) {
		_, _ = conn.Write([]byte(text))
		_ = conn.(*net.TCPConn).CloseWrite()
		_, _ = conn.Read(make([]byte, 1))
		conn.Close()
	}
}

// A real OpenSSH server.
func TestOpenSSH(t *testing.T) {
	program := testneed.Program(t, "sshd", "openssh-server")
	keygen := testneed.Program(t, "ssh-keygen", "openssh-client")
	testneed.Root(t)
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	if out, err := exec.Command(keygen, "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil { // where Debian's sshd wants to confine itself
		t.Fatal(err)
	}
	address := free(t)
	_, port, _ := net.SplitHostPort(address)
	var log bytes.Buffer
	cmd := exec.Command(program, "-D", "-e", "-f", "/dev/null", "-o", "ListenAddress=127.0.0.1", "-o", "Port="+port,
		"-o", "HostKey="+key, "-o", "UsePAM=no", "-o", "PidFile="+filepath.Join(dir, "pid"))
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("sshd: %s", log.String())
		}
	}()
	p := New(Options{})
	ctx := within(t, 10*time.Second)
	for {
		answer, err := p.SSH(ctx, address)
		if err == nil && !answer.Up && ctx.Err() == nil {
			time.Sleep(20 * time.Millisecond) // it is still starting
			continue
		}
		wantUp(t, answer, err, "ssh", "SSH-2.0-OpenSSH")
		return
	}
}

func TestPingLoopback(t *testing.T) {
	testneed.Root(t)
	p := New(Options{})
	for _, host := range []string{"127.0.0.1", "::1", "localhost"} {
		t.Run(host, func(t *testing.T) {
			if host == "::1" && !hasIPv6() {
				testneed.Skip(t, t.Name(), "no IPv6 on this machine", "a machine with IPv6")
			}
			answer, err := p.Ping(within(t, 5*time.Second), host)
			wantUp(t, answer, err, "icmp")
		})
	}
}

func hasIPv6() bool {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		return false
	}
	l.Close()
	return true
}

// Without a deadline of the caller's a probe ends all the same.
func TestDefaultPatience(t *testing.T) {
	ctx, cancel := New(Options{}).bounded(context.Background())
	defer cancel()
	if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) > DefaultPatience {
		t.Errorf("deadline %v, %v", deadline, ok)
	}
}

func TestRace(t *testing.T) {
	up := func(context.Context) (Answer, error) { return Answer{Up: true, Way: "tcp"}, nil }
	no := func(context.Context) (Answer, error) { return Answer{Way: "icmp", Detail: silence}, nil }
	denied := func(context.Context) (Answer, error) {
		return Answer{}, primitives.Errorf(primitives.Denied, "probe.arp", "h", "not permitted")
	}
	broken := func(context.Context) (Answer, error) {
		return Answer{}, primitives.Errorf(primitives.Internal, "probe.arp", "h", "broken")
	}
	patient := func(ctx context.Context) (Answer, error) {
		<-ctx.Done()
		if errors.Is(ctx.Err(), context.Canceled) {
			return Answer{}, primitives.Wrap("probe.ping", "h", "", ctx.Err())
		}
		return Answer{Way: "icmp", Detail: silence}, nil
	}
	short := func() context.Context { return within(t, 30*time.Millisecond) }

	answer, err := race(within(t, time.Minute), []way{no, denied, patient, up})
	if err != nil || !answer.Up || answer.Way != "tcp" {
		t.Errorf("%+v, %v; want the one that is up", answer, err)
	}
	answer, err = race(short(), []way{denied, no, patient})
	wantDown(t, answer, err, "icmp", silence, "not permitted")
	_, err = race(short(), []way{denied, denied})
	wantKind(t, err, primitives.Denied)
	_, err = race(short(), []way{denied, broken})
	wantKind(t, err, primitives.Internal)
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = race(canceled, []way{no, patient})
	wantKind(t, err, primitives.Canceled)
}

// --- In a network namespace ---

// inNamespace names, in the copies of this test that run in one, the part that
// they are to do.
const inNamespace = "PROBE_TEST_NAMESPACE"

var parts = map[string]func(*testing.T){
	"as root":                asRoot,
	"nothing permitted":      nothingPermitted,
	"ping without privilege": pingWithoutPrivilege,
}

// namespaces makes two network namespaces with a cable between them, one for
// the prober and one for its peer, and gives the name of the first.
//
//	prober, eth-a, 10.77.1.1/24 and fd77::1  ---  peer, eth-b, 10.77.1.2/24 and fd77::2
//
// 10.88.0.0/16 lies behind the peer, which does not forward.
func namespaces(t *testing.T) string {
	t.Helper()
	testneed.Root(t)
	ip := testneed.Program(t, "ip", "iproute2")
	prober, peer := fmt.Sprintf("ctys-pa%d", os.Getpid()), fmt.Sprintf("ctys-pb%d", os.Getpid())
	run := func(line string) error {
		out, err := exec.Command(ip, strings.Fields(line)...).CombinedOutput()
		if err != nil {
			err = fmt.Errorf("ip %s: %w: %s", line, err, out)
		}
		return err
	}
	if err := run("netns add " + prober); err != nil {
		testneed.Skip(t, t.Name(), "cannot make a network namespace: "+err.Error(), "a machine or container that allows it")
	}
	t.Cleanup(func() {
		_ = run("netns del " + prober)
		_ = run("netns del " + peer)
	})
	for _, line := range []string{
		"netns add " + peer,
		"-n " + prober + " link add eth-a type veth peer name eth-b netns " + peer,
		"-n " + prober + " link set lo up",
		"-n " + prober + " link add eth-down type veth peer name eth-down2",
		"-n " + prober + " addr add 10.77.1.1/24 dev eth-a",
		"-n " + peer + " link set eth-b address 02:00:00:77:01:02",
		"-n " + peer + " addr add 10.77.1.2/24 dev eth-b",
		"-n " + prober + " addr add fd77::1/64 dev eth-a nodad",
		"-n " + peer + " addr add fd77::2/64 dev eth-b nodad",
		"-n " + prober + " link set eth-a up",
		"-n " + peer + " link set eth-b up",
		"-n " + prober + " route add 10.88.0.0/16 via 10.77.1.2",
	} {
		if err := run(line); err != nil {
			t.Fatal(err)
		}
	}
	return prober
}

// again runs one part of this test in a namespace, behind the given words.
func again(t *testing.T, namespace, part string, before ...string) {
	t.Helper()
	binary := publicCopy(t)
	args := append([]string{"netns", "exec", namespace}, before...)
	args = append(args, binary, "-test.run", "^TestNamespace$", "-test.v", "-test.timeout", "60s")
	cmd := exec.Command(testneed.Program(t, "ip", "iproute2"), args...)
	cmd.Env = append(os.Environ(), inNamespace+"="+part)
	cmd.Dir = filepath.Dir(binary)
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestNamespace")) {
		t.Errorf("%s in the namespace: %v\n%s", part, err, out)
	}
}

// publicCopy is this test binary in a place where every user may run it.
func publicCopy(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	binary := filepath.Join(dir, "probe.test")
	if err := os.WriteFile(binary, data, 0o755); err != nil {
		t.Fatal(err)
	}
	return binary
}

func TestNamespace(t *testing.T) {
	if part, ok := parts[os.Getenv(inNamespace)]; ok {
		part(t)
		return
	}
	namespace := namespaces(t)
	again(t, namespace, "as root")
	nobody := []string{testneed.Program(t, "setpriv", "util-linux"), "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all"}
	again(t, namespace, "nothing permitted", nobody...)

	grant := exec.Command("ip", "netns", "exec", namespace, "sysctl", "-q", "-w", "net.ipv4.ping_group_range=0 2147483647")
	if out, err := grant.CombinedOutput(); err != nil {
		testneed.Skip(t, "ping without privilege", "cannot set net.ipv4.ping_group_range: "+string(out), "a kernel that lets a namespace have its own")
	}
	again(t, namespace, "ping without privilege", nobody...)
}

func asRoot(t *testing.T) {
	p := New(Options{})
	long, short := 10*time.Second, 300*time.Millisecond

	for _, iface := range []string{"eth-a", ""} {
		answer, err := p.ARP(within(t, long), iface, "10.77.1.2")
		wantUp(t, answer, err, "arp", "02:00:00:77:01:02")
		answer, err = p.ARP(within(t, short), iface, "10.77.1.99")
		wantDown(t, answer, err, "arp", silence)
	}
	for _, refusal := range []struct {
		iface, ip string
		kind      primitives.Kind
		words     string
	}{
		{"", "10.88.0.1", primitives.Unreachable, "router 10.77.1.2"},
		{"", "172.16.0.1", primitives.Unreachable, "no route"},
		{"", "10.77.1.1", primitives.Unsupported, "lo"},
		{"lo", "127.0.0.1", primitives.Unsupported, "lo"},
		{"eth-down", "10.77.1.2", primitives.Unreachable, "ip link set eth-down up"},
		{"eth-none", "10.77.1.2", primitives.Invalid, "eth-none"},
		{"eth-a", "fd77::2", primitives.Invalid, "IPv4"},
		{"eth-a", "peer", primitives.Invalid, "IPv4"},
		{"eth-a", "", primitives.Invalid, "IPv4"},
	} {
		_, err := p.ARP(within(t, long), refusal.iface, refusal.ip)
		wantKind(t, err, refusal.kind, refusal.words)
	}
	canceled, cancel := context.WithCancel(within(t, long))
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err := p.ARP(canceled, "eth-a", "10.77.1.99")
	wantKind(t, err, primitives.Canceled)

	pings(t, p)
	answer, err := p.Ping(within(t, short), "172.16.0.1")
	wantDown(t, answer, err, "icmp", "unreachable")

	answer, err = p.TCP(within(t, long), "10.77.1.2:22")
	wantUp(t, answer, err, "tcp", "connection refused")
	answer, err = p.TCP(within(t, short), "10.77.1.99:22")
	wantDown(t, answer, err, "tcp", silence)
	answer, err = p.TCP(within(t, long), "172.16.0.1:22")
	wantDown(t, answer, err, "tcp", "unreachable")
	answer, err = p.TCP(within(t, long), "[fd77::2]:22")
	wantUp(t, answer, err, "tcp", "connection refused")

	answer, err = p.Any(within(t, long), "10.77.1.2", []int{22, 80})
	wantUp(t, answer, err, "")
	answer, err = p.Any(within(t, short), "10.77.1.99", []int{22})
	wantDown(t, answer, err, "", "icmp 10.77.1.99", "arp 10.77.1.99", "tcp 10.77.1.99:22")
	answer, err = p.Any(within(t, short), "10.88.0.1", nil)
	wantDown(t, answer, err, "icmp")
}

func pings(t *testing.T, p *Prober) {
	t.Helper()
	for _, host := range []string{"10.77.1.2", "fd77::2", "127.0.0.1"} {
		answer, err := p.Ping(within(t, 10*time.Second), host)
		wantUp(t, answer, err, "icmp", "echo reply")
		if answer.Address != host {
			t.Errorf("%+v, want the address %s", answer, host)
		}
	}
	answer, err := p.Ping(within(t, 300*time.Millisecond), "10.77.1.99")
	wantDown(t, answer, err, "icmp")

	canceled, cancel := context.WithCancel(within(t, 10*time.Second))
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err = p.Ping(canceled, "10.77.1.99")
	wantKind(t, err, primitives.Canceled)
}

func nothingPermitted(t *testing.T) {
	p := New(Options{})
	_, err := p.Ping(within(t, 5*time.Second), "10.77.1.2")
	wantKind(t, err, primitives.Denied, "net.ipv4.ping_group_range", "cap_net_raw")
	_, err = p.ARP(within(t, 5*time.Second), "eth-a", "10.77.1.2")
	wantKind(t, err, primitives.Denied, "cap_net_raw")
	_, err = p.Any(within(t, 5*time.Second), "10.77.1.2", nil)
	wantKind(t, err, primitives.Denied)

	// What is permitted still decides.
	answer, err := p.Any(within(t, 5*time.Second), "10.77.1.2", []int{22})
	wantUp(t, answer, err, "tcp", "connection refused")
	answer, err = p.Any(within(t, 300*time.Millisecond), "10.77.1.99", []int{22})
	wantDown(t, answer, err, "tcp", silence, "ping_group_range")
}

func pingWithoutPrivilege(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Fatal("this one is to run without privilege")
	}
	pings(t, New(Options{}))
}

func TestManyAtOnce(t *testing.T) {
	testneed.Root(t)
	p := New(Options{})
	results := make(chan error, 100)
	for i := range cap(results) {
		go func() {
			answer, err := p.Ping(within(t, 10*time.Second), "127.0.0."+strconv.Itoa(1+i))
			if err == nil && !answer.Up {
				err = fmt.Errorf("%+v is not up", answer)
			}
			results <- err
		}()
	}
	for range cap(results) {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}
