package luabind

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"ctys/luabind/inventory"
	"ctys/primitives"
	"ctys/primitives/shutdown"
)

// shutdownModule takes the machine down on which the script runs.
func (rt *Runtime) shutdownModule() *Module {
	method := Param{Name: "method", Type: String, Required: true, OneOf: []string{"poweroff", "reboot", "halt", "runlevel", "suspend", "hibernate"},
		Help: "suspend is to RAM (ACPI S3), hibernate to disk (S4): what runs goes on afterwards"}
	level := Param{Name: "level", Type: Integer, Min: 0, Max: 6, Help: "runlevel: 0 powers off, 6 reboots, 1 rescue, 2–4 multi-user, 5 graphical"}
	return &Module{
		Name: "shutdown",
		Help: "Take down the machine on which the script runs, or put it to sleep.",
		Functions: []Function{
			{
				Name: "supported", Help: "Tells whether shutdown.apply could do this here; it changes nothing.",
				Options: []Param{method, level}, Result: "true; where it could not, it raises with what is missing",
				Errors:  []primitives.Kind{primitives.Denied, primitives.Unsupported},
				Example: `local ok, why = pcall(shutdown.supported, {method = "poweroff"})`,
				Op: &Operation{Effect: Read, Object: func(*Call) string { return rt.here() },
					Do: func(ctx context.Context, c *Call) (any, error) {
						return true, rt.caps.Shutdown.Supported(ctx, shutdownRequest(c))
					}},
			},
			{
				Name: "announce", Help: "Writes a message on every terminal (wall) and in the system's log.",
				Options: []Param{{Name: "message", Type: String, Required: true}}, Result: "nothing",
				Errors:  []primitives.Kind{primitives.Unsupported, primitives.Denied},
				Example: `shutdown.announce{message = "power off in 30 s"}`,
				Op: &Operation{Effect: Write, Object: func(*Call) string { return rt.here() },
					Do: func(ctx context.Context, c *Call) (any, error) {
						return nil, rt.caps.Shutdown.Announce(ctx, c.String("message"))
					}},
			},
			{
				Name: "apply", Help: "Takes this machine down, or puts it to sleep. It returns before that begins. The request must have named it (SELF), and machine must be its name: nothing else is accepted.",
				Options: []Param{{Name: "machine", Type: String, Required: true, Help: "this machine's name"}, method, level},
				Result:  `{via="logind"|"systemctl"|"sysfs"|…, prepare=boolean, boot_id=…, at=time}: the system took the request; it does not say that the machine is off or asleep`,
				Errors:  []primitives.Kind{primitives.Denied, primitives.Unsupported, primitives.Busy},
				Example: `shutdown.apply{machine = "lab01", method = "poweroff"}`,
				Op: &Operation{
					Effect: WriteOnce, Property: PropertyPower, Destructive: true,
					Object:  func(*Call) string { return rt.here() },
					Leaves:  func(c *Call) any { return powerAfter(shutdownRequest(c)) },
					Planned: func(*Call) any { return shutdown.Accepted{Via: "plan"} },
					Witness: func(ctx context.Context, c *Call) string { return rt.downWitness(ctx, shutdownRequest(c)) },
					Do: func(ctx context.Context, c *Call) (any, error) {
						if err := rt.guardSelf(ctx, c); err != nil {
							return nil, err
						}
						return rt.caps.Shutdown.Do(ctx, shutdownRequest(c))
					},
				},
			},
			{
				Name: "in_run_level", Help: "Tells whether this machine is in a run level.",
				Args:   []Param{{Name: "level", Type: Integer, Required: true, Min: 1, Max: 5}},
				Result: "a boolean", Errors: []primitives.Kind{primitives.Unsupported},
				Example: `print(shutdown.in_run_level(3))`,
				Op: &Operation{Effect: Read, Object: func(*Call) string { return rt.here() },
					Do: func(ctx context.Context, c *Call) (any, error) {
						return rt.caps.Shutdown.InRunLevel(ctx, c.Int("level"))
					}},
			},
			{
				Name: "identity", Help: "Which machine this is, and which boot of it.", Result: "{hostname=…, machine_id=…, boot_id=…, slept=seconds that this boot has been asleep so far}",
				Errors: []primitives.Kind{primitives.Unsupported}, Example: `print(shutdown.identity().boot_id)`,
				Op: &Operation{Effect: Read, Object: func(*Call) string { return rt.here() },
					Do: func(ctx context.Context, _ *Call) (any, error) { return rt.caps.Shutdown.Identity(ctx) }},
			},
		},
	}
}

