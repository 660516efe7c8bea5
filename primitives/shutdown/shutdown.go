// Package shutdown takes this host down or puts it to sleep: it announces, asks
// logind (else the system's tools, for sleep else the kernel), and tells whether
// the request was accepted.
//
// It asks whatever is the init of the machine on which it runs; inside a
// container without one the system's tools fail, and so does Do.
package shutdown

import (
	"context"
	"io"
	"os"
	"sync"
	"time"

	"ctys/primitives"
)

// Method is what shall happen to the host.
type Method string

// The methods.
const (
	PowerOff Method = "poweroff"
	Reboot   Method = "reboot"
	Halt     Method = "halt"
	RunLevel Method = "runlevel" // see Request.Level

	Suspend   Method = "suspend"   // to RAM, ACPI S3; what runs goes on after it
	Hibernate Method = "hibernate" // to disk, ACPI S4; what runs goes on after it
)

// Request is one method for this host.
type Request struct {
	Method Method
	Level  int // RunLevel: 0–6; 0 is PowerOff and 6 is Reboot; 1, 3, 5 are systemd's rescue, multi-user and graphical targets, 2 and 4 multi-user
}

// Accepted tells that the system took the request.
type Accepted struct {
	Via     string // "logind", "systemctl", "shutdown", or the name of another tool that was asked; "sysfs" for the kernel's own sleep
	Prepare bool   // logind's PrepareForShutdown or PrepareForSleep was seen
	BootID  string // kernel's boot_id, the witness that a later boot is another one
	At      time.Time
}

// Identity tells one machine, and one boot of it, from another.
type Identity struct {
	Hostname  string
	MachineID string // machine-id(5); empty where the system has none
	BootID    string // see Client.BootID
	// Slept is how long this boot has been asleep so far, in whole seconds: the
	// witness of a sleep, which keeps BootID.
	Slept time.Duration
	// ProductUUID is the machine's DMI UUID, lower case, by which a hypervisor
	// knows its guest; empty where it cannot be read (only root may).
	ProductUUID string
}

// Options says how a Client reaches the system. The zero value reaches the real
// one and can change nothing in it.
type Options struct {
	Clock primitives.Clock // nil is the system's

	// Armed must be true for Do to act. It is the safety catch: what was not
	// made to take this machine down, such as a test, cannot.
	Armed bool

	// BusAddress is a D-Bus address; empty is the system bus.
	BusAddress string

	// Run runs one program of the system, with a standard input, and gives what
	// it printed on standard output and standard error and its exit status. An
	// error means that it did not run. nil is os/exec.
	Run func(ctx context.Context, argv []string, stdin string) (output string, exit int, err error)

	// Warn is told what Announce could not reach while the rest worked; nil
	// drops it.
	Warn func(message string)
}

// answerWait bounds the whole of a Supported or Do, for callers without a
// deadline. It leaves room for a login manager that has to be started first and
// for D-Bus's own 25 seconds.
const answerWait = 40 * time.Second

// Client takes down the machine on which it runs. It may be used by many
// goroutines at once.
type Client struct {
	Options

	// What the tests of this package put in the system's place.
	euid    int
	account func() string
	systemd func() bool                  // whether systemd is the init
	find    func(program string) string  // its path, empty where it is missing
	logs    []string                     // sockets of the system log, best first
	buses   []string                     // sockets of the system bus, best first
	read    func(string) ([]byte, error) // a file of the system
	asleep  func() time.Duration         // so far in this boot
	kernel  kernel

	mu   sync.Mutex
	lock io.Closer // logind's delay lock, or what holds the kernel's sleep up, while it is held
}

// New makes a Client.
func New(options Options) *Client {
	if options.Clock == nil {
		options.Clock = primitives.SystemClock{}
	}
	if options.Run == nil {
		options.Run = runProgram
	}
	if options.Warn == nil {
		options.Warn = func(string) {}
	}
	return &Client{
		Options: options,
		euid:    os.Geteuid(),
		account: accountName,
		systemd: systemdIsInit,
		find:    findProgram,
		logs:    []string{"/dev/log", "/run/systemd/journal/dev-log"},
		buses:   []string{"/var/run/dbus/system_bus_socket", "/run/dbus/system_bus_socket"},
		read:    os.ReadFile,
		asleep:  asleepSoFar,
		kernel:  systemKernel,
	}
}

