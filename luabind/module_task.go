package luabind

import (
	"cmp"
	"context"
	"errors"
	"time"

	"ctys/primitives"

	lua "github.com/yuin/gopher-lua"
)

// taskModule is concurrency for scripts: straight-line functions that run side
// by side, with deadlines.
func (rt *Runtime) taskModule() *Module {
	return &Module{
		Name: "task",
		Help: "Run functions side by side, wait, and set deadlines.",
		Functions: []Function{
			{
				Name: "spawn", Help: "Starts fn(…) as a task of its own. The caller ends only after it; what it raises and nobody waits for fails the caller.",
				Args:    []Param{{Name: "fn", Type: Callback, Required: true}, {Name: "args", Type: Rest}},
				Result:  "a task handle: t:wait() gives its results or raises what it raised, t:cancel() stops it",
				Example: `local t = task.spawn(function() return probe.ping("127.0.0.1") end); print(t:wait())`,
				Run:     rt.taskSpawn,
			},
			{
				Name: "later", Help: "As task.spawn, but fn(…) begins only after so many seconds, or as soon as somebody waits for it. Until then it costs next to nothing, and cancel makes that it never begins.",
				Args:    []Param{{Name: "seconds", Type: Seconds, Required: true}, {Name: "fn", Type: Callback, Required: true}, {Name: "args", Type: Rest}},
				Result:  "a task handle, as task.spawn",
				Example: `local t = task.later(1, function() step.note("this takes long") end); t:cancel()`,
				Run:     rt.taskLater,
			},
			{
				Name: "map", Help: "Calls fn(element, index) for each element, all at once or limit at a time. The first that raises stops the others and is raised here.",
				Args:    []Param{{Name: "list", Type: Table, Required: true}, {Name: "fn", Type: Callback, Required: true}},
				Options: mapOptions,
				Result:  "a list with the first result of each call, in the order of the elements",
				Example: `local doubled = task.map({1, 2, 3}, function(n) return n * 2 end, {limit = 2})`,
				Run:     func(c *Call) ([]lua.LValue, error) { return rt.taskMap(c, false) },
			},
			{
				Name: "settle", Help: "As task.map, but one that raises never keeps another from being called.",
				Args:    []Param{{Name: "list", Type: Table, Required: true}, {Name: "fn", Type: Callback, Required: true}},
				Options: mapOptions,
				Result:  "a list of {ok=true, value=…} or {ok=false, error=…}, in the order of the elements",
				Example: `for _, r in ipairs(task.settle({1, 2}, function(n) return n end)) do assert(r.ok) end`,
				Run:     func(c *Call) ([]lua.LValue, error) { return rt.taskMap(c, true) },
			},
			{
				Name: "sleep", Help: "Waits. A plan lists the wait and goes on at once.",
				Args:    []Param{{Name: "seconds", Type: Seconds, Required: true, Help: "0 or more"}},
				Result:  "nothing",
				Example: `task.sleep(0.01)`,
				Run:     rt.taskSleep,
			},
			{
				Name: "deadline", Help: "Calls fn(…) and stops it, and what it spawned, after that many seconds; the error's kind is then timeout.",
				Args:    []Param{{Name: "seconds", Type: Seconds, Required: true}, {Name: "fn", Type: Callback, Required: true}, {Name: "args", Type: Rest}},
				Result:  "what fn returns",
				Errors:  []primitives.Kind{primitives.Timeout},
				Example: `local ok, err = pcall(task.deadline, 0.01, task.sleep, 60); assert(err.kind == "timeout")`,
				Run:     rt.taskDeadline,
			},
			{
				Name: "finally", Help: "Calls fn, then cleanup(stopped), also where fn raises or the task is stopped; stopped tells whether fn did not end well.",
				Args:    []Param{{Name: "fn", Type: Callback, Required: true}, {Name: "cleanup", Type: Callback, Required: true, Help: "has 10 s"}},
				Result:  "what fn returns; raises what fn raises",
				Example: `task.finally(function() task.sleep(0.01) end, function(stopped) assert(not stopped) end)`,
				Run:     rt.taskFinally,
			},
			{
				Name: "event", Help: "Makes something that tasks can wait for until another one says that it has happened.",
				Result: "an event handle: e:set() says so, e:wait() returns when somebody has", Example: `local e = task.event(); task.spawn(function() e:set() end); e:wait()`,
				Run: taskEvent,
			},
			{
				Name: "now", Help: "The time, in seconds since 1970 (of the simulated world in a simulation). In a plan what was not waited counts as if it had been.",
				Result: "a number", Example: `local began = task.now()`,
				Run: func(*Call) ([]lua.LValue, error) { return []lua.LValue{rt.toLua(rt.now())}, nil },
			},
		},
		Handles: []HandleType{{
			Name: "task", Help: "A task that was spawned.",
			Methods: []Function{
				{Name: "wait", Help: "Waits until the task has ended.", Result: "what its function returned; raises what it raised",
					Example: `print(t:wait())`, Run: rt.taskWait},
				{Name: "cancel", Help: "Stops the task; waiting for it then raises kind canceled.", Result: "nothing",
					Example: `t:cancel()`, Run: rt.taskCancel},
			},
		}, rt.eventHandle()},
	}
}

