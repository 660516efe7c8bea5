-- cancel_turns: the guests of a machine, each asked when it is its turn: side by side, as
-- far as their order and the limits of the machine let them.
--
--     local turns = require "cancel_turns"
--     turns.all(list, function(guest) return stop(guest) end, report, "lab01")
--     report.guests    --> { { name = "web1", state = "off", seconds = 12 }, … }

local checks = require "cancel_checks"
local needed = require "cancel_needed"
local sequence = require "sequence"
local slots = require "slots"
local walk = require "walk"

local M = {}

-- How many guests at once: of the machine, and of each of its hypervisors; nil: all.
local function limits(machine)
  local row = inventory.machine(machine) or {}
  return row.limit or inventory.setting("limit_per_host"),
    row.limit_per_hypervisor or inventory.setting("limit_per_hypervisor") or inventory.setting("limit")
end

local function rounds(count, limit) return math.ceil(count / (limit or count)) end

-- How often the limits make guests of one turn wait for others.
local function rounds_of(turn, per_host, per_hypervisor)
  local of, most = {}, rounds(#turn, per_host)
  for _, guest in ipairs(turn) do
    of[guest.uri] = (of[guest.uri] or 0) + 1
    most = math.max(most, rounds(of[guest.uri], per_hypervisor))
  end
  return most
end

-- In which order the guests go down; nil where none has to wait for another. FORCE
-- asks nobody, and none waits.
local function order_of(order, list)
  if order.wanted.force then return nil end
  local backwards = sequence.backwards(sequence.of(list, function(guest) return walk.row(guest, order.machine) end))
  if not sequence.matters(backwards) then return nil end
  step.note("taken down in this order: " .. sequence.words(backwards))
  return backwards
end

-- How often guests have to wait for others, by their order and the limits: a level's
-- share of time has to do for all of them, one after the other.
local function waves_of(order, list)
  local per_host, per_hypervisor = limits(order.machine)
  local waves = 0
  for _, turn in ipairs(order.turns and sequence.in_turns(order.turns) or { list }) do
    waves = waves + rounds_of(turn, per_host, per_hypervisor)
  end
  return math.max(waves, 1)
end

local function note_end(report, guest, outcome)
  local line = { name = guest.name, uuid = guest.uuid, uri = guest.uri, seconds = outcome.seconds }
  if outcome.ok then
    line.state = outcome.value
  else
    local err = type(outcome.error) == "table" and outcome.error or { kind = "internal", message = tostring(outcome.error) }
    line.error = { kind = err.kind, message = tostring(err.message) }
    report.exit = 1
  end
  table.insert(report.guests, line)
end

-- Keeps to the limits: so many of the machine, and so many of each hypervisor.
local function within(machine)
  local per_host, per_hypervisor = limits(machine)
  if not per_host and not per_hypervisor then return function(fn, guest) return fn(guest) end end
  local host, of = slots.of(per_host), {}
  return function(fn, guest)
    of[guest.uri] = of[guest.uri] or slots.of(per_hypervisor)
    return of[guest.uri](host, fn, guest)
  end
end

--- Every guest is asked before any is waited for; one that fails never keeps
--- another from being asked.
---@param machine string that carries them: its limits count
function M.all(list, fn, report, machine)
  local limited = within(machine)
  for i, outcome in ipairs(task.settle(list, function(guest) return limited(fn, guest) end)) do
    note_end(report, list[i], outcome)
  end
end

--- The same as M.all, but each when it is its turn. Only what comes before a guest by
--- name keeps it from being asked; then bar(guest, by) is called.
---@param turns sequence.Order
function M.in_turn(turns, fn, bar, report, machine)
  local limited, turn = within(machine), sequence.turns(turns)
  local outcomes = task.settle(turns.list, function(guest)
    local ok, state = pcall(function()
      local other = turn.wait(guest)
      if other then return bar(guest, other) end
      return limited(fn, guest)
    end)
    turn.over(guest, ok)
    if not ok then error(state, 0) end
    return state
  end)
  for i, outcome in ipairs(outcomes) do note_end(report, turns.list[i], outcome) end
end

-- Calls run(fn, bar), and where the run is stopped meanwhile says of those of the list
-- that did not come to be asked that they were not.
local function noting_unasked(list, fn, run)
  local met = {}
  task.finally(function()
    run(function(guest)
      met[guest] = true
      return fn(guest)
    end, function(guest, other)
      met[guest] = true
      return needed.not_asked(guest, "busy", other.name .. ", which needs it, is still on")
    end)
  end, function(stopped)
    for _, guest in ipairs(stopped and list or {}) do
      if not met[guest] then pcall(needed.not_asked, guest, "canceled", "the run was stopped before it was its turn") end
    end
  end)
end

-- How many guests would be taken down at once, where not all are.
local function note_limits(machine, count)
  local per_host, per_hypervisor = limits(machine)
  if per_host and per_host < count then step.note(string.format("at most %d of the guests of %s at once", per_host, machine)) end
  if per_hypervisor and per_hypervisor < count then step.note(string.format("at most %d of each hypervisor of %s at once", per_hypervisor, machine)) end
end

-- Calls fn for each guest, in the order that their rows want.
local function each_of(order, list, fn, report)
  order.turns = order_of(order, list)
  order.waves = waves_of(order, list)
  if step.planning() then note_limits(order.machine, #list) end
  noting_unasked(list, fn, function(ask, bar)
    if order.turns then return M.in_turn(order.turns, ask, bar, report, order.machine) end
    M.all(list, ask, report, order.machine)
  end)
  if order.to_start then require "cancel_reboot".start_in_order(order, report) end
end

-- The same, but one guest when all others have reached their goal: ctys itself
-- runs in it.
local function all_but(last, list, fn, order, report)
  local others = {}
  for _, guest in ipairs(list) do
    if guest ~= last then others[#others + 1] = guest end
  end
  each_of(order, others, fn, report)
  order.with_desk = last.uuid
  M.all({ last }, function(guest)
    if report.exit ~= 0 then
      error({ kind = "busy", op = "cancel", host = guest.name, message = "ctys runs in it and others are still on: it was left alone" }, 0)
    end
    return fn(guest)
  end, report, order.machine)
end

--- Calls fn for each guest of an order, the one that ctys runs in last.
function M.each(order, list, fn, report)
  fn = needed.unless_by_unseen(order, report, fn)
  local last = checks.last(order, list)
  if last then return all_but(last, list, fn, order, report) end
  each_of(order, list, fn, report)
end
return M
