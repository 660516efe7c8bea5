package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
)

// typist sits at a terminal at which a program runs.
type typist struct {
	t        *testing.T
	terminal *os.File
	command  *exec.Cmd
	mu       sync.Mutex
	seen     strings.Builder
	read     int // of seen, up to what was expected last
}

// atTerminal runs this test's own binary as ctys on a terminal.
func atTerminal(t *testing.T, home string, argv ...string) *typist {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(filepath.Join(t.TempDir(), "ctys"), argv...)
	if err := os.Symlink(program, command.Path); err != nil {
		t.Fatal(err)
	}
	command.Env = []string{"HOME=" + home, "TERM=xterm", "LANG=C.UTF-8", "PATH=" + os.Getenv("PATH"), "CTYS_PATH=" + home}
	terminal, err := pty.StartWithSize(command, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		t.Fatal(err)
	}
	p := &typist{t: t, terminal: terminal, command: command}
	go p.watch()
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = terminal.Close()
	})
	return p
}

func (p *typist) watch() {
	buffer := make([]byte, 4096)
	for {
		n, err := p.terminal.Read(buffer)
		p.mu.Lock()
		p.seen.Write(buffer[:n])
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (p *typist) types(text string) {
	p.t.Helper()
	if _, err := p.terminal.WriteString(text); err != nil {
		p.t.Fatal(err)
	}
}

// sees waits for a text behind what was seen before.
func (p *typist) sees(text string) {
	p.t.Helper()
	for range 1500 {
		all := p.all()
		if i := strings.Index(all[p.read:], text); i >= 0 {
			p.read += i + len(text)
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	p.t.Fatalf("%q does not appear in %q", text, p.all()[p.read:])
}

// all is everything that was on the screen.
func (p *typist) all() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen.String()
}

func (p *typist) ends(code int) {
	p.t.Helper()
	done := make(chan error, 1)
	go func() { done <- p.command.Wait() }()
	select {
	case <-done:
	case <-time.After(15 * time.Second):
		p.t.Fatalf("it does not end: %q", p.all())
	}
	if got := p.command.ProcessState.ExitCode(); got != code {
		p.t.Errorf("exit code %d, want %d: %q", got, code, p.all())
	}
}

func TestShell(t *testing.T) {
	home := t.TempDir()
	p := atTerminal(t, home)
	p.sees("Ctrl-D ends.")
	p.sees("ctys> ")
	p.types("1 + 1\r")
	p.sees("\n2\r\n")
	p.types("x = {\r")
	p.sees(" ...> ")
	p.types("1, 2}\r")
	p.sees("ctys> ")
	p.types("= x\r")
	p.sees("{1, 2}")
	p.types("help(wol.send)\r")
	p.sees("example: wol.send")
	p.types("error(\"no\")\r")
	p.sees("input:1: no")

	// Ctrl-C stops a wait and keeps the session; within a line it gives it up.
	p.types("print(\"waits\") task.sleep(60)\r")
	p.sees("\nwaits\r\n")
	p.types("\x03")
	p.sees("interrupted")
	p.types("if tr\x03")
	p.sees("ctys> ")
	p.types("x[2]\r")
	p.sees("\n2\r\n")

	// The arrow brings the line before back.
	p.types("\x1b[A\r")
	p.sees("\n2\r\n")
	p.types("step.confirm(\"go on?\")\r")
	p.sees("go on? [yes] ")
	p.types("yes\r")
	p.sees("true")
	p.sees("ctys> ") // before it, Ctrl-D is for the terminal
	p.types("\x04")
	p.ends(exitReached)

	history := filepath.Join(home, ".local", "state", "ctys", "history")
	text, err := os.ReadFile(history)
	if err != nil || !strings.Contains(string(text), "1 + 1\nx = {\n1, 2}\n= x\n") {
		t.Errorf("history %q, %v", text, err)
	}
	if info, err := os.Stat(history); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}

	p = atTerminal(t, home, "repl")
	p.sees("ctys> ")
	p.types("\x1b[A\x1b[A\r") // past the answer of the last session
	p.sees("x[2]")
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.ends(exitInterrupted)
}

// Who is stopped at a question leaves the keys that follow to the prompt.
func TestInterruptedQuestionReadsNothingMore(t *testing.T) {
	p := atTerminal(t, t.TempDir(), "repl")
	p.sees("ctys> ")
	p.types("step.confirm(\"go on?\")\r")
	p.sees("go on? [yes] ")
	p.types("\x03")
	p.sees("interrupted")
	p.sees("ctys> ")
	for range 3 {
		p.types("20 + 22\r")
		p.sees("\n42\r\n")
		p.sees("ctys> ")
	}
	p.types("\x04")
	p.ends(exitReached)
}

// A pattern cannot be stopped, so a second Ctrl-C ends the session.
func TestSecondInterruptEndsTheShell(t *testing.T) {
	p := atTerminal(t, t.TempDir(), "repl")
	p.sees("ctys> ")
	p.types("print(\"begins\") string.find(string.rep(\"a\", 40), string.rep(\"a*\", 16) .. \"b\")\r")
	p.sees("\nbegins\r\n")
	for range 100 { // a signal that is still pending swallows the next
		if strings.Contains(p.all(), "so the session ends") {
			break
		}
		p.types("\x03")
		time.Sleep(100 * time.Millisecond)
	}
	p.sees("so the session ends")
	p.ends(exitInterrupted)
}

func TestLiveTreeOnATerminal(t *testing.T) {
	home := t.TempDir()
	text := `step.run("cancel lab01", function()
  step.run("web1", function() task.sleep(0.4) return "off" end, {object = "web1", deadline = 180})
  assert(step.confirm("really?"))
  task.sleep(60)
end)`
	if err := os.WriteFile(filepath.Join(home, "run.lua"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := atTerminal(t, home, "run", filepath.Join(home, "run.lua"))
	p.sees("• cancel lab01")
	p.sees("web1  0 s of 180 s")
	p.sees("\x1b[J") // painted anew
	p.sees("really? [yes] ")
	p.types("yes\r")
	p.sees("✓ web1  0.4 s  off")
	p.types("\x03")
	p.sees("✗ cancel lab01")
	p.sees("ctys: interrupted")
	p.sees("summary")
	p.sees("exit     130, interrupted")
	p.ends(exitInterrupted)
}

func TestSecondInterruptEndsAtOnce(t *testing.T) {
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, "run.lua"), []byte(`print("begins") exec.run({"sleep", "60"})`), 0o600); err != nil {
		t.Fatal(err)
	}
	p := atTerminal(t, home, "run", filepath.Join(home, "run.lua"))
	p.sees("begins")
	p.types("\x03")
	p.types("\x03")
	p.ends(exitInterrupted)
}
