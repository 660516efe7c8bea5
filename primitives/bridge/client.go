package bridge

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"ctys/primitives"
)

// Options says where a Client finds the system.
type Options struct {
	// Root is a folder in place of / for the files of network managers and the
	// boot_id; empty is the system's. Interfaces are always the kernel's.
	Root string
}

// Client reads and changes the bridges of the host it runs on. It holds nothing
// open between two calls and may be used by many goroutines at once.
type Client struct {
	root   string
	system system
}

// system is what a Client needs of the kernel.
type system interface {
	bridges() ([]Bridge, error)
	// observe reads the bridge and, beside its ports, the interfaces that are
	// named. What is not there has no index.
	observe(bridge string, others []string) (Snapshot, error)
	// above names the interfaces that stand on one: VLANs, macvlans.
	above(name string) ([]string, error)
	apply(step Step) error
}

// New gives a Client of this host.
func New(options Options) *Client { return &Client{root: options.Root, system: kernel{}} }

// List gives all bridges, by the kernel's index. No privilege is needed.
// Errors: Unsupported on a system other than Linux, Canceled and Timeout as
// ctx ends.
func (c *Client) List(ctx context.Context) ([]Bridge, error) {
	const op = "bridge.list"
	if err := ctx.Err(); err != nil {
		return nil, primitives.Wrap(op, "", "not read", err)
	}
	all, err := c.system.bridges()
	if err != nil {
		return nil, primitives.Wrap(op, "", "reading the bridges", err)
	}
	return all, nil
}

// Snapshot takes down what a bridge is and carries. Errors: as List, and
// Invalid for a name that is not that of a bridge, with those that there are.
func (c *Client) Snapshot(ctx context.Context, name string) (Snapshot, error) {
	const op = "bridge.snapshot"
	if err := c.isBridge(ctx, op, name); err != nil {
		return Snapshot{}, err
	}
	seen, err := c.system.observe(name, nil)
	if err != nil {
		return Snapshot{}, primitives.Wrap(op, name, "reading it", err)
	}
	seen.Version = SnapshotVersion
	if seen.BootID, err = c.bootID(); err != nil {
		return Snapshot{}, primitives.Wrap(op, name, "reading the boot_id", err)
	}
	if err := seen.check(); err != nil {
		return Snapshot{}, primitives.Errorf(primitives.Unsupported, op, name, "it could not be restored from a snapshot: %v", err)
	}
	return seen, nil
}

func (c *Client) isBridge(ctx context.Context, op, name string) error {
	all, err := c.List(ctx)
	if err != nil {
		return err
	}
	names := make([]string, 0, len(all))
	for _, bridge := range all {
		if bridge.Name == name {
			return nil
		}
		names = append(names, bridge.Name)
	}
	known := "it has none"
	if len(names) > 0 {
		known = "it has " + strings.Join(names, ", ")
	}
	return primitives.Errorf(primitives.Invalid, op, name, "there is no such bridge on this host: %s", known)
}

func (c *Client) bootID() (string, error) {
	id, err := os.ReadFile(filepath.Join(c.root, "/proc/sys/kernel/random/boot_id"))
	return strings.TrimSpace(string(id)), err
}

// Dissolution gives the steps that are left until the bridge is dissolved and
// the port has its addresses, routes and MAC; none where it is. Errors: as
// List; Invalid for a snapshot of another boot, or a port that was none of
// that bridge; Unsupported where the host could not be reached through the
// port alone, with the reason.
func (c *Client) Dissolution(ctx context.Context, snapshot Snapshot, port string) ([]Step, error) {
	const op = "bridge.dissolve"
	now, err := c.now(ctx, op, snapshot)
	if err != nil {
		return nil, err
	}
	above, err := c.system.above(snapshot.Bridge.Name)
	if err != nil {
		return nil, primitives.Wrap(op, snapshot.Bridge.Name, "reading what stands on it", err)
	}
	if err := snapshot.Dissolvable(now, port, above); err != nil {
		return nil, err
	}
	return snapshot.Dissolution(now, port), nil
}

// Restoration gives the steps that are left until all of the snapshot is there
// again; none where it is. Errors: as List, and Invalid for a snapshot of
// another boot, which has set the network up anew.
func (c *Client) Restoration(ctx context.Context, snapshot Snapshot) ([]Step, error) {
	now, err := c.now(ctx, "bridge.restore", snapshot)
	if err != nil {
		return nil, err
	}
	return snapshot.Restoration(now), nil
}

// now is what there is of a snapshot's interfaces.
func (c *Client) now(ctx context.Context, op string, snapshot Snapshot) (Snapshot, error) {
	name := snapshot.Bridge.Name
	if err := ctx.Err(); err != nil {
		return Snapshot{}, primitives.Wrap(op, name, "not begun", err)
	}
	if err := snapshot.check(); err != nil {
		return Snapshot{}, primitives.Errorf(primitives.Invalid, op, name, "the snapshot: %v", err)
	}
	boot, err := c.bootID()
	if err != nil {
		return Snapshot{}, primitives.Wrap(op, name, "reading the boot_id", err)
	}
	if boot != snapshot.BootID {
		return Snapshot{}, primitives.Errorf(primitives.Invalid, op, name,
			"the snapshot is of an earlier boot; this one has set up the network by the host's own configuration, and nothing is changed")
	}
	ports := make([]string, 0, len(snapshot.Ports))
	for _, port := range snapshot.Ports {
		ports = append(ports, port.Name)
	}
	seen, err := c.system.observe(name, ports)
	return seen, primitives.Wrap(op, name, "reading what is there", err)
}

// Apply does one step of a Dissolution or Restoration, which may be done
// already. It needs CAP_NET_ADMIN, and to write /sys. Errors: Denied,
// Unsupported where the kernel cannot do it, Internal; each names the step.
func (c *Client) Apply(ctx context.Context, step Step) error {
	if err := ctx.Err(); err != nil {
		return step.wrap(err)
	}
	return step.wrap(c.system.apply(step))
}

// rounds bounds how often Restore asks what is left. Two are usual: the steps,
// and what only shows when they are done.
const rounds = 5

// Restore does all of Restoration, until nothing is left. A step that fails
// does not keep it from the others. Errors: as Restoration and Apply: the first
// that is left in the end.
func (c *Client) Restore(ctx context.Context, snapshot Snapshot) error {
	var failed error
	for range rounds {
		steps, err := c.Restoration(ctx, snapshot)
		if err != nil || len(steps) == 0 {
			return err
		}
		failed = nil
		for _, step := range steps {
			if err := c.Apply(ctx, step); err != nil && failed == nil {
				failed = err
			}
		}
	}
	if failed != nil {
		return failed
	}
	return primitives.Errorf(primitives.Internal, "bridge.restore", snapshot.Bridge.Name,
		"it is still not as it was after %d rounds; something else on this host changes it at the same time (see bridge.managers)", rounds)
}
