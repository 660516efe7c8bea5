package guard

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ctys/primitives"
)

// fakeSystemd does what systemd-run and systemctl ask for: it runs rehearsals
// with their program, and remembers timers.
type fakeSystemd struct {
	t       *testing.T
	refuses func(program string) string // why it does not run one; empty: it does
	timers  map[string][]string         // the words after "--", by unit
	set     []string                    // the options of the last one
	stop    int                         // exit status of systemctl stop
}

func (f *fakeSystemd) run(ctx context.Context, argv []string) (string, int, error) {
	if argv[0] == "systemctl" {
		delete(f.timers, strings.TrimSuffix(argv[len(argv)-1], ".timer"))
		return "", f.stop, nil
	}
	command := argv[slices.Index(argv, "--")+1:]
	if why := f.refuses(command[0]); why != "" {
		return why + "\n", 203, nil
	}
	if slices.Contains(argv, "--wait") {
		for i := range command {
			command[i] = strings.ReplaceAll(command[i], "$$", "$")
		}
		out, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput()
		if err != nil {
			return string(out), 1, nil
		}
		return "", 0, nil
	}
	for _, word := range argv {
		if unit, ok := strings.CutPrefix(word, "--unit="); ok {
			f.timers[unit], f.set = command, argv
		}
	}
	return "", 0, nil
}

// underSystemd is a client whose children are no part of the test.
func underSystemd(t *testing.T) (*Client, *fakeSystemd) {
	t.Helper()
	fake := &fakeSystemd{t: t, timers: map[string][]string{}, refuses: func(string) string { return "" }}
	client := New(Options{Run: fake.run, Watch: []string{"fail"}, Rehearse: []string{"rehearse"}, Command: []string{"act", "for $HOME"}})
	client.systemd, client.sameNetwork, client.euid = func() bool { return true }, func() bool { return true }, 0
	return client, fake
}

func TestTimer(t *testing.T) {
	client, fake := underSystemd(t)
	folder := filepath.Join(t.TempDir(), "100$")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "file")
	note(file, "there", "")
	file += ".there"
	guarded, err := client.Arm(t.Context(), Request{File: file, Name: "job-1", After: 90*time.Second + time.Millisecond})
	if err != nil || guarded.Timer != nil || guarded.Child == nil {
		t.Fatalf("%+v, %v", guarded, err)
	}
	own := filepath.Join(folder, "ctys-guard-job-1")
	want := []string{own, "act", "for $$HOME", strings.ReplaceAll(file, "$", "$$")}
	if got := fake.timers["ctys-guard-job-1"]; !slices.Equal(got, want) {
		t.Errorf("the timer runs %q, not %q", got, want)
	}
	if !slices.Contains(fake.set, "--on-active=91s") {
		t.Errorf("%q: the timer is not set to 91 s", fake.set)
	}
	if err := client.Disarm(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(fake.timers) > 0 {
		t.Errorf("left: %v", fake.timers)
	}
	if _, err := os.Stat(own); err == nil {
		t.Error("the copy of the program is left")
	}
}

func TestTimerOfThisProgramWhereACopyCannotRun(t *testing.T) {
	client, fake := underSystemd(t)
	file := filepath.Join(t.TempDir(), "file")
	note(file, "there", "")
	file += ".there"
	fake.refuses = func(program string) string {
		if strings.HasPrefix(program, filepath.Dir(file)) {
			return "Permission denied"
		}
		return ""
	}
	guarded, err := client.Arm(t.Context(), Request{File: file, Name: "job-1", After: time.Minute})
	if err != nil || guarded.Timer != nil {
		t.Fatalf("%+v, %v", guarded, err)
	}
	self, _ := os.Executable()
	if got := fake.timers["ctys-guard-job-1"]; len(got) == 0 || got[0] != self {
		t.Errorf("the timer runs %q", got)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(file), "ctys-guard-job-1")); err == nil {
		t.Error("the copy that cannot run is left")
	}
	fake.stop = 5 // it has elapsed
	if err := client.Disarm(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestNoTimer(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(*Client, *fakeSystemd)
		kind  primitives.Kind
		says  string
	}{
		"another init":      {func(c *Client, _ *fakeSystemd) { c.systemd = func() bool { return false } }, primitives.Unsupported, "systemd is not the init"},
		"another account":   {func(c *Client, _ *fakeSystemd) { c.euid = 1000 }, primitives.Denied, "run as root"},
		"another network":   {func(c *Client, _ *fakeSystemd) { c.sameNetwork = func() bool { return false } }, primitives.Unsupported, "network namespace"},
		"systemd refuses":   {func(_ *Client, f *fakeSystemd) { f.refuses = func(string) string { return "Access denied" } }, primitives.Internal, "Access denied"},
		"nothing is read":   {func(c *Client, _ *fakeSystemd) { c.Rehearse = []string{"fail"} }, primitives.Internal, "fails as it is meant to"},
		"no program at all": {func(c *Client, _ *fakeSystemd) { c.Run = missing }, primitives.Unsupported, "systemd-run is missing"},
	} {
		client, fake := underSystemd(t)
		test.spoil(client, fake)
		file := filepath.Join(t.TempDir(), "file")
		_, _, err := client.startTimer(t.Context(), Request{File: file, Name: "job-1", After: time.Minute})
		if primitives.KindOf(err) != test.kind || err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", name, err)
		}
		if left, _ := filepath.Glob(filepath.Join(filepath.Dir(file), "*")); len(left) > 0 || len(fake.timers) > 0 {
			t.Errorf("%s: left: %v, %v", name, left, fake.timers)
		}
	}
}

func missing(context.Context, []string) (string, int, error) {
	return "", 0, primitives.Errorf(primitives.Unsupported, "exec.run", "", "program systemd-run is missing on this host")
}

func TestTimerThatDoesNotStop(t *testing.T) {
	client, fake := underSystemd(t)
	file := filepath.Join(t.TempDir(), "file")
	note(file, "there", "")
	if _, err := client.Arm(t.Context(), Request{File: file + ".there", Name: "job-1", After: time.Minute}); err != nil {
		t.Fatal(err)
	}
	fake.stop = 1
	if err := client.Disarm(t.Context()); err == nil || !strings.Contains(err.Error(), "systemctl stop ctys-guard-job-1.timer") {
		t.Error(err)
	}
	if err := client.Disarm(t.Context()); err != nil {
		t.Error("disarmed twice:", err)
	}
}
