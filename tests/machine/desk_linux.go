package machine

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ctys/tests/testneed"
)

// DeskAddress is the desk's own address on the segment.
const DeskAddress = "198.18.0.1"

// Desk is a place beside the machines: a network namespace in which programs
// and connections of the test stand as an operator's would.
type Desk struct {
	keeper *exec.Cmd
	leash  io.Closer // closing it ends everything in the desk
	ended  chan struct{}
	pid    int    // first process of the desk's namespaces
	group  string // its control group, from the root of the tree
	closed sync.Once

	mu       sync.Mutex
	machines int
}

var desks atomic.Int64

// keeperScript runs outside: it holds the desk and clears the control groups
// away, which are the only thing that outlasts the namespaces. The shell inside
// unshare is not in the new process namespace, its first child is the init.
const keeperScript = `
unshare --net --mount --pid --propagation private sh -c '
    exec 3<&0
    sh -c "$0" <&3 &
    echo $!
    exec 3<&- <&- >&-
    wait' "$1"
unshare --mount --propagation private sh -c '
    mount -t cgroup2 none /sys/fs/cgroup && cd /sys/fs/cgroup || exit
    [ ! -d "$0" ] || find "$0" -depth -type d -exec rmdir {} \;' "$2"
`

// initScript is the first process of the desk. It ends when the test process
// closes its end of standard input, or ends. Everything nspawn and ip leave
// under /run is in a file system of the desk's own. Podman, which takes an empty
// /run for a reboot, has its containers there too.
const initScript = `
set -e
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
for folder in /var/lib/containers /var/lib/lxc; do
    if [ -d $folder ]; then mount -t tmpfs tmpfs $folder; fi
done
mount -t cgroup2 none /sys/fs/cgroup
ip link set lo up
ip link add br0 type bridge
ip addr add ` + DeskAddress + `/24 dev br0
ip link set br0 up
echo ready
exec cat >/dev/null
`

// NewDesk makes a desk that ends with the test. A test needs it only for
// several machines that see each other; Start makes one otherwise.
func NewDesk(t testing.TB) *Desk {
	t.Helper()
	testneed.Root(t)
	for program, debianPackage := range map[string]string{
		"unshare": "util-linux", "nsenter": "util-linux", "ip": "iproute2",
	} {
		testneed.Program(t, program, debianPackage)
	}
	d := &Desk{ended: make(chan struct{}), group: fmt.Sprintf("ctys-test-%d-%d", os.Getpid(), desks.Add(1))}
	if err := d.open(); err != nil {
		testneed.Skip(t, t.Name(), "no namespaces could be made: "+err.Error(), "run make test as root on Linux, not in an unprivileged container")
	}
	t.Cleanup(d.close)
	return d
}

func (d *Desk) open() error {
	d.keeper = exec.Command("sh", "-c", keeperScript, "keeper", initScript, d.group)
	// Out of reach of a Ctrl-C that is meant for the test.
	d.keeper.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var complaint strings.Builder
	d.keeper.Stderr = &complaint
	leash, err := d.keeper.StdinPipe()
	if err != nil {
		return err
	}
	d.leash = leash
	output, err := d.keeper.StdoutPipe()
	if err != nil {
		return err
	}
	if err := d.keeper.Start(); err != nil {
		return err
	}
	read := bufio.NewReader(output)
	_, err = fmt.Fscanf(read, "%d\n", &d.pid)
	if err == nil {
		var ready string
		_, err = fmt.Fscanln(read, &ready)
	}
	go func() {
		defer close(d.ended)
		_, _ = io.Copy(io.Discard, read)
		_ = d.keeper.Wait()
	}()
	if err != nil {
		d.close()
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(complaint.String()))
	}
	return nil
}

func (d *Desk) close() {
	d.closed.Do(func() {
		_ = d.leash.Close()
		select {
		case <-d.ended:
		case <-time.After(20 * time.Second):
		}
	})
}

// Command is a program that runs at the desk: with the desk's network and the
// host's files. The process started is the program's own.
func (d *Desk) Command(ctx context.Context, argv ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "nsenter", append([]string{fmt.Sprintf("--net=/proc/%d/ns/net", d.pid), "--"}, argv...)...)
}

// Do runs f with its thread in the desk's network: the sockets that it makes
// itself, not those of goroutines it starts, are there.
func (d *Desk) Do(f func() error) error {
	result := make(chan error, 1)
	go func() {
		// Never unlocked: the thread ends with the goroutine, so that nothing
		// else of the test ever runs in this network.
		runtime.LockOSThread()
		result <- d.enter(f)
	}()
	return <-result
}

func (d *Desk) enter(f func() error) error {
	network, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", d.pid))
	if err != nil {
		return err
	}
	defer func() { _ = network.Close() }()
	if err := unix.Setns(int(network.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("entering the desk's network: %w", err)
	}
	return f()
}

// Dial connects from the desk; the address must be an IP address with a port.
func (d *Desk) Dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	err = d.Do(func() (err error) {
		conn, err = new(net.Dialer).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// inside is a shell script that runs in all of the desk's namespaces, where
// the machines' disks, control groups and networks can be seen.
func (d *Desk) inside(script string, args ...string) *exec.Cmd {
	argv := []string{"--target", fmt.Sprint(d.pid), "--net", "--mount", "--pid", "--", "sh", "-ec", script, "sh"}
	return exec.Command("nsenter", append(argv, args...)...)
}

// path is a file of the desk's file systems, as the test process reaches it.
func (d *Desk) path(inside string) string { return fmt.Sprintf("/proc/%d/root%s", d.pid, inside) }

// Place is where a machine stands on the segment.
type Place struct {
	Number  int // from 1
	IP, MAC string
}

// NextPlace is one that nobody has.
func (d *Desk) NextPlace() Place {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.machines++
	n := d.machines
	return Place{Number: n, IP: fmt.Sprintf("198.18.0.%d", 1+n), MAC: fmt.Sprintf("52:54:00:c6:12:%02x", 1+n)}
}
