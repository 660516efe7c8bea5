package policytest

import (
	"context"
	"strings"

	"ctys/luabind"
	"ctys/luabind/simulated"
	"ctys/primitives"
)

// ran is how a run ended, as the test sees it.
type ran struct {
	Exit    int
	Text    string   // what the user would have been told, a line an event
	Writes  []string // "stack.shutdown web1", in the order in which they began
	Plan    []string // the same, of those that a plan would do
	Seconds float64  // of the world's time
	Error   string   // why it did not run to its end; empty where it did
}

func runMethod() luabind.Function {
	return luabind.Function{
		Name: "run", Help: "Runs an action at the desk, as ctys -t TYPE -a ACTION TARGET… does, and gives how it ended. What a machine kept is found by the next run.",
		Options: []luabind.Param{
			{Name: "action", Type: luabind.String, Required: true, Help: `as behind -a: "cancel=self,poweroff:0"; or the name of a script`},
			{Name: "args", Type: luabind.List, Help: "what is typed behind the name of a script that declares arguments"},
			{Name: "targets", Type: luabind.List, Help: "none: the desk itself"},
			{Name: "type", Type: luabind.String, Default: "pm", Help: `as behind -t: "pm" where left out`},
			{Name: "types", Type: luabind.List, Help: "as behind -T"},
			{Name: "yes", Type: luabind.Boolean}, {Name: "plan", Type: luabind.Boolean},
		},
		Result: "{exit=…, text=…, writes={\"stack.shutdown web1\", …}, plan={…}, seconds=…, error=…}", Errors: []primitives.Kind{primitives.Invalid},
		Example: `local run = world:run{ action = "cancel=poweroff:0", targets = { "lab01" } }`,
		Op: &luabind.Operation{Effect: luabind.Write, Object: identity,
			Do: func(ctx context.Context, c *luabind.Call) (any, error) { return worldOf(c).run(ctx, c) }},
	}
}

// run runs the action on the world's own clock.
func (w *world) run(ctx context.Context, c *luabind.Call) (*ran, error) {
	name, subopts, _ := strings.Cut(c.String("action"), "=")
	head, err := w.head(name)
	if err != nil {
		return nil, err
	}
	request, err := w.request(c, head, name, subopts)
	if err != nil {
		return nil, err
	}
	authority := head.Authority()
	told := &telling{world: w, begun: w.sim.Clock().Now()}
	powers := simulated.Desk(w.sim, "", w.kept)
	defer simulated.Release(powers)
	runtime := luabind.New(powers, luabind.Options{
		Authority: &authority, Machines: w.kept, Inventory: w.inventory, Settings: w.settings, Path: w.path,
		Yes: c.Bool("yes"), Plan: c.Bool("plan"), Stdout: told, Events: told.take,
	})
	result, err := runtime.CallScript(ctx, strings.ToLower(name), "action", request)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return told.end(result, err), nil
}

// head says what a script that is found by its name takes, and may touch.
func (w *world) head(name string) (luabind.Head, error) {
	source, err := luabind.Find(w.path, strings.ToLower(name))
	if err != nil {
		return luabind.Head{}, err
	}
	return luabind.ReadHead(w.path, source)
}

// request is what the front door would make of the command line.
func (w *world) request(c *luabind.Call, head luabind.Head, action, subopts string) (map[string]any, error) {
	arguments, err := head.Parse(c.Strings("args"))
	if err != nil {
		return nil, err
	}
	names := c.Strings("targets")
	if argument, takes := head.Targets(); takes {
		given, _ := arguments[argument].([]any)
		for _, word := range given {
			names = append(names, word.(string))
		}
	}
	if names, err = w.inventory.Expand(names); err != nil {
		return nil, err
	}
	targets := []any{}
	for _, name := range names {
		targets = append(targets, map[string]any{"name": name, "options": map[string]any{}})
	}
	return map[string]any{
		"action": strings.ToLower(action), "type": strings.ToLower(c.String("type")), "subopts": subopts,
		"arguments": arguments, "argv": list(c.Strings("args")), "targets": targets,
		"options": map[string]any{"yes": c.Bool("yes"), "types": list(c.Strings("types"))},
	}, nil
}

func list(words []string) []any {
	all := make([]any, len(words))
	for i, word := range words {
		all[i] = word
	}
	return all
}
