-- create_stack: CREATE with STACK brings back what a CANCEL has taken down: on each
-- machine the guests in the reverse of CANCEL's order, each running by its
-- hypervisor's word and ready before what needs it, and then what ran in it.
--
--     local stacks = require "create_stack"
--     stacks.bring_back(order, told, target)                     -- at the desk
--     local report = stacks.start({ machine = "lab01", ran = ran }, policy)  -- on the machine
--     --> { exit = 0, guests = { … }, missing = {} }

local turns = require "cancel_turns"
local sequence = require "sequence"
local guests = require "cancel_guest"
local ladder = require "ladder"
local readiness = require "create_ready"
local targets = require "targets"
local walk = require "walk"
local what_ran = require "what_ran"

local M = {}

-- How long a machine that was started may take until it lets us in, and a
-- hypervisor until it answers after a boot.
local COMES_UP, HYPERVISOR = 300, 120

local fail, until_seen = readiness.fail, readiness.until_seen

-- What a machine carries ---------------------------------------------------------

-- What a hypervisor carries, by UUID. After a boot it may take a while to answer.
local function look_at(uri)
  local last
  local list = until_seen(HYPERVISOR, function()
    local ok, answer = pcall(task.deadline, HYPERVISOR, stack.list, { uri = uri })
    if ok then return answer end
    last = answer
    return step.planning() and {} or nil
  end)
  if not list then error(last, 0) end
  local there = {}
  for _, guest in ipairs(list) do there[guest.uuid] = guest end
  return there
end

-- Each hypervisor is asked once, all at the same time; the guests of one that
-- answers do not wait for another.
local function looks(list)
  local asked = {}
  for _, ran in ipairs(list) do
    asked[ran.uri] = asked[ran.uri] or task.spawn(function() return { pcall(look_at, ran.uri) } end)
  end
  return function(ran)
    local seen = asked[ran.uri]:wait()
    if not seen[1] then error(seen[2], 0) end
    return seen[2][ran.uuid] or fail("invalid", ran.name, "its hypervisor does not know it any more", { gone = true })
  end
end

-- One guest ----------------------------------------------------------------------

--- Starts a guest that is off (one that was saved goes on from its image), lets a
--- paused one go on, and leaves one that runs as it is.
---@return table guest as its hypervisor shows it then
function M.start_guest(guest)
  if guest.state == "paused" then
    ladder.ask(guest, "resume")
    return guest:await{ states = { "running" }, deadline = inventory.setting("deadline") }
  end
  local off = ladder.is_off(guest) or step.planning() -- a plan's machine would be up again without its guests
  return off and ladder.start(guest, inventory.setting("deadline")) or guest
end

