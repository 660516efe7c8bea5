package stack

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// service is a line of "ha-manager status" about a guest:
// "service vm:100 (node1, started)".
// Source: chapter High Availability of the Proxmox VE Administration Guide.
var service = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^service (vm|ct):([0-9]+) \((.+), ([a-z_]+)\)$`)
})

// parseServices gives the guests, as vm:100, that Proxmox's HA manager keeps in a
// state; one that it was told to ignore is left out. A line that is not understood
// is an error: it could be the guest that is looked for.
func parseServices(text string) ([]string, error) {
	var list []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		first, _, _ := strings.Cut(line, " ")
		switch first {
		case "", "quorum", "master", "lrm", "fencing":
			continue
		}
		found := service().FindStringSubmatch(line)
		if found == nil {
			return nil, fmt.Errorf("ha-manager says %q, which is not understood", line)
		}
		if found[4] != "ignored" {
			list = append(list, found[1]+":"+found[2])
		}
	}
	return list, nil
}

// proxmoxFile is the definition of a guest of this node; the other nodes' are
// elsewhere.
func proxmoxFile(id string) string {
	kind, number, _ := strings.Cut(id, ":")
	return map[string]string{"vm": "/etc/pve/qemu-server/", "ct": "/etc/pve/lxc/"}[kind] + number + ".conf"
}

// proxmoxName is what qm and pct call a guest without a name.
func proxmoxName(id string) string {
	kind, number, _ := strings.Cut(id, ":")
	return map[string]string{"vm": "VM ", "ct": "CT"}[kind] + number
}

// proxmox asks the HA manager, and tells which of its guests this node has.
func (c *Client) proxmox(ctx context.Context, host string) Manager {
	manager := Manager{Name: "proxmox-ha"}
	out, err := c.bounded(ctx, host, withSbin+"exec ha-manager status")
	if err != nil {
		manager.Problem = err
		return manager
	}
	ids, err := parseServices(out)
	if err != nil {
		manager.Problem = err
		return manager
	}
	var files []string
	for _, id := range ids {
		files = append(files, proxmoxFile(id))
	}
	names, err := c.namesIn(ctx, host, files)
	manager.Problem = err
	for _, id := range ids {
		name, here := names[proxmoxFile(id)]
		if name == "" {
			name = proxmoxName(id)
		}
		if here {
			manager.Owns = append(manager.Owns, Owned{Guest: name, Resource: id})
		}
	}
	return manager
}
