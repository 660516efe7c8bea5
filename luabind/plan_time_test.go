package luabind

import (
	"context"
	"strings"
	"testing"
	"time"
)

func TestAPlansTimeGoesOn(t *testing.T) {
	tests := []struct{ name, source, want string }{
		{"a wait", `task.sleep(90) return task.now() - BEGAN`, "90"},
		{"until a time", `local n = 0 while task.now() < BEGAN + 10 do task.sleep(3); n = n + 1 end return n`, "4"},
		{"a deadline", `local n = 0
			local ok, e = pcall(task.deadline, 10, function() while true do task.sleep(3); n = n + 1 end end)
			return ok, e.kind, n, task.now() - BEGAN`, "false timeout 3 10"},
		{"a deadline is not swallowed", `local n = 0
			local ok, e = pcall(task.deadline, 10, function() while true do pcall(task.sleep, 3); n = n + 1 end end)
			return ok, e.kind, n`, "false timeout 3"},
		{"in time", `return task.deadline(5, function(a) task.sleep(5); return a end, "x"), task.now() - BEGAN`, "x 5"},
		{"outer first", `local ok, e = pcall(task.deadline, 2, function() task.deadline(9, task.sleep, 60) end) return e.kind, task.now() - BEGAN`, "timeout 2"},
		{"inner first", `task.deadline(9, function() local ok, e = pcall(task.deadline, 2, task.sleep, 60); assert(e.kind == "timeout"); task.sleep(1) end)
			return task.now() - BEGAN`, "3"},
		{"side by side", `task.map({10, 30, 20}, function(s) task.sleep(s) end) return task.now() - BEGAN`, "30"},
		{"one after the other", `for _ = 1, 3 do task.spawn(task.sleep, 4):wait() end return task.now() - BEGAN`, "12"},
		{"what a deadline's task has spawned", `local ok, e = pcall(task.deadline, 5, function() task.map({60}, function(s) task.sleep(s) end) end) return e.kind`, "timeout"},
		{"a cleanup has time of its own", `
			pcall(task.deadline, 5, function() task.finally(function() task.sleep(9) end, function() task.sleep(2) end) end)
			return task.now() - BEGAN`, "7"},
		{"for ever", `task.sleep(1e30) task.sleep(1e30) return task.deadline(1e30, function() return "well" end)`, "well"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			rt, clock := virtual(t, Options{Plan: true})
			result, err := rt.Run(ctx, Script{Name: "plan.lua", Source: "BEGAN = task.now()\n" + test.source})
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
			if waited := clock.Elapsed(); waited != 0 {
				t.Errorf("the plan waited %s", waited)
			}
		})
	}
}
