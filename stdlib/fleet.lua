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

local targets = require "targets"

local M = {}

-- Seconds between two looks at how far a run is.
local LOOK_EVERY = 1

-- How many are begun at once, and after how many seconds one that has not ended
-- makes room for another: so many keep the processor busy, more only fill the
-- memory, and those that are dead are not to hold up the others.
local AT_ONCE, PATIENCE = 128, 0.05

-- The order in which states are folded; others come between, by name.
local ORDER = { on = 1, off = 2, unknown = 4, ["not asked"] = 5 }

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

-- Parents --------------------------------------------------------------------

local function parents(run)
  run.parents = run.parents or require("fleet_parents").new(run.timeout)
  return run.parents
end

-- Has those asked that carry a machine whose answer is late. They have what is
-- left of its time, so that all of them are dead at the same moment.
local function look_above(run, now)
  while run.looked < run.begun do
    local i = run.looked + 1
    local waits = now - run.since[i]
    if waits < run.every then return end
    run.looked = i
    if not run.ended[i] then parents(run).look(run.list[i].name, math.max(run.timeout - waits, run.every)) end
  end
end

local function skipped(run, name, dead, seen_by)
  return { exit = 1, state = "unknown", seen_by = seen_by, error = { kind = "unreachable", op = run.op, host = name, message = "skipped because of " .. dead } }
end

-- The end of a machine that may be silent because of a dead parent, which gets
-- an error of its own, once.
local function blame(run, name, e)
  local silent = e.unsent and e.error and (e.error.kind == "timeout" or e.error.kind == "unreachable")
  if not run.timeout or not silent then return e end
  local dead, why = parents(run).dead(name)
  if not dead then return e end
  if not run.blamed[dead] then
    run.blamed[dead], run.blames = true, true
    if not run.among[dead] then
      M.tell(run, dead, { exit = 1, state = "unknown", error = { kind = "unreachable", op = run.op, host = dead, message = why } })
    end
  end
  return skipped(run, name, dead, e.seen_by)
end

-- The end of a machine behind one that was blamed before: it is not asked.
local function behind(run, name)
  local dead = run.blames and run.parents.known(name)
  return dead and run.blamed[dead] and skipped(run, name, dead)
end

-- The run --------------------------------------------------------------------

-- The end of a call that raised. What it had read before is kept.
local function failure(err, target)
  return { exit = targets.exit_of(err), state = "unknown", data = target.read, error = err, unsent = type(err) == "table" and err.unsent }
end

--- Tells one machine's end.
function M.tell(run, name, e)
  step.result(name, { op = run.op, state = e.state, seen_by = e.seen_by, text = e.text, data = e.data, error = e.error })
  local state, exit = e.state or "done", e.exit or 0
  run.names[state] = run.names[state] or {}
  table.insert(run.names[state], name)
  if run.keep then table.insert(run.keep, { name = name, value = e }) end
  if exit == 0 then run.reached = run.reached + 1 end
  if exit ~= run.exit then run.exit = run.exit and targets.fold{ run.exit, exit } or exit end
end

-- Calls fn, and meanwhile tells how many are done and looks after those that are
-- late. It has a task of its own: those that take long say nothing until they end.
local function watched(run, fn)
  if step.planning() then return fn() end
  local total = #run.list
  local watcher = task.spawn(function()
    local told, tell_at = 0, task.now() + LOOK_EVERY
    while true do
      task.sleep(run.every)
      local now = task.now()
      if run.timeout then look_above(run, now) end
      if total > 1 and now >= tell_at and run.done ~= told then
        told, tell_at = run.done, now + LOOK_EVERY
        step.progress(string.format("%d of %d done", told, total), { done = told, total = total })
      end
    end
  end)
  return task.finally(fn, function() watcher:cancel() end)
end

-- The end of a machine at which the run was stopped.
local function stopped(run, target, begun)
  local function because(state, message)
    return { exit = 1, state = state, data = target.read, error = { kind = "canceled", op = run.op, host = target.name, message = message } }
  end
  if not begun then return because("not asked", "not asked, nothing was changed") end
  if target.stands then return because(target.stands, "stopped before its turn came; nothing was changed") end
  return because("unknown", "stopped before its goal was seen")
end

local function crowd(request)
  local limit = targets.at_once(request.options or {})
  return limit and { limit = limit } or { limit = AT_ONCE, patience = PATIENCE }
end

local function each(request, run, fn, ended)
  local function one(target, i)
    run.since[i], run.begun = task.now(), i
    local e = behind(run, target.name)
    if not e then
      local ok, value = pcall(fn, target)
      e = blame(run, target.name, ok and (value or {}) or failure(value, target))
    end
    run.ended[i] = true
    run.done = run.done + 1
    if ended then ended(target) end
    local told, err = pcall(M.tell, run, target.name, e)
    if not told then M.tell(run, target.name, failure(err, target)) end -- its end is none: the others go on
  end
  task.finally(function()
    watched(run, function() task.map(run.list, one, crowd(request)) end)
  end, function()
    for i, target in ipairs(run.list) do
      if not run.ended[i] then M.tell(run, target.name, stopped(run, target, run.since[i])) end
    end
  end)
  return string.format("%d of %d reached their goal", run.reached, #run.list)
end

---@class fleet.Options
---@field fold boolean? prints the machines folded by their states
---@field finish fun(ends: { name: string, value: targets.End }[])? is called in the end
---@field timeout number? seconds for a first answer; with it dead parents are found
---@field ended fun(target: targets.Target)? is called as each ends

--- Calls fn for each target of the request: side by side, or limit at a time.
--- What fn puts into target.read is told also where it fails after that; into
--- target.stands, while nothing was sent yet, the state that was seen.
---@param fn fun(target: targets.Target): targets.End
---@param options fleet.Options
---@return table result {exit=…}
function M.run(request, op, fn, options)
  local run = {
    op = op, list = request.targets, timeout = options.timeout, keep = options.finish and {},
    every = math.min(LOOK_EVERY, (options.timeout or LOOK_EVERY * 4) / 4),
    names = {}, reached = 0, done = 0, begun = 0, looked = 0, since = {}, ended = {}, blamed = {}, among = {},
  }
  for _, target in ipairs(run.list) do run.among[target.name] = true end
  task.finally(function()
    if #run.list == 1 then return each(request, run, fn, options.ended) end
    step.run(string.format("%s of %d machines", op, #run.list), function() return each(request, run, fn, options.ended) end)
  end, function() -- also of a run that was stopped
    if (request.options or {}).json then return end
    if options.finish then options.finish(run.keep) end
    if options.fold then M.print(run.names) end
  end)
  return { exit = run.exit }
end

local function before(a, b)
  local x, y = ORDER[a] or 3, ORDER[b] or 3
  if x ~= y then return x < y end
  return a < b
end

--- The lines that fold machines by their state: "on: bmc[001-980]".
---@param names table<string, string[]> of the machines, by state
---@return string[]
function M.lines(names)
  local states = {}
  for state in pairs(names) do states[#states + 1] = state end
  table.sort(states, before)
  local lines = {}
  for i, state in ipairs(states) do lines[i] = state .. ": " .. table.concat(inventory.fold(names[state]), ",") end
  return lines
end

function M.print(names)
  for _, line in ipairs(M.lines(names)) do print(line) end
end

return M
