package machine

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// letIn gives the machine its host key and lets the rig's key in.
func (m *Machine) letIn(t testing.TB, authorized []byte) {
	t.Helper()
	m.WriteFile(t, "/etc/ssh/ssh_host_ed25519_key", privateKeyFile(t, m.HostPrivateKey), 0o600)
	keys := append(m.AuthorizedKey(), authorized...)
	m.WriteFile(t, "/etc/ssh/authorized_keys", append(keys, '\n'), 0o644)
	m.WriteFile(t, "/etc/ssh/sshd_config.d/keys.conf", []byte("AuthorizedKeysFile /etc/ssh/authorized_keys .ssh/authorized_keys\n"), 0o644)
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
