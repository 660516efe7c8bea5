package policytest

import (
	"context"

	"ctys/luabind"
	"ctys/primitives"
	"ctys/primitives/exec"

	lua "github.com/yuin/gopher-lua"
)

// simModule is the global that only tests have.
func simModule(recorded *tools, worlds *worlds) *luabind.Module {
	return &luabind.Module{
		Name: "sim",
		Help: "What tests of scripts are run on: simulated machines in virtual time, and recorded programs.",
		Functions: []luabind.Function{
			toolFunction(recorded),
			{
				Name: "ran", Help: "The recorded programs that were run, in their order, each with its arguments as one text.",
				Result: "a list of strings", Example: `assert(sim.ran()[1] == "podman --version")`,
				Op: &luabind.Operation{Effect: luabind.Read, Object: programs,
					Do: func(context.Context, *luabind.Call) (any, error) { return recorded.log(), nil }},
			},
			worlds.function(),
			orderFunction(),
		},
		Handles: []luabind.HandleType{worlds.handle()},
	}
}

func programs(*luabind.Call) string { return "recorded programs" }

func toolFunction(recorded *tools) luabind.Function {
	return luabind.Function{
		Name: "tool", Help: "Records what a program prints, so that a driver or another script can run it. The same argv again stands for the one before.",
		Options: []luabind.Param{
			{Name: "argv", Type: luabind.List, Required: true},
			{Name: "stdout", Type: luabind.String}, {Name: "stderr", Type: luabind.String},
			{Name: "exit", Type: luabind.Integer, Min: 0, Max: 255, Help: "its exit status, 0 where left out"},
		},
		Result: "nothing", Errors: []primitives.Kind{primitives.Invalid},
		Example: `sim.tool{ argv = { "podman", "--version" }, stdout = "podman version 4.3.1\n" }`,
		Check: func(c *luabind.Call) error {
			if len(c.Strings("argv")) == 0 {
				return primitives.Errorf(primitives.Invalid, "sim.tool", "", "argv is empty: it begins with the program")
			}
			return nil
		},
		Run: func(c *luabind.Call) ([]lua.LValue, error) {
			recorded.record(c.Strings("argv"), exec.Result{Stdout: c.String("stdout"), Stderr: c.String("stderr"), Exit: c.Int("exit")})
			return nil, nil
		},
	}
}

// orderFunction is the assertion that most tests of a policy come to.
func orderFunction() luabind.Function {
	return luabind.Function{
		Name: "in_order", Help: "Whether a list has these texts in this order, whatever stands between them. A text is found where an element begins with it.",
		Args:   []luabind.Param{{Name: "list", Type: luabind.List, Required: true}, {Name: "texts", Type: luabind.List, Required: true}},
		Result: "true; or false and the first text that is missing there", Example: `assert(sim.in_order(run.writes, { "stack.shutdown web1", "stack.shutdown db1" }))`,
		Run: func(c *luabind.Call) ([]lua.LValue, error) {
			missing, found := inOrder(c.Strings("list"), c.Strings("texts"))
			if !found {
				return []lua.LValue{lua.LFalse, lua.LString(missing)}, nil
			}
			return []lua.LValue{lua.LTrue}, nil
		},
	}
}
