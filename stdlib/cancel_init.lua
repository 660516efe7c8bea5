-- cancel_init: INIT for guests that were addressed themselves. It acts inside the
-- guest only: its hypervisor is not asked for anything but what it sees.

local goal = require "goal"
local goals = require "cancel_goal"
local guests = require "cancel_guest"
local ladder = require "ladder"
local walk = require "walk"

local M = {}

local function fail(guest, kind, message)
  error({ kind = kind, op = "cancel", host = guest.name, message = message }, 0)
end

-- Tells the guest, which cancels its own stack first where it has one.
---@return string? boot_id which boot of it that was, for level 6
local function tell(guest, row, order, finish)
  local level = order.wanted.level
  if walk.carries(row) or (order.carry or {})[row.name] then return guests.climb(guest, row, order, finish, level).boot_id end
  local before = level == 6 and not step.planning() and goals.boot_id_of(row.name)() or nil
  task.deadline(math.max(finish - task.now(), 0), action.shut_down, { machine = row.name, method = "runlevel", level = level, guest = guest })
  step.progress("told its own system")
  return before
end

--- Brings a guest to the run level of the order.
---@param deadline number seconds that it has
function M.guest(guest, order, deadline)
  if ladder.is_off(guest) then return guest.state end
  local level, row = order.wanted.level, walk.row(guest, order.machine)
  if not row or not (row.address or walk.carries(row)) then
    fail(guest, "unsupported", "INIT acts inside a guest, and there is no way into this one: give it a row with its address in machines.lua")
  end
  local finish = task.now() + deadline
  local before = tell(guest, row, order, finish)
  if level == 0 then
    if ladder.wait_off(guest, finish - task.now()) then return "off" end
    fail(guest, "timeout", string.format("told to go to run level 0, still on after %g s and left so", deadline))
  elseif level == 6 then
    local seen = goal.rebooted(row.name, before, finish - task.now(), goals.boot_id_of(row.name))
    if seen.exit then fail(guest, "internal", seen.text) end
    require "create".start_inside(row, guests.ran_in(guest, order))
    return "rebooted"
  end
  return "told to go to run level " .. level
end

return M
