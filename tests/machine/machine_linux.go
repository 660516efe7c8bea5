package machine

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ctys/tests/testneed"
)

// Options says what machine a test wants. The zero value is a good one.
type Options struct {
	Name          string // host name, also that of an interface: up to 15 letters, digits and dashes; default "machine1" and so on
	AuthorizedKey []byte // a line of authorized_keys(5) for root and operator, beside the rig's own
	Desk          *Desk  // default: one of its own
	System        System // default: systemd
	NetAdmin      bool   // its root may change its network (capabilities(7), CAP_NET_ADMIN)
}

// Machine is one container that runs, or has run. Its accounts are root and
// operator, an ordinary user.
type Machine struct {
	Access
	MAC string

	system  System
	extra   string // what its root may do beyond systemd-nspawn's own set
	console string // log file

	mu      sync.Mutex
	boots   int
	stopped bool          // by the test: a reboot is not followed
	off     chan struct{} // closed when it is off and cleared away
}

// nameForm keeps a name fit for a host, an interface and a path.
var nameForm = regexp.MustCompile(`^[a-z][a-z0-9-]{0,14}$`)

// Start boots a machine and gives it back when its boot has finished. It is
// cut off when the test ends, and its console is logged if the test failed.
func Start(t testing.TB, options Options) *Machine {
	t.Helper()
	testneed.Program(t, "systemd-nspawn", "systemd-container")
	desk := options.Desk
	if desk == nil {
		desk = NewDesk(t)
	}
	disk := tree(t, options.System)
	place := desk.NextPlace()
	if options.Name == "" {
		options.Name = fmt.Sprintf("machine%d", place.Number)
	}
	if !nameForm.MatchString(options.Name) {
		t.Fatalf("machine name %q: a lower-case letter, then up to 14 letters, digits or dashes", options.Name)
	}
	m := &Machine{Access: NewAccess(t, desk, options.Name, place.IP), MAC: place.MAC, system: options.System}
	if options.NetAdmin {
		m.extra = "CAP_NET_ADMIN"
	}
	m.console = filepath.Join(t.TempDir(), "console.log")
	m.insertDisk(t, disk)
	m.letIn(t, options.AuthorizedKey)
	m.on()
	t.Cleanup(func() {
		m.CutPower()
		if t.Failed() {
			t.Logf("console of %s:\n%s", m.Name, m.ConsoleLog())
		}
	})
	if err := m.ready(20 * time.Second); err != nil {
		t.Fatalf("%s did not boot: %v", m.Name, err)
	}
	return m
}

// insertDisk gives the machine a disk of its own in memory over the shared one.
func (m *Machine) insertDisk(t testing.TB, lower string) {
	t.Helper()
	// From within the lower directory, whose name may have characters that
	// mount options reserve.
	const script = `
cd "$2"
mkdir -p /run/disk
mkdir /run/disk/$1 # two machines of one name end here
mount -t tmpfs -o size=1g tmpfs /run/disk/$1
mkdir /run/disk/$1/upper /run/disk/$1/work /run/disk/$1/root
mount -t overlay -o lowerdir=.,upperdir=/run/disk/$1/upper,workdir=/run/disk/$1/work root /run/disk/$1/root
echo $1 >/run/disk/$1/root/etc/hostname
printf '127.0.0.1 localhost\n%s %s\n' "$3" "$1" >/run/disk/$1/root/etc/hosts`
	if out, err := m.Desk.inside(script, m.Name, lower, m.IP).CombinedOutput(); err != nil {
		t.Fatalf("%s gets no disk: %v\n%s", m.Name, err, out)
	}
}

// bootScript wires the machine up and becomes its container. The network lives
// in a namespace with a name (within the desk), so that its addresses are set
// from outside and the machine needs no network service.
const bootScript = `
ip netns add $1
ip link add $1 type veth peer name eth0 address $3 netns $1
ip link set $1 master br0 up
ip -n $1 link set lo up
ip -n $1 addr add $2/24 dev eth0
ip -n $1 link set eth0 up
mkdir -p /sys/fs/cgroup/$4
echo $$ >/sys/fs/cgroup/$4/cgroup.procs
export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 SYSTEMD_NSPAWN_API_VFS_WRITABLE=network
exec systemd-nspawn --quiet --boot --register=no --keep-unit --directory=/run/disk/$1/root --machine=$1 \
    --network-namespace-path=/run/netns/$1 --capability=$5 --resolv-conf=off --timezone=off --console=read-only`

// clearScript removes what a machine that is off leaves, and before that any
// process: its keeper's end does not mean that all of them are gone.
const clearScript = `
cd /sys/fs/cgroup
if [ -d $2 ]; then
    echo 1 >$2/cgroup.kill
    while grep -q 'populated 1' $2/cgroup.events; do sleep 0.02; done
    find $2 -depth -type d -exec rmdir {} \;
fi
ip link del $1 || true
ip netns del $1 || true`

func (m *Machine) group() string { return m.Desk.group + "/" + m.Name }

// on boots the machine and follows it through its reboots until it is off.
func (m *Machine) on() {
	m.mu.Lock()
	m.off, m.stopped = make(chan struct{}), false
	m.mu.Unlock()
	go func() {
		defer close(m.off)
		for m.boot() {
		}
	}()
}

