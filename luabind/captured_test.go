package luabind

import (
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// What is raised below a pcall must not part a function from its closures.
const capturedVariables = `
local ways = {
  pcall = function() pcall(error, "x") end,
  pcall_nested = function() pcall(function() pcall(error, "x"); local y; local z = function() return y end; error("y") end) end,
  pcall_index = function() pcall(function() local n; return n.field end) end,
  pcall_wait = function() pcall(function() task.sleep(1); error("x") end) end,
  xpcall = function() xpcall(function() error("x") end, function(e) return e end) end,
  deadline = function() pcall(task.deadline, 1, task.sleep, 5) end,
  step = function() pcall(step.run, "s", function() error("x") end) end,
  metamethod = function() pcall(function() return setmetatable({}, { __index = function() error("x") end }).a end) end,
  sort = function() pcall(table.sort, { 3, 1, 2 }, function() error("x") end) end,
  operation = function() pcall(task.now, "too much") end,
}

for name, fail in pairs(ways) do
  local inner, outer = 0, 0
  local function count() fail(); inner = inner + 1 end
  local function read() return outer end
  for i = 1, 3 do count(); outer = outer + 1 end
  assert(inner == 3, name .. ": the function does not see what its closure wrote")
  assert(read() == 3, name .. ": the closure does not see what its function wrote")

  local thread = coroutine.wrap(function() count(); coroutine.yield(inner); count(); return inner end)
  assert(thread() == 4 and thread() == 5 and inner == 5, name .. ": in a coroutine")
end

-- What escapes from a function that failed keeps its own variables.
local kept = {}
for i = 1, 3 do
  pcall(function()
    local own = i
    kept[#kept + 1] = function() own = own + 10; return own end
    kept[#kept + 1] = function() return own end
    error("x")
  end)
end
local function overwrite(...) local a, b, c, d, e = "a", "b", "c", "d", "e"; return a, b, c, d, e, ... end
overwrite(1, 2, 3)
for i = 1, 3 do
  assert(kept[2 * i - 1]() == i + 10 and kept[2 * i]() == i + 10, "an escaped closure lost its variable")
end

-- pcall itself is as before.
assert(select("#", pcall(function(...) return ... end, nil, nil, nil)) == 4)
local ok, err = pcall(error, "x", 0)
assert(not ok and err == "x")
`

func TestAnErrorThatIsCaughtLeavesCapturedVariablesAlone(t *testing.T) {
	rt, _ := virtual(t, Options{})
	run(t, rt, capturedVariables)
}

// A module's function that pcall gets by itself needs no thread of its own; what
// it fails with is what a call within a function fails with.
func TestAModulesFunctionIsCaughtLikeAnyOther(t *testing.T) {
	raising := &Module{Name: "raising", Help: "Raises by itself.", Functions: []Function{{
		Name: "now", Help: "Raises.", Result: "nothing", Example: `pcall(raising.now)`,
		Run: func(c *Call) ([]lua.LValue, error) { c.L.RaiseError("by itself"); return nil, nil },
	}}}
	rt, _ := virtual(t, Options{Modules: []*Module{raising}})
	run(t, rt, `
local function caught(fn, ...)
  local ok, err = pcall(fn, ...)
  assert(not ok)
  return err
end
for _, fn in ipairs{ task.sleep, task.deadline, raising.now } do
  local direct = caught(fn, "no number")
  local within = caught(function() fn("no number") end)
  assert(direct.kind == within.kind and direct.message == within.message, tostring(direct) .. " and " .. tostring(within))
end
local direct = caught(task.sleep, "no number")
assert(tostring(direct):find("^[%w_]+.lua:%d+: task.sleep: "), tostring(direct))
assert(caught(task.deadline, 1, task.sleep, "no number").kind == "invalid")
assert(select(2, pcall(task.deadline, 1, task.now)) == task.now())
`)
}
