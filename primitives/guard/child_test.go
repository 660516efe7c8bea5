package guard

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ctys/primitives"
)

const long = time.Hour

func kill(t *testing.T, pid int, with syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, with); err != nil {
		t.Fatal(err)
	}
}

func TestChildActsWhenItsParentIsKilled(t *testing.T) {
	t.Parallel()
	h := newHolder(t, long)
	kill(t, h.Process.Pid, syscall.SIGKILL)
	h.ends(Lost)
}

func TestChildOutlivesTheGroupOfItsParent(t *testing.T) {
	t.Parallel()
	h := newHolder(t, long)
	kill(t, -h.Process.Pid, syscall.SIGKILL)
	h.ends(Lost)
}

func TestDisarmedChildDoesNothing(t *testing.T) {
	t.Parallel()
	h := newHolder(t, long)
	child := h.child()
	if _, err := h.say.WriteString("disarm\n"); err != nil {
		t.Fatal(err)
	}
	h.hears("disarmed")
	if got := h.await("verdict"); got != string(Disarmed) {
		t.Errorf("the child ends with %q", got)
	}
	if noted(h.file, "asked") {
		t.Error("a child that was disarmed has asked whether the system goes down")
	}
	if err := syscall.Kill(child, 0); err == nil {
		t.Error("the child is left when it is disarmed")
	}
}

func TestChildActsWhenTheTimeIsOver(t *testing.T) {
	t.Parallel()
	h := newHolder(t, time.Second)
	h.ends(Late)
	if err := syscall.Kill(h.Process.Pid, 0); err != nil {
		t.Error("its parent was not alive:", err)
	}
	// Disarming what has acted is no fault.
	if _, err := h.say.WriteString("disarm\n"); err != nil {
		t.Fatal(err)
	}
	h.hears("disarmed")
}

// A session that is ended without the system: both get SIGTERM.
func TestTerminatedChildStillWatches(t *testing.T) {
	t.Parallel()
	h := newHolder(t, long)
	kill(t, h.child(), syscall.SIGTERM)
	h.await("asked")
	kill(t, h.Process.Pid, syscall.SIGKILL)
	h.ends(Lost)
}

func TestChildDoesNothingWhileTheSystemGoesDown(t *testing.T) {
	t.Run("both are killed", func(t *testing.T) {
		t.Parallel()
		h := newHolder(t, long)
		note(h.file, "down", "")
		kill(t, h.Process.Pid, syscall.SIGKILL)
		h.ends(GoingDown)
	})
	t.Run("it is terminated first", func(t *testing.T) {
		t.Parallel()
		h := newHolder(t, long)
		note(h.file, "down", "")
		kill(t, h.child(), syscall.SIGTERM)
		h.ends(GoingDown)
	})
	t.Run("nobody can tell, and init ends all", func(t *testing.T) {
		t.Parallel()
		h := newHolder(t, long)
		note(h.file, "unknown", "")
		kill(t, h.Process.Pid, syscall.SIGKILL)
		kill(t, h.child(), syscall.SIGTERM)
		h.ends(GoingDown)
	})
	t.Run("nobody can tell, and only the parent ends", func(t *testing.T) {
		t.Parallel()
		h := newHolder(t, long)
		note(h.file, "unknown", "")
		kill(t, h.Process.Pid, syscall.SIGKILL)
		h.ends(Lost)
	})
	t.Run("the time is over", func(t *testing.T) {
		t.Parallel()
		h := newHolder(t, 2*time.Second)
		note(h.file, "down", "")
		h.ends(GoingDown)
	})
}

func TestChildHasNothingOfItsParent(t *testing.T) {
	t.Parallel()
	h := newHolder(t, long)
	child := h.child()
	if session, err := unix.Getsid(child); err != nil || session != child {
		t.Errorf("session %d of process %d, %v", session, child, err)
	}
	proc := filepath.Join("/proc", strconv.Itoa(child))
	if environment, err := os.ReadFile(filepath.Join(proc, "environ")); err != nil || len(environment) > 0 {
		t.Errorf("environment %q, %v", environment, err)
	}
	if folder, err := os.Readlink(filepath.Join(proc, "cwd")); err != nil || folder != "/" {
		t.Errorf("it stands in %s, %v", folder, err)
	}
	open, err := os.ReadDir(filepath.Join(proc, "fdinfo"))
	if err != nil || len(open) < 3 {
		t.Fatal(open, err)
	}
	for _, entry := range open {
		info, err := os.ReadFile(filepath.Join(proc, "fdinfo", entry.Name()))
		_, standard := map[string]bool{"0": true, "1": true, "2": true}[entry.Name()]
		if err == nil && !standard && !closedOnExec(string(info)) {
			target, _ := os.Readlink(filepath.Join(proc, "fd", entry.Name()))
			t.Errorf("descriptor %s came from its parent: %s", entry.Name(), target)
		}
	}
}

// closedOnExec reads fdinfo (proc(5)), whose flags are octal.
func closedOnExec(info string) bool {
	_, after, _ := strings.Cut(info, "flags:")
	flags, err := strconv.ParseInt(strings.TrimSpace(strings.SplitN(after, "\n", 2)[0]), 8, 64)
	return err == nil && flags&unix.O_CLOEXEC != 0
}

func TestArmWithoutAGuard(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	for name, test := range map[string]struct {
		request Request
		options Options
		kind    primitives.Kind
		says    string
	}{
		"a relative file":      {Request{File: "file", Name: "x", After: long}, Options{}, primitives.Invalid, "absolute"},
		"a name with a slash":  {Request{File: file, Name: "a/b", After: long}, Options{}, primitives.Invalid, "a/b"},
		"no time":              {Request{File: file, Name: "x", After: time.Millisecond}, Options{}, primitives.Invalid, "1ms"},
		"a child that speaks":  {Request{File: file, Name: "x", After: long}, Options{Watch: []string{"fail"}}, primitives.Internal, "does not watch: it fails as it is meant to"},
		"a file for its words": {Request{File: file, Words: file + "/words", Name: "x", After: long}, Options{Watch: []string{"watch"}}, primitives.Internal, "words"},
	} {
		client := New(test.options)
		client.systemd = func() bool { return false }
		guarded, err := client.Arm(t.Context(), test.request)
		if primitives.KindOf(err) != test.kind || err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %+v, %v", name, guarded, err)
		}
		if err := client.Disarm(context.Background()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
