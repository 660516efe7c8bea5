package shutdown

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ctys/primitives"
)

// files are what a machine shows of itself, by path.
type files map[string]string

// sleeper can suspend and hibernate.
func sleeper() files {
	return files{
		"/proc/sys/kernel/random/boot_id": "b-1\n",
		sleepStates:                       "freeze mem disk\n",
		memorySleep:                       "s2idle [deep]\n",
		diskSleep:                         "[platform] shutdown reboot suspend test_resume \n",
		resumeFrom:                        "8:2\n",
		swapAreas: "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n" +
			"/dev/zram0                              partition\t4000000\t\t0\t\t100\n" +
			"/dev/sda2                               partition\t2097148\t\t1048576\t\t-2\n",
		memoryInUse: "MemTotal:        4000000 kB\nActive:          3000000 kB\nActive(anon):    1000000 kB\n",
	}
}

// with is the same with files changed; empty removes one.
func (f files) with(changes ...string) files {
	for i := 0; i < len(changes); i += 2 {
		f[changes[i]] = changes[i+1]
	}
	return f
}

func (f files) read(path string) ([]byte, error) {
	if f[path] == "" {
		return nil, os.ErrNotExist
	}
	return []byte(f[path]), nil
}

// What is missing is told before anything is touched, whoever would be asked.
func TestWhatIsMissingToSleep(t *testing.T) {
	tests := []struct {
		name   string
		method Method
		shows  files
		says   string // empty: nothing is missing
	}{
		{"suspend", Suspend, sleeper(), ""},
		{"hibernate", Hibernate, sleeper(), ""},
		{"suspend, s2idle selected", Suspend, sleeper().with(memorySleep, "[s2idle] deep"), ""},
		{"suspend, no choice", Suspend, sleeper().with(memorySleep, ""), ""},
		{"suspend without mem", Suspend, sleeper().with(sleepStates, "freeze disk"), `no mem, only "freeze disk"`},
		{"suspend without deep", Suspend, sleeper().with(memorySleep, "[s2idle]"), `no deep (ACPI S3), only "[s2idle]"`},
		{"suspend in a container", Suspend, sleeper().with(sleepStates, ""), "no /sys/power/state"},
		{"hibernate without disk", Hibernate, sleeper().with(sleepStates, "freeze mem"), "Secure Boot"},
		{"hibernate switched off", Hibernate, sleeper().with(diskSleep, "[disabled]"), "[disabled]"},
		{"hibernate without swap", Hibernate, sleeper().with(swapAreas, "Filename Type Size Used Priority\n/dev/zram0 partition 4000000 0 100\n"), "no swap space on a disk"},
		{"hibernate without swap at all", Hibernate, sleeper().with(swapAreas, ""), "no swap space on a disk"},
		{"hibernate with too little", Hibernate, sleeper().with(memoryInUse, "Active(anon):  2097152 kB\n"), "1023 MiB free, 2048 MiB of memory in use"},
		{"hibernate, swap unreadable", Hibernate, sleeper().with(swapAreas, "Filename Type Size Used Priority\n/dev/sda2 partition many 0 -2\n"), "cannot be read"},
		{"hibernate without resume", Hibernate, sleeper().with(resumeFrom, "0:0"), "resume=DEVICE"},
	}
	for _, test := range tests {
		for _, systemd := range []bool{true, false} {
			t.Run(test.name, func(t *testing.T) {
				client, ran := toolClient(t, systemd, 0, "systemctl")
				client.read, client.kernel.writable = test.shows.read, func(string) error { return nil }
				err := client.Supported(context.Background(), Request{Method: test.method})
				if test.says == "" {
					if err != nil {
						t.Error(err)
					}
					return
				}
				if primitives.KindOf(err) != primitives.Unsupported || !strings.Contains(err.Error(), test.says) {
					t.Errorf("Supported: got %v; want one that says %q", err, test.says)
				}
				if _, err := client.Do(context.Background(), Request{Method: test.method}); primitives.KindOf(err) != primitives.Unsupported || len(*ran) != 0 {
					t.Errorf("Do: got %v, ran %q", err, *ran)
				}
			})
		}
	}
}

