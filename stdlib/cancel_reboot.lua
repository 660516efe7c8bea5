-- cancel_reboot: the way up again. What a guest or machine carried when it was
-- taken down runs again afterwards, on every level.

local checks = require "cancel_checks"
local guests = require "cancel_guest"
local ladder = require "ladder"
local stacks = require "create_stack"
local targets = require "targets"
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
  require "create".start_inside(walk.row(guest, order.machine), guests.ran_in(guest, order))
  return "rebooted"
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
