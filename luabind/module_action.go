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

func (rt *Runtime) actionAt(c *Call) ([]lua.LValue, error) {
	machine := machineOf(c)
	here, err := Wait(rt, func(ctx context.Context) (bool, error) { return rt.isSelf(ctx, machine.Name), nil })
	if err != nil {
		return nil, err
	}
	if here {
		return rt.callHere(c)
	}
	if rt.caps.Relocate == nil {
		return nil, noWay(c)
	}
	order, err := rt.newOrder(machine, c.String("script"), c.String("call"), fromLua(c.Lua("request")), c.Strings("rows"))
	if err != nil {
		return nil, err
	}
	order.MayDown = c.Bool("take_down")
	task, forward := rt.current, rt.forwarder()
	result, err := Wait(rt, func(ctx context.Context) (any, error) {
		return rt.caps.Relocate.Run(withTaskKey(ctx, task.key), order, func(event Event) { forward.take(ctx, event) })
	})
	forward.settle()
	if err != nil {
		return nil, err
	}
	return []lua.LValue{rt.toLua(result)}, nil
}

// callHere calls the script's function in the calling task. The leave to take
// this machine down is the task's, so that tasks beside it do not get it.
func (rt *Runtime) callHere(c *Call) ([]lua.LValue, error) {
	task := rt.current
	outer := task.mayDown
	task.mayDown = outer || c.Bool("take_down")
	defer func() { task.mayDown = outer }()
	before := rt.writes
	values, err := rt.callField(c.L, c.String("script"), c.String("call"), c.Table("request"))
	return values, AfterWrites(err, rt.writes-before)
}

// callField calls a field of a script's table.
func (rt *Runtime) callField(L *lua.LState, script, field string, args ...lua.LValue) ([]lua.LValue, error) {
	values, err := rt.call(L, rt.root.GetGlobal("require").(*lua.LFunction), []lua.LValue{lua.LString(script)})
	if err != nil {
		return nil, err
	}
	table, ok := values[0].(*lua.LTable)
	if !ok {
		return nil, primitives.Errorf(primitives.Invalid, script, "", "the script does not return a table")
	}
	fn, ok := table.RawGetString(field).(*lua.LFunction)
	if !ok {
		return nil, primitives.Errorf(primitives.Invalid, script, "", "the script's table has no function %q", field)
	}
	return rt.call(L, fn, args)
}

type taskKey struct{}

// withTaskKey tells a simulated relocator where a nested runtime stands.
func withTaskKey(ctx context.Context, key []uint32) context.Context {
	return context.WithValue(ctx, taskKey{}, key)
}

// TaskKey is the path of task numbers of the task that ctx waits for, or nil.
func TaskKey(ctx context.Context) []uint32 {
	key, _ := ctx.Value(taskKey{}).([]uint32)
	return key
}