// boot runs one boot to its end and tells whether another one is due.
func (m *Machine) boot() bool {
	m.mu.Lock()
	stopped := m.stopped
	m.boots++
	m.mu.Unlock()
	if stopped {
		return false
	}
	const askedForReboot = 133 // of systemd-nspawn
	status := m.run()
	_ = m.Desk.inside(clearScript, m.Name, m.group()).Run()
	m.mu.Lock()
	defer m.mu.Unlock()
	return status == askedForReboot && !m.stopped
}

func (m *Machine) run() (status int) {
	console, err := os.OpenFile(m.console, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return -1
	}
	defer func() { _ = console.Close() }()
	box := m.Desk.inside(bootScript, m.Name, m.IP, m.MAC, m.group(), m.extra)
	box.Stdout, box.Stderr = console, console
	err = box.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		fmt.Fprintln(console, err)
		return -1
	}
	return 0
}

// Running tells whether any process of the machine is alive.
func (m *Machine) Running() bool {
	events, err := os.ReadFile(m.Desk.path("/sys/fs/cgroup/" + m.group() + "/cgroup.events"))
	return err == nil && strings.Contains(string(events), "populated 1")
}

// Boots counts the boots since Start, which makes the first one.
func (m *Machine) Boots() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.boots
}

// WaitOff waits until no process of the machine is left and its network is
// gone; the test fails if that takes longer than timeout.
func (m *Machine) WaitOff(t testing.TB, timeout time.Duration) {
	t.Helper()
	select {
	case <-m.off:
	case <-time.After(timeout):
		t.Fatalf("%s is still on after %v", m.Name, timeout)
	}
}

// WaitBoot waits until boot number n has finished; the test fails if that
// takes longer than timeout.
func (m *Machine) WaitBoot(t testing.TB, n int, timeout time.Duration) {
	t.Helper()
	for end := time.Now().Add(timeout); m.Boots() < n; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s has booted %d times after %v, not %d", m.Name, m.Boots(), timeout, n)
		}
	}
	if err := m.ready(timeout); err != nil {
		t.Fatalf("%s did not boot again: %v", m.Name, err)
	}
}

// PowerOn boots a machine that is off, as its power button does, and waits
// until the boot has finished. Its disk is as it was.
func (m *Machine) PowerOn(t testing.TB) {
	t.Helper()
	select {
	case <-m.off:
	default:
		t.Fatalf("%s is on already", m.Name)
	}
	m.on()
	if err := m.ready(20 * time.Second); err != nil {
		t.Fatalf("%s did not boot: %v", m.Name, err)
	}
}

// PowerOff asks the machine's init for an orderly power-off, as its power
// button does, and returns at once (systemd(1), SIGRTMIN+4).
func (m *Machine) PowerOff() error {
	pid, err := m.init()
	if err != nil {
		return err
	}
	const sigrtmin = 34 // of the C library, which keeps two for itself
	return unix.Kill(pid, sigrtmin+4)
}

func (m *Machine) init() (pid int, err error) {
	file := m.Desk.path("/sys/fs/cgroup/" + m.group() + "/payload/init.scope/cgroup.procs")
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, fmt.Errorf("%s has no init: %w", m.Name, err)
	}
	_, err = fmt.Sscan(string(text), &pid)
	return pid, err
}

// CutPower ends every process of the machine at once and waits until it is off.
func (m *Machine) CutPower() {
	m.mu.Lock()
	m.stopped = true
	m.mu.Unlock()
	for {
		_ = os.WriteFile(m.Desk.path("/sys/fs/cgroup/"+m.group()+"/cgroup.kill"), []byte("1"), 0)
		select {
		case <-m.off:
			return
		case <-m.Desk.ended:
			return
		case <-time.After(20 * time.Millisecond): // its boot may only just begin
		}
	}
}

// SetLink plugs the machine's network cable in or pulls it, at the desk's end:
// connections do not break, they fall silent.
func (m *Machine) SetLink(t testing.TB, up bool) {
	t.Helper()
	state := map[bool]string{true: "up", false: "down"}[up]
	if out, err := m.Desk.inside("ip link set $1 $2", m.Name, state).CombinedOutput(); err != nil {
		t.Fatalf("cable of %s %s: %v\n%s", m.Name, state, err, out)
	}
}

// ConsoleLog is what the machine has written on its console, over all boots.
func (m *Machine) ConsoleLog() string {
	text, err := os.ReadFile(m.console)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Path is a file on the machine's disk as the test process reaches it, whether
// the machine is on or off. What is in memory inside (/run, /tmp, /proc, /dev)
// cannot be seen.
func (m *Machine) Path(inside string) string {
	return m.Desk.path("/run/disk/" + m.Name + "/root" + inside)
}

// WriteFile puts a file on the machine's disk, owned by root.
func (m *Machine) WriteFile(t testing.TB, inside string, content []byte, mode os.FileMode) {
	t.Helper()
	path := m.Path(inside)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// CopyIn copies a file of the host, such as a program, to the machine's disk.
func (m *Machine) CopyIn(t testing.TB, host, inside string) {
	t.Helper()
	content, err := os.ReadFile(host)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(host)
	if err != nil {
		t.Fatal(err)
	}
	m.WriteFile(t, inside, content, info.Mode().Perm())
}
