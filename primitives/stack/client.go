package stack

import (
	"context"
	"net"
	"sync"
	"time"

	"ctys/primitives"
)

// Dial opens a connection from host to an address; host "" is this machine.
// A host is what a URI names: "lab01", "root@lab01", "lab01:2222".
type Dial func(ctx context.Context, host, network, address string) (net.Conn, error)

// Run runs a program on host, without a shell, and gives what it wrote on
// standard output; host "" is this machine. An exit status other than 0 is an
// error, whose text holds what the program wrote on standard error.
type Run func(ctx context.Context, host string, argv []string) (stdout string, err error)

// Options are what a Client is given. What is nil is this machine's own: its
// clock, its sockets, its programs; a URI of another host is then refused.
type Options struct {
	Clock primitives.Clock
	Dial  Dial
	Run   Run
	// Drivers finds the driver of a name, for hypervisors that this package does
	// not know; it gives nil where there is none of that name. nil: there are none.
	Drivers func(ctx context.Context, name string) (Driver, error)
}

// Client speaks to hypervisors. It holds one shared set of connections per
// URI, made when first needed and made again after a loss. It is safe for
// concurrent use.
type Client struct {
	clock primitives.Clock
	dial  Dial
	run   Run

	drivers func(ctx context.Context, name string) (Driver, error)

	mu         sync.Mutex
	hubs       map[target]*hub
	foreigners map[string]*foreign // by URI
	closed     bool
}

// pollEvery is how often a guest is looked at while it is waited for: events
// tell most changes at once, and none where the hypervisor sends none.
const pollEvery = time.Second

// patience is how long a hypervisor may be silent while a guest is waited for:
// a libvirtd that is restarted for an update is back well before.
const patience = 10 * time.Second

// New makes a client. It connects to nothing yet.
func New(options Options) *Client {
	c := &Client{clock: options.Clock, dial: options.Dial, run: options.Run, drivers: options.Drivers, hubs: map[target]*hub{}, foreigners: map[string]*foreign{}}
	if c.clock == nil {
		c.clock = primitives.SystemClock{}
	}
	if c.dial == nil {
		c.dial = dialHere
	}
	if c.run == nil {
		c.run = runHere
	}
	return c
}

// Close ends all connections. Calls that still wait on one end with an error
// of kind unreachable, later ones with kind canceled.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, hub := range c.hubs {
		hub.close()
	}
	return nil
}

// backend is one hypervisor's way to do what this package offers.
type backend interface {
	list(ctx context.Context, op string) ([]Guest, error)
	inspect(ctx context.Context, op, uuid string) (Guest, error)
	glance(ctx context.Context, op, uuid string) (glance, error)
	ask(ctx context.Context, op, uuid string, verb verb, mode Mode) error
}

// glance is the little that waiting needs to know of a guest.
type glance struct {
	state   State
	cause   string
	witness string
}

// verb is something that is asked of a hypervisor.
type verb string

const (
	verbShutdown    verb = "shutdown"
	verbReboot      verb = "reboot"
	verbReset       verb = "reset"
	verbDestroy     verb = "destroy"
	verbStart       verb = "start"
	verbSuspend     verb = "suspend"
	verbResume      verb = "resume"
	verbManagedSave verb = "managed-save"
)

// backend finds the way to the hypervisor of a URI.
func (c *Client) backend(ctx context.Context, op, uri string) (backend, error) {
	by, err := c.foreign(ctx, op, uri)
	if err != nil {
		return nil, err
	}
	if by != nil {
		return by, nil
	}
	to, err := parseURI(uri)
	if err != nil {
		return nil, primitives.Errorf(primitives.Invalid, op, uri, "%s", err)
	}
	switch to.driver {
	case "xen":
		return &xen{client: c, uri: uri, host: to.host}, nil
	case "qmp":
		return &qemu{client: c, uri: uri, host: to.host}, nil
	}
	hub, err := c.hub(op, uri, to)
	if err != nil {
		return nil, err
	}
	return &libvirtd{hub: hub, uri: uri}, nil
}

// hub gives the connections of a URI; URIs that differ only in writing share.
func (c *Client) hub(op, uri string, to target) (*hub, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, primitives.Errorf(primitives.Canceled, op, uri, "the client has been closed")
	}
	if c.hubs[to] == nil {
		c.hubs[to] = newHub(c, to)
	}
	return c.hubs[to], nil
}

