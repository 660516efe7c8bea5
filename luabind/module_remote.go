package luabind

import (
	"context"

	"ctys/primitives"
)

// Remote runs commands on other machines over SSH.
type Remote interface {
	// Run logs in, runs one command to its end, and gives its exit status and
	// at most limit bytes of each output.
	Run(ctx context.Context, machine Machine, argv []string, stdin string, limit int) (RemoteResult, error)
}

// RemoteResult is what a command left on another machine.
type RemoteResult struct {
	Exit   int
	Stdout string
	Stderr string
}

// remoteModule runs commands on other machines.
func (rt *Runtime) remoteModule() *Module {
	return &Module{
		Name: "remote", Master: true,
		Help: "Run commands on other machines over SSH.",
		Functions: []Function{{
			Name: "run", Help: "Logs in and runs one command. An exit status other than 0 is a result, not an error; a line that is lost is kind unreachable.",
			Options: []Param{
				{Name: "machine", Type: String, Required: true, Help: "name in the inventory, an alias of ssh_config, or an address"},
				{Name: "argv", Type: List, Required: true, Help: "the command and its arguments; each reaches it unchanged"},
				{Name: "user", Type: String}, {Name: "via", Type: List, Help: "machines to jump through, outermost first"},
				{Name: "stdin", Type: String}, {Name: "deadline", Type: Seconds, Default: 60.0},
				{Name: "limit", Type: Integer, Min: 1, Max: 1 << 30, Default: float64(1 << 20), Help: "bytes kept of each output"},
			},
			Result:  "{exit=number, stdout=string or nil, stderr=string or nil}",
			Errors:  []primitives.Kind{primitives.Unreachable, primitives.Auth, primitives.Timeout},
			Example: `print(remote.run{machine = "lab01", argv = {"uptime"}}.stdout)`,
			Op: &Operation{
				Effect: Write, Object: func(c *Call) string { return machineObject(c.String("machine")) },
				Do: func(ctx context.Context, c *Call) (any, error) {
					ctx, cancel := primitives.WithTimeout(ctx, rt.caps.Clock, seconds(c.Number("deadline")))
					defer cancel()
					return rt.caps.Remote.Run(ctx, machineOf(c), c.Strings("argv"), c.String("stdin"), c.Int("limit"))
				},
			},
		}},
	}
}
