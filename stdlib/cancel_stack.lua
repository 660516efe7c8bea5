-- cancel_stack: everything on a machine that CANCEL takes down: found, chosen, and asked
-- side by side.

local checks = require "cancel_checks"
local choose = require "choose"
local needed = require "cancel_needed"
local power = require "power"
local requests = require "cancel_request"
local sequence = require "sequence"
local slots = require "slots"
local walk = require "walk"

local M = {}

-- The guests that were last seen here: in the inventory, or earlier in this run.
local function last_known(order, report)
  local known, have = walk.known(order.machine), {}
  for _, name in ipairs(known) do have[name] = true end
  for _, guest in ipairs(report.guests or {}) do
    if not have[guest.name] then known[#known + 1] = guest.name end
  end
  return known
end

-- The names without those of guests that a hypervisor speaks for.
local function not_among(known, guests, machine)
  local seen, list = {}, {}
  for _, guest in ipairs(guests) do
    seen[guest.name], seen[(walk.row(guest, machine) or guest).name] = true, true
  end
  for _, name in ipairs(known) do
    if not seen[name] then list[#list + 1] = name end
  end
  return list
end

-- Whether the order is about everything that runs here.
local function about_all(wanted)
  return wanted.type == "pm" or wanted.all or wanted.self
end

-- What is wrong, and with which hypervisor.
local function in_words(err)
  local words, host = tostring(err.message or err), err.host
  if type(host) ~= "string" or host == "" or words:find(host, 1, true) then return words end
  return host .. ": " .. words
end

--- Every guest here, but those of a hypervisor that does not answer: what it
--- carries is not known to be off, which bars the machine and ends in exit 1,
--- and keeps nobody else from being asked. Only FORCE goes on to the machine.
function M.walk(order, report)
  local silent
  local ok, all = pcall(walk.guests, function(err) silent = silent or err end)
  if ok and not silent then return all end
  local err, known, force = silent or all, last_known(order, report), order.wanted.force and order.wanted.self
  local message = in_words(err) .. "; last known there: " .. (#known > 0 and table.concat(known, ", ") or "nothing")
  report.unseen = not_among(known, ok and all or {}, order.machine)
  if not ok and not force then
    error({ kind = err.kind or "internal", op = err.op, host = err.host, message = message, exit = 1 }, 0)
  end
  order.silent = message
  if force then
    step.warn(message .. "; FORCE goes on without having seen them off")
  elseif about_all(order.wanted) then
    report.exit, report.silent = 1, { kind = err.kind or "internal", message = message }
    step.warn(message .. "; the guests of the others are cancelled")
  else
    step.warn(message)
  end
  return ok and all or {}
end

--- For pm everything that is not off; for a VM type the guests that were
--- addressed: none is an error, several need ALL or -A 1. -T narrows both.
function M.choose(order, all)
  if order.wanted.type ~= "pm" then
    return choose.guests(order.wanted, all, { machine = order.machine, op = "cancel", types = order.types, ambiguous = order.ambiguous, silent = order.silent })
  end
  local list = {}
  for _, guest in ipairs(walk.not_off(all)) do
    if walk.among(guest, order.types) then list[#list + 1] = guest end
  end
  return list
end

--- What is refused before anything is touched, for the guests that the request
--- means and, with SELF, for all that the machine takes along.
---@param all table[] guests of the machine
---@param list table[] those that the request names
function M.check(order, all, list)
  local method = requests.method(order.wanted)
  if method == "leave" then return end
  checks.stack(order, order.wanted.self and all or list)
  if order.wanted.self and method ~= "init" then checks.taken_along(order, all, list) end
  if method == "shut_down" or method == "pause" or method == "suspend" then needed.by_those_left_on(order, all, list) end
end

-- Says which guests are taken for carrying nothing because nobody could look.
local function note_unseen(order, names, seen)
  local unseen = {}
  for _, name in ipairs(names) do
    if seen[name] == nil then unseen[#unseen + 1] = name end
  end
  if #unseen == 0 then return end
  step.note(string.format("%s lets nobody in to see whether it carries guests, so it is taken for one that carries none: %s (hypervisors = {} in a row says so)",
    #unseen == 1 and "this guest of " .. order.machine or "each of these guests of " .. order.machine, table.concat(unseen, ", ")))
end

--- Looks into the guests that the inventory says nothing of: one that carries
--- others must cancel them before it goes down. A row with hypervisors = {} is
--- known to carry none.
---@return table<string, boolean> by the names of their rows
function M.look_inside(order, list)
  local names = {}
  for _, guest in ipairs(order.wanted.force and {} or walk.not_off(list)) do
    local row = walk.row(guest, order.machine)
    if row and row.address and not row.hypervisors and not walk.carries(row) then names[#names + 1] = row.name end
  end
  if #names == 0 then return {} end
  local ok, seen = pcall(action.carry, names)
  seen = ok and seen or {}
  note_unseen(order, names, seen)
  return seen
end

--- What runs among them: kept, because it cannot be seen later.
function M.running(list)
  local ran = {}
  for _, guest in ipairs(list) do
    if power.of_guest(guest) == "on" then ran[#ran + 1] = { name = guest.name, uuid = guest.uuid, uri = guest.uri } end
  end
  return ran
end

local function id(guest) return guest.uri .. " " .. guest.uuid end

--- The list, and those of the guests that ran before and are not in it now: the
--- run that this one resumes has taken them down.
---@param all table[] guests of the machine
---@param ran table[] as M.running gives them
function M.with(list, all, ran)
  local wanted, whole = {}, {}
  for _, guest in ipairs(ran) do wanted[id(guest)] = true end
  for i, guest in ipairs(list) do whole[i], wanted[id(guest)] = guest, nil end
  for _, guest in ipairs(all) do
    if wanted[id(guest)] then whole[#whole + 1] = guest end
  end
  return whole
end

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

--- In which order the guests go down; nil where none has to wait for another. FORCE
--- asks nobody, and none waits.
---@return sequence.Order?
function M.order(order, list)
  if order.wanted.force then return nil end
  local backwards = sequence.backwards(sequence.of(list, function(guest) return walk.row(guest, order.machine) end))
  if not sequence.matters(backwards) then return nil end
  step.note("taken down in this order: " .. sequence.words(backwards))
  return backwards
end

--- How often guests have to wait for others, by their order and the limits: a level's
--- share of time has to do for all of them, one after the other.
function M.waves(order, list)
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

-- The same as M.all, but each when it is its turn. Only what needs a guest keeps it
-- from being asked; then bar(guest, by) is called.
local function all_in_turn(turns, fn, bar, report, machine)
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

-- Calls fn for each guest, in the order that their rows want.
local function each_of(order, list, fn, report)
  order.turns = M.order(order, list)
  order.waves = M.waves(order, list)
  noting_unasked(list, fn, function(ask, bar)
    if order.turns then return all_in_turn(order.turns, ask, bar, report, order.machine) end
    M.all(list, ask, report, order.machine)
  end)
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

--- What did not reach its goal, in words, and the kind of the first failure.
function M.failures(report)
  local list, kind = {}, nil
  if report.silent then list[1], kind = report.silent.message, report.silent.kind end
  for _, guest in ipairs(report.guests) do
    if guest.error then
      list[#list + 1] = guest.name .. " (" .. guest.error.message .. ")"
      kind = kind or guest.error.kind
    end
  end
  return list, kind
end

return M
