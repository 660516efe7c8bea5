package remote

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh/knownhosts"

	"ctys/primitives"
)

// refused connects and wants a host key refused for the reason given.
func refused(t *testing.T, options Options, target Target, problem HostKeyProblem) (*HostKeyError, error) {
	t.Helper()
	conn, err := New(options).Connect(limited(t), target)
	if err == nil {
		conn.Close()
		t.Fatalf("was let in, want the host key %s", problem)
	}
	var found *HostKeyError
	if !errors.As(err, &found) || found.Problem != problem || primitives.KindOf(err) != primitives.Auth {
		t.Fatalf("%v (kind %s), want the host key %s", err, primitives.KindOf(err), problem)
	}
	return found, err
}

func fingerprint(t *testing.T, s *sshd, kind string) string {
	return strings.Fields(run(t, "ssh-keygen", "-lf", filepath.Join(s.dir, "host_"+kind+".pub")))[1]
}

func TestUnknownHostKey(t *testing.T) {
	h, s := desk(t)
	write(t, h.known, "# nobody\n")
	found, err := refused(t, h.options(), s.target(), HostKeyUnknown)
	if found.Fingerprint != fingerprint(t, s, "ed25519") || found.KeyType != "ED25519" {
		t.Errorf("%+v", found)
	}
	for _, part := range []string{found.Fingerprint, "ctys --accept-new-host-key", "ssh-keyscan -t ed25519 -p", "ssh -p " + fmt.Sprint(s.port)} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q lacks %q", err, part)
		}
	}
	if read(t, h.known) != "# nobody\n" {
		t.Error("known_hosts was changed")
	}
	// Each way that the message names leads on.
	write(t, h.known, found.Line+"\n")
	connect(t, h.options(), s.target())
}

func TestChangedHostKey(t *testing.T) {
	h, s := desk(t)
	other := filepath.Join(t.TempDir(), "host_ed25519")
	keygen(t, other, "ed25519", "")
	write(t, h.known, fmt.Sprintf("# one\n[%s]:%d %s", s.address, s.port, read(t, other+".pub")))
	options := h.options()
	for _, options.AcceptNew = range []bool{false, true} {
		before := read(t, h.known)
		_, err := refused(t, options, s.target(), HostKeyChanged)
		if !strings.Contains(err.Error(), h.known+":2") {
			t.Errorf("%q does not name the line", err)
		}
		if read(t, h.known) != before {
			t.Error("known_hosts was changed")
		}
	}
}

func TestHashedHostKey(t *testing.T) {
	h, s := desk(t)
	run(t, "ssh-keygen", "-H", "-f", h.known)
	if strings.Contains(read(t, h.known), s.address) {
		t.Fatal("not hashed")
	}
	connect(t, h.options(), s.target())
}

func TestAcceptNew(t *testing.T) {
	h, s := desk(t)
	write(t, h.known, "# no line end")
	options := h.options()
	options.AcceptNew = true
	client := New(options)
	var all sync.WaitGroup
	for range 8 {
		all.Add(1)
		go func() {
			defer all.Done()
			conn, err := client.Connect(limited(t), s.target())
			if err != nil {
				t.Error(err)
				return
			}
			conn.Close()
		}()
	}
	all.Wait()
	if lines := strings.Count(read(t, h.known), "\n"); lines != 2 {
		t.Errorf("known_hosts:\n%s", read(t, h.known))
	}
	connect(t, h.options(), s.target())
	// OpenSSH reads it as well.
	if found := run(t, "ssh-keygen", "-F", fmt.Sprintf("[%s]:%d", s.address, s.port), "-f", h.known); !strings.Contains(found, "ssh-ed25519") {
		t.Errorf("ssh-keygen -F: %s", found)
	}
}

func TestAcceptNewByConfig(t *testing.T) {
	h, s := desk(t)
	os.Remove(h.known)
	h.config(t, fmt.Sprintf("Host box\n HostName %s\n Port %d\n StrictHostKeyChecking accept-new\n HashKnownHosts yes\n UserKnownHostsFile %%d/.ssh/new/hosts\n", s.address, s.port))
	options := h.options()
	options.ConfigFile, options.KnownHosts = filepath.Join(h.dir, ".ssh", "config"), nil
	connect(t, options, Target{Host: "box"})
	noted := read(t, filepath.Join(h.dir, ".ssh", "new", "hosts"))
	if !strings.HasPrefix(noted, "|1|") {
		t.Errorf("noted %q", noted)
	}
	connect(t, options, Target{Host: "box"})
}

// A host that has several keys shows the one that is known, so that another
// type is not taken for a change.
func TestKnownTypeIsAskedFor(t *testing.T) {
	dir := t.TempDir()
	for _, kind := range []string{"rsa", "ecdsa"} {
		keygen(t, filepath.Join(dir, "host_"+kind), kind, "")
	}
	h, s := desk(t, "HostKey "+filepath.Join(dir, "host_rsa"), "HostKey "+filepath.Join(dir, "host_ecdsa"))
	for _, kind := range []string{"rsa", "ecdsa", "ed25519"} {
		public, err := os.ReadFile(filepath.Join(dir, "host_"+kind+".pub"))
		if err != nil {
			public = []byte(s.hostKey(t, kind) + "\n")
		}
		write(t, h.known, fmt.Sprintf("[%s]:%d %s", s.address, s.port, public))
		connect(t, h.options(), s.target()).Close()
	}
}

