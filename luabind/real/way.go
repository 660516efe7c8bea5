package real

import (
	"context"
	"net"
	"sync"

	"ctys/luabind"
	"ctys/luabind/agent"
	"ctys/primitives/remote"
	"ctys/primitives/shutdown"
)

// way is the desk's way to other machines, made when it is first used: most
// calls stay on this machine, and need neither ssh_config nor a version.
type way struct {
	desk Desk
	ipmi luabind.IPMI
	exec luabind.Exec

	mu   sync.Mutex
	made *agent.Desk
}

func (w *way) open() *agent.Desk {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.made == nil {
		w.made = agent.NewDesk(agent.DeskOptions{
			Remote: remote.New(remote.Options{
				AcceptNew: w.desk.AcceptNewHostKey, ConfigFile: w.desk.SSHConfig, Prompt: w.desk.Prompt,
			}),
			Inventory: w.desk.Inventory, Machines: w.desk.Machines, Version: w.desk.Version(), IPMI: w.ipmi, Local: w.exec,
		})
	}
	return w.made
}

func (w *way) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.made == nil {
		return nil
	}
	return w.made.Close()
}

// Run is luabind.Relocator.
func (w *way) Run(ctx context.Context, order luabind.Order, events func(luabind.Event)) (any, error) {
	return w.open().Run(ctx, order, events)
}

// ShutDown is luabind.Relocator.
func (w *way) ShutDown(ctx context.Context, machine luabind.Machine, request shutdown.Request) error {
	return w.open().ShutDown(ctx, machine, request)
}

// Carry is luabind.Relocator.
func (w *way) Carry(ctx context.Context, machines []string) (map[string]bool, error) {
	return w.open().Carry(ctx, machines)
}

// Login is luabind.Relocator.
func (w *way) Login(ctx context.Context, machine luabind.Machine) error {
	return w.open().Login(ctx, machine)
}

// Console is luabind.Relocator.
func (w *way) Console(ctx context.Context, machine luabind.Machine) (int, error) {
	return w.open().Console(ctx, machine)
}

// dial is stack.Dial; host "" is this machine.
func (w *way) dial(ctx context.Context, host, network, address string) (net.Conn, error) {
	if host == "" {
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	return w.open().Dial(ctx, host, network, address)
}

// command is stack.Run; host "" is this machine.
func (w *way) command(ctx context.Context, host string, argv []string) (string, error) {
	return w.open().Command(ctx, host, argv)
}

// commands is luabind.Remote.
type commands struct{ way *way }

func (c commands) Run(ctx context.Context, machine luabind.Machine, argv []string, stdin string, limit int) (luabind.RemoteResult, error) {
	return c.way.open().Remote().Run(ctx, machine, argv, stdin, limit)
}
