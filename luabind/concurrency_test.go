package luabind

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ctys/primitives"
	"ctys/primitives/sim"

	lua "github.com/yuin/gopher-lua"
)

// virtual is a runtime on a simulated clock, without powers.
func virtual(t testing.TB, options Options) (*Runtime, *sim.Clock) {
	t.Helper()
	clock := sim.NewClock(time.Unix(1_700_000_000, 0))
	return New(Capabilities{Clock: clock}, options), clock
}

func run(t testing.TB, rt *Runtime, source string) []string {
	t.Helper()
	result, err := rt.Run(context.Background(), Script{Name: t.Name() + ".lua", Source: source})
	if err != nil {
		t.Fatal(err)
	}
	words := make([]string, len(result.Values))
	for i, value := range result.Values {
		words[i] = Format(value)
	}
	return words
}

// waiters are the places from which a library that yields would lose its way.
// Each waits several times and checks who it is after each wait.
const waiters = `
local function nap(me, n)
  task.sleep(math.random(1, 50) / 10)
  assert(coroutine.running() == me, "another thread runs after the wait")
  return n
end
local kinds = {}
function kinds.flat(n) local me = coroutine.running(); nap(me, n); nap(me, n) end
function kinds.pcall(n)
  local me = coroutine.running()
  local ok, err = pcall(function() pcall(nap, me, n); nap(me, n); error("expected") end)
  assert(not ok and tostring(err):find("expected"))
end
function kinds.index(n)
  local me = coroutine.running()
  local t = setmetatable({}, {__index = function(_, key) return nap(me, key) end, __add = function(a, b) return nap(me, b) end})
  assert(t[n] == n and t + n == n)
end
function kinds.sort(n)
  local me = coroutine.running()
  local list = {3, 1, 2}
  table.sort(list, function(a, b) nap(me, n); return a < b end)
  assert(list[1] == 1 and list[3] == 3)
end
function kinds.iterator(n)
  local me = coroutine.running()
  local seen = 0
  for i in function(_, last) nap(me, n); last = (last or 0) + 1; if last <= 3 then return last end end do seen = seen + i end
  assert(seen == 6)
end
function kinds.coroutine(n)
  local outer = coroutine.running()
  local co = coroutine.wrap(function()
    local inner = coroutine.create(function(x)
      local me = coroutine.running()
      nap(me, x); coroutine.yield(x + 1); nap(me, x); return x + 2
    end)
    local me = coroutine.running()
    local ok, a = coroutine.resume(inner, n); assert(ok and a == n + 1)
    nap(me, n)
    coroutine.yield(a)
    local ok2, b = coroutine.resume(inner); assert(ok2 and b == n + 2)
    assert(coroutine.status(inner) == "dead")
    return b
  end)
  assert(co() == n + 1); nap(outer, n); assert(co() == n + 2)
end
local names = {"flat", "pcall", "index", "sort", "iterator", "coroutine"}
local order = {}
local numbers = {}
for i = 1, COUNT do numbers[i] = i end
task.map(numbers, function(n)
  kinds[names[n % #names + 1]](n)
  order[#order + 1] = n
end)
return #order, table.concat(order, " ")
`

func TestManyTasksWaitAnywhere(t *testing.T) {
	count := 10_000
	if testing.Short() {
		count = 1000
	}
	source := strings.ReplaceAll(waiters, "COUNT", fmt.Sprint(count))
	var orders []string
	for _, seed := range []uint64{7, 7, 8} {
		rt, _ := virtual(t, Options{Seed: seed})
		values := run(t, rt, source)
		if values[0] != fmt.Sprint(count) {
			t.Fatalf("%s of %d tasks ended", values[0], count)
		}
		orders = append(orders, values[1])
	}
	if orders[0] != orders[1] {
		t.Error("the same seed gave two orders of events")
	}
	if orders[0] == orders[2] {
		t.Error("another seed gave the same order: the order does not come from the waits")
	}
}

