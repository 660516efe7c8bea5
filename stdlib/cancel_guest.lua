-- cancel_guest: one guest that CANCEL takes down: the time it has, and how it is
-- told from inside. What its hypervisor does is in stdlib/ladder.lua.

local ladder = require "ladder"
local walk = require "walk"

local M = {}

-- What an inner level gets of the deadline of the guest that carries it: the
-- rest is for that guest's own shutdown.
local INNER_SHARE = 0.75

-- How much of its time a guest that carries others may take until it lets us in.
local BOOT_SHARE = 0.5

--- The deadline that the operator typed: TIMEOUT, or POWEROFF:n of a VM type.
local function typed(order)
  local wanted = order.wanted
  if wanted.timeout then return wanted.timeout end
  if wanted.type ~= "pm" and (wanted.delay or 0) > 0 then return wanted.delay end
end

function M.deadline(guest, order)
  local row = walk.row(guest, order.machine) or {}
  local deadline = typed(order) or row.deadline or inventory.setting("deadline")
  return math.min(deadline, order.budget and order.budget / (order.waves or 1) or deadline)
end

-- What a guest gets at least of a deadline that began in an earlier run, which was
-- cut short: it is asked once more.
local LAST_CHANCE = 10

--- When a guest's deadline is over. It goes on where a run is resumed.
function M.finish(guest, deadline)
  local began = journal.keep("began " .. guest.uri .. " " .. guest.uuid, task.now)
  return math.max(began + deadline, task.now() + math.min(deadline, LAST_CHANCE))
end

function M.at_deadline(guest, order)
  if typed(order) then return "destroy" end
  local row = walk.row(guest, order.machine) or {}
  return row.at_deadline or inventory.setting("at_deadline") or "stop"
end

function M.still_on(guest, order, deadline)
  local now = guest:refresh()
  if ladder.is_off(now) then return "off" end
  error({ kind = "timeout", op = "cancel", host = guest.name, message = string.format(
    'still %s after %.0f s and left so%s; to have it destroyed then, add at_deadline = "destroy" to its row in machines.lua, or type TIMEOUT:%.0f',
    now.state, deadline, now.cause and " (" .. tostring(now.cause) .. ")" or "", math.ceil(deadline)) }, 0)
end

--- Cuts a guest off at the hypervisor that carries it.
function M.destroy(guest)
  ladder.destroy(guest)
  return "off, destroyed"
end

-- The shortest wait in which a hypervisor can still say what it sees.
local A_LOOK = 1

local unclear = { timeout = true, unreachable = true }

-- Asks a guest's hypervisor once, and sees the guest in the state that comes of
-- it, also where the answer is late or lost: a large memory takes its time.
local function bring_to(guest, method, state, seconds)
  local finish = task.now() + seconds
  local ok, err = pcall(task.deadline, math.max(seconds, A_LOOK), guest[method], guest)
  if not ok and not unclear[err.kind] then error(err, 0) end
  local seen, why = pcall(guest.await, guest, { states = { state }, deadline = math.max(finish - task.now(), A_LOOK) })
  if seen then return state end
  error({ kind = why.kind or "internal", op = "cancel", host = guest.name, message = string.format(
    "asked for %s once, and not seen %s: %s", method, state, tostring(why.message or why)) }, 0)
end

--- Stops a guest in memory.
function M.pause(guest, seconds)
  if guest.state == "paused" or ladder.is_off(guest) then return guest.state end
  return bring_to(guest, "suspend", "paused", seconds)
end

--- Puts a guest's memory away; it goes on from there when it is started.
function M.suspend(guest, seconds)
  if ladder.is_off(guest) then return guest.state end
  return bring_to(guest, "managed_save", "saved", seconds)
end

local function inner_order(row, order, finish, level)
  return {
    machine = row.name, by = order.by, yes = order.yes, desk = order.desk,
    budget = (finish - task.now()) * INNER_SHARE, announce = 0, checked = true,
    wanted = { type = "pm", method = level and "init" or "poweroff", level = level, self = true, stack = true, force = false, wol = false,
      all = true, addresses = {}, timeout = typed(order) },
  }
end

local function carries(row, order) return walk.carries(row) or (order.carry or {})[row.name] end

local function inside_key(guest) return "ran in " .. guest.uri .. " " .. guest.uuid end

-- Whether the agent in the guest goes on although its result cannot come: the
-- line to it was cut, the one to the desk, or the desk went down with the guest.
local function goes_on_alone(guest, order, err)
  return err.op == "agent.line" or order.with_desk == guest.uuid
end

-- An order that did not end well: what counts is the guest. Somebody else may
-- have taken it down; an agent that goes on alone has its time.
local function not_cancelled(guest, row, err, seconds, patience)
  local looked, off = pcall(ladder.wait_off, guest, patience)
  if looked and off then return { ran = "lost" } end
  local why = "could not be asked to cancel them, so it was left alone: " .. tostring(err.message or err)
  if err.kind == "timeout" then why = string.format("did not end within %.0f s, so it was left alone", seconds) end
  error({ kind = err.kind or "internal", op = "cancel", host = guest.name, message = string.format(
    "it carries guests (%s) and %s", table.concat(walk.known(row.name), ", "), why) }, 0)
