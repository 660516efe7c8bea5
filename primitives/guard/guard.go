// Package guard is a dead man's switch: it has a command of this program run
// unless somebody says in time that it is not needed.
//
// Two guards that know nothing of each other run the same command, which must
// not mind being run twice. A child in a session of its own holds a pipe to the
// process that has armed it: the end of the pipe without the word "disarmed"
// means that this process is gone. Where systemd is the init, a transient timer
// runs the command whatever has become of both.
package guard

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"ctys/primitives"
)

// Request is what is guarded, and how long.
type Request struct {
	// File is what the command is given, an absolute path. A folder that
	// outlasts this process holds it, and may hold a copy of this program.
	File string
	// Words takes what the child writes to its standard error; empty: nothing does.
	Words string
	// Name tells this guard from all others of this boot in the names of
	// systemd's units: letters, digits, "-" and "_".
	Name string
	// After is when the command is run at the latest, at least a second.
	After time.Duration
}

// Guarded tells which guards stand.
type Guarded struct {
	Child error // why no child watches; nil: one does
	Timer error // why there is no timer; nil: there is
	After time.Duration
}

// Options are what a Client works with.
type Options struct {
	Clock primitives.Clock // nil: the system's
	// Run runs one program of the system and gives what it printed on standard
	// output and standard error, and its exit status. An error means that it did
	// not run to its end. Required.
	Run func(ctx context.Context, argv []string) (output string, exit int, err error)
	// Watch are the arguments that make this program the child: a File and an
	// After follow them (as "90s"), and it calls the function Watch.
	Watch []string
	// Command are those of the command; a File follows.
	Command []string
	// Rehearse are those of a command that finds out whether Command could read
	// its File, and does nothing else; a File follows.
	Rehearse []string
}

// Client arms guards and disarms them. It may be used by many goroutines at
// once.
type Client struct {
	Options

	// What the tests of this package put in the system's place.
	program     func() (string, error) // this program's own file
	euid        int
	systemd     func() bool // whether systemd is the init
	sameNetwork func() bool // whether this process is in the network namespace of the init

	mu    sync.Mutex
	armed []armed
}

// armed is one pair of guards.
type armed struct {
	child   *child // nil: none
	unit    string // of the timer, without its suffix; empty: none
	program string // a copy of this program; empty: none
}

// New makes a Client.
func New(options Options) *Client {
	if options.Clock == nil {
		options.Clock = primitives.SystemClock{}
	}
	return &Client{Options: options, program: os.Executable, euid: os.Geteuid(), systemd: systemdIsInit, sameNetwork: inNetworkOfInit}
}

const opArm = "guard.arm"

// Arm arms both guards where both can be, and returns when each is known to
// work: the child has said that it watches, and systemd has run the rehearsal.
// Guards that were armed before stay.
//
// It is an error where neither stands. Kinds: Invalid for a request that cannot
// be meant, else that of the child's failure.
func (c *Client) Arm(ctx context.Context, request Request) (Guarded, error) {
	if err := check(request); err != nil {
		return Guarded{}, err
	}
	guarded := Guarded{After: request.After}
	var pair armed
	pair.child, guarded.Child = c.startChild(ctx, request)
	pair.unit, pair.program, guarded.Timer = c.startTimer(ctx, request)
	if guarded.Child != nil && guarded.Timer != nil {
		return guarded, &primitives.Error{Kind: primitives.KindOf(guarded.Child), Op: opArm,
			Message: "neither guard can be armed (no timer: " + guarded.Timer.Error() + ")", Cause: guarded.Child}
	}
	c.mu.Lock()
	c.armed = append(c.armed, pair)
	c.mu.Unlock()
	return guarded, nil
}

// Disarm ends all guards that this Client has armed. An error names a guard
// that may still run its command.
func (c *Client) Disarm(ctx context.Context) error {
	c.mu.Lock()
	pairs := c.armed
	c.armed = nil
	c.mu.Unlock()
	var failed []error
	for _, pair := range pairs {
		if pair.child != nil {
			failed = append(failed, pair.child.disarm(ctx, c.Clock))
		}
		if pair.unit != "" {
			failed = append(failed, c.stopTimer(ctx, pair.unit))
		}
		if pair.program != "" {
			_ = os.Remove(pair.program) // of no more use, and no harm
		}
	}
	return primitives.Wrap("guard.disarm", "", "a guard may still act", errors.Join(failed...))
}
