package remote

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ctys/tests/testneed"
)

// sshd is a real OpenSSH server on loopback with its own keys.
type sshd struct {
	dir     string
	address string
	port    int
	log     *safeBuffer
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// startSSHD starts a server at 127.0.0.1 with further lines of sshd_config.
func startSSHD(t *testing.T, lines ...string) *sshd {
	t.Helper()
	program := testneed.Program(t, "sshd", "openssh-server")
	testneed.Program(t, "ssh-keygen", "openssh-client")
	if os.Geteuid() == 0 {
		// The folder that sshd's unprivileged child is locked into.
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s := &sshd{dir: t.TempDir(), address: "127.0.0.1", port: freePort(t), log: &safeBuffer{}}
	keygen(t, filepath.Join(s.dir, "host_ed25519"), "ed25519", "")
	config := append([]string{
		"ListenAddress " + s.address, fmt.Sprintf("Port %d", s.port),
		"HostKey " + filepath.Join(s.dir, "host_ed25519"),
		"AuthorizedKeysFile " + filepath.Join(s.dir, "authorized_keys"),
		"PidFile " + filepath.Join(s.dir, "pid"),
		"StrictModes no", "UsePAM no", "PasswordAuthentication no", "KbdInteractiveAuthentication no",
		"PermitRootLogin yes", "MaxStartups 100", "LogLevel VERBOSE",
	}, lines...)
	file := filepath.Join(s.dir, "sshd_config")
	write(t, file, strings.Join(config, "\n")+"\n")
	command := exec.Command(program, "-D", "-e", "-f", file)
	command.Stderr = s.log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		command.Process.Kill()
		command.Wait()
		if t.Failed() {
			t.Logf("sshd:\n%s", s.log)
		}
	})
	for try := 0; ; try++ {
		conn, err := net.Dial("tcp", s.endpoint())
		if err == nil {
			conn.Close()
			return s
		}
		if try == 200 {
			t.Fatalf("sshd does not listen: %s", s.log)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (s *sshd) endpoint() string { return net.JoinHostPort(s.address, strconv.Itoa(s.port)) }

func (s *sshd) hostKey(t *testing.T, kind string) string {
	return strings.TrimSpace(read(t, filepath.Join(s.dir, "host_"+kind+".pub")))
}

// authorize lets the key of an identity file in.
func (s *sshd) authorize(t *testing.T, identity string) {
	t.Helper()
	file, err := os.OpenFile(filepath.Join(s.dir, "authorized_keys"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(read(t, identity+".pub")); err != nil {
		t.Fatal(err)
	}
}

func (s *sshd) target() Target { return Target{Host: s.address, Port: s.port, User: me()} }

func me() string {
	account, err := user.Current()
	if err != nil {
		panic(err)
	}
	return account.Username
}

// home is a desk: a folder with .ssh, one identity, and no agent.
type home struct{ dir, identity, known string }

func newHome(t *testing.T) *home {
	t.Helper()
	testneed.Program(t, "ssh-keygen", "openssh-client")
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, ".ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	h := &home{dir: dir, identity: filepath.Join(dir, ".ssh", "id_ed25519"), known: filepath.Join(dir, ".ssh", "known_hosts")}
	keygen(t, h.identity, "ed25519", "")
	return h
}

func (h *home) config(t *testing.T, text string) {
	write(t, filepath.Join(h.dir, ".ssh", "config"), text)
}

func (h *home) options() Options {
	return Options{Home: h.dir, ConfigFile: "none", AgentSocket: "none", KnownHosts: []string{h.known}, ConnectTimeout: 20 * time.Second}
}

// knows notes a server's key as OpenSSH would.
func (h *home) knows(t *testing.T, s *sshd, kind string) {
	t.Helper()
	line := fmt.Sprintf("[%s]:%d %s\n", s.address, s.port, s.hostKey(t, kind))
	old, _ := os.ReadFile(h.known)
	write(t, h.known, string(old)+line)
}

// desk is a home that may log in to a new server.
func desk(t *testing.T, lines ...string) (*home, *sshd) {
	t.Helper()
	h, s := newHome(t), startSSHD(t, lines...)
	s.authorize(t, h.identity)
	h.knows(t, s, "ed25519")
	return h, s
}

func connect(t *testing.T, options Options, target Target) *Conn {
	t.Helper()
	conn, err := New(options).Connect(limited(t), target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// limited ends a test that hangs.
func limited(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func keygen(t *testing.T, path, kind, passphrase string, more ...string) {
	t.Helper()
	run(t, "ssh-keygen", append([]string{"-q", "-t", kind, "-N", passphrase, "-C", "test", "-f", path}, more...)...)
}

func run(t *testing.T, program string, arguments ...string) string {
	t.Helper()
	out, err := exec.Command(program, arguments...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", program, arguments, err, out)
	}
	return string(out)
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
