package luabind

import (
	"context"

	"ctys/primitives"
	"ctys/primitives/shutdown"

	lua "github.com/yuin/gopher-lua"
)

// actionModule carries a script's own functions to other machines.
func (rt *Runtime) actionModule() *Module {
	machine := Param{Name: "machine", Type: String, Required: true, Help: "name in the inventory, or an address"}
	user := Param{Name: "user", Type: String, Help: "account to log in with"}
	via := Param{Name: "via", Type: List, Help: "machines to jump through, outermost first"}
	return &Module{
		Name: "action",
		Help: "Carry a script to the machine that has the power.",
		Functions: []Function{
			{
				Name: "at", Help: "Calls a field of a script's table on a machine: here, or by an agent there over SSH. The agent finishes also where the line is cut.",
				Args: []Param{machine, {Name: "script", Type: String, Required: true, Help: "name of the script"}, {Name: "request", Type: Table, Required: true, Help: "its argument: plain data"}},
				Options: []Param{
					{Name: "call", Type: String, Default: "here", Help: "the field to call"},
					user, via,
					{Name: "about", Type: String, Help: "tells orders apart that one machine gets side by side: by it a resumed run finds each again"},
					{Name: "rows", Type: List, Help: "further machines of the inventory that its function asks for"},
					{Name: "take_down", Type: Boolean, Help: "the request named this machine as one that may be taken down"},
				},
				Result:  "what the function returned, as plain data",
				Errors:  []primitives.Kind{primitives.Unreachable, primitives.Auth, primitives.Denied, primitives.Timeout},
				Example: `local result = action.at("localhost", "hello", {})`,
				Run:     rt.actionAt,
			},
			{
				Name: "is_here", Help: "Tells whether a name means the machine that the script runs on.", Args: []Param{machine}, Result: "a boolean",
				Example: `print(action.is_here("localhost"))`,
				Run: func(c *Call) ([]lua.LValue, error) {
					name := c.String("machine")
					here, err := Wait(rt, func(ctx context.Context) (bool, error) { return rt.isSelf(ctx, name), nil })
					return []lua.LValue{lua.LBool(here)}, err
				},
			},
			{
				Name: "here", Help: "What the caller calls the machine that the script runs on.", Result: "a name, or nil at the desk",
				Example: `print(action.here())`,
				Run:     func(*Call) ([]lua.LValue, error) { return []lua.LValue{rt.toLua(rt.options.Self)}, nil },
			},
			{
				Name: "shut_down", Help: "Logs in to a machine and asks it to go down with its system's own commands.",
				Options: []Param{machine, user, via, {Name: "method", Type: String, Required: true, OneOf: []string{"poweroff", "reboot", "runlevel"}},
					{Name: "level", Type: Integer, Min: 0, Max: 6},
					{Name: "guest", Type: Any, Help: "the guest handle, where the machine is one: a plan then knows that it goes off"}},
				Result:  "nothing; the machine goes down later",
				Errors:  []primitives.Kind{primitives.Unreachable, primitives.Auth, primitives.Denied, primitives.Timeout},
				Example: `action.shut_down{machine = "web1", method = "poweroff"}`,
				Op:      rt.shutDownOperation(),
			},
			{
				Name: "carry", Help: "Logs in to machines and tells of each whether it carries guests of its own, or may. Nothing is carried there.",
				Args:    []Param{{Name: "machines", Type: List, Required: true, Help: "names in the inventory, or addresses"}},
				Options: []Param{{Name: "deadline", Type: Seconds, Default: 15.0}},
				Result:  "a table by name; one that could not be looked at in time is not in it",
				Errors:  []primitives.Kind{primitives.Denied, primitives.Unsupported},
				Example: `print(action.carry({"web1"}).web1)`,
				Op:      rt.carryOperation(),
			},
			{
				Name: "login", Help: "Logs in to a machine and does nothing there: proves that it lets the account in.",
				Options: []Param{machine, user, via, {Name: "deadline", Type: Seconds, Default: 15.0}},
				Result:  "true; a machine that does not let the account in raises",
				Errors:  []primitives.Kind{primitives.Unreachable, primitives.Auth, primitives.Denied, primitives.Timeout, primitives.Unsupported},
				Example: `print(pcall(action.login, {machine = "lab01", user = "root"}))`,
				Op: &Operation{Effect: Read, Object: func(c *Call) string { return machineObject(c.String("machine")) },
					Do: func(ctx context.Context, c *Call) (any, error) {
						if rt.caps.Relocate == nil {
							return nil, noWay(c)
						}
						limited, cancel := primitives.WithTimeout(ctx, rt.caps.Clock, seconds(c.Number("deadline")))
						defer cancel()
						return true, rt.caps.Relocate.Login(limited, machineOf(c))
					}},
			},
			{
				Name: "console", Help: "Gives the operator's terminal a login on a machine, until its shell ends.",
				Options: []Param{machine, user, via,
					{Name: "forward_agent", Type: Boolean, Help: "programs there may use the keys of the operator's SSH agent meanwhile; so may root there"}},
				Result:  "the shell's exit status",
				Errors:  []primitives.Kind{primitives.Unreachable, primitives.Auth, primitives.Unsupported},
				Example: `action.console{machine = "lab01"}`,
				Op: &Operation{Effect: Write, Object: func(c *Call) string { return machineObject(c.String("machine")) },
					Do: func(ctx context.Context, c *Call) (any, error) {
						if rt.caps.Relocate == nil {
							return nil, noWay(c)
						}
						machine := machineOf(c)
						machine.ForwardAgent = c.Bool("forward_agent")
						return rt.caps.Relocate.Console(ctx, machine)
					}},
			},
		},
	}
}

