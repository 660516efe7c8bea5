package journal

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"ctys/primitives"
	"ctys/tests/testneed"
)

const otherJob = "20260731-150000-000-00000001"

func acquire(t *testing.T, dir, job string) *Lease {
	t.Helper()
	lease, err := Acquire(bg, primitives.SystemClock{}, dir, "lab01", job)
	if err != nil {
		t.Fatal(err)
	}
	return lease
}

func TestLeaseIsForOneRun(t *testing.T) {
	dir := t.TempDir()
	lease := acquire(t, dir, testJob)
	_, err := Acquire(bg, primitives.SystemClock{}, dir, "lab01", otherJob)
	if primitives.KindOf(err) != primitives.Busy {
		t.Fatal(err)
	}
	for _, part := range []string{"lease.acquire lab01: run " + testJob, fmt.Sprintf("process %d of %s", os.Getpid(), lease.Holder.Account), "since 2", "wait for its end"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v lacks %q", err, part)
		}
	}
	if holder, held, err := Held(dir, "lab01"); !held || holder.Job != testJob || err != nil {
		t.Error(holder, held, err)
	}
	if other, err := Acquire(bg, primitives.SystemClock{}, dir, "lab02", otherJob); err != nil {
		t.Error(err)
	} else {
		other.Close()
	}
	for range 2 {
		if err := lease.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, held, err := Held(dir, "lab01"); held || err != nil {
		t.Error(held, err)
	}
	acquire(t, dir, otherJob).Close()
	if _, held, err := Held(dir, "never"); held || err != nil {
		t.Error(held, err)
	}
}

func TestLeaseRefuses(t *testing.T) {
	dir := t.TempDir()
	for _, test := range [][2]string{{"", testJob}, {"lab01", ""}, {"lab01", "../x"}} {
		if _, err := Acquire(bg, primitives.SystemClock{}, dir, test[0], test[1]); primitives.KindOf(err) != primitives.Invalid {
			t.Error(test, err)
		}
	}
	ctx, cancel := context.WithCancel(bg)
	cancel()
	if _, err := Acquire(ctx, primitives.SystemClock{}, dir, "lab01", testJob); primitives.KindOf(err) != primitives.Canceled {
		t.Error(err)
	}
	if _, err := Acquire(bg, primitives.SystemClock{}, filepath.Join(dir, "none"), "lab01", testJob); err == nil {
		t.Error("a lease in no folder")
	}
}

// What stands in a lease that nobody has locked counts only while its process
// runs.
func TestStaleLeasesAreTakenOver(t *testing.T) {
	self, err := thisProcess()
	if err != nil {
		t.Fatal(err)
	}
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	parent := os.Getppid()
	begun, err := startOf(parent)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		holder Holder
		stale  bool
	}{
		{"other boot", Holder{PID: parent, Start: begun, BootID: "00000000-0000-0000-0000-000000000000"}, true},
		{"process gone", Holder{PID: gone.Process.Pid, Start: begun, BootID: self.BootID}, true},
		{"process number used again", Holder{PID: parent, Start: "1", BootID: self.BootID}, true},
		{"alive", Holder{PID: parent, Start: begun, BootID: self.BootID}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			test.holder.Job, test.holder.Machine = otherJob, "lab01"
			text, _ := json.Marshal(test.holder)
			os.WriteFile(leasePath(dir, "lab01"), text, 0o666)
			lease, err := Acquire(bg, primitives.SystemClock{}, dir, "lab01", testJob)
			if (err == nil) != test.stale || !test.stale && primitives.KindOf(err) != primitives.Busy {
				t.Fatal(err)
			}
			if err == nil {
				if holder, held, _ := Held(dir, "lab01"); !held || holder.Job != testJob {
					t.Error(holder, held)
				}
				lease.Close()
			}
		})
	}
}

func TestRubbishInALeaseIsNoHolder(t *testing.T) {
	for _, text := range []string{"", "{", "null", "[]", `{"job":"x","pid":1}`, `{"job":"` + testJob + `","pid":-1}`, strings.Repeat("x", 10000), "\x00"} {
		dir := t.TempDir()
		os.WriteFile(leasePath(dir, "lab01"), []byte(text), 0o666)
		acquire(t, dir, testJob).Close()
	}
}

func TestWhatIsNoLeaseIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	precious := filepath.Join(dir, "precious")
	os.WriteFile(precious, []byte("keep me"), 0o600)
	for name, make := range map[string]func(path string) error{
		"symbolic link": func(path string) error { return os.Symlink(precious, path) },
		"hard link":     func(path string) error { return os.Link(precious, path) },
		"fifo":          func(path string) error { return syscall.Mkfifo(path, 0o666) },
	} {
		path := leasePath(dir, name)
		if err := make(path); err != nil {
			t.Fatal(err)
		}
		if _, err := Acquire(bg, primitives.SystemClock{}, dir, name, testJob); primitives.KindOf(err) != primitives.Denied {
			t.Error(name, err)
		}
		os.Remove(path)
	}
	if text, _ := os.ReadFile(precious); string(text) != "keep me" {
		t.Errorf("%s", text)
	}
}

