package bridge

import (
	"context"
	"path/filepath"
	"slices"

	"ctys/primitives"
)

// Manager is a program of the system that sets up networks and knows a bridge
// or a port of it: what it knows it may do again, while the bridge is dissolved.
type Manager struct {
	Name    string   // "NetworkManager", "systemd-networkd", "ifupdown"
	Running bool     // it runs and can act of itself
	Seen    []string // by what it was recognised: its files, with what they say
	// FightsBack: it runs and has the bridge or a port in its hands, so it may put
	// the port back or take the addresses from it.
	FightsBack bool
	Advice     string // what the operator can do
}

// Managers tells which programs of the system have a bridge or its ports in
// their hands, by their files and processes below Options.Root. It changes
// nothing and asks nobody; what only root may read, as connections of
// NetworkManager, is not seen by others. Errors: as Snapshot.
func (c *Client) Managers(ctx context.Context, name string) ([]Manager, error) {
	const op = "bridge.managers"
	if err := c.isBridge(ctx, op, name); err != nil {
		return nil, err
	}
	seen, err := c.system.observe(name, nil)
	if err != nil {
		return nil, primitives.Wrap(op, name, "reading it", err)
	}
	return managers(files{root: c.root}, seen), nil
}

// managers asks each that there may be.
func managers(system files, bridge Snapshot) []Manager {
	var found []Manager
	for _, look := range []func(files, Snapshot) Manager{networkManager, networkd, ifupdown} {
		if manager := look(system, bridge); len(manager.Seen) > 0 {
			found = append(found, manager)
		}
	}
	return found
}

// links are the bridge and its ports.
func (s Snapshot) links() []Link { return append([]Link{s.Bridge}, s.Ports...) }

func (s Snapshot) has(name string) bool {
	return slices.ContainsFunc(s.links(), func(link Link) bool { return link.Name == name })
}

// matches tells whether a pattern of a shell fits the bridge or a port.
func (s Snapshot) matches(pattern string) bool {
	return slices.ContainsFunc(s.links(), func(link Link) bool {
		fits, err := filepath.Match(pattern, link.Name)
		return err == nil && fits
	})
}
