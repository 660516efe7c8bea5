-- fleet: one thing for each of many machines: told as they come, counted while
-- it goes on, folded in the end.
--
--     local fleet = require "fleet"
--     return fleet.run(request, "power.status", function(target)
--       return { state = "on", seen_by = "bmc" }
--     end, { fold = true })
--     --> on standard output: "on: bmc[001-098]" and "unknown: bmc[099-100]"
--
-- Behind a chassis or switch that is dead its machines are not told to be dead
-- too: they are skipped because of it, and it has the one error.

local power = require "power"
local ranges = require "ranges"
local targets = require "targets"

local M = {}

-- Seconds between two lines about how many are done.
local TELL_EVERY = 1

-- The order in which states are folded; others come between, by name.
local ORDER = { on = 1, off = 2, unknown = 4 }

--- Marks what fn raises as having happened before anything was sent: it may be
--- the fault of something above the machine.
function M.first(fn)
  local ok, value = pcall(fn)
  if ok then return value end
  if type(value) ~= "table" then error(value, 0) end
  error({ kind = value.kind, op = value.op, host = value.host, message = value.message, unsent = true, exit = value.exit }, 0)
end

--- The end of a machine whose state nobody could tell.
---@param seen table as power.state gives it
function M.unknown(seen)
  local cause = seen.cause or { kind = "unreachable", message = "nobody can tell: nothing answers, and that proves nothing" }
  return { exit = 1, state = "unknown", seen_by = seen.seen_by, unsent = true,
    error = { kind = cause.kind, op = cause.op, host = cause.host, message = tostring(cause.message or cause) } }
end

-- Who switches on next: each turn comes so many seconds after the last.
---@param spacing number? seconds
---@return fun() turn waits for it
function M.turns(spacing)
  local free = 0
  return function()
    if not spacing or step.planning() then return end
    local now = task.now()
    local mine = math.max(now, free)
    free = mine + spacing
    if mine > now then task.sleep(mine - now) end
  end
end

-- Parents --------------------------------------------------------------------

-- Silence of a machine that may be that of what carries it.
local silent = { timeout = true, unreachable = true }

-- Whether nothing of a parent answers: neither its BMC nor its address. One that
-- has neither cannot be told dead.
local function is_dead(row, seconds)
  if row.bmc then
    local ok, err = pcall(function() return power.bmc(row):power_status{ deadline = seconds } end)
    if ok or not silent[err.kind] then return nil end
    if row.address and power.answers(row.address, row.port) then return nil end
    return tostring(err.message or err)
  end
  if row.address and not power.answers(row.address, row.port) then return "nothing answers at " .. row.address end
end

--- Gives what finds the dead parent of a machine: the outermost of those above
--- it that are dead without a break. Each is asked once, whoever asks.
---@param seconds number what a parent's BMC has for its answer
---@return fun(name: string): string?, string? dead its name, and why
function M.parents(seconds)
  local asked = {}
  local function ask(row)
    asked[row.name] = asked[row.name] or task.spawn(function() return is_dead(row, seconds) end)
    return asked[row.name]:wait()
  end
  return function(name)
    local dead, why
    local row = inventory.machine(name)
    while row and row.parent do
      row = inventory.machine(row.parent)
      local cause = row and ask(row)
      if not cause then break end
      dead, why = row.name, cause
    end
    return dead, why
  end
end

local function may_be_its_parents(e)
  return e.unsent and e.error and silent[e.error.kind]
end

-- The end of a machine that is skipped because of a dead parent, which gets an
-- error of its own, once.
local function blame(run, name, e)
  local dead, why = run.dead(name)
  if not dead then return e end
  if not run.blamed[dead] and not run.among[dead] then
    run.blamed[dead] = { exit = 1, state = "unknown", error = { kind = "unreachable", op = run.op, host = dead, message = why } }
    M.tell(run, dead, run.blamed[dead])
  end
  return { exit = 1, state = "unknown", seen_by = e.seen_by, error = { kind = "unreachable", op = run.op, host = name, message = "skipped because of " .. dead } }
end

-- The run --------------------------------------------------------------------

