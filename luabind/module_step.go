package luabind

import (
	"context"
	"math"

	"ctys/luabind/journal"
	"ctys/primitives"

	lua "github.com/yuin/gopher-lua"
)

// stepModule is what the user sees of a run.
func (rt *Runtime) stepModule() *Module {
	text := Param{Name: "text", Type: String, Required: true}
	return &Module{
		Name: "step",
		Help: "Tell the user what the run does: steps with deadlines, notes, results, questions.",
		Functions: []Function{
			{
				Name: "run", Help: "Shows a step while fn runs. Steps of tasks that fn spawns stand below it.",
				Args: []Param{text, {Name: "fn", Type: Callback, Required: true}},
				Options: []Param{
					{Name: "deadline", Type: Seconds, Help: "shown beside the elapsed time; it does not stop fn"},
					{Name: "object", Type: String, Help: "what the step is about"},
				},
				Result:  "what fn returns; a first result that is a string is shown as the step's end",
				Example: `step.run("count", function() return "done" end, {deadline = 5})`,
				Run:     rt.stepRun,
			},
			{
				Name: "progress", Help: "Says how far the current step is; on a terminal done of total is a bar.", Args: []Param{text},
				Options: []Param{{Name: "done", Type: Integer, Min: 0, Max: math.MaxInt32}, {Name: "total", Type: Integer, Min: 1, Max: math.MaxInt32}},
				Result:  "nothing", Example: `step.progress("asked through ACPI")`,
				Run: rt.stepProgress,
			},
			{
				Name: "note", Help: "Tells the user something.", Args: []Param{text},
				Result: "nothing", Example: `step.note("the first interface is eth0")`,
				Run: func(c *Call) ([]lua.LValue, error) { return rt.say(c, KindNote) },
			},
			{
				Name: "warn", Help: "Tells the user something that needs attention.", Args: []Param{text},
				Result: "nothing", Example: `step.warn("the guest was not seen off")`,
				Run: func(c *Call) ([]lua.LValue, error) { return rt.say(c, KindWarning) },
			},
			{
				Name: "otherwise", Help: "In a plan: names what would be done if the step is not done in time. Outside a plan: nothing.",
				Args:    []Param{text},
				Options: []Param{{Name: "after", Type: Seconds, Help: "when"}},
				Result:  "nothing", Example: `step.otherwise("destroy", {after = 180})`,
				Run: func(c *Call) ([]lua.LValue, error) {
					if rt.options.Plan {
						rt.emit(Event{Kind: KindWait, Text: c.String("text"), Seconds: c.Number("after")})
					}
					return nil, nil
				},
			},
			{
				Name: "would", Help: "In a plan: names a write that a script cannot carry out and would. Outside a plan: nothing.",
				Args: []Param{text}, Result: "nothing", Example: `step.would("arm eth0 for the magic packet")`,
				Run: func(c *Call) ([]lua.LValue, error) {
					if rt.options.Plan {
						rt.planned++
						rt.emit(Event{Kind: KindPlan, Text: c.String("text")})
					}
					return nil, nil
				},
			},
			{
				Name: "result", Help: "Reports one target's end; with --json it is one line.",
				Args: []Param{{Name: "target", Type: String, Required: true}},
				Options: []Param{
					{Name: "op", Type: String}, {Name: "state", Type: String}, {Name: "seen_by", Type: String},
					{Name: "text", Type: String, Help: "one line for people"},
					{Name: "error", Type: Any, Help: "an error value"}, {Name: "data", Type: Table},
				},
				Result: "nothing", Example: `step.result("lab01", {op = "cancel", state = "off", seen_by = "bmc"})`,
				Run: rt.stepResult,
			},
			{
				Name: "planning", Help: "Tells whether this run only plans.", Result: "a boolean",
				Example: `if step.planning() then step.note("nothing is written") end`,
				Run:     func(*Call) ([]lua.LValue, error) { return []lua.LValue{lua.LBool(rt.options.Plan)}, nil },
			},
			{
				Name: "confirm", Help: "Asks the operator to type an answer. --yes answers beforehand; without a terminal nobody agrees.",
				Args:    []Param{{Name: "question", Type: String, Required: true}},
				Options: []Param{{Name: "answer", Type: String, Default: "yes", Help: "what must be typed"}},
				Result:  "true where the operator agreed",
				Example: `if not step.confirm("end the consoles there?") then return end`,
				Run:     rt.stepConfirm,
			},
		},
	}
}

func (rt *Runtime) say(c *Call, kind journal.Kind) ([]lua.LValue, error) {
	rt.emit(Event{Kind: kind, Text: c.String("text")})
	return nil, nil
}

func (rt *Runtime) stepProgress(c *Call) ([]lua.LValue, error) {
	event := Event{Kind: KindProgress, Text: c.String("text")}
	if c.Has("total") {
		event.Data = map[string]any{"done": c.Int("done"), "total": c.Int("total")}
	}
	rt.emit(event)
	return nil, nil
}

func (rt *Runtime) stepRun(c *Call) ([]lua.LValue, error) {
	task := rt.current
	outer := task.step
	number := rt.emit(Event{Kind: KindStep, Text: c.String("text"), Object: c.String("object"),
		Seconds: c.Number("deadline"), Step: outer.id()})
	task.step = &stepNode{number: number, outer: outer}
	values, err := rt.call(c.L, c.Callback("fn"), nil)
	end := Event{Kind: KindStepEnd, Step: number, Text: c.String("text"), Object: c.String("object")}
	if err != nil {
		end.Error = eventError(err)
	} else if len(values) > 0 {
		if state, ok := values[0].(lua.LString); ok {
			end.State = string(state)
		}
	}
	rt.emit(end)
	task.step = outer
	return values, err
}

func (n *stepNode) id() uint64 {
	if n == nil {
		return 0
	}
	return n.number
}

func (rt *Runtime) stepResult(c *Call) ([]lua.LValue, error) {
	event := Event{Kind: KindResult, Object: c.String("target"), Op: c.String("op"), State: c.String("state"), Text: c.String("text")}
	event.Data, _ = fromLua(c.Lua("data")).(map[string]any)
	if seenBy := c.String("seen_by"); seenBy != "" {
		if event.Data == nil {
			event.Data = map[string]any{}
		}
		event.Data["seen_by"] = seenBy
	}
	if value := c.Lua("error"); value != lua.LNil {
		event.Error = failureOf(value)
	}
	rt.emit(event)
	return nil, nil
}

// failureOf shows any error value of a script as an event carries it.
func failureOf(value lua.LValue) *Failure {
	table, ok := value.(*lua.LTable)
	if !ok {
		return &Failure{Kind: string(primitives.Internal), Message: value.String()}
	}
	return &Failure{
		Kind:    lua.LVAsString(table.RawGetString("kind")),
		Op:      lua.LVAsString(table.RawGetString("op")),
		Host:    lua.LVAsString(table.RawGetString("host")),
		Message: lua.LVAsString(table.RawGetString("message")),
	}
}

func (rt *Runtime) stepConfirm(c *Call) ([]lua.LValue, error) {
	if rt.options.Yes {
		return []lua.LValue{lua.LTrue}, nil
	}
	if rt.options.Terminal == nil || rt.options.Plan {
		return []lua.LValue{lua.LBool(rt.options.Plan)}, nil
	}
	question := c.String("question") + " [" + c.String("answer") + "] "
	typed, err := Wait(rt, func(ctx context.Context) (string, error) {
		return rt.options.Terminal.Ask(ctx, question, false)
	})
	return []lua.LValue{lua.LBool(typed == c.String("answer"))}, err
}
