package ipmi

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/bougou/go-ipmi/pkg/types"

	"ctys/primitives"
)

// DefaultPatience bounds a call whose context has no deadline.
const DefaultPatience = 20 * time.Second

// The longest name and password that a BMC can hold (IPMI 2.0, 22.28, 22.30).
const (
	maxUser     = 16
	maxPassword = 20
)

// Options are what a Client needs from its surroundings.
type Options struct {
	Clock primitives.Clock // nil means the system's
	// Cache is the folder in which the cipher suite of each BMC is remembered
	// from one process to the next; it is made when it is needed. Empty, or
	// where it cannot be used: each process finds them out anew.
	Cache string
}

// Client speaks to any number of BMCs by a few sockets: to different ones at
// once, to each one in one session at a time, which is what small BMCs can
// stand, whichever Client of the process is used. It remembers which cipher
// suite a BMC took. It holds nothing open while no call is made, but for a
// second.
type Client struct {
	clock   primitives.Clock
	bmcs    registry
	network network
	names   gate // calls that look a name up
	gate    gate // calls that wait for a BMC's first replies
	memory  memory
}

// New makes a Client. It opens and reads nothing.
func New(options Options) *Client {
	clock := options.Clock
	if clock == nil {
		clock = primitives.SystemClock{}
	}
	return &Client{
		clock:   clock,
		network: network{clock: clock},
		names:   make(gate, lookupsAtOnce),
		gate:    make(gate, atOnce),
		memory:  memory{clock: clock, folder: options.Cache},
	}
}

// Dropped is how many datagrams came that no call had asked for or that did not
// prove to be the BMC's: wrong session, wrong integrity code, doubled, late.
func (c *Client) Dropped() uint64 { return c.network.dropped.Load() }

// Close writes the rest of what was learnt into the cache. Calls may follow.
func (c *Client) Close() { c.memory.flush() }

// inSession waits for its turn at the BMC, opens a session, does work in it
// and closes it on every path.
func (c *Client) inSession(ctx context.Context, op string, target Target, privilege types.PrivilegeLevel,
	work func(context.Context, *session) error) error {
	if err := check(target); err != nil {
		return &primitives.Error{Kind: primitives.Invalid, Op: op, Host: target.Host, Message: err.Error()}
	}
	if _, ok := ctx.Deadline(); !ok {
		bounded, cancel := primitives.WithTimeout(ctx, c.clock, DefaultPatience)
		defer cancel()
		ctx = bounded
	}
	return explain(op, target.Host, atLevel(c.somewhere(ctx, target, privilege, work), privilege))
}

// somewhere does work at the first address of a target that is no dead end.
func (c *Client) somewhere(ctx context.Context, target Target, privilege types.PrivilegeLevel,
	work func(context.Context, *session) error) error {
	password, err := reveal(ctx, target.Password)
	if err != nil {
		return err
	}
	addresses, err := c.resolve(ctx, target)
	if err != nil {
		return err
	}
	release, err := queues.hold(ctx, addresses)
	if err != nil {
		return err
	}
	defer release()
	who := login{user: target.User, password: password, privilege: privilege}
	for i, address := range addresses {
		worked := false
		err = c.at(ctx, address, who, func(ctx context.Context, s *session) error {
			worked = true
			return work(ctx, s)
		})
		if worked || kindOf(err) != primitives.Unreachable || i == len(addresses)-1 {
			break
		}
	}
	return err
}

// at does work in a session with the BMC of an address, whose turn it is.
func (c *Client) at(ctx context.Context, address netip.AddrPort, who login, work func(context.Context, *session) error) (err error) {
	bmc := c.bmcs.of(address.String())
	c.memory.enter()
	defer c.memory.leave()
	leave, err := c.gate.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	l, err := c.network.line(address, leave)
	if err != nil {
		return err
	}
	defer l.hangUp()
	defer func() { err = l.witness(err) }()

	if suite, ok := c.memory.suite(bmc.address); ok && !bmc.proven {
		bmc.remember(suite)
	}
	s, err := open(ctx, l, bmc, who)
	if err != nil {
		return err
	}
	defer bmc.end(ctx, s)
	c.memory.keep(bmc.address, bmc.suite)
	return work(ctx, s)
}

func reveal(ctx context.Context, secret primitives.Secret) (string, error) {
	if secret.IsZero() {
		return "", nil
	}
	password, err := secret.Reveal(ctx)
	if err != nil {
		return "", failed(primitives.KindOf(err), "the password could not be had", err)
	}
	if len(password) > maxPassword {
		return "", failed(primitives.Invalid, "the password is longer than the 20 bytes that IPMI 2.0 has room for", nil)
	}
	return password, nil
}

func check(target Target) error {
	switch {
	case target.Host == "":
		return failed(primitives.Invalid, "no host is given", nil)
	case target.Port < 0 || target.Port > 65535:
		return failed(primitives.Invalid, "port "+strconv.Itoa(target.Port)+" is not within 1 to 65535 (0 means 623)", nil)
	case len(target.User) > maxUser:
		return failed(primitives.Invalid, "the user name is longer than the 16 bytes that IPMI has room for", nil)
	}
	return nil
}

func (t Target) port() int {
	if t.Port == 0 {
		return DefaultPort
	}
	return t.Port
}

// address is where the BMC listens, as it was given.
func (t Target) address() string {
	return net.JoinHostPort(strings.ToLower(t.Host), strconv.Itoa(t.port()))
}
