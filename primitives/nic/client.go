package nic

import (
	"context"
	"slices"
	"strings"

	"ctys/primitives"
)

// Client reads the interfaces of the host it runs on, and arms them. It holds
// nothing open between two calls and may be used by many goroutines at once.
type Client struct {
	read func(ctx context.Context) (snapshot, error)
	wake func() waker
}

// snapshot is what one reading of the system gives.
type snapshot struct {
	all      []Interface // by index
	defaults []string    // the interfaces of the default routes, best first
}

// New gives a Client of this host.
func New() *Client { return &Client{read: readSystem, wake: openWaker} }

// List gives all interfaces, in the kernel's order (by index). Wake-on modes
// can be read with CAP_NET_ADMIN only; without it Wake.Cause says so. Errors:
// Unsupported on a system other than Linux, Canceled and Timeout as ctx ends.
func (c *Client) List(ctx context.Context) ([]Interface, error) {
	seen, err := c.look(ctx, "nic.list", "")
	return seen.all, err
}

func (c *Client) look(ctx context.Context, op, name string) (snapshot, error) {
	if err := ctx.Err(); err != nil {
		return snapshot{}, primitives.Wrap(op, name, "not read", err)
	}
	seen, err := c.read(ctx)
	if err != nil {
		return snapshot{}, primitives.Wrap(op, name, "reading the interfaces", err)
	}
	return seen, nil
}

// Get gives one interface. Errors: as List, and Invalid for a name that there
// is not, with those that there are.
func (c *Client) Get(ctx context.Context, name string) (Interface, error) {
	const op = "nic.get"
	seen, err := c.look(ctx, op, name)
	if err != nil {
		return Interface{}, err
	}
	return find(seen.all, op, name)
}

// Default gives the interface that the best default route leaves through; where
// there is none the first physical interface with a carrier, else the first
// physical one. Errors: as List, and Unsupported where there is none of these.
func (c *Client) Default(ctx context.Context) (Interface, error) {
	const op = "nic.default"
	seen, err := c.look(ctx, op, "")
	if err != nil {
		return Interface{}, err
	}
	if len(seen.defaults) > 0 {
		return find(seen.all, op, seen.defaults[0])
	}
	linked := func(i Interface) bool { return i.physical() && i.Up && i.Carrier }
	for _, fits := range []func(Interface) bool{linked, Interface.physical} {
		if first := slices.IndexFunc(seen.all, fits); first >= 0 {
			return seen.all[first], nil
		}
	}
	return Interface{}, primitives.Errorf(primitives.Unsupported, op, "",
		"this host has no default route and no physical interface, only %s", names(seen.all))
}

func find(all []Interface, op, name string) (Interface, error) {
	for _, candidate := range all {
		if candidate.Name == name {
			return candidate, nil
		}
	}
	return Interface{}, primitives.Errorf(primitives.Invalid, op, name,
		"there is no such interface on this host: it has %s", names(all))
}

func names(all []Interface) string {
	words := make([]string, 0, len(all))
	for _, each := range all {
		words = append(words, each.Name)
	}
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}

func (i Interface) physical() bool { return i.Kind == KindPhysical }
