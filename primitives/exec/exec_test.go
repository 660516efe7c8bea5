package exec

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ctys/primitives"
)

// quick is the system's clock with short timers, so that the two seconds
// between SIGTERM and SIGKILL do not slow the tests.
type quick struct{ primitives.SystemClock }

func (q quick) AfterFunc(d time.Duration, f func()) func() {
	return q.SystemClock.AfterFunc(d/10, f)
}

func run(t *testing.T, request Request) Result {
	t.Helper()
	result, err := New(primitives.SystemClock{}).Run(context.Background(), request)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestArgumentsReachTheProgramAsTheyAre(t *testing.T) {
	words := []string{"two words", "$HOME", "a;b|c>d", "`x`", "*", "", "line\nline", `quo"te'`}
	result := run(t, Request{Argv: append([]string{"printf", `<%s>`}, words...)})
	if want := "<" + strings.Join(words, "><") + ">"; result.Stdout != want {
		t.Errorf("got %q, want %q", result.Stdout, want)
	}
}

func TestResult(t *testing.T) {
	t.Setenv("LC_ALL", "de_DE.UTF-8")
	cases := []struct {
		name    string
		request Request
		want    Result
	}{
		{"exit status", Request{Argv: []string{"sh", "-c", "echo out; echo err >&2; exit 7"}}, Result{Exit: 7, Stdout: "out\n", Stderr: "err\n"}},
		{"signal", Request{Argv: []string{"sh", "-c", "kill -9 $$"}}, Result{Exit: 137}},
		{"stdin", Request{Argv: []string{"cat"}, Stdin: "hello"}, Result{Stdout: "hello"}},
		{"no stdin", Request{Argv: []string{"cat"}}, Result{}},
		{"stdin unread", Request{Argv: []string{"true"}, Stdin: strings.Repeat("x", 1<<20)}, Result{}},
		{"locale", Request{Argv: []string{"sh", "-c", "echo $LC_ALL"}}, Result{Stdout: "C\n"}},
		{"own locale", Request{Argv: []string{"sh", "-c", "echo $LC_ALL"}, Env: map[string]string{"LC_ALL": "POSIX"}}, Result{Stdout: "POSIX\n"}},
		{"environment", Request{Argv: []string{"sh", "-c", "echo $A"}, Env: map[string]string{"A": "b c"}}, Result{Stdout: "b c\n"}},
		{"limit", Request{Argv: []string{"sh", "-c", "printf 123456; printf ab >&2"}, Limit: 4}, Result{Stdout: "1234", Stderr: "ab", Truncated: true}},
		{"limit met", Request{Argv: []string{"printf", "1234"}, Limit: 4}, Result{Stdout: "1234"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := run(t, c.request); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestTalkativeProgramEnds(t *testing.T) {
	result := run(t, Request{Argv: []string{"head", "-c", "3000000", "/dev/zero"}})
	if len(result.Stdout) != 1<<20 || !result.Truncated || result.Exit != 0 {
		t.Errorf("kept %d bytes, truncated %v, exit %d", len(result.Stdout), result.Truncated, result.Exit)
	}
}

func TestSecretIsStandardInputAndNowhereElse(t *testing.T) {
	secret := primitives.Secret{Reveal: func(context.Context) (string, error) { return "hunter2", nil }}
	if got := run(t, Request{Argv: []string{"cat"}, Secret: secret}); got.Stdout != "hunter2" {
		t.Errorf("standard input was %q", got.Stdout)
	}
	_, err := New(primitives.SystemClock{}).Run(context.Background(), Request{Argv: []string{"/nonexistent"}, Secret: secret})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error: %v", err)
	}
	locked := primitives.Secret{Reveal: func(context.Context) (string, error) {
		return "", primitives.Errorf(primitives.Denied, "secret.file", "", "it may be read by others")
	}}
	_, err = New(primitives.SystemClock{}).Run(context.Background(), Request{Argv: []string{"cat"}, Secret: locked})
	if primitives.KindOf(err) != primitives.Denied {
		t.Errorf("error: %v", err)
	}
}

func TestErrors(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	foreign := filepath.Join(dir, "foreign")
	for path, mode := range map[string]os.FileMode{plain: 0o644, foreign: 0o755} {
		if err := os.WriteFile(path, []byte("\x00no program"), mode); err != nil {
			t.Fatal(err)
		}
	}
	secret := primitives.Secret{Reveal: func(context.Context) (string, error) { return "", nil }}
	cases := []struct {
		name    string
		request Request
		kind    primitives.Kind
		says    string
	}{
		{"no program", Request{}, primitives.Invalid, "argv"},
		{"empty program", Request{Argv: []string{""}}, primitives.Invalid, "argv"},
		{"NUL", Request{Argv: []string{"echo", "a\x00b"}}, primitives.Invalid, "argv[1]"},
		{"variable's name", Request{Argv: []string{"true"}, Env: map[string]string{"A=B": ""}}, primitives.Invalid, `"A=B"`},
		{"limit", Request{Argv: []string{"true"}, Limit: -1}, primitives.Invalid, "-1"},
		{"two inputs", Request{Argv: []string{"true"}, Stdin: "x", Secret: secret}, primitives.Invalid, "secret"},
		{"missing", Request{Argv: []string{"ctys-no-such-program"}}, primitives.Unsupported, "ctys-no-such-program"},
		{"missing path", Request{Argv: []string{dir + "/none"}}, primitives.Unsupported, dir + "/none"},
		{"not executable", Request{Argv: []string{plain}}, primitives.Denied, plain},
		{"foreign format", Request{Argv: []string{foreign}}, primitives.Unsupported, foreign},
		{"too long", Request{Argv: []string{"echo", strings.Repeat("x", 1<<20)}}, primitives.Invalid, "standard input"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := New(primitives.SystemClock{}).Run(context.Background(), c.request)
			if err == nil || primitives.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v (%s), want %s that says %q", err, primitives.KindOf(err), c.kind, c.says)
			}
		})
	}
}

func TestProgramOfTheCurrentDirectoryIsNotFoundByPath(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/ctys-trap", []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	t.Setenv("PATH", ".:"+os.Getenv("PATH"))
	_, err := New(primitives.SystemClock{}).Run(context.Background(), Request{Argv: []string{"ctys-trap"}})
	if primitives.KindOf(err) != primitives.Denied {
		t.Errorf("got %v", err)
	}
}

// A program that ends the way it is asked to, with a child that does not, and
// one that ignores SIGTERM: nobody of the group is left.
func TestContextEndsTheWholeGroup(t *testing.T) {
	cases := []struct{ name, script, says string }{
		{"SIGTERM", `(trap '' TERM; while :; do sleep 1; done) & echo $!; touch MARKER; wait`, "SIGTERM"},
		{"SIGKILL", `trap '' TERM; echo $$; touch MARKER; while :; do sleep 1; done`, "SIGKILL"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			marker := filepath.Join(t.TempDir(), "ready")
			go func() {
				for {
					if _, err := os.Stat(marker); err == nil {
						cancel()
						return
					}
					time.Sleep(5 * time.Millisecond)
				}
			}()
			script := strings.Replace(c.script, "MARKER", marker, 1)
			result, err := New(quick{}).Run(ctx, Request{Argv: []string{"sh", "-c", script}})
			if primitives.KindOf(err) != primitives.Canceled || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error: %v", err)
			}
			var pid int
			if _, err := fmt.Sscan(result.Stdout, &pid); err != nil {
				t.Fatalf("output %q: %v", result.Stdout, err)
			}
			for running(pid) {
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
}

// running tells whether a process exists and is no zombie.
func running(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

func TestDeadlineIsTimeout(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err := New(quick{}).Run(ctx, Request{Argv: []string{"sleep", "60"}})
	if primitives.KindOf(err) != primitives.Timeout || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	_, err = New(quick{}).Run(ctx, Request{Argv: []string{"true"}})
	if primitives.KindOf(err) != primitives.Timeout {
		t.Errorf("after the deadline: %v", err)
	}
}

func TestDaemonWithOpenOutputIsNotWaitedFor(t *testing.T) {
	result, err := New(quick{}).Run(context.Background(),
		Request{Argv: []string{"sh", "-c", "sleep 60 & echo $!"}})
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscan(result.Stdout, &pid); err != nil {
		t.Fatal(err)
	}
	if process, err := os.FindProcess(pid); err == nil {
		_ = process.Kill()
	}
}

func TestManyAtOnce(t *testing.T) {
	client := New(primitives.SystemClock{})
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			result, err := client.Run(context.Background(), Request{Argv: []string{"cat"}, Stdin: fmt.Sprint(i)})
			if err != nil || result.Stdout != fmt.Sprint(i) {
				t.Errorf("%d: %+v, %v", i, result, err)
			}
		})
	}
	all.Wait()
}

// Proxmox's tools are in /usr/sbin, which the PATH of an account that is not root
// may lack: they are there nevertheless.
func TestProgramsOfTheSystemAreFound(t *testing.T) {
	folder := t.TempDir()
	before := systemFolders
	systemFolders = []string{filepath.Join(folder, "none"), folder}
	t.Cleanup(func() { systemFolders = before })
	for name, mode := range map[string]os.FileMode{"ctys-system-tool": 0o755, "ctys-root-tool": 0o644} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte("#!/bin/sh\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	if path, err := find("ctys-system-tool"); err != nil || path != filepath.Join(folder, "ctys-system-tool") {
		t.Errorf("%q, %v", path, err)
	}
	if _, err := find("ctys-root-tool"); primitives.KindOf(err) != primitives.Denied {
		t.Errorf("one that may not be executed: %v", err)
	}
}
