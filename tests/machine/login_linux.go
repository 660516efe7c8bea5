package machine

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"ctys/tests/testneed"
)

// makeKeys gives the machine a host key and lets the rig's key in.
func (m *Machine) makeKeys(t testing.TB, authorized []byte) {
	t.Helper()
	host, hostKey := newKey(t)
	m.HostKey = host.PublicKey()
	m.WriteFile(t, "/etc/ssh/ssh_host_ed25519_key", hostKey, 0o600)

	signer, key := newKey(t)
	m.signer = signer
	dir := t.TempDir()
	m.Identity = filepath.Join(dir, "id_ed25519")
	m.KnownHosts = filepath.Join(dir, "known_hosts")
	writeOwn(t, m.Identity, key)
	writeOwn(t, m.KnownHosts, []byte(knownhosts.Line([]string{m.IP}, m.HostKey)+"\n"))

	keys := append(ssh.MarshalAuthorizedKey(signer.PublicKey()), authorized...)
	m.WriteFile(t, "/etc/ssh/authorized_keys", append(keys, '\n'), 0o644)
	m.WriteFile(t, "/etc/ssh/sshd_config.d/keys.conf", []byte("AuthorizedKeysFile /etc/ssh/authorized_keys .ssh/authorized_keys\n"), 0o644)
}

func newKey(t testing.TB) (ssh.Signer, []byte) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	return signer, pem.EncodeToMemory(block)
}

func writeOwn(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// SSH is OpenSSH's client at the desk, as user on the machine with the rig's
// key; nobody's configuration is read. argv is what stands after the host.
func (m *Machine) SSH(ctx context.Context, user string, argv ...string) *exec.Cmd {
	return m.Desk.Command(ctx, append([]string{"ssh", "-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes",
		"-o", "UserKnownHostsFile=" + m.KnownHosts, "-i", m.Identity, user + "@" + m.IP}, argv...)...)
}

// Login is an SSH connection from the desk as user, with the rig's key.
func (m *Machine) Login(ctx context.Context, user string) (*ssh.Client, error) {
	conn, err := m.Desk.Dial(ctx, "tcp", m.Address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	transport, channels, requests, err := ssh.NewClientConn(conn, m.Address, &ssh.ClientConfig{
		User:            user,
		Auth:            []ssh.AuthMethod{ssh.PublicKeys(m.signer)},
		HostKeyCallback: ssh.FixedHostKey(m.HostKey),
	})
	if err != nil {
		stop()
		_ = conn.Close()
		return nil, err
	}
	if !stop() {
		_ = transport.Close()
		return nil, ctx.Err()
	}
	return ssh.NewClient(transport, channels, requests), nil
}

// run1 runs one command as root and gives its output.
func (m *Machine) run1(ctx context.Context, line string) (string, error) {
	client, err := m.Login(ctx, "root")
	if err != nil {
		return "", err
	}
	defer func() { _ = client.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = client.Close() })
	defer stop()
	session, err := client.NewSession()
	if err != nil {
		return "", err
	}
	out, err := session.CombinedOutput(line)
	return strings.TrimSpace(string(out)), err
}

// Run runs one command as root and gives its output; the test fails with it if
// the command fails.
func (m *Machine) Run(t testing.TB, line string) string {
	t.Helper()
	out, err := m.run1(t.Context(), line)
	if err != nil {
		t.Fatalf("%s on %s: %v\n%s", line, m.Name, err, out)
	}
	return out
}

// WatchWall logs operator in on a terminal of the machine and gives every line
// that is written there, as wall(1) does. When it returns, the login is in the
// machine's utmp, so no later message is missed. The channel is closed when the
// session ends, at the latest with the test.
func (m *Machine) WatchWall(t testing.TB) <-chan string {
	t.Helper()
	client, err := m.Login(t.Context(), "operator")
	if err != nil {
		t.Fatalf("no terminal on %s: %v", m.Name, err)
	}
	t.Cleanup(func() { _ = client.Close() })
	lines, err := m.terminal(client)
	if err != nil {
		t.Fatalf("no terminal on %s: %v", m.Name, err)
	}
	watched := make(chan string, 1000)
	go func() {
		defer close(watched)
		for lines.Scan() {
			if line := strings.TrimSpace(lines.Text()); line != "" {
				watched <- line
			}
		}
	}()
	return watched
}

// terminal starts a program that waits on a pseudo-terminal.
func (m *Machine) terminal(client *ssh.Client) (*bufio.Scanner, error) {
	session, err := client.NewSession()
	if err != nil {
		return nil, err
	}
	if err := session.RequestPty("xterm", 50, 200, ssh.TerminalModes{ssh.ECHO: 0}); err != nil {
		return nil, err
	}
	output, err := session.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := session.Start("echo watching; exec sleep infinity"); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(output)
	if !lines.Scan() || strings.TrimSpace(lines.Text()) != "watching" {
		return nil, fmt.Errorf("the session ended: %w", io.ErrUnexpectedEOF)
	}
	return lines, nil
}

// NeedSSH skips the test where OpenSSH's client is missing, which SSH runs.
func NeedSSH(t testing.TB) {
	t.Helper()
	testneed.Program(t, "ssh", "openssh-client")
}