func shutdownRequest(c *Call) shutdown.Request {
	return shutdown.Request{Method: shutdown.Method(c.String("method")), Level: c.Int("level")}
}

func powerAfter(request shutdown.Request) string {
	switch request.Method {
	case shutdown.Suspend:
		return "suspended"
	case shutdown.Hibernate:
		return "hibernated"
	}
	if request.Method == shutdown.PowerOff || request.Method == shutdown.Halt || request.Method == shutdown.RunLevel && request.Level == 0 {
		return "off"
	}
	return "on"
}

// guardSelf is the last catch before this machine goes down: the request must
// have asked for it, and the name must be what this machine is called.
func (rt *Runtime) guardSelf(ctx context.Context, c *Call) error {
	name := c.String("machine")
	if !c.task.mayDown {
		return primitives.Errorf(primitives.Denied, "shutdown.apply", name,
			"the request does not take this machine down: name it as a target and say SELF")
	}
	if rt.isSelf(ctx, name) {
		return nil
	}
	return primitives.Errorf(primitives.Denied, "shutdown.apply", name, "this machine is not called so")
}

// isSelf tells whether name means the machine that this runtime runs on.
func (rt *Runtime) isSelf(ctx context.Context, name string) bool {
	if rt.options.Self != "" {
		return name == rt.options.Self
	}
	if name == "localhost" {
		return true
	}
	if rt.caps.Shutdown == nil {
		return IsThisMachine(rt.options.Inventory, name)
	}
	identity, err := rt.caps.Shutdown.Identity(ctx)
	return err == nil && isCalled(rt.options.Inventory, name, identity.Hostname)
}

// IsThisMachine tells whether a name, as an inventory may have it, means the
// machine that this process runs on.
func IsThisMachine(inv *inventory.Inventory, name string) bool {
	host, err := os.Hostname()
	return name == "localhost" || err == nil && isCalled(inv, name, host)
}

// isCalled tells whether name means the machine of that host name. Many
// machines may share a host name, in domains that it does not tell: where the
// inventory knows the address, that decides, and a name that has more parts than
// ours is another's. Whoever is not known to be this machine is reached by SSH,
// which leads to the right one in any case.
func isCalled(inv *inventory.Inventory, name, hostname string) bool {
	short, _, _ := strings.Cut(hostname, ".")
	if !strings.EqualFold(name, hostname) && !strings.EqualFold(name, short) {
		return false
	}
	row := inv.Row(name)
	if row == nil {
		return true
	}
	address, err := netip.ParseAddr(row.Address)
	return err != nil || isOwnAddress(address)
}

// isOwnAddress is true where an interface of this machine has the address.
func isOwnAddress(address netip.Addr) bool {
	own, err := net.InterfaceAddrs()
	return err == nil && slices.ContainsFunc(own, func(has net.Addr) bool {
		prefix, err := netip.ParsePrefix(has.String())
		return err == nil && prefix.Addr() == address.Unmap().WithZone("")
	})
}

// downWitness changes when the machine has done what was asked: a boot has
// another boot_id, a sleep keeps that and has been slept.
func (rt *Runtime) downWitness(ctx context.Context, request shutdown.Request) string {
	identity, err := rt.caps.Shutdown.Identity(ctx)
	switch {
	case err != nil:
		return ""
	case request.Method == shutdown.Suspend, request.Method == shutdown.Hibernate:
		return fmt.Sprintf("%s asleep for %s", identity.BootID, identity.Slept)
	}
	return identity.BootID
}
