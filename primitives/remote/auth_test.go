package remote

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"ctys/primitives"
	"ctys/tests/testneed"
)

func notLetIn(t *testing.T, options Options, target Target) error {
	t.Helper()
	conn, err := New(options).Connect(limited(t), target)
	if err == nil {
		conn.Close()
		t.Fatal("was let in")
	}
	if primitives.KindOf(err) != primitives.Auth {
		t.Fatalf("%v (kind %s), want auth", err, primitives.KindOf(err))
	}
	return err
}

func TestKeyFiles(t *testing.T) {
	h, s := desk(t)
	for _, kind := range []string{"rsa", "ecdsa"} {
		identity := filepath.Join(h.dir, "my "+kind)
		keygen(t, identity, kind, "")
		s.authorize(t, identity)
		target := s.target()
		target.IdentityFile = identity
		connect(t, h.options(), target).Close()
	}
	stranger := filepath.Join(h.dir, "stranger")
	keygen(t, stranger, "ed25519", "")
	target := s.target()
	target.IdentityFile = stranger
	err := notLetIn(t, h.options(), target)
	if !strings.Contains(err.Error(), "file "+stranger) {
		t.Errorf("%q does not say what was tried", err)
	}
	target.IdentityFile = filepath.Join(h.dir, "missing")
	if err := notLetIn(t, h.options(), target); !strings.Contains(err.Error(), "missing: no such file") {
		t.Errorf("%q does not say what was missing", err)
	}
}

func TestNothingToTry(t *testing.T) {
	h, s := desk(t)
	os.Remove(h.identity)
	if err := notLetIn(t, h.options(), s.target()); !strings.Contains(err.Error(), "nothing was tried") {
		t.Errorf("%q", err)
	}
}

func TestEncryptedKey(t *testing.T) {
	h, s := desk(t)
	const passphrase = "correct horse"
	for _, form := range []string{"RFC4716", "PEM"} {
		t.Run(form, func(t *testing.T) {
			identity := filepath.Join(h.dir, "locked-"+form)
			keygen(t, identity, "ecdsa", passphrase, "-m", form)
			s.authorize(t, identity)
			target := s.target()
			target.IdentityFile = identity
			if err := notLetIn(t, h.options(), target); !strings.Contains(err.Error(), "encrypted") {
				t.Errorf("%q", err)
			}
			var asked atomic.Int32
			options := h.options()
			options.Prompt = func(_ context.Context, question string) (string, error) {
				if !strings.Contains(question, identity) {
					t.Errorf("asked %q", question)
				}
				if asked.Add(1) == 1 {
					return "wrong", nil
				}
				return passphrase, nil
			}
			client := New(options)
			var all sync.WaitGroup
			for range 4 {
				all.Add(1)
				go func() {
					defer all.Done()
					conn, err := client.Connect(limited(t), target)
					if err != nil {
						t.Error(err)
						return
					}
					conn.Close()
				}()
			}
			all.Wait()
			if asked.Load() != 2 {
				t.Errorf("asked %d times", asked.Load())
			}
		})
	}
	// A key that the peer does not want is not worth a question.
	useless := filepath.Join(h.dir, "useless")
	keygen(t, useless, "ed25519", passphrase)
	options, target := h.options(), s.target()
	target.IdentityFile = useless
	options.Prompt = func(context.Context, string) (string, error) {
		t.Error("asked for a key that the peer does not want")
		return "", errors.New("no")
	}
	notLetIn(t, options, target)
}

func startAgent(t *testing.T, keys ...string) (socket string) {
	t.Helper()
	program := testneed.Program(t, "ssh-agent", "openssh-client")
	socket = filepath.Join(t.TempDir(), "agent")
	command := exec.Command(program, "-D", "-a", socket)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		command.Process.Kill()
		command.Wait()
	})
	eventually(t, "the agent listens", func() bool {
		_, err := os.Stat(socket)
		return err == nil
	})
	for _, key := range keys {
		add := exec.Command("ssh-add", "-q", key)
		add.Env = append(os.Environ(), "SSH_AUTH_SOCK="+socket)
		if out, err := add.CombinedOutput(); err != nil {
			t.Fatalf("ssh-add: %v %s", err, out)
		}
	}
	return socket
}

func TestAgent(t *testing.T) {
	h, s := desk(t, "MaxAuthTries 3")
	var held []string
	for i := range 5 {
		key := filepath.Join(h.dir, fmt.Sprintf("held%d", i))
		keygen(t, key, "ed25519", "")
		held = append(held, key)
	}
	rsa := filepath.Join(h.dir, "rsa")
	keygen(t, rsa, "rsa", "")
	s.authorize(t, rsa)
	os.Remove(h.identity)

	options := h.options()
	options.AgentSocket = startAgent(t, rsa)
	connect(t, options, s.target())

	// Too many keys for the peer, unless the right one is named; its public
	// part is enough, and so is a certificate's issuer's absence.
	options.AgentSocket = startAgent(t, append(held, rsa)...)
	os.Remove(rsa)
	if err := notLetIn(t, options, s.target()); !strings.Contains(err.Error(), "IdentitiesOnly") {
		t.Errorf("%q has no advice", err)
	}
	h.config(t, "Host *\n IdentityFile ~/rsa\n IdentitiesOnly yes\n")
	options.ConfigFile = filepath.Join(h.dir, ".ssh", "config")
	connect(t, options, s.target())

	options.AgentSocket = filepath.Join(h.dir, "no-agent")
	if err := notLetIn(t, options, s.target()); !strings.Contains(err.Error(), "agent: ") {
		t.Errorf("%q does not say that the agent is missing", err)
	}
}