-- What did not come to run again, in words.
local function in_words(report)
  local words = {}
  for _, guest in ipairs(report.guests or {}) do
    if guest.error then words[#words + 1] = guest.name .. ": " .. guest.error.message end
  end
  return table.concat(words, "; ")
end
M.in_words = in_words

-- A plan cannot enter a machine that would only then be up.
local function plan_alone(name, ran)
  local order = sequence.of(ran, function(guest) return walk.row(guest, name) end)
  step.would(string.format("start on %s, when it is up: %s", name, sequence.words(order)))
  return { exit = 0, guests = {} }
end

local function start_there(row, ran)
  if not step.planning() then until_seen(COMES_UP, function() return guests.lets_in(row) end) end
  local ok, report = pcall(task.deadline, COMES_UP * (1 + #ran), action.at, row.name, "create", { machine = row.name, ran = ran }, { call = "start_stack" })
  if ok then return report end
  if step.planning() then return plan_alone(row.name, ran) end
  error(report, 0)
end

--- Starts what ran in a guest, as soon as it lets us in.
---@param row table? the guest's
---@param ran table[]|"lost"|nil
function M.start_inside(row, ran)
  if ran == "lost" then
    fail("unreachable", row and row.name, string.format(
      "it was started again; the line to it was cut before it said what ran in it, so nothing in it was started (%s)",
      table.concat(walk.known(row and row.name), ", ")), { gone = true })
  end
  if not row or not ran or #ran == 0 then return end
  local report = start_there(row, ran)
  if report.exit ~= 0 then
    fail("internal", row.name, "not all that ran in it runs again: " .. in_words(report), { missing = report.missing })
  end
end

-- A machine ----------------------------------------------------------------------

-- What of a guest is still to be brought back after an error; nil where nothing
-- ever can be.
local function still_missing(ran, err)
  if type(err) ~= "table" or not err.gone then
    return { name = ran.name, uuid = ran.uuid, uri = ran.uri, inside = type(err) == "table" and err.missing or ran.inside }
  end
end

local function start_one(ran, guest, machine, policy)
  return step.run("start " .. guest.name, function()
    local now, row = policy.start_ran(guest), walk.row(guest, machine)
    policy.wait_ready(now, row)
    policy.start_inside(row, ran.inside)
    return now.state
  end, { object = guest.uri .. " " .. guest.uuid })
end

-- Has the desk keep what is still to be brought back, and no more.
local function tell(order, report)
  if not order.kept or step.planning() then return end
  local keep = {}
  for key, value in pairs(order.kept) do keep[key] = value end
  local left = what_ran.with(what_ran.without(order.kept.ran, order.ran), report.missing)
  keep.ran = #left > 0 and left or nil
  if not what_ran.keep(order.machine, keep) then
    step.warn("the caller has not said in time that it has kept what is still to be brought back: it may look again for guests that run")
  end
end

--- Runs on a machine: starts those of what ran there that are off, and what ran
--- in them.
---@param order { machine: string, ran: table[], kept: table? }
---@param policy table the steps of CREATE
---@return { exit: integer, guests: table[], missing: table[] }
function M.start(order, policy)
  local report = { exit = 0, guests = {}, missing = {} }
  local starts = sequence.of(order.ran or {}, function(ran) return walk.row(ran, order.machine) end)
  if step.planning() and #starts.list > 1 then step.note("started in this order: " .. sequence.words(starts)) end
  local find, turn = looks(starts.list), sequence.turns(starts)
  turns.all(starts.list, function(ran)
    local ok, state = pcall(function()
      local needed = turn.wait(ran)
      if needed then fail("busy", ran.name, string.format("not started: %s, which it needs, is not ready", needed.name)) end
      return start_one(ran, find(ran), order.machine, policy)
    end)
    if not ok then report.missing[#report.missing + 1] = still_missing(ran, state) end
    turn.over(ran, ok)
    if not ok then error(state, 0) end
    return state
  end, report, order.machine)
  tell(order, report)
  return report
end

-- The desk -----------------------------------------------------------------------

--- What can be refused before the machine is woken: a row of which nobody knows
--- when its guest is ready.
function M.check(name)
  local kept = what_ran.kept(name)
  local function check(host, list)
    for _, ran in ipairs(type(list) == "table" and list or {}) do
      local row = walk.row(ran, host)
      local ok, err = pcall(readiness.look_for, row, ran.name)
      if not ok then targets.invalid(string.format('CREATE: "STACK": %s: %s', ran.name, err.message)) end
      check(row and row.name or "", ran.inside)
    end
  end
  check(name, kept and kept.ran)
end

-- A machine that has just booted answers before it lets us in.
local function enter(name, user)
  if step.planning() or action.is_here(name) then return end
  local last
  local entered = until_seen(COMES_UP, function()
    local ok, err = pcall(action.login, { machine = name, user = user })
    last = err
    return ok
  end)
  if not entered then error(last, 0) end
end

local function carry(name, user, kept)
  enter(name, user)
  return action.at(name, "create", { machine = name, ran = kept.ran, kept = kept }, { call = "start_stack", user = user })
end

local function not_all(order, told, kind, why, cause)
  local message = "not all that ran on it runs again: " .. why
  return { exit = 1, state = told.state, seen_by = told.seen_by, text = told.text .. "; " .. message .. "; the same again goes on with it",
    error = cause or { kind = kind, op = "create", host = order.machine.name, message = message } }
end

--- Starts what the CANCEL of a machine that is up has taken down, as it was kept.
---@param told targets.End how the machine came up
---@return targets.End
function M.bring_back(order, told, target)
  local name = order.machine.name
  local kept = what_ran.kept(name)
  if not kept or #(kept.ran or {}) == 0 then
    told.text = told.text .. "; no CANCEL has left anything to be brought back on it"
    return told
  end
  local ok, back = pcall(carry, name, order.itself and target.user or nil, kept)
  if not ok and step.planning() then ok, back = true, plan_alone(name, kept.ran) end
  if not ok then return not_all(order, told, "internal", tostring(back.message or back), back) end
  if back.exit ~= 0 then return not_all(order, told, "internal", in_words(back)) end
  told.text = string.format("%s; what ran on it %s again: %s", told.text, step.planning() and "would run" or "runs", targets.names(kept.ran))
  told.data = { guests = back.guests }
  return told
end

return M