// mapOptions are those of map and settle.
var mapOptions = []Param{
	{Name: "limit", Type: Integer, Min: 1, Max: 1e6, Help: "how many at once; all where left out"},
	{Name: "patience", Type: Seconds, Help: "after which one that has not ended no longer counts to limit, so that what is slow holds up nobody; it always counts where left out"},
}

func (rt *Runtime) taskSpawn(c *Call) ([]lua.LValue, error) {
	if err := rt.room(c, 1); err != nil {
		return nil, err
	}
	task := rt.spawn(rt.current, "", c.Callback("fn"), c.rest...)
	return []lua.LValue{c.NewHandle("task", task.path(), task, lua.LNil)}, nil
}

// room refuses more tasks than the limits allow.
func (rt *Runtime) room(c *Call, further int) error {
	if rt.alive+further <= rt.limits.Tasks {
		return nil
	}
	return primitives.Errorf(primitives.Denied, c.Verb(), "", "%d tasks are alive, and %d more would be above the limit of %d; use the option limit of task.map",
		rt.alive, further, rt.limits.Tasks)
}

func (rt *Runtime) taskWait(c *Call) ([]lua.LValue, error) {
	task := c.Self.Data.(*Task)
	for waiter := rt.current; waiter != nil; waiter = waiter.parent {
		if waiter == task {
			return nil, primitives.Errorf(primitives.Invalid, c.Verb(), "", "a task that waits for itself, or for the task that it is a part of, would wait for ever")
		}
	}
	task.observed = true
	rt.begin(task)
	if err := rt.join(task); err != nil {
		return nil, err
	}
	if task.err != nil {
		return nil, task.err
	}
	return task.values, nil
}

func (rt *Runtime) taskCancel(c *Call) ([]lua.LValue, error) {
	task := c.Self.Data.(*Task)
	task.observed = true
	task.cancel(errCanceled)
	rt.drop(task)
	rt.noticeCanceled()
	return nil, nil
}

func (rt *Runtime) taskSleep(c *Call) ([]lua.LValue, error) {
	if rt.options.Plan {
		rt.emit(Event{Kind: KindWait, Seconds: c.Number("seconds")})
		return nil, rt.pretend(seconds(c.Number("seconds")))
	}
	_, err := Wait(rt, func(ctx context.Context) (any, error) {
		if err := rt.caps.Clock.Sleep(ctx, seconds(c.Number("seconds"))); err != nil {
			return nil, cmp.Or(context.Cause(ctx), err) // the cause tells a deadline from a stop
		}
		return nil, nil
	})
	return nil, err
}

func (rt *Runtime) taskDeadline(c *Call) ([]lua.LValue, error) {
	var values []lua.LValue
	err := rt.withDeadline(seconds(c.Number("seconds")), func() (err error) {
		values, err = rt.call(c.L, c.Callback("fn"), c.rest)
		return err
	})
	var late errDeadline
	if errors.As(err, &late) {
		err = &primitives.Error{Kind: primitives.Timeout, Op: c.Verb(), Message: late.Error()}
	}
	return values, err
}

// cleanupTime is what a cleanup has after its task was stopped.
const cleanupTime = 10 * time.Second

func (rt *Runtime) taskFinally(c *Call) ([]lua.LValue, error) {
	values, err := rt.call(c.L, c.Callback("fn"), nil)
	task := rt.current
	outer, planned := task.ctx, task.planned
	task.scope(context.WithoutCancel(outer))
	task.steps, task.planned = 0, nil
	late := rt.withDeadline(cleanupTime, func() error {
		_, err := rt.call(c.L, c.Callback("cleanup"), []lua.LValue{lua.LBool(err != nil)})
		return err
	})
	task.scope(outer)
	task.planned = planned
	var spent errBudget
	if errors.As(err, &spent) { // the cleanup had a budget of its own; what it cleaned up after has none left
		task.steps = spent.limit + 1
	}
	if err == nil {
		err = late
	}
	return values, err
}

// maxSeconds is the longest wait, about 292 years, that a duration can hold.
const maxSeconds = float64(1<<63-1) / 1e9

func seconds(s float64) time.Duration {
	if s >= maxSeconds {
		return 1<<63 - 1
	}
	return time.Duration(s * float64(time.Second))
}