// Supported tells whether Do would be able to: nil, or an error of kind
// Unsupported (the system has no such method; for sleep with what is missing),
// Denied (with what grants it), Busy (somebody holds a block inhibitor against it
// now; the message names who) or Invalid. It changes nothing.
func (c *Client) Supported(ctx context.Context, request Request) error {
	const op = "shutdown.supported"
	request, err := plain(op, request)
	if err != nil {
		return err
	}
	ctx, cancel := primitives.WithTimeout(ctx, c.Clock, answerWait)
	defer cancel()
	return c.by(ctx, op, request, ways{
		logind: func(manager *logind) error { return manager.permits(ctx, op, request.Method) },
		kernel: func() error { return c.kernelPermits(op, request.Method) },
		tool:   func() error { return c.toolPermits(op, request) },
	})
}

// ways are what is done where a request goes to logind, to the kernel, or to a
// tool of the system.
type ways struct {
	logind       func(*logind) error
	kernel, tool func() error
}

// by takes the way that this system has for a request.
func (c *Client) by(ctx context.Context, op string, request Request, ways ways) error {
	if request.Method.sleeps() {
		if err := c.canSleep(op, request.Method); err != nil {
			return err
		}
	}
	if request.Method != RunLevel {
		manager, err := c.openLogind(ctx, op)
		if err != nil {
			return err
		}
		if manager != nil {
			defer manager.close()
			return ways.logind(manager)
		}
	}
	if err := c.canResume(op, request.Method); err != nil {
		return err
	}
	if request.Method.sleeps() && !c.systemd() {
		return ways.kernel()
	}
	return ways.tool()
}

// Do asks the system to take this machine down and gives back that it accepted.
// Where there is logind it is asked on D-Bus, without ever prompting anybody,
// and its PrepareForShutdown or PrepareForSleep signal is waited for up to five
// seconds; else the system's tools are run. Run levels 1 to 5 are always changed
// by a tool, since logind has none. To sleep without systemd, /sys/power/state is
// written to, after mem_sleep where that has deep and another is selected (Linux,
// Documentation/admin-guide/pm/sleep-states.rst).
//
// With logind the caller has time to pass the answer on: nothing is stopped
// before Release, the end of this process, or logind's InhibitDelayMaxSec (five
// seconds unless the site changed it, logind.conf(5)), whichever comes first; and
// so it is with /sys/power/state. With a tool the machine may be gone a moment later.
//
// Nothing is asked twice: an error of kind Timeout, Canceled or Unreachable
// whose message says "asked" leaves open whether it was accepted.
//
// Errors: Denied where the Client is not armed or the account may not (with
// what grants it), Busy where somebody holds a block inhibitor or another
// shutdown runs, Unsupported, Invalid; Internal for a tool that failed.
func (c *Client) Do(ctx context.Context, request Request) (Accepted, error) {
	const op = "shutdown.do"
	request, err := plain(op, request)
	if err != nil {
		return Accepted{}, err
	}
	if !c.Armed {
		return Accepted{}, primitives.Errorf(primitives.Denied, op, "",
			"%s refused: this client was not armed to take its machine down", request.describe())
	}
	boot, err := c.BootID(ctx)
	if err != nil {
		boot = "" // no witness; not a reason to leave the machine on
	}
	ctx, cancel := primitives.WithTimeout(ctx, c.Clock, answerWait)
	defer cancel()
	accepted, err := c.ask(ctx, op, request)
	accepted.BootID, accepted.At = boot, c.Clock.Now()
	if err != nil {
		return Accepted{}, err
	}
	return accepted, nil
}

// Release lets a shutdown or sleep that Do has asked for go on at once. It may be called
// at any time, also twice.
func (c *Client) Release() { c.hold(nil) }

// hold keeps a delay lock in place of an earlier one.
func (c *Client) hold(lock *os.File) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lock != nil {
		_ = c.lock.Close()
	}
	c.lock = nil
	if lock != nil {
		c.lock = lock
	}
}

func (c *Client) ask(ctx context.Context, op string, request Request) (accepted Accepted, err error) {
	err = c.by(ctx, op, request, ways{
		logind: func(manager *logind) (err error) { accepted, err = manager.ask(ctx, op, request.Method); return err },
		kernel: func() (err error) { accepted, err = c.askKernel(ctx, op, request.Method); return err },
		tool:   func() (err error) { accepted, err = c.askTool(ctx, op, request); return err },
	})
	return accepted, err
}