func TestNamesOfAHost(t *testing.T) {
	h, s := desk(t)
	key := s.hostKey(t, "ed25519")
	for _, c := range []struct {
		name   string
		known  string
		target Target
	}{
		{"alias", "the-box " + key, Target{Host: "aliased"}},
		{"without port", s.address + " " + key, s.target()},
		{"inventory name", fmt.Sprintf("[lab01]:%d %s", s.port, key), Target{Host: "lab01", Address: s.address, Port: s.port}},
		{"inventory address", fmt.Sprintf("[%s]:%d %s", s.address, s.port, key), Target{Host: "lab01", Address: s.address, Port: s.port}},
		{"capitals", fmt.Sprintf("[lab01]:%d %s", s.port, key), Target{Host: "LAB01", Address: s.address, Port: s.port}},
		{"pattern", "[127.0.0.*]:* " + key + fmt.Sprintf("\n[127.0.*]:%d,!x %s", s.port, key), s.target()},
		{"bad lines", fmt.Sprintf("what\n%s ssh-unheard-of AAAA\n[%s]:%d %s", s.address, s.address, s.port, key), s.target()},
	} {
		t.Run(c.name, func(t *testing.T) {
			write(t, h.known, c.known+"\n")
			h.config(t, fmt.Sprintf("Host aliased\n HostName %s\n Port %d\n HostKeyAlias the-box\n", s.address, s.port))
			options := h.options()
			options.ConfigFile = filepath.Join(h.dir, ".ssh", "config")
			connect(t, options, c.target)
		})
	}
	other := filepath.Join(t.TempDir(), "other")
	keygen(t, other, "ed25519", "")
	write(t, h.known, s.address+" "+read(t, other+".pub"))
	refused(t, h.options(), s.target(), HostKeyUnknown) // the key of port 22, not a changed one
}

func TestHostCertificate(t *testing.T) {
	dir := t.TempDir()
	authority, other := filepath.Join(dir, "ca"), filepath.Join(dir, "other")
	keygen(t, authority, "ed25519", "")
	keygen(t, other, "ed25519", "")
	keygen(t, filepath.Join(dir, "certified"), "ecdsa", "")
	run(t, "ssh-keygen", "-q", "-s", authority, "-I", "box", "-h", "-n", "127.0.0.1", filepath.Join(dir, "certified.pub"))
	h, s := desk(t, "HostKey "+filepath.Join(dir, "certified"), "HostCertificate "+filepath.Join(dir, "certified-cert.pub"))
	pattern := fmt.Sprintf("[127.0.0.1]:%d ", s.port)

	write(t, h.known, "@cert-authority "+pattern+read(t, authority+".pub"))
	connect(t, h.options(), s.target())

	write(t, h.known, "@cert-authority "+pattern+read(t, other+".pub"))
	refused(t, h.options(), s.target(), HostKeyInvalid)

	write(t, h.known, "@cert-authority "+pattern+read(t, authority+".pub")+"@revoked * "+read(t, authority+".pub"))
	refused(t, h.options(), s.target(), HostKeyInvalid)

	// An authority for the host does not make its plain key a changed one.
	_, plain := desk(t)
	pattern = fmt.Sprintf("[127.0.0.1]:%d ", plain.port)
	write(t, h.known, "@cert-authority "+pattern+read(t, authority+".pub"))
	refused(t, h.options(), plain.target(), HostKeyUnknown)
}

func TestRevokedHostKey(t *testing.T) {
	h, s := desk(t)
	write(t, h.known, read(t, h.known)+"@revoked * "+s.hostKey(t, "ed25519")+"\n")
	options := h.options()
	options.AcceptNew = true
	refused(t, options, s.target(), HostKeyRevoked)
}

func FuzzKnownHosts(f *testing.F) {
	for _, seed := range []string{
		"host ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
		"@cert-authority *.x ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl\n# c",
		"|1|x|y ssh-rsa AAAA", "[h]:22,!i ssh-rsa", "@revoked", "\x00",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		clean, _, whole := cleanKnownHosts(text)
		file := filepath.Join(t.TempDir(), "known_hosts")
		if whole {
			clean = text
		}
		if err := os.WriteFile(file, clean, 0o600); err != nil {
			t.Fatal(err)
		}
		// An error names a line; what must not happen is a panic.
		check, err := knownhosts.New(file)
		if err == nil && check("h:22", nowhere, nobody) == nil && !strings.Contains(string(text), "ssh-ed25519") {
			t.Errorf("a key that is nobody's was accepted")
		}
	})
}
