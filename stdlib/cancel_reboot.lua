-- cancel_reboot: the way up again. What a guest or machine carried when it was
-- taken down runs again afterwards, on every level.

local checks = require "cancel_checks"
local guests = require "cancel_guest"
local ladder = require "ladder"
local stacks = require "cancel_stack"
local targets = require "targets"
local walk = require "walk"

local M = {}

-- How long a guest that was started may take until it lets us in again.
local COMES_UP = 300

local function not_started(report)
  local words = {}
  for _, guest in ipairs(report.guests or {}) do
    if guest.error then words[#words + 1] = guest.name .. ": " .. guest.error.message end
  end
  return table.concat(words, "; ")
end

--- Starts what ran in a guest that was started, as soon as it lets us in.
function M.start_inside(row, ran)
  if ran == "lost" then
    error({ kind = "unreachable", op = "cancel", host = row.name, message = string.format(
      "it was started again; the line to it was cut before it said what ran in it, so nothing in it was started (%s)",
      table.concat(walk.known(row.name), ", ")) }, 0)
  end
  if not row or not ran or #ran == 0 then return end
  local finish = task.now() + COMES_UP
  while not step.planning() and not guests.lets_in(row) and task.now() < finish do task.sleep(2) end
  local report = task.deadline(COMES_UP, action.at, row.name, "cancel", { machine = row.name, ran = ran }, { call = "start_again" })
  if report.exit ~= 0 then
    error({ kind = "internal", op = "cancel", host = row.name, message = "not all that ran in it runs again: " .. not_started(report) }, 0)
  end
end

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

--- Takes a guest down, sees it off, starts it, and what ran in it. Where its
--- hypervisor tells one run from another, that is looked at too.
function M.guest(guest, order, policy)
  local was = before(guest)
  if was.off then return "off" end
  if checks.is_lost_when_off(guest) and not step.planning() then
    error({ kind = "unsupported", op = "cancel", host = guest.name, message = "it is transient: once off, nothing could start it again" }, 0)
  end
  if not was_rebooted(guest, was) then
    policy.shut_down(guest, order)
    guests.ran_in(guest, order)
    local now = ladder.start(guest, inventory.setting("deadline"))
    if not step.planning() and was.witness ~= "" and now.witness == was.witness then
      error({ kind = "internal", op = "cancel", host = guest.name, message = "asked to reboot, not confirmed: its hypervisor shows the same run as before" }, 0)
    end
  end
  M.start_inside(walk.row(guest, order.machine), guests.ran_in(guest, order))
  return "rebooted"
end

local function start_one(ran, guest, machine)
  if not guest then
    error({ kind = "invalid", op = "cancel", host = ran.name, message = "its hypervisor does not know it any more" }, 0)
  end
  return step.run("start " .. guest.name, function()
    local off = ladder.is_off(guest) or step.planning() -- a plan's machine would be up again without its guests
    local now = off and ladder.start(guest, inventory.setting("deadline")) or guest
    M.start_inside(walk.row(guest, machine), ran.inside)
    return now.state
  end, { object = guest.uri .. " " .. guest.uuid })
end

--- Starts those of the list that are off, and what ran in them.
function M.start_again(order)
  local there, report = {}, { exit = 0, guests = {} }
  for _, guest in ipairs(walk.guests()) do there[guest.uuid] = guest end
  stacks.all(order.ran or {}, function(ran) return start_one(ran, there[ran.uuid], order.machine) end, report)
  return report
end

function M.bring_back(order, told, seen)
  if (seen.exit or 0) ~= 0 or #(told.ran or {}) == 0 then return seen end
  local ok, back = pcall(action.at, order.machine, "cancel", { machine = order.machine, ran = told.ran }, { call = "start_again" })
  if ok and back.exit == 0 then
    seen.text = string.format("%s; what ran on it %s again: %s", seen.text, step.planning() and "would run" or "runs", targets.names(told.ran))
    return seen
  end
  local why = ok and not_started(back) or tostring(back.message or back)
  return { exit = 1, state = seen.state, text = seen.text .. "; not all that ran on it runs again: " .. why,
    error = not ok and back or { kind = "internal", op = "cancel", host = order.machine, message = "not all that ran on it runs again: " .. why } }
end

return M