-- What a call came to, as an end. What it had read before it failed is kept.
local function end_of(outcome, target)
  if outcome.ok then return outcome.value or {} end
  local err = outcome.error
  return { exit = targets.exit_of(err), state = "unknown", data = target.read, error = err, unsent = type(err) == "table" and err.unsent }
end

--- Tells one machine's end.
function M.tell(run, name, e)
  run.ends[#run.ends + 1] = { name = name, state = e.state or "done", value = e }
  run.exits[#run.exits + 1] = e.exit or 0
  step.result(name, { op = run.op, state = e.state, seen_by = e.seen_by, text = e.text, data = e.data, error = e.error })
end

-- Calls fn, and tells meanwhile how many are done. It has a task of its own:
-- those that take long say nothing until they end.
local function telling(run, total, fn)
  if total == 1 or step.planning() then return fn() end
  local teller = task.spawn(function()
    local told = 0
    while true do
      task.sleep(TELL_EVERY)
      if run.done ~= told then
        told = run.done
        step.progress(string.format("%d of %d done", told, total), { done = told, total = total })
      end
    end
  end)
  return task.finally(fn, function() teller:cancel() end)
end

-- The end of a machine at which the run was stopped.
local function stopped(run, target, begun)
  return { exit = 1, state = "unknown", data = target.read, error = { kind = "canceled", op = run.op, host = target.name,
    message = begun and "stopped before its goal was seen" or "not begun, nothing was changed" } }
end

local function each(request, run, fn, total)
  local begun, ended = {}, {}
  local function one(target, i)
    begun[i] = true
    local ok, value = pcall(fn, target)
    local e = end_of({ ok = ok, value = value, error = value }, target)
    if run.dead and may_be_its_parents(e) then e = blame(run, target.name, e) end
    ended[i] = true
    M.tell(run, target.name, e)
    run.done = run.done + 1
  end
  task.finally(function()
    telling(run, total, function() task.settle(request.targets, one, { limit = targets.at_once(request.options or {}) }) end)
  end, function()
    for i, target in ipairs(request.targets) do
      if not ended[i] then M.tell(run, target.name, stopped(run, target, begun[i])) end
    end
  end)
  local reached = 0
  for _, exit in ipairs(run.exits) do
    if exit == 0 then reached = reached + 1 end
  end
  return string.format("%d of %d reached their goal", reached, total)
end

--- Calls fn for each target of the request at once, or limit at a time. What fn
--- puts into target.read is told also where it fails after that.
---@param fn fun(target: targets.Target): targets.End
---@param options { fold: boolean?, finish: fun(ends: table[])?, dead: fun(name: string): string?, string? }
---@return table result {exit=…}
function M.run(request, op, fn, options)
  local total = #request.targets
  local run = { op = op, dead = options.dead, ends = {}, exits = {}, blamed = {}, among = {}, done = 0 }
  for _, target in ipairs(request.targets) do run.among[target.name] = true end
  task.finally(function()
    if total == 1 then return each(request, run, fn, total) end
    step.run(string.format("%s of %d machines", op, total), function() return each(request, run, fn, total) end)
  end, function() -- also of a run that was stopped
    if (request.options or {}).json then return end
    if options.finish then options.finish(run.ends) end
    if options.fold then M.print(run.ends) end
  end)
  return { exit = targets.fold(run.exits) }
end

local function before(a, b)
  local x, y = ORDER[a] or 3, ORDER[b] or 3
  if x ~= y then return x < y end
  return a < b
end

--- The lines that fold machines by their state: "on: bmc[001-980]".
---@param ends { name: string, state: string }[]
---@return string[]
function M.lines(ends)
  local by_state, states = {}, {}
  for _, e in ipairs(ends) do
    if not by_state[e.state] then
      by_state[e.state] = {}
      states[#states + 1] = e.state
    end
    table.insert(by_state[e.state], e.name)
  end
  table.sort(states, before)
  local lines = {}
  for i, state in ipairs(states) do lines[i] = state .. ": " .. ranges.text(by_state[state]) end
  return lines
end

function M.print(ends)
  for _, line in ipairs(M.lines(ends)) do print(line) end
end

return M
