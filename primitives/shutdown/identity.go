package shutdown

import (
	"context"
	"errors"
	"os"
	"strings"

	"ctys/primitives"
)

const opIdentity = "shutdown.identity"

// BootID is the identifier that the kernel makes at each boot (random(4)): a
// machine that answers with another one has been down in between. Unsupported
// where the system has none.
func (c *Client) BootID(ctx context.Context) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", primitives.Wrap(opIdentity, "", "boot_id was not read", err)
	}
	const path = "/proc/sys/kernel/random/boot_id"
	text, err := c.read(path)
	if errors.Is(err, os.ErrNotExist) {
		return "", primitives.Errorf(primitives.Unsupported, opIdentity, "", "this system has no %s: a reboot cannot be told by it", path)
	}
	if err != nil {
		return "", primitives.Wrap(opIdentity, "", "boot_id cannot be read", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// Identity tells which machine this is, and which boot of it. Errors as BootID.
func (c *Client) Identity(ctx context.Context) (Identity, error) {
	boot, err := c.BootID(ctx)
	if err != nil {
		return Identity{}, err
	}
	name, err := os.Hostname()
	if err != nil {
		return Identity{}, primitives.Wrap(opIdentity, "", "the host name cannot be read", err)
	}
	return Identity{Hostname: name, MachineID: c.machineID(), BootID: boot, Slept: c.asleep(), ProductUUID: c.productUUID()}, nil
}

// machineID is empty where the system has none; D-Bus kept it elsewhere before
// systemd did (machine-id(5)).
func (c *Client) machineID() string {
	for _, path := range []string{"/etc/machine-id", "/var/lib/dbus/machine-id"} {
		if text, err := c.read(path); err == nil {
			if id := strings.TrimSpace(string(text)); id != "" {
				return id
			}
		}
	}
	return ""
}

// productUUID is empty where the kernel shows none, or not to this account.
func (c *Client) productUUID() string {
	for _, path := range []string{"/sys/class/dmi/id/product_uuid", "/sys/hypervisor/uuid"} {
		if text, err := c.read(path); err == nil {
			if uuid := strings.ToLower(strings.TrimSpace(string(text))); uuid != "" {
				return uuid
			}
		}
	}
	return ""
}
