//go:build linux

package guests

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ctys/tests/testneed"
)

// startLimit bounds the start of libvirtd: it asks QEMU what it can do, which
// takes seconds on a busy machine.
const startLimit = 60 * time.Second

// Libvirtd is a private libvirtd with the drivers qemu, lxc and test.
type Libvirtd struct {
	Folder string // everything of it; libvirtd.log is its log
	Socket string // its socket, seen from outside

	mu       sync.Mutex
	init     *exec.Cmd // PID 1 of its namespaces
	commands io.WriteCloser
	answers  *bufio.Reader
	guests   []*Guest
	groups   []string // the machine's control groups of libvirt before this one
}

// Need skips the test where the machine cannot run a private libvirtd with
// QEMU guests.
func Need(t testing.TB) {
	t.Helper()
	testneed.Root(t)
	testneed.Program(t, "libvirtd", "libvirt-daemon")
	testneed.Program(t, "qemu-system-x86_64", "qemu-system-x86")
	for folder := range hidden {
		if folder == "/run/libvirt" {
			continue
		}
		if _, err := os.Stat(folder); err != nil {
			testneed.Skip(t, t.Name(), folder+" is missing", "make test-deps (package libvirt-daemon-system)")
		}
	}
}

// StartLibvirtd starts a private libvirtd, which ends with the test together
// with all its guests. It skips the test where the machine cannot.
func StartLibvirtd(t testing.TB) *Libvirtd {
	t.Helper()
	Need(t)
	libvirtd, err := Open()
	if err != nil {
		if errors.Is(err, os.ErrPermission) {
			testneed.Skip(t, t.Name(), "no namespaces: "+err.Error(), "run the tests as root outside an unprivileged container")
		}
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("libvirtd's log:\n%s", libvirtd.Log())
		}
		libvirtd.Close()
	})
	return libvirtd
}

// Open starts a private libvirtd for several tests: a TestMain closes it.
func Open() (*Libvirtd, error) {
	// short, as a socket's path has at most 107 bytes
	folder, err := os.MkdirTemp("", "ctys-guests-")
	if err != nil {
		return nil, err
	}
	l := &Libvirtd{Folder: folder, Socket: filepath.Join(folder, "libvirt-sock"), groups: controlGroups()}
	if err := l.open(); err != nil {
		err = fmt.Errorf("private libvirtd: %w\n%s", err, l.Log())
		l.Close()
		return nil, err
	}
	return l, nil
}

func (l *Libvirtd) open() error {
	if err := l.configure(); err != nil {
		return err
	}
	if err := l.enter(); err != nil {
		return err
	}
	return l.Start()
}

// configure writes what libvirtd reads: no authentication, no TCP, no security
// labels, no helper daemons, no control groups for QEMU.
func (l *Libvirtd) configure() error {
	for _, name := range hidden {
		if err := os.MkdirAll(filepath.Join(l.Folder, name), 0o755); err != nil {
			return err
		}
	}
	files := map[string]string{
		"libvirtd.conf": fmt.Sprintf("unix_sock_dir = %q\nauth_unix_rw = \"none\"\nauth_unix_ro = \"none\"\nlisten_tls = 0\nlisten_tcp = 0\n", l.Folder),
		"etc/qemu.conf": "security_driver = \"none\"\nuser = \"root\"\ngroup = \"root\"\nremember_owner = 0\n" +
			"cgroup_controllers = []\nnamespaces = []\nstdio_handler = \"file\"\n",
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(l.Folder, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// enter makes the namespaces, with this program as their PID 1.
func (l *Libvirtd) enter() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	l.init = exec.Command(self)
	l.init.Env = append(os.Environ(), insideVariable+"="+l.Folder)
	l.init.Stderr = os.Stderr
	l.init.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC,
		Setpgid:    true,
	}
	if l.commands, err = l.init.StdinPipe(); err != nil {
		return err
	}
	answers, err := l.init.StdoutPipe()
	if err != nil {
		return err
	}
	l.answers = bufio.NewReader(answers)
	if err := l.init.Start(); err != nil {
		l.init = nil
		return err
	}
	return l.answer("ready")
}

// tell gives PID 1 a command and reads its answer.
func (l *Libvirtd) tell(command string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := fmt.Fprintln(l.commands, command); err != nil {
		return err
	}
	return l.answer("done")
}

func (l *Libvirtd) answer(wanted string) error {
	line, err := l.answers.ReadString('\n')
	if err != nil {
		return fmt.Errorf("PID 1 of the namespaces is gone: %w", err)
	}
	if line = strings.TrimSpace(line); line != wanted {
		return errors.New(line)
	}
	return nil
}

// Start starts libvirtd, also again after Kill, and waits until it answers.
func (l *Libvirtd) Start() error {
	if err := l.tell("start"); err != nil {
		return err
	}
	deadline := time.Now().Add(startLimit)
	for {
		err := l.ping()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("no answer after %s: %w", startLimit, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (l *Libvirtd) ping() error {
	return l.on("qemu", func(*rpc) error { return nil })
}

// URI is how ctys calls a driver of this libvirtd: "qemu", "lxc" or "test".
func (l *Libvirtd) URI(driver string) string {
	path := "system"
	if driver == "test" {
		path = "default"
	}
	return fmt.Sprintf("%s:///%s?socket=%s", driver, path, l.Socket)
}

// Freeze stops libvirtd as SIGSTOP does: its socket takes connections and
// nobody answers. Its guests run on.
func (l *Libvirtd) Freeze() error { return l.signal(syscall.SIGSTOP) }

// Thaw ends Freeze.
func (l *Libvirtd) Thaw() error { return l.signal(syscall.SIGCONT) }

// Kill ends libvirtd as a crash does; its guests run on. Start brings it back.
func (l *Libvirtd) Kill() error {
	if err := l.signal(syscall.SIGKILL); err != nil {
		return err
	}
	return l.tell("await-exit")
}

func (l *Libvirtd) signal(number syscall.Signal) error {
	return l.tell(fmt.Sprintf("signal %d", int(number)))
}

// Log is what libvirtd wrote.
func (l *Libvirtd) Log() string {
	content, err := os.ReadFile(filepath.Join(l.Folder, "libvirtd.log"))
	if err != nil {
		return err.Error()
	}
	return string(content)
}

// Close ends the guests, libvirtd and its namespaces, and removes its folder.
func (l *Libvirtd) Close() {
	if l.init != nil {
		// a container's control groups are only removed by an orderly end
		_ = l.Thaw()
		for _, guest := range l.guests {
			_ = guest.remove()
		}
		_ = l.signal(syscall.SIGTERM)
		_ = l.tell("await-exit")
		l.commands.Close()
		_ = l.init.Wait()
		l.removeControlGroups()
	}
	os.RemoveAll(l.Folder)
}

// controlGroups are the control groups below which libvirt puts containers.
func controlGroups() []string {
	var found []string
	for _, pattern := range []string{"/sys/fs/cgroup/machine", "/sys/fs/cgroup/*/machine"} {
		groups, _ := filepath.Glob(pattern) // the pattern is sound
		found = append(found, groups...)
	}
	return found
}

// removeControlGroups removes those that have come since; one that is in use
// stays.
func (l *Libvirtd) removeControlGroups() {
	for _, group := range controlGroups() {
		if !slices.Contains(l.groups, group) {
			_ = syscall.Rmdir(group)
		}
	}
}
