package stack

import (
	"context"
	"crypto/sha1"
	"slices"
	"strings"
	"sync"

	"ctys/primitives"
)

// Driver speaks to a hypervisor that this package does not know itself. Its
// guests are on this machine, under the URI NAME:///system.
type Driver interface {
	// List gives all guests that there are: one that is not among them is off.
	// Where the hypervisor did not tell all of them it is an error.
	List(ctx context.Context, op string) ([]Listed, error)
	// Ask passes a verb on ("shutdown", "managed-save"; the methods of Client)
	// to a guest that List has just given. Mode is empty where the verb has none.
	Ask(ctx context.Context, op string, guest Listed, verb string, mode Mode) error
}

// Listed is a guest with what its driver calls it by.
type Listed struct {
	Guest
	Native any
}

// namespaceURL is what RFC 9562 (appendix A) has names that are URLs be made in.
var namespaceURL = uuid{0x6b, 0xa7, 0xb8, 0x11, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8}

// NameUUID makes the UUID of a guest whose tool gives it none: the same for the
// same hypervisor and name, on each machine (RFC 9562, version 5).
func NameUUID(uri, name string) string {
	digest := sha1.Sum(append(namespaceURL[:], uri+"/"+name...))
	var id uuid
	copy(id[:], digest[:])
	id[6], id[8] = id[6]&0x0f|0x50, id[8]&0x3f|0x80
	return id.String()
}

// CanonicalUUID reads a UUID in any usual spelling and gives it in lower case
// with dashes; the error says what is wrong.
func CanonicalUUID(text string) (string, error) {
	id, err := parseUUID(text)
	return id.String(), err
}

// foreign is the backend for a Driver.
type foreign struct {
	client *Client
	uri    string
	driver Driver

	mu   sync.Mutex
	next *sharedLook   // that has not begun yet
	turn chan struct{} // holds one token: one look at a time
}

// sharedLook is one look at all guests, for everybody who asked before it began.
type sharedLook struct {
	done   chan struct{}
	guests []Listed
	err    error
}

// foreign finds the driver of a URI; nil where there is none of that name.
func (c *Client) foreign(ctx context.Context, op, uri string) (*foreign, error) {
	scheme, rest, _ := strings.Cut(uri, "://")
	name, transport, _ := strings.Cut(scheme, "+")
	if c.drivers == nil {
		return nil, nil
	}
	driver, err := c.drivers(ctx, name)
	if driver == nil || err != nil {
		return nil, err
	}
	if transport != "" || !strings.HasPrefix(rest, "/") {
		return nil, primitives.Errorf(primitives.Unsupported, op, uri,
			"the driver %s runs its tool on the machine where the script runs, and has no way to others: have the script run there (name the machine as the target; in Lua: action.at)", name)
	}
	if rest != "/system" {
		return nil, primitives.Errorf(primitives.Invalid, op, uri, "the driver %s has no %q: write %s:///system", name, rest, name)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.foreigners[uri] == nil {
		c.foreigners[uri] = &foreign{client: c, uri: uri, driver: driver, turn: make(chan struct{}, 1)}
	}
	return c.foreigners[uri], nil
}

// look gives all guests as they are after the call began. Those who wait for
// many guests share their looks: a tool is started for all of them.
func (f *foreign) look(ctx context.Context, op string) ([]Listed, error) {
	for {
		shared, leads := f.join()
		if leads {
			f.lead(ctx, op, shared)
			return shared.guests, shared.err
		}
		select {
		case <-shared.done:
		case <-ctx.Done():
			return nil, primitives.Wrap(op, f.uri, "", ctx.Err())
		}
		// who led may have been called off, which says nothing to the others
		if shared.err == nil || !isContext(shared.err) {
			return shared.guests, shared.err
		}
	}
}

func isContext(err error) bool {
	kind := primitives.KindOf(err)
	return kind == primitives.Canceled || kind == primitives.Timeout
}

// join gives the look that begins next, and whether the caller is to do it.
func (f *foreign) join() (shared *sharedLook, leads bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.next == nil {
		f.next, leads = &sharedLook{done: make(chan struct{})}, true
	}
	return f.next, leads
}

func (f *foreign) lead(ctx context.Context, op string, shared *sharedLook) {
	defer close(shared.done)
	select {
	case f.turn <- struct{}{}:
		defer func() { <-f.turn }()
	case <-ctx.Done():
		shared.err = primitives.Wrap(op, f.uri, "", ctx.Err())
	}
	f.mu.Lock()
	f.next = nil
	f.mu.Unlock()
	if shared.err == nil {
		shared.guests, shared.err = f.driver.List(ctx, op)
	}
}

func (f *foreign) list(ctx context.Context, op string) ([]Guest, error) {
	listed, err := f.look(ctx, op)
	if err != nil {
		return nil, err
	}
	guests := make([]Guest, len(listed))
	for i, one := range listed {
		guests[i] = one.Guest
	}
	return guests, nil
}

func (f *foreign) inspect(ctx context.Context, op, id string) (Guest, error) {
	listed, err := f.look(ctx, op)
	if err != nil {
		return Guest{}, err
	}
	if at := indexOf(listed, id); at >= 0 {
		return listed[at].Guest, nil
	}
	return Guest{Ref: Ref{URI: f.uri, UUID: id}, State: Off, At: f.client.clock.Now()}, nil
}

func indexOf(listed []Listed, id string) int {
	return slices.IndexFunc(listed, func(one Listed) bool { return one.UUID == id })
}

func (f *foreign) glance(ctx context.Context, op, id string) (glance, error) {
	guest, err := f.inspect(ctx, op, id)
	return glance{state: guest.State, cause: guest.Cause, witness: guest.Witness}, err
}

func (f *foreign) ask(ctx context.Context, op, id string, what verb, mode Mode) error {
	listed, err := f.look(ctx, op)
	if err != nil {
		return err
	}
	at := indexOf(listed, id)
	if at < 0 {
		return primitives.Errorf(primitives.Invalid, op, f.uri, "there is no guest %s", id)
	}
	return f.driver.Ask(ctx, op, listed[at], string(what), mode)
}
