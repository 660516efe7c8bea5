package nic

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"ctys/primitives"
)

// Descend gives the physical interfaces that name stands on, the ones that
// have to be armed so that a magic packet for name wakes this host:
//
//	physical        itself
//	bridge          what its ports stand on
//	bond            its active slave; all slaves where the mode has none
//	team            its first port with a carrier, else its first port
//	VLAN, macvlan   what its parent stands on
//	ethN            pethN, where Xen's network-bridge script renamed the card
//
// A bridge may have several physical ports; the order is the kernel's. Errors:
// as List, Invalid for a name that there is not, Unsupported where nothing
// physical is below.
func (c *Client) Descend(ctx context.Context, name string) ([]string, error) {
	const op = "nic.descend"
	snapshot, err := c.look(ctx, op, name)
	if err != nil {
		return nil, err
	}
	top, err := find(snapshot.all, op, name)
	if err != nil {
		return nil, err
	}
	walk := descend(snapshot.all, top)
	if len(walk.found) == 0 {
		return nil, primitives.Errorf(primitives.Unsupported, op, name, "%s", walk.nothing(top))
	}
	return walk.found, nil
}

func descend(all []Interface, top Interface) descent {
	walk := descent{byName: map[string]Interface{}, seen: map[string]bool{}}
	for _, each := range all {
		walk.byName[each.Name] = each
	}
	walk.into(top)
	slices.SortFunc(walk.found, func(a, b string) int { return walk.byName[a].Index - walk.byName[b].Index })
	return walk
}

// descent walks down from one interface. Seen guards against a ring, which the
// kernel forbids but a list read while it changes may show.
type descent struct {
	byName map[string]Interface
	seen   map[string]bool
	found  []string
}

func (d *descent) into(top Interface) {
	if d.seen[top.Name] {
		return
	}
	d.seen[top.Name] = true
	if top.physical() {
		d.found = append(d.found, top.Name)
		return
	}
	before := len(d.found)
	for _, name := range d.below(top) {
		if lower, known := d.byName[name]; known {
			d.into(lower)
		}
	}
	if len(d.found) == before {
		d.intoRenamed(top)
	}
}

// below gives the interfaces that carry top's traffic just now.
func (d *descent) below(top Interface) []string {
	switch {
	case top.ActiveSlave != "":
		return []string{top.ActiveSlave}
	case top.Kind == KindTeam && len(top.Lower) > 1:
		return []string{d.firstWithCarrier(top.Lower)}
	}
	return top.Lower
}

func (d *descent) firstWithCarrier(ports []string) string {
	for _, port := range ports {
		if d.byName[port].Carrier {
			return port
		}
	}
	return ports[0]
}

// intoRenamed follows Xen 3's network-bridge script: it renames the card to
// pethN and gives its old name to an interface of its own, either the bridge
// or one end of a loopback pair whose other end is in the bridge.
func (d *descent) intoRenamed(top Interface) {
	if card, known := d.byName["p"+top.Name]; known && card.physical() {
		d.into(card)
	}
}

func (d *descent) nothing(top Interface) string {
	if len(top.Lower) == 0 {
		return fmt.Sprintf("this interface (%s) stands on no physical one", top.Kind)
	}
	below := make([]string, 0, len(top.Lower))
	for _, name := range top.Lower {
		below = append(below, fmt.Sprintf("%s (%s)", name, d.byName[name].Kind))
	}
	return fmt.Sprintf("this interface (%s) stands on no physical one, only on %s", top.Kind, strings.Join(below, ", "))
}
