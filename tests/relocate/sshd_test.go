// Package relocate tries the way of an order to another machine with a real
// OpenSSH server on loopback.
package relocate

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ctys/primitives/remote"
	"ctys/tests/testneed"
)

// machine is one that can be logged in to: a server with its own keys, and
// folders in place of those that the account has.
type machine struct {
	t     *testing.T
	dir   string
	path  string // folder that is first in PATH
	cache string // $XDG_CACHE_HOME
	state string // $XDG_STATE_HOME
	port  int
	log   words
	pid   int
}

type words struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (w *words) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func (w *words) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

func newMachine(t *testing.T, lines ...string) *machine {
	t.Helper()
	sshd := testneed.Program(t, "sshd", "openssh-server")
	testneed.Program(t, "ssh-keygen", "openssh-client")
	dir := t.TempDir()
	m := &machine{t: t, dir: dir, path: filepath.Join(dir, "path"), cache: filepath.Join(dir, "cache"), state: filepath.Join(dir, "state"), port: freePort(t)}
	for _, folder := range []string{m.path, m.cache, m.state, filepath.Join(dir, "leases"), filepath.Join(dir, ".ssh")} {
		must(t, os.Mkdir(folder, 0o700))
	}
	if os.Geteuid() == 0 {
		must(t, os.MkdirAll("/run/sshd", 0o755)) // where sshd's unprivileged child is locked into
	}
	for _, key := range []string{"host", "client"} {
		if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, key)).CombinedOutput(); err != nil {
			t.Fatalf("ssh-keygen: %v: %s", err, out)
		}
	}
	must(t, os.Rename(filepath.Join(dir, "client.pub"), filepath.Join(dir, "authorized_keys")))
	config := append([]string{
		"ListenAddress 127.0.0.1", fmt.Sprintf("Port %d", m.port), "HostKey " + filepath.Join(dir, "host"),
		"AuthorizedKeysFile " + filepath.Join(dir, "authorized_keys"), "PidFile none",
		"StrictModes no", "UsePAM no", "PasswordAuthentication no", "KbdInteractiveAuthentication no", "PermitRootLogin yes",
		fmt.Sprintf("SetEnv XDG_CACHE_HOME=%s XDG_STATE_HOME=%s CTYS_TEST_LEASES=%s PATH=%s:/usr/bin:/bin",
			m.cache, m.state, filepath.Join(dir, "leases"), m.path),
	}, lines...)
	file := filepath.Join(dir, "sshd_config")
	must(t, os.WriteFile(file, []byte(strings.Join(config, "\n")+"\n"), 0o600))
	server := exec.Command(sshd, "-D", "-e", "-f", file)
	server.Stderr = &m.log
	must(t, server.Start())
	m.pid = server.Process.Pid
	t.Cleanup(func() {
		m.cutLines()
		server.Process.Kill()
		server.Wait()
		if t.Failed() {
			t.Logf("sshd:\n%s", m.log.String())
		}
	})
	m.awaitPort()
	return m
}

func (m *machine) awaitPort() {
	for range 500 {
		if conn, err := net.Dial("tcp", m.address()); err == nil {
			conn.Close()
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	m.t.Fatalf("sshd does not listen: %s", m.log.String())
}

func (m *machine) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(m.port)) }

// row is the machine in an inventory.
func (m *machine) row(name, further string) string {
	account, err := user.Current()
	must(m.t, err)
	return fmt.Sprintf("%s = { port = %d, user = %q, identity = %q, %s },\n", name, m.port, account.Username, filepath.Join(m.dir, "client"), further)
}

// client makes connections without this account's own keys and files.
func (m *machine) client() *remote.Client {
	return remote.New(remote.Options{Home: m.dir, ConfigFile: "none", AgentSocket: "none", AcceptNew: true,
		KnownHosts: []string{filepath.Join(m.dir, "known_hosts")}})
}

// cutLines kills the processes of sshd that serve logins, and nothing that
// they have started: what a network that is gone looks like from here.
func (m *machine) cutLines() {
	for _, pid := range children(m.pid) {
		for _, inner := range append(children(pid), pid) {
			if strings.HasPrefix(comm(inner), "sshd") {
				syscall.Kill(inner, syscall.SIGKILL)
			}
		}
	}
}

func children(pid int) []int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	var pids []int
	for _, word := range strings.Fields(string(text)) {
		child, _ := strconv.Atoi(word)
		pids = append(pids, child)
	}
	return pids
}

func comm(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return string(text)
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