func TestManyTasksOnTheSystemClock(t *testing.T) {
	source := strings.ReplaceAll(waiters, "COUNT", "1000")
	source = strings.ReplaceAll(source, "math.random(1, 50) / 10", "math.random(1, 20) / 1000")
	rt := New(Capabilities{}, Options{})
	if values := run(t, rt, source); values[0] != "1000" {
		t.Fatalf("%s of 1000 tasks ended", values[0])
	}
}

func TestVirtualTime(t *testing.T) {
	rt, clock := virtual(t, Options{})
	run(t, rt, `
		task.map({10, 20, 30}, function(s) task.sleep(s) end)
		task.map({1, 1, 1, 1}, function(s) task.sleep(s) end, {limit = 2})
	`)
	if got := clock.Elapsed(); got != 32*time.Second {
		t.Errorf("elapsed %s, want 32s", got)
	}
}

func TestDeadlines(t *testing.T) {
	tests := []struct{ name, source, want string }{
		{"sleep", `local ok, e = pcall(task.deadline, 5, task.sleep, 60); return ok, e.kind, task.now() - BEGAN`, "false timeout 5"},
		{"in time", `return task.deadline(5, function(a) task.sleep(1); return a end, "x")`, "x"},
		{"own error", `local ok, e = pcall(task.deadline, 5, function() error{kind = "busy", message = "m"} end); return e.kind`, "busy"},
		{"children", `local ok, e = pcall(task.deadline, 5, function() task.map({1, 2}, function() task.sleep(60) end) end)
			return ok, e.kind, task.now() - BEGAN`, "false timeout 5"},
		{"not swallowed", `local rounds = 0
			local ok, e = pcall(task.deadline, 5, function() while true do pcall(task.sleep, 60); rounds = rounds + 1 end end)
			return ok, e.kind, rounds, task.now() - BEGAN`, "false timeout 0 5"},
		{"busy loop inside pcall", `local ok, e = pcall(task.deadline, 5, function() pcall(task.sleep, 4); task.sleep(4) end); return e.kind`, "timeout"},
		{"outer first", `local ok, e = pcall(task.deadline, 2, function() task.deadline(9, task.sleep, 60) end)
			return e.kind, task.now() - BEGAN`, "timeout 2"},
		{"inner first", `task.deadline(9, function() local ok, e = pcall(task.deadline, 2, task.sleep, 60); assert(e.kind == "timeout"); task.sleep(1) end)
			return task.now() - BEGAN`, "3"},
		{"what was spawned has the rest of the time", `local quick, slow
			task.deadline(5, function()
				quick = task.spawn(function() task.sleep(2); return "quick" end)
				slow = task.spawn(task.sleep, 60)
			end)
			local ok, e = pcall(slow.wait, slow)
			return quick:wait(), e.kind, task.now() - BEGAN`, "quick timeout 5"},
		{"what was spawned ends with an error", `local t
			pcall(task.deadline, 5, function() t = task.spawn(task.sleep, 60); error("x") end)
			local ok, e = pcall(t.wait, t)
			return e.kind, task.now() - BEGAN`, "canceled 0"},
		{"join", `local t = task.spawn(task.sleep, 7); local ok, e = pcall(task.deadline, 2, function() t:wait() end)
			t:wait(); return e.kind, task.now() - BEGAN`, "timeout 7"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			rt, _ := virtual(t, Options{})
			got := strings.Join(run(t, rt, "BEGAN = task.now()\n"+test.source), " ")
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestSiblings(t *testing.T) {
	tests := []struct{ name, source, want string }{
		{"map stops the others", `local ended = 0
			local ok, e = pcall(task.map, {1, 2, 3}, function(n) task.sleep(n); if n == 2 then error{kind = "busy", message = "x"} end; ended = ended + 1 end)
			return ok, e.kind, ended, task.now() - BEGAN`, "false busy 1 2"},
		{"settle does not", `local r = task.settle({1, 2, 3}, function(n) task.sleep(n); if n == 2 then error{kind = "busy", message = "x"} end; return n end)
			return r[1].value, r[2].ok, r[2].error.kind, r[3].value, task.now() - BEGAN`, "1 false busy 3 3"},
		{"results keep their order", `return table.concat(task.map({3, 1, 2}, function(n, i) task.sleep(n); return n .. ":" .. i end), " ")`, "3:1 1:2 2:3"},
		{"cancel", `local t = task.spawn(task.sleep, 60); task.sleep(1); t:cancel(); local ok, e = pcall(t.wait, t); return e.kind, task.now() - BEGAN`, "canceled 1"},
		{"unobserved failure", `local ok, e = pcall(task.deadline, 60, function() end)
			local r = task.settle({1}, function() task.spawn(function() task.sleep(1); error{kind = "busy", message = "x"} end); task.spawn(task.sleep, 50) end)
			return r[1].ok, r[1].error.kind, task.now() - BEGAN`, "false busy 1"},
		{"unobserved failure of a younger one", `local ended = {}
			local r = task.settle({1}, function()
				task.spawn(function() task.finally(function() task.sleep(50) end, function(stopped) ended[1] = stopped end) end)
				task.spawn(function() task.sleep(1); error{kind = "busy", message = "x"} end)
			end)
			return r[1].ok, r[1].error.kind, ended[1], task.now() - BEGAN`, "false busy true 1"},
		{"observed failure of a younger one", `local r = task.settle({1}, function()
				task.spawn(task.sleep, 5)
				local t = task.spawn(function() task.sleep(1); error{kind = "busy", message = "x"} end)
				task.spawn(function() pcall(t.wait, t) end)
			end)
			return r[1].ok, task.now() - BEGAN`, "true 5"},
		{"a task waits for its children", `task.settle({1}, function() task.spawn(task.sleep, 3) end); return task.now() - BEGAN`, "3"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			rt, _ := virtual(t, Options{})
			got := strings.Join(run(t, rt, "BEGAN = task.now()\n"+test.source), " ")
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestCancelFromOutside(t *testing.T) {
	rt := New(Capabilities{}, Options{})
	for _, source := range []string{
		`while true do pcall(function() while true do end end) end`,
		`pcall(task.sleep, 3600) while true do pcall(task.sleep, 3600) end`,
		`task.map({1, 2, 3}, function() task.sleep(3600) end)`,
		`coroutine.wrap(function() while true do end end)()`,
		`task.spawn(task.sleep, 3600):wait()`,
	} {
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		_, err := rt.Run(ctx, Script{Name: "endless.lua", Source: source})
		cancel()
		if err == nil {
			t.Errorf("%s: ended without an error", source)
		}
	}
}

func TestInstructionsAreCountedInCoroutines(t *testing.T) {
	for _, source := range []string{
		`while true do end`,
		`local co = coroutine.wrap(function() while true do end end) co()`,
		`while true do pcall(function() while true do end end) end`,
		`while true do pcall(task.finally, function() while true do end end, function() end) end`,
		`while true do pcall(task.finally, function() end, function() while true do end end) end`,
	} {
		rt, _ := virtual(t, Options{Limits: Limits{Instructions: 100_000}})
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		_, err := rt.Run(ctx, Script{Name: "loop.lua", Source: source})
		cancel()
		if err == nil || !strings.Contains(err.Error(), "instructions") {
			t.Errorf("%s: %v", source, err)
		}
	}
}

func TestTheLimitOfTasksHolds(t *testing.T) {
	for source, want := range map[string]string{
		`task.map({1, 2, 3, 4, 5, 6}, function() task.sleep(1) end)`:                              "denied",
		`task.settle({1, 2, 3, 4, 5, 6}, function() task.sleep(1) end)`:                           "denied",
		`for i = 1, 6 do task.spawn(task.sleep, 1) end`:                                           "denied",
		`task.map({1, 2, 3, 4, 5, 6}, function() task.sleep(1) end, {limit = 4})`:                 "",
		`for i = 1, 3 do task.map({1, 2, 3, 4}, function() task.sleep(1) end) end`:                "",
		`task.map({1, 2}, function() task.map({1, 2}, function() task.sleep(1) end) end) `:        "denied",
		`task.map({}, function() end) task.map({1, 2, 3, 4}, function() end) task.map({}, print)`: "",
	} {
		rt, _ := virtual(t, Options{Limits: Limits{Tasks: 5}})
		_, err := rt.Run(context.Background(), Script{Name: "many.lua", Source: source})
		if got := string(kindOf(err)); err == nil && want != "" || err != nil && got != want {
			t.Errorf("%s: %v, want %q", source, err, want)
		}
	}
}

func TestErrorsKnowTheirPlace(t *testing.T) {
	rt, _ := virtual(t, Options{})
	_, err := rt.Run(context.Background(), Script{Name: "place.lua", Source: "local x = 1\ntask.sleep(-1)\n"})
	if err == nil || !strings.HasPrefix(err.Error(), "place.lua:2: ") || !strings.Contains(err.Error(), "negative") {
		t.Errorf("got %v", err)
	}
	_, bare := rt.Run(context.Background(), Script{Name: "bare.lua", Source: "error{kind = 'busy'}"})
	if bare == nil || bare.Error() != "bare.lua:1: busy" {
		t.Errorf("an error without a message is %v", bare)
	}
	var script *ScriptError
	if ok := asScriptError(err, &script); !ok || script.Kind != "invalid" {
		t.Errorf("kind of %v", err)
	}
}

func TestErrorsKnowTheirCause(t *testing.T) {
	rt, _ := virtual(t, Options{Modules: []*Module{{Name: "far", Help: "A machine.", Functions: []Function{{
		Name: "ask", Help: "Fails.", Result: "nothing", Example: "far.ask()",
		Run: func(*Call) ([]lua.LValue, error) {
			return nil, primitives.Wrap("far.ask", "lab01", "asking it", primitives.Errorf(primitives.Auth, "ssh.connect", "lab01", "no key fits"))
		},
	}}}}})
	got := run(t, rt, `local ok, e = pcall(far.ask); return e.kind, e.op, e.message, e.cause.op, e.cause.kind, e.cause.message, e.cause.cause`)
	want := []string{"auth", "far.ask", "asking it: ssh.connect lab01: no key fits", "ssh.connect", "auth", "no key fits", "nil"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func asScriptError(err error, target **ScriptError) bool {
	script, ok := err.(*ScriptError)
	*target = script
	return ok
}

func TestXpcall(t *testing.T) {
	rt, _ := virtual(t, Options{})
	got := run(t, rt, `
		local ok, v = xpcall(function() error({kind = "busy", message = "m"}) end, function(e) return e.kind .. "!" end)
		local ok2, a, b = xpcall(function() task.sleep(1); return 1, 2 end, print)
		return ok, v, ok2, a, b`)
	if fmt.Sprint(got) != "[false busy! true 1 2]" {
		t.Errorf("got %v", got)
	}
}

func TestSeveralWaitForOneTask(t *testing.T) {
	tests := []struct{ name, source, want string }{
		{"two waiters", `local t = task.spawn(function() task.sleep(5); return "x" end)
			return table.concat(task.map({1, 2, 3}, function() return t:wait() end), " ")`, "x x x"},
		{"a waiter and the end of its parent", `local seen
			task.settle({1}, function()
				local t = task.spawn(task.sleep, 5)
				task.spawn(function() t:wait(); seen = task.now() - BEGAN end)
			end)
			return seen`, "5"},
		{"itself", `local t
			t = task.spawn(function() t:wait() end)
			local ok, e = pcall(t.wait, t)
			return ok, e.kind`, "false invalid"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			rt, _ := virtual(t, Options{})
			result, err := rt.Run(ctx, Script{Name: "wait.lua", Source: "BEGAN = task.now()\n" + test.source})
			if err != nil {
				t.Fatal(err)
			}
			words := make([]string, len(result.Values))
			for i, value := range result.Values {
				words[i] = Format(value)
			}
			if got := strings.Join(words, " "); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// What a function assigns to a local variable of its caller stays assigned,
// whatever was raised and caught before or after.
func TestManyChildrenEndTogether(t *testing.T) {
	rt, clock := virtual(t, Options{})
	got := run(t, rt, `
		local stopped = 0
		local r = task.settle({1}, function()
			for _ = 1, 20000 do task.spawn(function() task.finally(function() task.sleep(3600) end, function() stopped = stopped + 1 end) end) end
			task.spawn(function() task.sleep(1); error{kind = "busy", message = "x"} end)
		end)
		return r[1].error.kind, stopped`)
	if fmt.Sprint(got) != "[busy 20000]" || clock.Elapsed() != time.Second {
		t.Errorf("%v after %s", got, clock.Elapsed())
	}
}

func TestVariablesOfTheCallerSurviveErrors(t *testing.T) {
	tests := []struct{ name, source, want string }{
		{"caught before", `local seen
			local function look() pcall(error, "silence"); seen = "on" end
			look()
			return seen`, "on"},
		{"a fault of the script", `local seen
			local function look() pcall(function() local x = nil; x() end); seen = "on" end
			look()
			return seen`, "on"},
		{"inside step.run", `local seen
			step.run("look", function() pcall(task.deadline, 1, task.sleep, 9); seen = "on" end)
			return seen`, "on"},
		{"raised after", `local seen
			pcall(function() pcall(error, "a"); seen = "on"; error("b") end)
			return seen`, "on"},
		{"read by a closure", `local state = "unknown"
			local function told() return state end
			pcall(error, "x")
			state = "on"
			return told()`, "on"},
		{"xpcall", `local seen
			local function look() xpcall(function() error("x") end, function(e) seen = "handled"; return e end) end
			look()
			return seen`, "handled"},
		{"after finally", `local seen
			local function look() pcall(task.finally, function() error("x") end, function() seen = "cleaned" end) end
			look()
			return seen`, "cleaned"},
		{"in a coroutine", `local seen
			coroutine.wrap(function() local function look() pcall(error, "x"); seen = "on" end; look() end)()
			return seen`, "on"},
		{"a loop", `local n = 0
			local function count() n = n + 1; if n % 2 == 0 then error("even") end end
			for _ = 1, 6 do pcall(count) end
			n = n + 10
			pcall(count)
			return n`, "17"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			rt, _ := virtual(t, Options{})
			if got := strings.Join(run(t, rt, test.source), " "); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestProtectedCalls(t *testing.T) {
	tests := []struct{ name, source, want string }{
		{"results", `return select("#", pcall(function() return nil, 2, nil end))`, "4"},
		{"arguments", `return pcall(function(...) return select("#", ...), ... end, nil, 2, nil)`, "true 3 nil 2 nil"},
		{"a table that can be called", `return pcall(setmetatable({}, {__call = function(_, x) return x end}), 5)`, "true 5"},
		{"what cannot be called", `local ok, e = pcall(5); return ok, (tostring(e):find("call") ~= nil)`, "false true"},
		{"who runs", `local me = coroutine.running(); local _, inner = pcall(coroutine.running); return inner == me`, "true"},
		{"who runs behind a yield in it", `local me = coroutine.running()
			local co = coroutine.wrap(function() coroutine.yield(1) end)
			local _, same = pcall(function() co(); return coroutine.running() == me end)
			return same, coroutine.running() == me`, "true true"},
		{"a coroutine resumed in it and behind it", `local co = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end)
			local _, a = pcall(co); local b = co(); local _, c = pcall(co); return a, b, c`, "1 2 3"},
		{"place", `local ok, e = pcall(task.sleep, -1); return e.where`, "TestProtectedCalls/place.lua:1"},
		{"place of error", `local ok, e = pcall(function()
			error{kind = "busy", message = "m"} end); return e.where`, "TestProtectedCalls/place_of_error.lua:2"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			rt, _ := virtual(t, Options{})
			if got := strings.Join(run(t, rt, test.source), " "); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