// logind knows swap and resume better; its "na" is explained by what is seen.
func TestLogindAndSleep(t *testing.T) {
	address := privateBus(t)
	fake := &fakeLogind{can: "na"}
	startLogind(t, address, fake, true)
	client := armed(t, address)
	client.read = sleeper().with(resumeFrom, "0:0").read
	err := client.Supported(context.Background(), Request{Method: Hibernate})
	if primitives.KindOf(err) != primitives.Unsupported || !strings.Contains(err.Error(), "resume=DEVICE") {
		t.Errorf("na: got %v", err)
	}
	fake.says("yes")
	if err := client.Supported(context.Background(), Request{Method: Hibernate}); err != nil {
		t.Errorf("yes: got %v", err)
	}
	fake.says("challenge")
	if err := client.Supported(context.Background(), Request{Method: Suspend}); primitives.KindOf(err) != primitives.Denied || !strings.Contains(err.Error(), "org.freedesktop.login1.suspend") {
		t.Errorf("challenge: got %v", err)
	}
	fake.says("yes", inhibitor{What: "shutdown", Who: "backup", Mode: "block"})
	if err := client.Supported(context.Background(), Request{Method: Suspend}); err != nil {
		t.Errorf("who blocks a shutdown does not block sleep: got %v", err)
	}
	fake.says("yes", inhibitor{What: "handle-lid-switch:sleep", Who: "burner", Mode: "block"})
	if err := client.Supported(context.Background(), Request{Method: Suspend}); primitives.KindOf(err) != primitives.Busy || !strings.Contains(err.Error(), "burner") {
		t.Errorf("blocked: got %v", err)
	}
	client.read = sleeper().with(memorySleep, "[s2idle]").read
	if err := client.Supported(context.Background(), Request{Method: Suspend}); primitives.KindOf(err) != primitives.Unsupported || fake.calls() != "" {
		t.Errorf("without deep: got %v after %s", err, fake.calls())
	}
}

func TestSystemdSleepsWithoutLogind(t *testing.T) {
	for _, method := range []Method{Suspend, Hibernate} {
		client, ran := toolClient(t, true, 0, "systemctl")
		client.read = sleeper().read
		got, err := client.Do(context.Background(), Request{Method: method})
		if want := "/sbin/systemctl --no-ask-password --no-block " + string(method); err != nil || got.Via != "systemctl" || !slices.Equal(*ran, []string{want}) {
			t.Errorf("%+v, %v, ran %q; want %q", got, err, *ran, want)
		}
	}
}

// asked is a kernel that notes what it is asked for.
type asked struct {
	written []string
	argv    []string
	input   *os.File
}

func (a *asked) kernel() kernel {
	return kernel{
		write:    func(path, text string) error { a.written = append(a.written, text+" to "+path); return nil },
		writable: func(string) error { return nil },
		start: func(argv []string, input *os.File, _ func(string, error)) error {
			a.argv = argv
			var err error
			a.input, err = dup(input)
			return err
		},
	}
}

// dup keeps what a process of its own would have inherited.
func dup(file *os.File) (*os.File, error) {
	return os.OpenFile(filepath.Join("/proc/self/fd", strconv.Itoa(int(file.Fd()))), os.O_RDONLY, 0)
}

