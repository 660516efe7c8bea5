package remote

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"ctys/primitives"
	"ctys/tests/testneed"
)

func TestRun(t *testing.T) {
	h, s := desk(t)
	conn := connect(t, h.options(), s.target())
	if !strings.HasPrefix(conn.ServerVersion(), "SSH-2.0-OpenSSH") {
		t.Errorf("server version %q", conn.ServerVersion())
	}
	odd := []string{"a b", "it's", `"$HOME"`, "*", "", "~", "back\\slash", "new\nline", "!x", "ü"}
	for _, c := range []struct {
		name    string
		command Command
		exit    int
		stdout  string
		stderr  string
	}{
		{"argv", Command{Argv: []string{"printf", "%s\\n", "hello"}}, 0, "hello\n", ""},
		{"odd words", Command{Argv: append([]string{"printf", "<%s>"}, odd...)}, 0, "<" + strings.Join(odd, "><") + ">", ""},
		{"line", Command{Line: "echo out; echo err >&2; exit 3"}, 3, "out\n", "err\n"},
		{"signal", Command{Line: "kill -KILL $$"}, 128 + 9, "", ""},
		{"term", Command{Line: "kill -TERM $$"}, 128 + 15, "", ""},
		{"stdin", Command{Argv: []string{"cat"}, Stdin: strings.NewReader("fed")}, 0, "fed", ""},
		{"stdin unread", Command{Argv: []string{"true"}, Stdin: io.LimitReader(zeros{}, 8<<20)}, 0, "", ""},
		{"no stdin", Command{Argv: []string{"cat"}}, 0, "", ""},
		{"env argv", Command{Argv: []string{"sh", "-c", "echo $A-$B"}, Env: map[string]string{"A": "1 '2", "B": "x"}}, 0, "1 '2-x\n", ""},
		{"env line", Command{Line: "echo $A", Env: map[string]string{"A": "$B"}}, 0, "$B\n", ""},
		{"pty", Command{Line: "test -t 1 && echo tty", PTY: 2}, 0, "tty\r\n", ""},
		{"pty without terminal", Command{Line: "test -t 1", PTY: 1}, 1, "", ""},
		{"missing", Command{Argv: []string{"/nonexistent"}}, 127, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.command.PTY > 0 {
				testneed.SSHTerminal(t)
			}
			var stdout, stderr bytes.Buffer
			c.command.Stdout, c.command.Stderr = &stdout, &stderr
			exit, err := conn.Run(limited(t), c.command)
			if err != nil {
				t.Fatal(err)
			}
			if exit != c.exit || stdout.String() != c.stdout {
				t.Errorf("exit %d, stdout %q; want %d, %q", exit, stdout.String(), c.exit, c.stdout)
			}
			if c.stderr != "" && stderr.String() != c.stderr {
				t.Errorf("stderr %q, want %q", stderr.String(), c.stderr)
			}
		})
	}
	for _, command := range []Command{{}, {Argv: []string{"a"}, Line: "b"}, {Line: "a\x00"}, {Line: "a", Env: map[string]string{"A=B": ""}}} {
		if _, err := conn.Run(limited(t), command); primitives.KindOf(err) != primitives.Invalid {
			t.Errorf("%+v: %v", command, err)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestOutput(t *testing.T) {
	h, s := desk(t)
	conn := connect(t, h.options(), s.target())
	if out, err := conn.Output(limited(t), "echo", "a  b"); err != nil || out != "a  b\n" {
		t.Errorf("%q, %v", out, err)
	}
	_, err := conn.Output(limited(t), "sh", "-c", "echo why >&2; exit 4")
	var said *ExitError
	if !errors.As(err, &said) || said.Exit != 4 || said.Stderr != "why" {
		t.Errorf("%v", err)
	}
	if _, err := conn.Output(limited(t), "/etc/passwd"); primitives.KindOf(err) != primitives.Denied {
		t.Errorf("not executable: %v", err)
	}
	if _, err := conn.Output(limited(t), "head", "-c", "20000000", "/dev/zero"); primitives.KindOf(err) != primitives.Invalid {
		t.Errorf("too much: %v", err)
	}
}

func TestRunEndsWithContext(t *testing.T) {
	h, s := desk(t)
	conn := connect(t, h.options(), s.target())
	ctx, cancel := context.WithCancel(limited(t))
	out := &notify{first: make(chan struct{})}
	go func() {
		<-out.first
		cancel()
	}()
	_, err := conn.Run(ctx, Command{Line: "trap '' TERM; echo ready; cat; echo gone >" + s.dir + "/gone", Stdin: silence{ctx}, Stdout: out})
	if primitives.KindOf(err) != primitives.Canceled {
		t.Fatalf("%v", err)
	}
	eventually(t, "the command saw its input end", func() bool {
		_, err := os.Stat(s.dir + "/gone")
		return err == nil
	})
	if out, err := conn.Output(limited(t), "echo", "alive"); err != nil || out != "alive\n" {
		t.Errorf("the line is still good: %q, %v", out, err)
	}
	if _, err := conn.Run(ctx, Command{Line: "true"}); primitives.KindOf(err) != primitives.Canceled {
		t.Errorf("%v", err)
	}
}

// silence is an input on which nothing comes.
type silence struct{ ctx context.Context }

func (s silence) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

// notify tells of the first write.
type notify struct {
	bytes.Buffer
	once  sync.Once
	first chan struct{}
}

func (n *notify) Write(p []byte) (int, error) {
	written, err := n.Buffer.Write(p)
	n.once.Do(func() { close(n.first) })
	return written, err
}

func eventually(t *testing.T, what string, true func() bool) {
	t.Helper()
	for range 1000 {
		if true() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("never: %s", what)
}

func TestConversation(t *testing.T) {
	h, s := desk(t)
	conn := connect(t, h.options(), s.target())
	process, err := conn.Start(limited(t), Command{Line: "while read -r x; do echo \"<$x>\"; done; exit 7"})
	if err != nil {
		t.Fatal(err)
	}
	reply := make([]byte, 16)
	for _, word := range []string{"one", "two"} {
		if _, err := io.WriteString(process.Stdin, word+"\n"); err != nil {
			t.Fatal(err)
		}
		n, err := io.ReadFull(process.Stdout, reply[:len(word)+3])
		if err != nil || string(reply[:n]) != "<"+word+">\n" {
			t.Fatalf("%q, %v", reply[:n], err)
		}
	}
	process.Stdin.Close()
	if exit, err := process.Wait(); exit != 7 || err != nil {
		t.Errorf("exit %d, %v", exit, err)
	}
	process.Close()

	process, err = conn.Start(limited(t), Command{Argv: []string{"sleep", "1000"}})
	if err != nil {
		t.Fatal(err)
	}
	process.Close()
	if _, err := process.Wait(); primitives.KindOf(err) != primitives.Canceled {
		t.Errorf("%v", err)
	}
}

func TestLostLine(t *testing.T) {
	h, s := desk(t)
	conn := connect(t, h.options(), s.target())
	out := &notify{first: make(chan struct{})}
	ended := make(chan error, 1)
	go func() {
		_, err := conn.Run(limited(t), Command{Line: "echo $PPID; exec sleep 1000", Stdout: out})
		ended <- err
	}()
	<-out.first
	// The parent of the command is the server's child for this connection.
	run(t, "kill", "-KILL", strings.TrimSpace(out.String()))
	select {
	case err := <-ended:
		if primitives.KindOf(err) != primitives.Unreachable {
			t.Errorf("%v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("nobody noticed that the line was lost")
	}
	<-conn.Done()
	if _, err := conn.Run(limited(t), Command{Line: "true"}); primitives.KindOf(err) != primitives.Unreachable {
		t.Errorf("%v", err)
	}
	if _, err := conn.Dial(limited(t), "tcp", "127.0.0.1:1"); primitives.KindOf(err) != primitives.Unreachable {
		t.Errorf("%v", err)
	}
}

func TestSilentLine(t *testing.T) {
	h, s := desk(t)
	options := h.options()
	options.KeepAlive = KeepAlive{Interval: 50 * time.Millisecond, Misses: 2}
	conn := connect(t, options, s.target())
	out := &notify{first: make(chan struct{})}
	ended := make(chan error, 1)
	go func() {
		_, err := conn.Run(limited(t), Command{Line: "echo $PPID; exec sleep 1000", Stdout: out})
		ended <- err
	}()
	<-out.first
	select {
	case <-conn.Done():
		t.Fatal("a line that answers was given up")
	case <-time.After(500 * time.Millisecond):
	}
	child := strings.TrimSpace(out.String())
	run(t, "kill", "-STOP", child)
	t.Cleanup(func() { exec.Command("kill", "-KILL", child).Run() })
	select {
	case err := <-ended:
		if primitives.KindOf(err) != primitives.Unreachable || !strings.Contains(err.Error(), "no sign of life") {
			t.Errorf("%v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("nobody noticed that the peer is silent")
	}
}

func TestClose(t *testing.T) {
	h, s := desk(t)
	conn := connect(t, h.options(), s.target())
	process, err := conn.Start(limited(t), Command{Argv: []string{"sleep", "1000"}})
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	conn.Close()
	<-conn.Done()
	if _, err := process.Wait(); primitives.KindOf(err) != primitives.Canceled {
		t.Errorf("%v", err)
	}
}

func TestQuote(t *testing.T) {
	words := []string{"", "plain", "a b", "it's", "''", "$x`y`\"z\"", "#", "~root", "a=b", "{a,b}", "new\nline", "\\", "-n", "%1"}
	out, err := exec.Command("sh", "-c", "printf '%s\\0' "+Quote(words)).Output()
	if err != nil || string(out) != strings.Join(words, "\x00")+"\x00" {
		t.Errorf("%q, %v", out, err)
	}
}

func TestMaxSessions(t *testing.T) {
	h, s := desk(t, "MaxSessions 1")
	conn := connect(t, h.options(), s.target())
	process, err := conn.Start(limited(t), Command{Argv: []string{"cat"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Run(limited(t), Command{Line: "true"}); primitives.KindOf(err) != primitives.Busy {
		t.Errorf("%v", err)
	}
	process.Stdin.Close()
	if exit, err := process.Wait(); exit != 0 || err != nil {
		t.Errorf("exit %d, %v", exit, err)
	}
}

// Nothing stays behind a closed connection.
func TestNoGoroutinesLeft(t *testing.T) {
	h, s := desk(t)
	listener := echo(t, "tcp", "127.0.0.1:0")
	before := runtime.NumGoroutine()
	conn := connect(t, h.options(), s.target())
	ctx, cancel := context.WithCancel(limited(t))
	if _, err := conn.Run(ctx, Command{Line: "cat", Stdin: strings.NewReader("x")}); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Start(ctx, Command{Argv: []string{"cat"}}); err != nil {
		t.Fatal(err)
	}
	tunnel, err := conn.Dial(ctx, "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	tunnel.Write([]byte("unread"))
	tunnel.Close()
	cancel()
	conn.Close()
	eventually(t, "all goroutines end", func() bool { return runtime.NumGoroutine() <= before })
}
