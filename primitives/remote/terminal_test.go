package remote

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"ctys/primitives"
	"ctys/tests/testneed"
)

// window is the person's terminal: what is typed goes to keys, what is shown
// comes from seen.
type window struct {
	keys, inner *os.File
	seen        *safeBuffer
}

func newWindow(t *testing.T) *window {
	t.Helper()
	outer, inner, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	w := &window{keys: outer, inner: inner, seen: &safeBuffer{}}
	w.resize(t, 100, 30)
	t.Cleanup(func() {
		inner.Close()
		outer.Close()
	})
	go io.Copy(w.seen, outer)
	return w
}

func (w *window) resize(t *testing.T, columns, rows uint16) {
	t.Helper()
	if err := pty.Setsize(w.keys, &pty.Winsize{Cols: columns, Rows: rows}); err != nil {
		t.Fatal(err)
	}
}

func (w *window) shows(t *testing.T, text string) {
	t.Helper()
	for range 1000 {
		if strings.Contains(w.seen.String(), text) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("the window never shows %q:\n%q", text, w.seen.String())
}

func (w *window) modes(t *testing.T) unix.Termios {
	t.Helper()
	modes, err := unix.IoctlGetTermios(int(w.inner.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return *modes
}

func TestTerminal(t *testing.T) {
	testneed.SSHTerminal(t)
	h, s := desk(t)
	conn := connect(t, h.options(), s.target())
	w := newWindow(t)
	before := w.modes(t)
	type result struct {
		exit int
		err  error
	}
	ended := make(chan result, 1)
	go func() {
		exit, err := conn.Terminal(limited(t), TerminalRequest{In: w.inner, Out: w.inner, Line: "exec sh", Term: "vt220"})
		ended <- result{exit, err}
	}()
	eventually(t, "the terminal is raw", func() bool { return w.modes(t).Lflag&unix.ICANON == 0 })
	io.WriteString(w.keys, "PS1='ready> '; echo size=$(stty size) $TERM\n")
	w.shows(t, "size=30 100 vt220")
	w.resize(t, 132, 43)
	syscall.Kill(os.Getpid(), syscall.SIGWINCH)
	eventually(t, "the other side knows the new size", func() bool {
		io.WriteString(w.keys, "echo size=$(stty size)\n")
		time.Sleep(50 * time.Millisecond)
		return strings.Contains(w.seen.String(), "size=43 132")
	})
	io.WriteString(w.keys, "sleep 1000; echo interrupted=$?\n")
	time.Sleep(200 * time.Millisecond)
	io.WriteString(w.keys, "\x03")
	io.WriteString(w.keys, "\necho after$((1+1))\n")
	w.shows(t, "after2")
	io.WriteString(w.keys, "exit 9\n")
	got := <-ended
	if got.exit != 9 || got.err != nil {
		t.Errorf("exit %d, %v", got.exit, got.err)
	}
	if w.modes(t) != before {
		t.Error("the terminal was not restored")
	}
	// What is typed now belongs to the next reader.
	io.WriteString(w.keys, "mine\n")
	line := make([]byte, 16)
	if n, err := w.inner.Read(line); string(line[:n]) != "mine\n" || err != nil {
		t.Errorf("%q, %v", line[:n], err)
	}
}

func TestTerminalEnds(t *testing.T) {
	testneed.SSHTerminal(t)
	h, s := desk(t)
	for _, c := range []struct {
		name string
		end  func(*window, *Conn, context.CancelFunc)
		kind primitives.Kind
	}{
		{"context", func(_ *window, _ *Conn, cancel context.CancelFunc) { cancel() }, primitives.Canceled},
		{"escape", func(w *window, _ *Conn, _ context.CancelFunc) { io.WriteString(w.keys, "\r~.") }, primitives.Canceled},
		{"closed", func(_ *window, c *Conn, _ context.CancelFunc) { c.Close() }, primitives.Canceled},
		{"lost", func(_ *window, c *Conn, _ context.CancelFunc) { c.wire.Conn.Close() }, primitives.Unreachable},
		{"sigterm", func(*window, *Conn, context.CancelFunc) { syscall.Kill(os.Getpid(), syscall.SIGTERM) }, primitives.Canceled},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := connect(t, h.options(), s.target())
			w := newWindow(t)
			before := w.modes(t)
			ctx, cancel := context.WithCancel(limited(t))
			defer cancel()
			ended := make(chan error, 1)
			go func() {
				_, err := conn.Terminal(ctx, TerminalRequest{In: w.inner, Out: w.inner, Line: "echo started; exec sleep 1000"})
				ended <- err
			}()
			w.shows(t, "started")
			c.end(w, conn, cancel)
			if err := <-ended; primitives.KindOf(err) != c.kind {
				t.Errorf("%v", err)
			}
			if w.modes(t) != before {
				t.Error("the terminal was not restored")
			}
		})
	}
}

func TestTerminalWithoutWindow(t *testing.T) {
	testneed.SSHTerminal(t)
	h, s := desk(t)
	conn := connect(t, h.options(), s.target())
	var out bytes.Buffer
	exit, err := conn.Terminal(limited(t), TerminalRequest{In: strings.NewReader("~.\n"), Out: &out, Line: "stty size; read x; echo got $x"})
	if exit != 0 || err != nil || !strings.Contains(out.String(), "24 80") || !strings.Contains(out.String(), "got ~.") {
		t.Errorf("exit %d, %v, %q", exit, err, out.String())
	}
}

func TestEscapes(t *testing.T) {
	for keys, want := range map[string]string{"a~.b": "a~.b", "~~.": "~.", "~x": "~x", "a\r~.b": "a\r|", "\r\r~~~": "\r\r~~", "~.": "|", "x\n~": "x\n"} {
		ended := false
		reader := &escapeReader{in: iotest{strings.NewReader(keys)}, end: func() { ended = true }, fresh: true}
		got, err := io.ReadAll(reader)
		if ended {
			got = append(got, '|')
		}
		if string(got) != want || err != nil {
			t.Errorf("%q: %q, %v; want %q", keys, got, err, want)
		}
	}
}

// iotest gives one byte at a time.
type iotest struct{ r io.Reader }

func (i iotest) Read(p []byte) (int, error) { return i.r.Read(p[:1]) }
