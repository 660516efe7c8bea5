-- targets: do one thing for each TARGET of a request, side by side, and fold
-- the ends into one exit code.
--
--     local targets = require "targets"
--     return targets.each(request, "cancel", function(target)
--       return { state = "off", text = "lab01 is off" }
--     end)
--
-- Exit codes: 0 all reached their goal; 1 some did not, or something may have
-- been changed; 2 the request is wrong; 3 refused with nothing changed.

local M = {}

---@class targets.Target
---@field name string in the inventory, or as typed
---@field user string?
---@field options table

---@class targets.End
---@field exit integer? 0 where left out
---@field state string? "off", "up", …
---@field seen_by string? "bmc", "hypervisor", "probe"
---@field text string? one line for people
---@field data table? further fields of the result

--- Refuses a request with nothing changed: exit code 3.
---@param message string what was refused, and what the operator can do
function M.refuse(message)
  error({ kind = "denied", op = "request", message = message, exit = 3 }, 0)
end

--- Says that the request itself is wrong: exit code 2.
---@param message string quotes what was typed and says what is accepted
function M.invalid(message)
  error({ kind = "invalid", op = "request", message = message, exit = 2 }, 0)
end

local refusals = { denied = 3, auth = 3, busy = 3, unsupported = 3, invalid = 2 }

--- The exit code of an error that ended a target. Where something was changed
--- before, in whatever target, ctys makes 1 of the run's 2 or 3. A wrong request
--- is found before the first contact: what a machine finds invalid is another
--- thing.
function M.exit_of(err)
  if type(err) ~= "table" then return 1 end
  if err.kind == "invalid" and err.op == "agent.run" then return 1 end
  return err.exit or refusals[err.kind] or 1
end

--- Power is taken only from as many targets as the site allows; more need the
--- operator's word. The TARGETs of the request count, not what runs on them.
function M.limit(request, what)
  local most, count = inventory.setting("max_targets"), #request.targets
  if count <= most or step.planning() then return end
  local question = string.format("%s %d targets? Type their number", what, count)
  if not step.confirm(question, { answer = tostring(count) }) then
    M.refuse(string.format("%d targets are more than max_targets = %d; add --yes, or type their number on a terminal", count, most))
  end
end

--- The names of machines or guests, for a message.
function M.names(list)
  local words = {}
  for i, item in ipairs(list) do words[i] = item.name end
  return table.concat(words, ", ")
end

--- The TARGETs of the request, or this machine where there is none.
---@return targets.Target[]
function M.of(request)
  if request.targets and #request.targets > 0 then return request.targets end
  return { { name = "localhost", options = {} } }
end

--- An option as it is in force for a target: its own, else the call's.
function M.option(request, target, name)
  local value = (target.options or {})[name]
  if value == nil then value = (request.options or {})[name] end
  return value
end

local function has(list, word)
  for _, item in ipairs(list or {}) do
    if item == word then return true end
  end
  return false
end

-- How many at once: one after the other with -b seq.
local function at_once(options)
  if has(options.background, "seq") then return 1 end
  return options.limit or inventory.setting("limit")
end

local function ended(name, op, outcome)
  if outcome.ok then
    local e = outcome.value or {}
    step.result(name, { op = op, state = e.state, seen_by = e.seen_by, text = e.text, data = e.data, error = e.error })
    return e.exit or 0
  end
  step.result(name, { op = op, error = outcome.error })
  return M.exit_of(outcome.error)
end

-- The run was stopped before this target had its end.
local function stopped(name, op, begun)
  step.result(name, { op = op, state = begun and "unknown" or nil,
    error = { kind = "canceled", op = op, host = name, message = begun and "stopped before its goal was seen" or "not begun, nothing was changed" } })
end

-- 3 and 2 promise that nothing was changed, so beside another end they are 1.
local function fold(exits)
  local first = exits[1] or 0
  for _, exit in ipairs(exits) do
    if exit ~= first then return 1 end
  end
  return first
end

--- Calls fn for each target at once, or limit at a time, or with -b seq one
--- after the other, and reports each as it ends. Where the run is stopped, those
--- that had not ended are reported too.
---@param fn fun(target: targets.Target): targets.End?
---@return table result {exit=…}
function M.each(request, op, fn)
  local list, exits, begun = M.of(request), {}, {}
  local function one(target, i)
    begun[i] = true
    local ok, value = pcall(fn, target)
    exits[i] = ended(target.name, op, { ok = ok, value = value, error = value })
  end
  task.finally(function()
    task.settle(list, one, { limit = at_once(request.options or {}) })
  end, function()
    for i, target in ipairs(list) do
      if not exits[i] then stopped(target.name, op, begun[i]) end
    end
  end)
  return { exit = fold(exits) }
end

-- How many at once, and one exit code of many, for scripts with a loop of their own.
M.at_once, M.fold = at_once, fold

return M
