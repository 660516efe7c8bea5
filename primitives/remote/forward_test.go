package remote

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ctys/primitives"
)

// echo answers each connection with what it gets until the half that comes in
// ends, and then with a last word.
func echo(t *testing.T, network, address string) net.Listener {
	t.Helper()
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				io.Copy(conn, conn)
				io.WriteString(conn, "bye\n")
			}()
		}
	}()
	return listener
}

func TestDial(t *testing.T) {
	h, s := desk(t)
	conn := connect(t, h.options(), s.target())
	socket := filepath.Join(t.TempDir(), "socket")
	for network, listener := range map[string]net.Listener{"unix": echo(t, "unix", socket), "tcp": echo(t, "tcp", "127.0.0.1:0")} {
		t.Run(network, func(t *testing.T) {
			tunnel, err := conn.Dial(limited(t), network, listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer tunnel.Close()
			if tunnel.RemoteAddr().String() != listener.Addr().String() || tunnel.RemoteAddr().Network() != network {
				t.Errorf("remote address %v", tunnel.RemoteAddr())
			}
			reader := bufio.NewReader(tunnel)
			io.WriteString(tunnel, "hello\n")
			if line, err := reader.ReadString('\n'); line != "hello\n" || err != nil {
				t.Fatalf("%q, %v", line, err)
			}
			tunnel.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
			if _, err := reader.ReadByte(); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("deadline: %v", err)
			}
			tunnel.SetReadDeadline(time.Time{})
			tunnel.(interface{ CloseWrite() error }).CloseWrite()
			if rest, err := io.ReadAll(reader); string(rest) != "bye\n" || err != nil {
				t.Errorf("%q, %v", rest, err)
			}
			tunnel.Close()
			if _, err := tunnel.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
				t.Errorf("%v", err)
			}
		})
	}
	if _, err := conn.Dial(limited(t), "unix", socket+"-missing"); primitives.KindOf(err) != primitives.Unreachable {
		t.Errorf("%v", err)
	}
	if _, err := conn.Dial(limited(t), "udp", "127.0.0.1:1"); primitives.KindOf(err) != primitives.Invalid {
		t.Errorf("%v", err)
	}
	if _, err := conn.Dial(limited(t), "tcp", "no port"); primitives.KindOf(err) != primitives.Invalid {
		t.Errorf("%v", err)
	}
}

func TestDialForbidden(t *testing.T) {
	h, s := desk(t, "AllowTcpForwarding no")
	conn := connect(t, h.options(), s.target())
	if _, err := conn.Dial(limited(t), "tcp", "127.0.0.1:1"); primitives.KindOf(err) != primitives.Denied {
		t.Errorf("%v", err)
	}
}

func TestTunnelBreaksWithLine(t *testing.T) {
	h, s := desk(t)
	conn := connect(t, h.options(), s.target())
	tunnel, err := conn.Dial(limited(t), "tcp", echo(t, "tcp", "127.0.0.1:0").Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	parent, err := conn.Output(limited(t), "sh", "-c", "echo $PPID")
	if err != nil {
		t.Fatal(err)
	}
	run(t, "kill", "-KILL", strings.TrimSpace(parent))
	if _, err := tunnel.Read(make([]byte, 1)); primitives.KindOf(err) != primitives.Unreachable {
		t.Errorf("%v", err)
	}
	if _, err := tunnel.Write([]byte("x")); primitives.KindOf(err) != primitives.Unreachable {
		// The first one may still be taken.
		if _, err := tunnel.Write([]byte("x")); primitives.KindOf(err) != primitives.Unreachable {
			t.Errorf("%v", err)
		}
	}
}

func TestJumpChain(t *testing.T) {
	h, first := desk(t)
	second, last := startSSHD(t), startSSHD(t)
	identities := map[*sshd]string{}
	for _, s := range []*sshd{second, last} {
		identities[s] = filepath.Join(s.dir, "identity")
		keygen(t, identities[s], "ed25519", "")
		s.authorize(t, identities[s])
		h.knows(t, s, "ed25519")
	}
	target := last.target()
	target.IdentityFile = identities[last]
	hop := second.target()
	hop.IdentityFile = identities[second]
	target.Via = []Target{first.target(), hop}
	conn := connect(t, h.options(), target)
	if out, err := conn.Output(limited(t), "sh", "-c", "echo $SSH_CONNECTION"); err != nil || !strings.Contains(out, " "+last.endpoint()[len("127.0.0.1:"):]) {
		t.Errorf("%q, %v", out, err)
	}
	if !strings.Contains(second.log.String(), "Accepted publickey") || !strings.Contains(first.log.String(), "Accepted publickey") {
		t.Error("a jump host was left out")
	}

	// The same by ssh_config; and every error names the machine it is about.
	h.config(t, strings.NewReplacer("P1", first.endpoint(), "P2", second.endpoint(), "PORT3", last.endpoint()[10:], "ID2", identities[second], "ID3", identities[last]).
		Replace("Host inner\n HostName 127.0.0.1\n Port PORT3\n ProxyJump P1,P2\n IdentityFile ID3\nHost *\n IdentityFile ID2\n IdentityFile ~/.ssh/id_ed25519\n"))
	options := h.options()
	options.ConfigFile = filepath.Join(h.dir, ".ssh", "config")
	inner := connect(t, options, Target{Host: "inner"})
	if out, err := inner.Output(limited(t), "echo", "in"); out != "in\n" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
	write(t, h.known, strings.Join(strings.SplitAfter(read(t, h.known), "\n")[:2], ""))
	if _, err := refused(t, options, Target{Host: "inner"}, HostKeyUnknown); !strings.Contains(err.Error(), "-J") {
		t.Errorf("%v", err)
	}
	target.Port = freePort(t)
	_, err := New(options).Connect(limited(t), target)
	if primitives.KindOf(err) != primitives.Unreachable || !strings.Contains(err.Error(), " from 127.0.0.1") {
		t.Errorf("%v", err)
	}
	conn.Close()
	eventually(t, "the jump hosts were left", func() bool {
		return strings.Contains(first.log.String(), "Connection closed by 127.0.0.1") || strings.Contains(first.log.String(), "Close session")
	})
}
