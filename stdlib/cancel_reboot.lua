-- cancel_reboot: the way up again. What a guest or machine carried when it was
-- taken down runs again afterwards, on every level.

local checks = require "cancel_checks"
local guests = require "cancel_guest"
local ladder = require "ladder"
local sequence = require "sequence"
local stacks = require "create_stack"
local targets = require "targets"
local turns = require "cancel_turns"
local walk = require "walk"
local what_ran = require "what_ran"

local M = {}

-- How a guest was before it is rebooted: what is off stays off, and one that has
-- another witness now was rebooted by the run that this one resumes.
local function before(guest)
  return journal.keep("before its reboot " .. guest.uri .. " " .. guest.uuid, function()
    return { off = ladder.is_off(guest), witness = guest.witness or "" }
  end)
end

local function was_rebooted(guest, was)
  return not ladder.is_off(guest) and was.witness ~= "" and (guest.witness or "") ~= "" and guest.witness ~= was.witness
end

-- Starts a guest that was taken down, and what ran in it. Where its hypervisor tells
-- one run from another, that is looked at too.
local function up(guest, order)
  local was = before(guest)
  if not was_rebooted(guest, was) then
    local now = ladder.start(guest, inventory.setting("deadline"))
    if not step.planning() and was.witness ~= "" and now.witness == was.witness then
      error({ kind = "internal", op = "cancel", host = guest.name, message = "asked to reboot, not confirmed: its hypervisor shows the same run as before" }, 0)
    end
  end
  require "create".start_inside(walk.row(guest, order.machine), guests.ran_in(guest, order))
  return "rebooted"
end

--- Takes a guest down, sees it off, and starts it with what ran in it. Where guests wait
--- for others it is started later: see M.start_in_order.
function M.guest(guest, order, policy)
  local was = before(guest)
  if was.off then return "off" end
  if checks.is_lost_when_off(guest) and not step.planning() then
    error({ kind = "unsupported", op = "cancel", host = guest.name, message = "it is transient: once off, nothing could start it again" }, 0)
  end
  if not was_rebooted(guest, was) then
    policy.shut_down(guest, order)
    guests.ran_in(guest, order)
  end
  if not order.turns then return up(guest, order) end
  order.to_start = order.to_start or {}
  table.insert(order.to_start, guest)
  return "off"
end

local function start_in_turn(guest, order)
  return step.run("start " .. guest.name, function() return up(guest, order) end, { object = guest.uri .. " " .. guest.uuid })
end

-- Puts how the starts ended in the place of how the guests went down.
local function join(report, back)
  local line_of = {}
  for _, line in ipairs(report.guests) do line_of[line.uri .. " " .. line.uuid] = line end
  for _, started in ipairs(back.guests) do
    local line = line_of[started.uri .. " " .. started.uuid]
    line.state, line.error, line.seconds = started.state, started.error, line.seconds + started.seconds
  end
  if back.exit ~= 0 then report.exit = back.exit end
end

--- A reboot of guests that wait for others: when they have gone down in their order,
--- they are started in the reverse one.
function M.start_in_order(order, report)
  local back = { exit = 0, guests = {} }
  local starts = sequence.of(order.to_start, function(guest) return walk.row(guest, order.machine) end)
  turns.in_turn(starts, function(guest) return start_in_turn(guest, order) end, function(guest, other)
    error({ kind = "busy", op = "cancel", host = guest.name, message = string.format("not started: %s, which it needs, does not run", other.name) }, 0)
  end, back, order.machine)
  join(report, back)
end

--- Starts those of the list that are off, and what ran in them, as CREATE does.
function M.start_again(order) return require "create".start_stack(order) end

function M.bring_back(order, told, seen)
  if (seen.exit or 0) ~= 0 or #(told.ran or {}) == 0 then return seen end
  local ok, back = pcall(action.at, order.machine, "cancel", { machine = order.machine, ran = told.ran, kept = what_ran.kept(order.machine) }, { call = "start_again" })
  if ok and back.exit == 0 then
    seen.text = string.format("%s; what ran on it %s again: %s", seen.text, step.planning() and "would run" or "runs", targets.names(told.ran))
    return seen
  end
  local why = ok and stacks.in_words(back) or tostring(back.message or back)
  return { exit = 1, state = seen.state, text = seen.text .. "; not all that ran on it runs again: " .. why,
    error = not ok and back or { kind = "internal", op = "cancel", host = order.machine, message = "not all that ran on it runs again: " .. why } }
end

return M