func TestKernelIsHeldUpUntilRelease(t *testing.T) {
	for method, state := range map[Method]string{Suspend: "mem", Hibernate: "disk"} {
		kernel := &asked{}
		client, ran := toolClient(t, false, 0)
		client.read, client.kernel = sleeper().read, kernel.kernel()
		got, err := client.Do(context.Background(), Request{Method: method})
		if err != nil || got.Via != "sysfs" || got.BootID != "b-1" || len(*ran) != 0 || len(kernel.written) != 0 {
			t.Fatalf("%+v, %v, ran %q, wrote %q", got, err, *ran, kernel.written)
		}
		if !strings.Contains(kernel.argv[2], "echo "+state+" >/sys/power/state") {
			t.Errorf("started %q", kernel.argv)
		}
		ended := make(chan error, 1)
		go func() { _, err := kernel.input.Read(make([]byte, 1)); ended <- err }()
		select {
		case err := <-ended:
			t.Errorf("not held up: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
		client.Release()
		client.Release()
		if err := <-ended; err == nil {
			t.Error("its input did not end")
		}
	}
}

// Nobody has to call Release.
func TestKernelIsNotHeldUpForEver(t *testing.T) {
	kernel := &asked{}
	client, _ := toolClient(t, false, 0)
	client.read, client.kernel, client.Clock = sleeper().read, kernel.kernel(), quick{}
	if _, err := client.Do(context.Background(), Request{Method: Suspend}); err != nil {
		t.Fatal(err)
	}
	if _, err := kernel.input.Read(make([]byte, 1)); err == nil {
		t.Error("its input did not end")
	}
}

func TestDeepIsSelected(t *testing.T) {
	kernel := &asked{}
	client, _ := toolClient(t, false, 0)
	client.read, client.kernel = sleeper().with(memorySleep, "[s2idle] deep").read, kernel.kernel()
	if _, err := client.Do(context.Background(), Request{Method: Suspend}); err != nil || !slices.Equal(kernel.written, []string{"deep to /sys/power/mem_sleep"}) {
		t.Errorf("%v, wrote %q", err, kernel.written)
	}
	client.Release()
}

func TestKernelThatMayNotBeAsked(t *testing.T) {
	client, _ := toolClient(t, false, 1000)
	client.read = sleeper().read
	_, err := client.Do(context.Background(), Request{Method: Suspend})
	if primitives.KindOf(err) != primitives.Denied || !strings.Contains(err.Error(), "wol1") || !strings.Contains(err.Error(), "/sys/power/state") {
		t.Errorf("not root: got %v", err)
	}
	client, _ = toolClient(t, false, 0)
	client.read = sleeper().read
	client.kernel.writable = func(string) error { return os.ErrPermission }
	if err := client.Supported(context.Background(), Request{Method: Suspend}); primitives.KindOf(err) != primitives.Unsupported || !strings.Contains(err.Error(), "cannot be written") {
		t.Errorf("a read-only /sys: got %v", err)
	}
}

// The shell that is left behind writes when its input ends, and not before, and
// what the kernel says to it is passed on.
func TestSleepCommand(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	told := make(chan error, 1)
	run := func(argv []string) *os.File {
		input, lock, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := startDetached(argv, input, func(_ string, err error) { told <- err }); err != nil {
			t.Fatal(err)
		}
		_ = input.Close()
		return lock
	}
	lock := run(sleepCommand(file, Suspend))
	if _, err := lock.WriteString("x\n"); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(file); len(text) != 0 {
		t.Errorf("it wrote %q while it was held up", text)
	}
	_ = lock.Close()
	if err := <-told; err != nil {
		t.Error(err)
	}
	if text, _ := os.ReadFile(file); string(text) != "mem\n" {
		t.Errorf("it wrote %q", text)
	}
	_ = run(sleepCommand(filepath.Join(file, "none"), Suspend)).Close()
	if err := <-told; err == nil {
		t.Error("a failure was not told")
	}
	var warned string
	client := New(Options{Warn: func(message string) { warned = message }})
	client.woken(Suspend)("write error: Device or resource busy\n", os.ErrInvalid)
	if !strings.Contains(warned, "did not suspend") || !strings.Contains(warned, "Device or resource busy") {
		t.Errorf("warned %q", warned)
	}
}
