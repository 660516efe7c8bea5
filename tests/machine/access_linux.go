package machine

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"ctys/tests/testneed"
)

// Access is the way from a desk to a shell of a machine that stands beside it.
type Access struct {
	Name       string
	IP         string
	Address    string // IP address and port of its SSH server: "198.18.0.2:22"
	HostKey    ssh.PublicKey
	Desk       *Desk
	KnownHosts string // a known_hosts file that has it
	Identity   string // the file of a private key that it accepts

	HostPrivateKey ed25519.PrivateKey // for the rig that makes the machine

	signer ssh.Signer
}

// NewAccess makes the keys of a machine with this address and of its operator.
func NewAccess(t testing.TB, desk *Desk, name, ip string) Access {
	t.Helper()
	host, hostPrivate := newKey(t)
	signer, private := newKey(t)
	dir := t.TempDir()
	a := Access{
		Name: name, IP: ip, Address: ip + ":22", Desk: desk,
		HostKey: host.PublicKey(), HostPrivateKey: hostPrivate, signer: signer,
		Identity:   filepath.Join(dir, "id_ed25519"),
		KnownHosts: filepath.Join(dir, "known_hosts"),
	}
	writeOwn(t, a.Identity, privateKeyFile(t, private))
	writeOwn(t, a.KnownHosts, []byte(knownhosts.Line([]string{a.IP}, a.HostKey)+"\n"))
	return a
}

// AuthorizedKey is the line of authorized_keys(5) that lets the operator in.
func (a *Access) AuthorizedKey() []byte { return ssh.MarshalAuthorizedKey(a.signer.PublicKey()) }

func newKey(t testing.TB) (ssh.Signer, ed25519.PrivateKey) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer, private
}

// privateKeyFile is a key in OpenSSH's form.
func privateKeyFile(t testing.TB, key ed25519.PrivateKey) []byte {
	t.Helper()
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(block)
}

func writeOwn(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// SSH is OpenSSH's client at the desk, as user on the machine with the rig's
// key; nobody's configuration is read. argv is what stands after the host.
func (a *Access) SSH(ctx context.Context, user string, argv ...string) *exec.Cmd {
	return a.Desk.Command(ctx, append([]string{"ssh", "-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes",
		"-o", "UserKnownHostsFile=" + a.KnownHosts, "-i", a.Identity, user + "@" + a.IP}, argv...)...)
}

// Login is an SSH connection from the desk as user, with the rig's key.
func (a *Access) Login(ctx context.Context, user string) (*ssh.Client, error) {
	conn, err := a.Desk.Dial(ctx, "tcp", a.Address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	transport, channels, requests, err := ssh.NewClientConn(conn, a.Address, &ssh.ClientConfig{
		User:            user,
		Auth:            []ssh.AuthMethod{ssh.PublicKeys(a.signer)},
		HostKeyCallback: ssh.FixedHostKey(a.HostKey),
		// what a client asks for that knows the key
		HostKeyAlgorithms: []string{a.HostKey.Type()},
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

// Try runs one command as root and gives its output, or why there is none.
func (a *Access) Try(ctx context.Context, line string) (string, error) {
	client, err := a.Login(ctx, "root")
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
func (a *Access) Run(t testing.TB, line string) string {
	t.Helper()
	out, err := a.Try(t.Context(), line)
	if err != nil {
		t.Fatalf("%s on %s: %v\n%s", line, a.Name, err, out)
	}
	return out
}

// NeedSSH skips the test where OpenSSH's client is missing, which SSH runs.
func NeedSSH(t testing.TB) {
	t.Helper()
	testneed.Program(t, "ssh", "openssh-client")
}
