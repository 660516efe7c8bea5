package luabind

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

func TestCoroutines(t *testing.T) {
	tests := []struct{ name, source, want string }{
		{"who runs after an error went through wrap", `local me = coroutine.running()
			local ok, e = pcall(coroutine.wrap(function() error{kind = "busy", message = "m"} end))
			return ok, e.kind, coroutine.running() == me`, "false busy true"},
		{"the same in a coroutine, and after a wait", `local seen = {}
			coroutine.wrap(function()
				local me = coroutine.running()
				pcall(coroutine.wrap(function() task.sleep(1); error("x") end))
				task.sleep(1)
				seen[1] = coroutine.running() == me
			end)()
			return seen[1]`, "true"},
		{"an error ends what wrap gave", `local after = false
			local co = coroutine.wrap(function() error("x", 0); after = true end)
			pcall(co)
			local ok, e = pcall(co)
			return ok, tostring(e):find("dead") ~= nil, after`, "false true false"},
		{"yield and go on", `local co = coroutine.wrap(function(a) local b = coroutine.yield(a + 1); local c = coroutine.yield(b + 1); return c end)
			return co(1), co(2), co(9)`, "2 3 9"},
		{"yield from a called function", `local function inner(x) return (coroutine.yield(x)) end
			local co = coroutine.wrap(function() return inner(1) + inner(2) end)
			return co(), co(10), co(20)`, "1 2 30"},
		{"a generator in for", `local sum = 0
			for n in coroutine.wrap(function() for i = 1, 4 do coroutine.yield(i) end end) do sum = sum + n end
			return sum`, "10"},
		{"yield inside pcall", `return coroutine.wrap(function() local ok, e = pcall(function() coroutine.yield(1) end); return ok, e.kind end)()`, "false invalid"},
		{"yield inside task.deadline", `return pcall(coroutine.wrap(function() task.deadline(5, function() coroutine.yield(1) end) end))`,
			"false TestCoroutines.lua:1: coroutine.yield: a coroutine cannot yield inside pcall, a metamethod, an iterator or another function that calls back: yield outside of it"},
		{"yield inside a metamethod", `local t = setmetatable({}, {__index = function() coroutine.yield(1) end})
			local ok, e = pcall(coroutine.wrap(function() return t.x end)); return ok, e.kind`, "false invalid"},
		{"yield inside an iterator", `local ok, e = pcall(coroutine.wrap(function() for _ in function() coroutine.yield(1) end do end end)); return ok, e.kind`, "false invalid"},
		{"yield inside a comparator", `local ok, e = pcall(coroutine.wrap(function() table.sort({2, 1}, function() coroutine.yield(1) end) end)); return ok, e.kind`, "false invalid"},
		{"resume of one that has resumed this one", `local outer
			outer = coroutine.create(function()
				return coroutine.resume(coroutine.create(function() return coroutine.resume(outer) end))
			end)
			local ok, ok2, ok3, e = coroutine.resume(outer)
			return ok, ok2, ok3, e.kind`, "true true false invalid"},
		{"resume of itself", `local ok, e = coroutine.resume(coroutine.running()); return ok, e.kind`, "false invalid"},
		{"one for two tasks", `local co = coroutine.wrap(function() for i = 1, 9 do task.sleep(1); coroutine.yield(i) end end)
			local r = task.settle({1, 2}, function() return co() end)
			return r[1].value, r[2].ok, r[2].error.kind, co()`, "1 false invalid 2"},
		{"one for two tasks in turn", `local co = coroutine.wrap(function() for i = 1, 9 do coroutine.yield(i) end end)
			return table.concat(task.map({1, 2, 3}, function(n) task.sleep(n); return co() end), " ")`, "1 2 3"},
		{"a stop passes through", `local ok, e = pcall(task.deadline, 5, function() coroutine.wrap(function() task.sleep(60) end)() end)
			return ok, e.kind, task.now() - BEGAN`, "false timeout 5"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			rt, _ := virtual(t, Options{})
			result, err := rt.Run(context.Background(), Script{Name: "TestCoroutines.lua", Source: strings.TrimSpace("BEGAN = task.now() " + test.source)})
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

// Go cannot be stopped from ending the process where a stack grows too far.
func TestCoroutinesInsideEachOtherEndBeforeTheStackDoes(t *testing.T) {
	for name, source := range map[string]string{
		"wrap":        `local function f() return coroutine.wrap(f)() end f()`,
		"create":      `local function f() local ok, e = coroutine.resume(coroutine.create(f)) if not ok then error(e, 0) end end f()`,
		"with pcalls": `local function f(n) if n % 100 == 0 then coroutine.wrap(f)(n + 1) else local ok, e = pcall(f, n + 1) if not ok then error(e, 0) end end end f(1)`,
	} {
		rt, _ := virtual(t, Options{})
		_, err := rt.Run(context.Background(), Script{Name: "deep.lua", Source: source})
		if err == nil || !strings.Contains(fmt.Sprint(err), "inside each other") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
