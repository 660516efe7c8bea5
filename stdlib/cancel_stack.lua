-- cancel_stack: everything on a machine that CANCEL takes down: found and chosen.

local checks = require "cancel_checks"
local choose = require "choose"
local needed = require "cancel_needed"
local power = require "power"
local requests = require "cancel_request"
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
