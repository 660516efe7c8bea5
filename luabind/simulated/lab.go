package simulated

import (
	"context"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"ctys/luabind"
	"ctys/luabind/agent"
	"ctys/luabind/journal"
	"ctys/primitives"
	"ctys/primitives/sim"
	"ctys/primitives/sim/lab"
)

// LabOptions say how a lab looks.
type LabOptions struct {
	// Dir holds the lab's keys, its control socket, what its machines keep, and
	// the files that a client needs (machines.lua, ssh_config, …). Required;
	// made where it does not exist.
	Dir string
	// Version is that of this program: the agents in the lab have it too.
	Version string
	Seed    int64
	// Network is the first two bytes of every address, within 127; empty is
	// "127.77".
	Network string
	// WakePort is where magic packets are waited for; 0 is lab.DefaultWakePort.
	WakePort int
	// BMCs is how many machines stand beside the rack that have a BMC and nothing
	// else, bmc0001, bmc0002, …; up to MostBMCs.
	BMCs int
	// Slots is how many sessions each of these BMCs holds at a time; 0 is 64. Small
	// BMCs of the field have 4.
	Slots int
	// Stuck names machines whose next shutdown never ends.
	Stuck []string
}

// MostBMCs is how many machines a lab can have that are only a BMC.
const MostBMCs = 16384

// Rack is a lab that runs.
type Rack struct{ served *lab.Lab }

// Control is the path of the lab's control socket, for LabCommand.
func (r *Rack) Control() string { return r.served.Control }

// Wait returns when the lab has ended with its context.
func (r *Rack) Wait() { r.served.Wait() }

// Lab puts a simulated rack on loopback sockets: BMCs, a listener for magic
// packets, SSH servers whose machines have our agent. It lives on the system's
// clock and ends with ctx. Errors: Busy where another lab runs, Invalid for a
// network that is not on loopback and for a machine that the rack does not
// have, Internal for a folder that cannot be written.
func Lab(ctx context.Context, options LabOptions) (*Rack, error) {
	if options.BMCs < 0 || options.BMCs > MostBMCs {
		return nil, primitives.Errorf(primitives.Invalid, "lab", "", "a lab has from 0 to %d BMCs beside its rack, not %d", MostBMCs, options.BMCs)
	}
	shape := sim.Shape{Network: options.Network, Slots: options.Slots}
	if shape.Network != "" {
		if _, err := netip.ParseAddr(shape.Network + ".0.1"); err != nil {
			return nil, primitives.Errorf(primitives.Invalid, "lab", shape.Network, "a network is the first two bytes of an address, 127.77 for instance")
		}
	}
	world := sim.Rack(options.Seed, primitives.SystemClock{}, shape)
	world.AddBMCs(options.BMCs, shape)
	for _, name := range options.Stuck {
		if _, known := world.Machine(name); !known {
			return nil, primitives.Errorf(primitives.Invalid, "lab", name, "the rack has no such machine (it has %s)", strings.Join(world.Names(), ", "))
		}
		world.HangInShutdown(name, true)
	}
	machines := &labMachines{world: world, options: options}
	served, err := lab.Serve(ctx, world, lab.Options{Dir: options.Dir, Seed: options.Seed, WakePort: options.WakePort, Agent: machines.agent})
	if err != nil {
		return nil, err
	}
	if err := served.WriteFiles(options.Dir); err != nil {
		served.Close()
		return nil, err
	}
	return &Rack{served}, nil
}

// LabCommand sends one command to the control socket of a lab ("stuck db1",
// "state", "help") and gives its answer. Kinds: Unreachable where no lab
// listens, Invalid for a command that it refuses.
func LabCommand(ctx context.Context, control, command string) (string, error) {
	return lab.Ask(ctx, control, command)
}

// labMachines are the machines of a lab as their agents see them.
type labMachines struct {
	world   *sim.World
	options LabOptions
}

// agent is lab.Options.Agent. argv begins with the program's name and "agent".
func (l *labMachines) agent(ctx context.Context, machine string, argv []string, stdin io.Reader, stdout, stderr io.Writer) int {
	host := agent.Host{
		Version: l.options.Version,
		Capabilities: func(context.Context, luabind.Order) (luabind.Capabilities, func(), error) {
			powers := Capabilities(l.world, machine)
			return powers, func() { Release(powers) }, nil
		},
		Clock:    l.world.Clock(),
		StateDir: func() (string, error) { return l.folder("jobs", machine) },
		Lease: func(ctx context.Context, job string) (io.Closer, string, error) {
			dir, err := l.folder("leases", machine)
			if err != nil {
				return nil, "", err
			}
			lease, err := journal.Acquire(ctx, l.world.Clock(), dir, agent.ThisMachine, job)
			return lease, "", err
		},
		Life: ctx,
	}
	return agent.Serve(ctx, arguments(argv), stdin, stdout, stderr, host)
}

// arguments are what follows "ctys agent".
func arguments(argv []string) []string {
	for i, word := range argv {
		if word == "agent" {
			return argv[i+1:]
		}
	}
	return nil
}

func (l *labMachines) folder(kind, machine string) (string, error) {
	dir := filepath.Join(l.options.Dir, kind, machine)
	return dir, primitives.Wrap("lab.agent", machine, "the machine's folder cannot be made", os.MkdirAll(dir, 0o700))
}
