package stack

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"ctys/primitives"
)

// Whose a QEMU is: those that another hypervisor lists are left to it.

// isLibvirts tells by the monitor that libvirt names charmonitor: no path leads
// to it, or with a QEMU before 2.12 one in libvirt's own folder. Its guest is
// libvirt's to list.
func isLibvirts(argv []string) bool {
	return slices.ContainsFunc(values(argv, "chardev"), func(value string) bool {
		path := option(value, "path")
		return option(value, "id") == "charmonitor" && (path == "" || strings.HasPrefix(path, "/var/lib/libvirt/qemu/"))
	})
}

// isSession tells a guest of a user's own libvirt by the folder of its files,
// $XDG_CONFIG_HOME/libvirt/qemu/lib/domain-ID-NAME: it runs here, and the system's
// libvirt does not list it.
func isSession(argv []string) bool {
	return isLibvirts(argv) && slices.ContainsFunc(argv, func(word string) bool { return strings.Contains(word, "/libvirt/qemu/lib/domain-") })
}

// isXens tells a QEMU that serves a domain of Xen, as its device model or with
// its disks (libxl_dm.c): the domain is xl's to list, and this is none of its own.
func isXens(argv []string) bool { return len(values(argv, "xen-domid")) > 0 }

// isProxmoxs tells a machine of Proxmox VE by the place of its monitor. On its
// own host Proxmox's tool is asked, by a driver script.
func (p qemuProcess) isProxmoxs() bool {
	return strings.HasPrefix(strings.TrimPrefix(p.socket, "/var"), "/run/qemu-server/")
}

// isOf asks the monitor whose it is: a QEMU takes a path over that another one
// listens on, and a path from another file system leads somewhere else here.
func (m *monitor) isOf(ctx context.Context, process qemuProcess) error {
	command, given := "query-uuid", process.uuids
	if len(given) == 0 {
		command, given = "query-name", process.names
	}
	if len(given) == 0 {
		return nil
	}
	answer, err := m.execute(ctx, command)
	if err != nil {
		return err
	}
	var read struct{ UUID, Name string }
	if err := json.Unmarshal(answer, &read); err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	said := read.Name
	if command == "query-uuid" {
		said = strings.ToLower(read.UUID)
	}
	if !slices.Contains(given, said) {
		return primitives.Errorf(primitives.Unreachable, "", "", "at its monitor %s answers another QEMU, %q: it has taken that path over, or the path is one in another file system", process.socket, said)
	}
	return nil
}
