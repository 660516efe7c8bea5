package guard

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ctys/primitives"
)

// The test binary is also the programs that the tests start: who arms the
// guards, the child, a rehearsal, and what fails.
func TestMain(m *testing.M) {
	programs := map[string]func(words []string){
		"hold":     func(words []string) { hold(words[0], duration(words[1])) },
		"watch":    func(words []string) { watch(words[0], duration(words[1])) },
		"rehearse": func(words []string) { rehearse(words[0]) },
		"fail": func([]string) {
			fmt.Println("it fails as it is meant to")
			os.Exit(1)
		},
	}
	if program := programs[os.Args[min(1, len(os.Args)-1)]]; program != nil {
		program(os.Args[2:])
		return
	}
	os.Exit(m.Run())
}

func duration(text string) time.Duration {
	after, err := time.ParseDuration(text)
	if err != nil {
		panic(err)
	}
	return after
}

func rehearse(file string) {
	if _, err := os.ReadFile(file); err != nil {
		panic(err)
	}
}

// hold arms guards and stays, until its standard input says what else to do.
func hold(file string, after time.Duration) {
	client := New(Options{Watch: []string{"watch"}})
	client.systemd = func() bool { return false }
	guarded, err := client.Arm(context.Background(), Request{File: file, Name: "test", After: after})
	if err != nil || guarded.Child != nil {
		panic(fmt.Sprint(err, guarded))
	}
	fmt.Println("armed")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if err := client.Disarm(context.Background()); err != nil {
			panic(err)
		}
		fmt.Println("disarmed")
	}
}

// watch is a child whose command writes a file. Files tell it what becomes of
// the system.
func watch(file string, after time.Duration) {
	CloseInherited()
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	note(file, "pid", strconv.Itoa(os.Getpid()))
	verdict := Watch(context.Background(), Watching{
		Clock: primitives.SystemClock{}, Words: os.Stdin, Says: os.Stdout, After: after, Terminated: terminated,
		GoingDown: func(context.Context) (bool, error) {
			note(file, "asked", "")
			switch {
			case noted(file, "down"):
				return true, nil
			case noted(file, "unknown"):
				return false, errors.New("nobody answers")
			}
			return false, nil
		},
	})
	note(file, "verdict", string(verdict))
}

func note(file, about, text string) {
	if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
		panic(err)
	}
	if err := os.Rename(file+".new", file+"."+about); err != nil {
		panic(err)
	}
}

func noted(file, about string) bool {
	_, err := os.Stat(file + "." + about)
	return err == nil
}

// holder is a process that has armed guards.
type holder struct {
	*exec.Cmd
	t    *testing.T
	file string
	say  *os.File
	says *bufio.Reader
}

func newHolder(t *testing.T, after time.Duration) *holder {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	h := &holder{t: t, file: filepath.Join(t.TempDir(), "file")}
	h.Cmd = exec.Command(self, "hold", h.file, after.String())
	h.Stderr = os.Stderr
	h.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	h.ExtraFiles = []*os.File{os.Stdin} // somebody else's
	in, say, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	h.Stdin, h.say = in, say
	out, err := h.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	h.says = bufio.NewReader(out)
	if err := h.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	t.Cleanup(func() {
		say.Close()
		_ = h.Process.Kill()
		_ = h.Wait()
		if _, err := os.Stat(h.file + ".pid"); err == nil {
			_ = syscall.Kill(h.child(), syscall.SIGKILL)
		}
	})
	h.hears("armed")
	return h
}

func (h *holder) hears(word string) {
	h.t.Helper()
	line, err := h.says.ReadString('\n')
	if err != nil || strings.TrimSpace(line) != word {
		h.t.Fatalf("%q, %v, not %q", line, err, word)
	}
}

// child is the process id of the guard.
func (h *holder) child() int {
	h.t.Helper()
	text, err := os.ReadFile(h.file + ".pid")
	if err != nil {
		h.t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil {
		h.t.Fatal(err)
	}
	return pid
}

// await waits for a note of the child.
func (h *holder) await(about string) string {
	h.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if text, err := os.ReadFile(h.file + "." + about); err == nil {
			return string(text)
		}
		if time.Now().After(end) {
			h.t.Fatalf("there is no %s", about)
		}
	}
}

func (h *holder) ends(want Verdict) {
	h.t.Helper()
	if got := h.await("verdict"); got != string(want) {
		h.t.Errorf("the child ends with %q, not %q", got, want)
	}
}