func TestUserCertificate(t *testing.T) {
	h := newHome(t)
	authority := filepath.Join(h.dir, "ca")
	keygen(t, authority, "ed25519", "")
	run(t, "ssh-keygen", "-q", "-s", authority, "-I", "me", "-n", me(), h.identity+".pub")
	s := startSSHD(t, "TrustedUserCAKeys "+authority+".pub")
	h.knows(t, s, "ed25519")
	connect(t, h.options(), s.target())

	options := h.options()
	options.AgentSocket = startAgent(t, h.identity)
	os.Remove(h.identity)
	os.Remove(h.identity + "-cert.pub")
	connect(t, options, s.target())
}

// passwordServer is a server that wants a password in one of the two ways.
type passwordServer struct {
	address string
	port    int
	key     ssh.PublicKey
	tries   atomic.Int32
}

const right = "s3cret value"

func startPasswordServer(t *testing.T, interactive bool, questions ...string) *passwordServer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	s := &passwordServer{key: signer.PublicKey()}
	check := func(password string) (*ssh.Permissions, error) {
		s.tries.Add(1)
		if password != right {
			return nil, errors.New("wrong")
		}
		return nil, nil
	}
	config := &ssh.ServerConfig{BannerCallback: func(ssh.ConnMetadata) string { return "keep \x1b[31mout\n" }}
	if interactive {
		config.KeyboardInteractiveCallback = func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			answers, err := ask("", "", questions, make([]bool, len(questions)))
			if err != nil || len(answers) != 1 {
				return nil, errors.New("no answer")
			}
			return check(answers[0])
		}
	} else {
		config.PasswordCallback = func(_ ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
			return check(string(password))
		}
	}
	config.AddHostKey(signer)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	s.address, s.port = "127.0.0.1", listener.Addr().(*net.TCPAddr).Port
	go func() {
		for {
			raw, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				conn, channels, requests, err := ssh.NewServerConn(raw, config)
				if err != nil {
					raw.Close()
					return
				}
				go ssh.DiscardRequests(requests)
				for channel := range channels {
					channel.Reject(ssh.UnknownChannelType, "none here")
				}
				conn.Close()
			}()
		}
	}()
	return s
}

func secret(value string) primitives.Secret {
	return primitives.Secret{Reveal: func(context.Context) (string, error) { return value, nil }}
}

func TestPassword(t *testing.T) {
	for _, interactive := range []bool{false, true} {
		t.Run(fmt.Sprintf("interactive=%v", interactive), func(t *testing.T) {
			h, s := newHome(t), startPasswordServer(t, interactive, "Password: ")
			write(t, h.known, knownhosts.Line([]string{fmt.Sprintf("%s:%d", s.address, s.port)}, s.key)+"\n")
			target := Target{Host: s.address, Port: s.port, User: "operator", Password: secret(right)}
			conn := connect(t, h.options(), target)
			if conn.Banner() != "keep [31mout\n" {
				t.Errorf("banner %q", conn.Banner())
			}
			if _, err := conn.Dial(limited(t), "tcp", "127.0.0.1:1"); primitives.KindOf(err) != primitives.Unsupported {
				t.Errorf("%v", err)
			}
			s.tries.Store(0)
			target.Password = secret("not it")
			err := notLetIn(t, h.options(), target)
			if strings.Contains(err.Error(), "not it") || !strings.Contains(err.Error(), "password") {
				t.Errorf("%q", err)
			}
			if s.tries.Load() != 1 {
				t.Errorf("tried %d times", s.tries.Load())
			}
			target.Password = primitives.Secret{Reveal: func(context.Context) (string, error) {
				return "", primitives.Errorf(primitives.Denied, "secret.file", "", "no such file")
			}}
			if _, err := New(h.options()).Connect(limited(t), target); primitives.KindOf(err) != primitives.Denied {
				t.Errorf("%v", err)
			}
		})
	}
	h, s := newHome(t), startPasswordServer(t, true, "Password: ", "Code: ")
	write(t, h.known, knownhosts.Line([]string{fmt.Sprintf("%s:%d", s.address, s.port)}, s.key)+"\n")
	err := notLetIn(t, h.options(), Target{Host: s.address, Port: s.port, Password: secret(right)})
	if !strings.Contains(err.Error(), "more than a password") {
		t.Errorf("%q", err)
	}
}

func TestUnreachable(t *testing.T) {
	h := newHome(t)
	port := freePort(t)
	_, err := New(h.options()).Connect(limited(t), Target{Host: "127.0.0.1", Port: port})
	if primitives.KindOf(err) != primitives.Unreachable || !strings.Contains(err.Error(), fmt.Sprintf("127.0.0.1:%d", port)) {
		t.Errorf("%v", err)
	}

	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	target := Target{Host: "127.0.0.1", Port: silent.Addr().(*net.TCPAddr).Port}
	options := h.options()
	options.ConnectTimeout = 100 * time.Millisecond
	if _, err := New(options).Connect(limited(t), target); primitives.KindOf(err) != primitives.Timeout {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(limited(t))
	go func() {
		conn, err := silent.Accept()
		if err == nil {
			defer conn.Close()
		}
		cancel()
	}()
	// One connection of the timeout above may still wait to be accepted.
	if _, err := New(h.options()).Connect(ctx, target); primitives.KindOf(err) != primitives.Canceled {
		t.Errorf("%v", err)
	}
}

func TestBadTargets(t *testing.T) {
	h := newHome(t)
	for _, target := range []Target{{}, {Host: "-oProxyCommand=x"}, {Host: "h", Port: 70000}} {
		if _, err := New(h.options()).Connect(limited(t), target); primitives.KindOf(err) != primitives.Invalid {
			t.Errorf("%+v: %v", target, err)
		}
	}
}