func TestLeaseNamesAreFileNames(t *testing.T) {
	seen := map[string]bool{}
	for _, machine := range []string{"lab01", ".", "..", "../x", "a/b", "a%2fb", "fe80::1", "ü", "A", "a", ".hidden", "x.y"} {
		path := leasePath("/d", machine)
		if filepath.Dir(path) != "/d" || seen[path] || strings.HasPrefix(filepath.Base(path), ".") {
			t.Error(machine, path)
		}
		seen[path] = true
	}
}

func TestOneOfManyGetsTheLease(t *testing.T) {
	dir := t.TempDir()
	var holding, most, got atomic.Int32
	var all sync.WaitGroup
	for range 20 {
		all.Add(1)
		go func() {
			defer all.Done()
			for range 50 {
				lease, err := Acquire(bg, primitives.SystemClock{}, dir, "lab01", testJob)
				if err != nil {
					if primitives.KindOf(err) != primitives.Busy {
						t.Error(err)
					}
					continue
				}
				got.Add(1)
				if n := holding.Add(1); n > most.Load() {
					most.Store(n)
				}
				holding.Add(-1)
				lease.Close()
			}
		}()
	}
	all.Wait()
	if most.Load() != 1 || got.Load() == 0 {
		t.Errorf("%d held it at once, %d got it", most.Load(), got.Load())
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Error("left behind:", left)
	}
}

// TestMain lets the test binary be the other run.
func TestMain(m *testing.M) {
	if dir := os.Getenv("CTYS_TEST_HOLD"); dir != "" {
		if _, err := Acquire(bg, primitives.SystemClock{}, dir, "lab01", otherJob); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("held")
		select {}
	}
	os.Exit(m.Run())
}

func holdElsewhere(t *testing.T, dir string, uid uint32) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	other := exec.Command(self)
	other.Env = append(os.Environ(), "CTYS_TEST_HOLD="+dir)
	if uid != 0 {
		// The test's own folder is closed to other accounts, so the other run
		// is a copy where it may be read.
		copied := filepath.Join(dir, "other-run")
		text, err := os.ReadFile(self)
		if err == nil {
			err = os.WriteFile(copied, text, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
		other.Path = copied
		other.Dir = "/"
		other.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	}
	out, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Process.Kill(); other.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "held\n" {
		t.Fatal(line, err)
	}
	return other
}

func TestAKilledRunLosesItsLease(t *testing.T) {
	dir := t.TempDir()
	other := holdElsewhere(t, dir, 0)
	_, err := Acquire(bg, primitives.SystemClock{}, dir, "lab01", testJob)
	if primitives.KindOf(err) != primitives.Busy || !strings.Contains(err.Error(), fmt.Sprintf("run %s has this machine (process %d of ", otherJob, other.Process.Pid)) {
		t.Fatal(err)
	}
	other.Process.Kill()
	other.Wait()
	lease := acquire(t, dir, testJob)
	defer lease.Close()
	if holder, held, err := Held(dir, "lab01"); !held || holder.Job != testJob || err != nil {
		t.Error(holder, held, err)
	}
}

func TestLeasesHoldBetweenAccounts(t *testing.T) {
	testneed.Root(t)
	dir, err := os.MkdirTemp("/tmp", "ctys-lease-*")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	shared := filepath.Join(dir, "shared")
	os.Chmod(dir, 0o755)
	if err := sharedFolder(shared); err != nil {
		t.Fatal(err)
	}
	const nobody = 65534
	other := holdElsewhere(t, shared, nobody)
	if _, err := Acquire(bg, primitives.SystemClock{}, shared, "lab01", testJob); primitives.KindOf(err) != primitives.Busy || !strings.Contains(err.Error(), " of nobody, since ") {
		t.Error(err)
	}
	other.Process.Kill()
	other.Wait()
	acquire(t, shared, testJob).Close() // root takes over nobody's file
	again := holdElsewhere(t, shared, nobody)
	again.Process.Kill()
	again.Wait()
	os.Remove(leasePath(shared, "lab01"))
	acquire(t, shared, testJob).Close()
	holdElsewhere(t, shared, nobody) // and nobody root's
}

func TestSharedFolder(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ctys")
	for range 2 {
		if err := sharedFolder(path); err != nil {
			t.Fatal(err)
		}
	}
	if info, _ := os.Stat(path); info.Mode() != sharedMode {
		t.Error(info.Mode())
	}
	closed := filepath.Join(dir, "closed")
	os.Mkdir(closed, 0o755)
	link := filepath.Join(dir, "link")
	os.Symlink(path, link)
	for _, bad := range []string{closed, link, filepath.Join(dir, "no", "such")} {
		if sharedFolder(bad) == nil {
			t.Error(bad, "was taken")
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 3 {
		t.Error(left)
	}
}

func TestOwnLeases(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", "/run/user/7")
	if got := ownLeases(); got != "/run/user/7/ctys/leases" {
		t.Error(got)
	}
	t.Setenv("XDG_RUNTIME_DIR", "")
	t.Setenv("XDG_STATE_HOME", "/state")
	if got := ownLeases(); got != "/state/ctys/leases" {
		t.Error(got)
	}
}