end

local function left_inside(guest, told)
  local words = {}
  for _, inner in ipairs(told.guests or {}) do
    if inner.error then words[#words + 1] = inner.name .. ": " .. inner.error.message end
  end
  error({ kind = "timeout", op = "cancel", host = guest.name, message = "left alone because of what runs in it: "
    .. (told.barred or table.concat(words, "; ")) }, 0)
end

--- A guest that carries others runs CANCEL on itself; its own power-off is the
--- last thing it does.
---@param level integer? run level that it goes to; nil: it powers off
function M.climb(guest, row, order, finish, level)
  M.wait_for_login(row, task.now() + (finish - task.now()) * BOOT_SHARE)
  step.progress("cancels its own stack")
  local seconds = math.max(finish - task.now(), 0)
  local ok, told = pcall(task.deadline, seconds, action.at, row.name, "cancel", inner_order(row, order, finish, level), { take_down = true })
  if not ok then told = not_cancelled(guest, row, told, seconds, goes_on_alone(guest, order, told) and finish - task.now() or 0) end
  if told.up_again then
    error({ kind = "busy", op = "cancel", host = guest.name, message = "it has gone down for this run before, and somebody has started it again: cancel it by a new run" }, 0)
  end
  if told.exit and told.exit ~= 0 then left_inside(guest, told) end
  journal.keep(inside_key(guest), function() return told.ran or "lost" end)
  return told
end

--- What ran in a guest before it was cancelled; "lost" where it carries guests and
--- went down before it could say so, also in the run that this one resumes.
---@return table[]|"lost"|nil
function M.ran_in(guest, order)
  local row = walk.row(guest, order.machine)
  if order.wanted.force or not row or not carries(row, order) then return nil end
  return journal.keep(inside_key(guest), function() return not step.planning() and "lost" or nil end)
end

--- Adds to what ran here what ran in it: each level knows only its own.
function M.note_inside(ran, order)
  for _, guest in ipairs(ran) do guest.inside = M.ran_in(guest, order) end
  return ran
end

local function has(list, word)
  for _, one in ipairs(list) do
    if one == word then return true end
  end
  return false
end

-- A guest that none of its row's ways can ask is left alone: at its deadline it would
-- be cut off without having been asked.
local function can_be_asked(guest, row, order)
  local by_agent = guest.agent and has(row.way, "agent")
  local inside = has(row.way, "inside") and (carries(row, order) or row.address and M.lets_in(row))
  if by_agent or inside or has(row.way, "hypervisor") then return end
  error({ kind = "unsupported", op = "cancel", host = guest.name, message = string.format(
    "not asked: none of the ways of its row (%s) is to be had: its guest agent is not connected, or nobody is let in", table.concat(row.way, ", ")) }, 0)
end

local LADDER = { "inside", "agent", "hypervisor" }

--- The steps of the ladder for a guest: those of its row, else all. A guest that
--- carries others is always told from inside first: they are nobody else's.
---@return string[]
function M.ways(guest, order)
  local row = walk.row(guest, order.machine) or {}
  local ways = row.way or LADDER
  if ways[1] == "inside" or not row.name or not carries(row, order) then
    if row.way then can_be_asked(guest, row, order) end
    return ways
  end
  local list = { "inside" }
  for _, way in ipairs(ways) do
    if way ~= "inside" then list[#list + 1] = way end
  end
  return list
end

--- Tells a guest from inside; nil where there is no way in (or the guest agent,
--- which needs no network, is there for it), or where it is not off yet after
--- a third of the time.
function M.inside(guest, order, finish)
  local row = walk.row(guest, order.machine)
  if not row then return nil end
  if carries(row, order) then
    M.climb(guest, row, order, finish)
    return ladder.wait_off(guest, finish - task.now())
  end
  local agent_asks = guest.agent and has(row.way or LADDER, "agent")
  if agent_asks or not row.address or not M.lets_in(row) then return nil end
  local share = task.now() + (finish - task.now()) / 3
  step.otherwise("ask through its hypervisor", { after = share - task.now() })
  local ok, err = pcall(task.deadline, math.max(share - task.now(), 0), action.shut_down, { machine = row.name, method = "poweroff", guest = guest })
  if not ok and err.kind ~= "timeout" then
    step.progress("not from inside: " .. tostring(err.message or err))
    return nil
  end
  step.progress(ok and "asked its own system" or "its own system does not answer")
  return ladder.wait_off(guest, share - task.now())
end

--- A guest that is booting, or slow, lets us in later.
function M.wait_for_login(row, finish)
  if step.planning() or M.lets_in(row) then return end
  step.progress("does not let us in yet")
  while task.now() < finish do
    task.sleep(2)
    if M.lets_in(row) then return end
  end
end

--- Whether an SSH server answers at a machine's address.
function M.lets_in(row)
  local ok, answer = pcall(probe.ssh, (row.address or row.name) .. ":" .. (row.port or 22), { deadline = 3 })
  return ok and answer.up
end

return M