// guest finds the way to a guest's hypervisor and checks the reference.
func (c *Client) guest(ctx context.Context, op string, ref Ref) (backend, string, error) {
	uuid, err := parseUUID(ref.UUID)
	if err != nil {
		return nil, "", primitives.Errorf(primitives.Invalid, op, ref.URI, "%s", err)
	}
	at, err := c.backend(ctx, op, ref.URI)
	return at, uuid.String(), err
}

// List gives the guests of a hypervisor: with libvirt those that run and those
// that are defined, with Xen those that exist (xl knows no others; Domain-0 is
// left out). A guest whose details cannot be read is listed as Unknown with
// the cause. Errors: invalid (the URI), unreachable, denied, auth, timeout.
func (c *Client) List(ctx context.Context, uri string) ([]Guest, error) {
	const op = "stack.list"
	at, err := c.backend(ctx, op, uri)
	if err != nil {
		return nil, err
	}
	return at.list(ctx, op)
}

// Inspect gives one guest. A guest that its hypervisor does not know is Off,
// without a name: a transient guest is forgotten when it ends. That takes the
// hypervisor's own answer that it has no such UUID; a hypervisor that does not
// answer is an error (unreachable, timeout, denied, auth), never Off.
func (c *Client) Inspect(ctx context.Context, ref Ref) (Guest, error) {
	const op = "stack.inspect"
	at, uuid, err := c.guest(ctx, op, ref)
	if err != nil {
		return Guest{}, err
	}
	return at.inspect(ctx, op, uuid)
}

// Shutdown asks the guest to go down, in the way that mode names, and returns
// when the hypervisor has passed that on. Whether the guest obeys is for Await.
// Errors: unsupported (the hypervisor or the guest cannot do it that way),
// invalid (no such guest, or it does not run), busy, timeout (also an agent
// that does not answer), unreachable. After timeout or unreachable the request
// may have arrived; it is not repeated. libvirt's test driver knows no modes
// and takes each as its own.
func (c *Client) Shutdown(ctx context.Context, ref Ref, mode Mode) error {
	return c.ask(ctx, ref, verbShutdown, mode)
}

// Reboot asks the guest to reboot; otherwise it is like Shutdown. Subscribe
// before it in order to see the reboot.
func (c *Client) Reboot(ctx context.Context, ref Ref, mode Mode) error {
	return c.ask(ctx, ref, verbReboot, mode)
}

// Reset presses the guest's reset button: nothing in it is asked or told. Xen
// has none: unsupported.
func (c *Client) Reset(ctx context.Context, ref Ref) error {
	return c.ask(ctx, ref, verbReset, "")
}

// Destroy cuts the guest off at once. Its definition stays.
func (c *Client) Destroy(ctx context.Context, ref Ref) error {
	return c.ask(ctx, ref, verbDestroy, "")
}

// Start starts a defined guest, from its saved image where it has one. With Xen
// it starts what /etc/xen has under that UUID.
func (c *Client) Start(ctx context.Context, ref Ref) error {
	return c.ask(ctx, ref, verbStart, "")
}

// Suspend pauses the guest in memory.
func (c *Client) Suspend(ctx context.Context, ref Ref) error {
	return c.ask(ctx, ref, verbSuspend, "")
}

// Resume lets a paused guest go on, and wakes one that has suspended itself.
func (c *Client) Resume(ctx context.Context, ref Ref) error {
	return c.ask(ctx, ref, verbResume, "")
}

// ManagedSave writes the guest's memory to an image that the next start
// resumes, and ends it. It returns when that is done, which takes as long as
// writing the guest's memory does. With Xen the image is in /var/lib/xen/save,
// where the service xendomains takes it from at the host's next boot.
func (c *Client) ManagedSave(ctx context.Context, ref Ref) error {
	return c.ask(ctx, ref, verbManagedSave, "")
}

func (c *Client) ask(ctx context.Context, ref Ref, what verb, mode Mode) error {
	op := "stack." + string(what)
	at, uuid, err := c.guest(ctx, op, ref)
	if err != nil {
		return err
	}
	return at.ask(ctx, op, uuid, what, mode)
}