func machineOf(c *Call) Machine {
	return Machine{Name: c.String("machine"), User: c.String("user"), Via: c.Strings("via")}
}

func noWay(c *Call) error {
	return primitives.Errorf(primitives.Unsupported, c.Verb(), c.String("machine"), "this host was not given a way to other machines")
}

// shutDownOperation takes a guest down from inside; its hypervisor's word on
// the guest is what a later read asks for.
func (rt *Runtime) shutDownOperation() *Operation {
	guest := func(c *Call) *Handle {
		if data, ok := c.Lua("guest").(*lua.LUserData); ok {
			handle, _ := data.Value.(*Handle)
			return handle
		}
		return nil
	}
	return &Operation{
		Effect: Write, Property: PropertyState, Destructive: true,
		Object: func(c *Call) string {
			if handle := guest(c); handle != nil {
				return handle.ID
			}
			return machineObject(c.String("machine"))
		},
		Leaves: func(c *Call) any {
			if c.String("method") == "poweroff" || c.String("method") == "runlevel" && c.Int("level") == 0 {
				return "off"
			}
			return "running"
		},
		Do: func(ctx context.Context, c *Call) (any, error) {
			if rt.caps.Relocate == nil {
				return nil, noWay(c)
			}
			return nil, rt.caps.Relocate.ShutDown(ctx, machineOf(c), shutdown.Request{Method: shutdown.Method(c.String("method")), Level: c.Int("level")})
		},
	}
}

// carryOperation looks at all machines at once; the end of its deadline leaves
// out those that have not answered.
func (rt *Runtime) carryOperation() *Operation {
	return &Operation{
		Effect: Read, Object: func(*Call) string { return rt.here() },
		Do: func(ctx context.Context, c *Call) (any, error) {
			if rt.caps.Relocate == nil {
				return nil, primitives.Errorf(primitives.Unsupported, c.Verb(), "", "this host was not given a way to other machines")
			}
			limited, cancel := primitives.WithTimeout(ctx, rt.caps.Clock, seconds(c.Number("deadline")))
			defer cancel()
			seen, err := rt.caps.Relocate.Carry(limited, c.Strings("machines"))
			if err != nil && ctx.Err() == nil && limited.Err() != nil {
				return seen, nil
			}
			return seen, err
		},
	}
}
